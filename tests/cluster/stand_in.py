"""Stands in for the diarizer where only its scheduling matters: the whole worker protocol and a made-up timeline.

    python -m whisperjob_diarizer.run --server URL --token-file PATH --scratch DIR

The speakers it was told of speak by turns. It takes as long as the recording lasts, and memory for each of them, so
that a test can choose how much. Runs in an image built on the optimizer's.
"""

import sys
import time

from whisperjob.model import names
from whisperjob.model.errors import ClaimRefusedError
from whisperjob.model.phase import DIARIZE_PROGRESS, DiarizeStep
from whisperjob.model.protocol import Claim, DiarizeOptions, ProgressPost
from whisperjob.model.timeline import Timeline, Turn
from whisperjob.worker.client import ProgressReporter
from whisperjob.worker.program import Attempt, run_worker
from whisperjob.worker.transport import Transport

BYTES_PER_SPEAKER = 16 * 2**20
_RATE = 16_000


def work(given: Attempt) -> None:
    claim = given.client.claim()
    if not isinstance(claim.options, DiarizeOptions):
        raise ClaimRefusedError(f"this worker cannot {claim.options.stage}")
    reporter = given.reporter()
    transport = Transport(claim, given.client.claim, given.scratch)
    for index in range(len(claim.inputs)):
        transport.fetch(index)
    speakers = claim.options.num_speakers or 1
    taken = b"\1" * (speakers * BYTES_PER_SPEAKER)  # ones: memory of zeroes is only promised
    _take_time(claim, reporter)
    timeline = _timeline(claim, speakers, f"stand-in ({len(taken) >> 20} MiB)")
    path = given.scratch / names.MANIFEST_NAME
    path.write_text(timeline.model_dump_json(by_alias=True))
    transport.publish(path, names.MANIFEST_NAME)
    reporter.close()


def _seconds(claim: Claim) -> float:
    return sum(chunk.samples or 0 for chunk in claim.inputs) / _RATE


def _take_time(claim: Claim, reporter: ProgressReporter) -> None:
    share = _seconds(claim) / len(DiarizeStep)
    for step in DiarizeStep:
        reporter.report(ProgressPost(step=step, percent=DIARIZE_PROGRESS[step][0]))
        time.sleep(share)


def _timeline(claim: Claim, speakers: int, model: str) -> Timeline:
    seconds = _seconds(claim)
    each = seconds / speakers
    turns = tuple(Turn(start=n * each, end=(n + 1) * each, speaker=f"SPEAKER_{n:02d}") for n in range(speakers))
    return Timeline(model=model, device="cpu", duration_seconds=seconds, segments=turns, exclusive=turns)


if __name__ == "__main__":
    sys.exit(run_worker("stand-in", work))
