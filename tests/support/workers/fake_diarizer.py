"""The diarizer's real program on a fake of its port, which finds where there is sound and knows no voices.

    python fake_diarizer.py [--file F … as whisperjob_diarizer.standalone | as whisperjob_diarizer.run]

Sound before half of the recording is one speaker, after it another. The model's name changes what it does:
`missing` is not available; `stuck` never returns; `hungry` runs out of memory; `falls-back` reports a note.
"""

import sys
import threading
from array import array

from whisperjob.model.errors import ModelUnavailableError
from whisperjob.model.phase import DIARIZE_PROGRESS, DiarizeStep
from whisperjob.model.protocol import DiarizeOptions
from whisperjob_diarizer import run, standalone
from whisperjob_diarizer.port import Diarization, Diarizer, OnProgress, SpeakerSpan

RATE = 16_000
NOTE = "The GPU's memory did not suffice; continuing with batches of 1."
_BLOCK = 80
_LOUD = 500


class FakeDiarizer:
    """Implements the port without a model."""

    model = "fake 1.0"
    device = "none"

    def diarize(self, samples: bytearray, options: DiarizeOptions, on_progress: OnProgress) -> Diarization:
        if options.model == "stuck":
            threading.Event().wait()
        if options.model == "hungry":
            raise MemoryError("no memory left")
        for step in (DiarizeStep.SEGMENTATION, DiarizeStep.EMBEDDINGS, DiarizeStep.CLUSTERING):
            on_progress(step, DIARIZE_PROGRESS[step][0], NOTE if options.model == "falls-back" else "")
        spans = tuple(_spans(array("h", bytes(samples))))
        return Diarization(spans, spans)


def load(options: DiarizeOptions) -> Diarizer:
    if options.model == "missing":
        raise ModelUnavailableError("The model missing needs a token and HF_TOKEN is not set.")
    return FakeDiarizer()


def _spans(samples: "array[int]") -> list[SpeakerSpan]:
    spans: list[SpeakerSpan] = []
    start: int | None = None
    for at in range(0, len(samples) + _BLOCK, _BLOCK):
        loud = any(abs(sample) > _LOUD for sample in samples[at : at + _BLOCK])
        if loud and start is None:
            start = at
        elif not loud and start is not None:
            spans.append(SpeakerSpan(start / RATE, at / RATE, "late" if start * 2 >= len(samples) else "early"))
            start = None
    return spans


if __name__ == "__main__":
    sys.exit(run.main(load=load) if "--server" in sys.argv else standalone.main(load=load))
