"""The sizes of our MP3s: CBR 64 kbit/s at 16 kHz mono, every frame alike, no padding bytes. Pure.

Frames and tags in general are model/mp3.py's.
"""

from whisperjob.model.manifest import BIT_RATE, SAMPLE_RATE

FRAME_SAMPLES = 576
FRAME_BYTES = FRAME_SAMPLES // 8 * BIT_RATE // SAMPLE_RATE
_OVERHEAD_FRAMES = 4
"""The Info frame, and what delay and padding of encoder and decoder may add (measured: 2 to 3 in all)."""


def max_samples(max_bytes: int) -> int:
    """How many samples surely fit into an MP3 of so many bytes, headers included."""
    return max(0, max_bytes // FRAME_BYTES - _OVERHEAD_FRAMES) * FRAME_SAMPLES
