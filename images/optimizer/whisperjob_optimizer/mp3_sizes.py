"""The sizes of the optimizer's MP3s: constant 64 kbit/s at 16 kHz mono, all frames alike, no padding bytes. Pure."""

from whisperjob.model.manifest import BIT_RATE, SAMPLE_RATE
from whisperjob.model.mp3 import frame_bytes, frame_samples

FRAME_SAMPLES = frame_samples(SAMPLE_RATE)
FRAME_BYTES = frame_bytes(BIT_RATE, SAMPLE_RATE)
_OVERHEAD_FRAMES = 4
"""The Info frame, and what delay and padding of encoder and decoder may add (measured: 2 to 3 in all)."""


def max_samples(max_bytes: int) -> int:
    """Returns how many samples surely fit into an MP3 of so many bytes, headers included."""
    return max(0, max_bytes // FRAME_BYTES - _OVERHEAD_FRAMES) * FRAME_SAMPLES
