"""A diarizer without a model: the real worker around an invented timeline; time and memory can be set.

    python diarizer_stand_in.py [--server URL … as whisperjob_diarizer.run | FILE … as whisperjob_diarizer.standalone]

Speakers take turns of a second, as many as the request says (or two). A cluster's image has this file alone in the
place of whisperjob_diarizer.run (tests/cluster/stand_in.Dockerfile); elsewhere a program that `interpreter` writes runs
it. It imports nothing that the optimizer's image does not have.

The environment sets the cost of work: STAND_IN_PACE is its time, in lengths of the recording; STAND_IN_SPEAKER_MIB its
memory for each speaker; both are 0 by default. Files in the folder STAND_IN_SWITCHES change what it does: with `hold`
it waits after its first progress while that file is there, with `crash` it exits with the code in it, with `refuse` it
reports that its model is not available; `timeline.json` is published instead of its own.
"""

import argparse
import os
import sys
import time
from itertools import count
from pathlib import Path

from whisperjob.model import names
from whisperjob.model.errors import JobCode, ProtocolViolationError
from whisperjob.model.manifest import SAMPLE_RATE, Verdict
from whisperjob.model.phase import DiarizeStep
from whisperjob.model.protocol import DiarizeOptions, ProgressPost
from whisperjob.model.timeline import Timeline, Turn
from whisperjob.worker.transport.opening import open_transport
from whisperjob.worker.worker_program import Attempt, run_worker

SWITCHES = Path(os.environ.get("STAND_IN_SWITCHES", "/nonexistent"))
PACE = float(os.environ.get("STAND_IN_PACE", "0"))
SPEAKER_BYTES = int(os.environ.get("STAND_IN_SPEAKER_MIB", "0")) << 20
_NOTE = "There is no model behind this."
_NO_MODEL = "The model needs a token: set HF_TOKEN."


def interpreter(folder: Path) -> Path:
    """Writes a program for WHISPERJOB_DIARIZER_PYTHON and returns its path; its switches go into the same folder."""
    script = folder / "python"
    # It is called as `python -P -m MODULE ARGUMENT…`; only the arguments show which module is meant.
    run = f'STAND_IN_SWITCHES="{folder}" exec "{sys.executable}" "{Path(__file__)}" "$@"'
    script.write_text(f"#!/bin/sh\nshift 3\n{run}\n")
    script.chmod(0o755)
    return script


def _run(attempt: Attempt) -> None:
    claim = attempt.client.claim()
    if not isinstance(claim.options, DiarizeOptions):
        raise ProtocolViolationError(f"this worker cannot {claim.options.stage}")
    attempt.client.post(ProgressPost(step=DiarizeStep.LOADING, percent=0))
    transport = open_transport(claim, attempt.client.claim, attempt.scratch)
    for index in range(len(claim.inputs)):
        transport.fetch(index)
    seconds = sum(chunk.samples or 0 for chunk in claim.inputs) / SAMPLE_RATE
    ballast = b"\1" * (
        _speakers(claim.options) * SPEAKER_BYTES
    )  # ones, because memory of zeroes is not really allocated
    attempt.client.post(ProgressPost(step=DiarizeStep.EMBEDDINGS, percent=65, note=_NOTE))
    time.sleep(seconds * PACE)  # this is its work, not a wait for something
    while _switch("hold").exists():
        time.sleep(0.02)
    del ballast
    if _switch("crash").exists():
        sys.exit(int(_switch("crash").read_text()))
    if _switch("refuse").exists():
        transport.publish_json(Verdict(code=JobCode.MODEL_UNAVAILABLE, message=_NO_MODEL), names.FAILURE_NAME)
    else:
        transport.publish_json(_known() or _timeline(seconds, claim.options), names.MANIFEST_NAME)


def _run_standalone() -> int:
    """Diarizes a file, whose length is three seconds whatever it is, and returns the exit status."""
    parser = argparse.ArgumentParser()
    parser.add_argument("file", type=Path)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--model")
    parser.add_argument("--num-speakers", type=int)
    parser.add_argument("--ffmpeg")
    parser.add_argument("--lifeline", action="store_true")
    arguments = parser.parse_args()
    if _switch("crash").exists():
        sys.stderr.write(f"a warning of no interest\n{_NO_MODEL}\n")
        return 1
    for percent in (0, 50):
        post = ProgressPost(step=DiarizeStep.LOADING, percent=percent, note=_NOTE)
        sys.stdout.write(post.model_dump_json(by_alias=True) + "\n")
    options = DiarizeOptions(model=arguments.model, num_speakers=arguments.num_speakers)
    arguments.output.write_text(_timeline(3.0, options).model_dump_json(by_alias=True))
    return 0


def _switch(name: str) -> Path:
    return SWITCHES / name


def _known() -> Timeline | None:
    known = _switch("timeline.json")
    return Timeline.model_validate_json(known.read_bytes()) if known.exists() else None


def _speakers(options: DiarizeOptions) -> int:
    return options.num_speakers or options.min_speakers or 2


def _timeline(seconds: float, options: DiarizeOptions) -> Timeline:
    speakers = _speakers(options)
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


if __name__ == "__main__":
    sys.exit(run_worker("stand-in", _run) if "--server" in sys.argv else _run_standalone())
