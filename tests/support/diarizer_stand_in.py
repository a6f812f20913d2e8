"""A diarizer without a model: the real worker protocol, transport and lifeline, and a made-up timeline.

Speakers take turns of a second, as many as were asked for (or two). Run as the real one is, by `interpreter`'s script:

    <script> -P -m whisperjob_diarizer.run --server URL (--token-stdin | --token-file FILE) --scratch DIR [--ffmpeg F]

In the folder beside the script, `hold` makes it wait after its first progress for as long as that file is there,
`crash` makes it die with that exit code, `refuse` makes it say that its model cannot be had; `timeline.json` is what it
finds instead.
"""

import argparse
import os
import sys
import tempfile
import time
from itertools import count
from pathlib import Path

from whisperjob.model import names
from whisperjob.model.errors import ClaimRefusedError, JobCode
from whisperjob.model.manifest import SAMPLE_RATE, Failure
from whisperjob.model.phase import DiarizeStep
from whisperjob.model.protocol import Claim, DiarizeOptions, ProgressPost
from whisperjob.model.timeline import Timeline, Turn
from whisperjob.worker.client import WorkClient
from whisperjob.worker.lifeline import Children, Lifeline
from whisperjob.worker.transport import Transport


def interpreter(folder: Path) -> Path:
    """A program to name as WHISPERJOB_DIARIZER_PYTHON; its switches go into the same folder."""
    script = folder / "python"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{Path(__file__)}" --switches "{folder}" "$@"\n')
    script.chmod(0o755)
    return script


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--switches", type=Path, default=Path("/nonexistent"))
    parser.add_argument("-P", action="store_true")
    parser.add_argument("-m", dest="module")
    parser.add_argument("--server")
    parser.add_argument("--token-stdin", action="store_true")
    parser.add_argument("--token-file", type=Path)
    parser.add_argument("--scratch", type=Path)
    parser.add_argument("--ffmpeg", default="ffmpeg")
    parser.add_argument("file", nargs="?")
    parser.add_argument("--output", type=Path)
    parser.add_argument("--model")
    parser.add_argument("--num-speakers", type=int)
    parser.add_argument("--lifeline", action="store_true")
    arguments = parser.parse_args()
    if arguments.module == "whisperjob_diarizer.alone":
        return _alone(arguments)
    lifeline = Lifeline(Children())
    lifeline.on_terminate()
    if arguments.token_file:
        client = WorkClient(arguments.server, lambda: arguments.token_file.read_text().strip())
    else:
        token = _first_line()
        lifeline.on_stdin_closed()
        client = WorkClient(arguments.server, lambda: token)
    try:
        claim = client.claim()
        client.post(ProgressPost(step=DiarizeStep.LOADING, percent=0))
        return _work(client, claim, arguments.scratch, arguments.switches)
    except ClaimRefusedError:
        return 3


def _work(client: WorkClient, claim: Claim, scratch: Path, switches: Path) -> int:
    assert isinstance(claim.options, DiarizeOptions)
    folder = Path(tempfile.mkdtemp(dir=scratch))
    transport = Transport(claim, client.claim, folder)
    for index, _ in enumerate(claim.inputs):
        transport.fetch(index)
    client.post(ProgressPost(step=DiarizeStep.EMBEDDINGS, percent=65, note="There is no model behind this."))
    while (switches / "hold").exists():
        time.sleep(0.02)
    if (switches / "crash").exists():
        return int((switches / "crash").read_text())
    result: Failure | Timeline
    if (switches / "refuse").exists():
        result = Failure(code=JobCode.MODEL_UNAVAILABLE, message="The model needs a token: set HF_TOKEN.")
    else:
        seconds = sum(chunk.samples or 0 for chunk in claim.inputs) / SAMPLE_RATE
        result = _known(switches) or _timeline(seconds, claim.options)
    name = names.FAILURE_NAME if isinstance(result, Failure) else names.MANIFEST_NAME
    (folder / name).write_text(result.model_dump_json(by_alias=True))
    transport.publish(folder / name, name)
    return 0


def _alone(arguments: argparse.Namespace) -> int:
    """Of a recording that lasts three seconds, whatever it is."""
    if (arguments.switches / "crash").exists():
        sys.stderr.write("a warning of no interest\nThe model needs a token: set HF_TOKEN.\n")
        return 1
    for percent in (0, 50):
        post = ProgressPost(step=DiarizeStep.LOADING, percent=percent, note="There is no model behind this.")
        sys.stdout.write(post.model_dump_json(by_alias=True) + "\n")
    options = DiarizeOptions(model=arguments.model, num_speakers=arguments.num_speakers)
    arguments.output.write_text(_timeline(3.0, options).model_dump_json(by_alias=True))
    return 0


def _known(switches: Path) -> Timeline | None:
    known = switches / "timeline.json"
    return Timeline.model_validate_json(known.read_bytes()) if known.exists() else None


def _timeline(seconds: float, options: DiarizeOptions) -> Timeline:
    speakers = options.num_speakers or options.min_speakers or 2
    turns = []
    for index in count():
        start, end = float(index), min(index + 1.0, seconds)
        if end - start < 0.01:
            break
        turns.append(Turn(start=start, end=end, speaker=f"SPEAKER_{index % speakers:02d}"))
    return Timeline(
        model=f"stand-in ({options.model})",
        device="none",
        duration_seconds=seconds,
        segments=tuple(turns),
        exclusive=tuple(turns),
    )


def _first_line() -> str:
    line = bytearray()
    while (byte := os.read(sys.stdin.fileno(), 1)) not in (b"", b"\n"):
        line += byte
    return line.decode().strip()


if __name__ == "__main__":
    sys.exit(main())
