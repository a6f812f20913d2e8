"""Places decoded sound by the timestamps of its file: what is silent, what follows what. Pure.

Every sample is kept once, in the order of the file. A gap between timestamps becomes silence, a clock that goes back
does not: its sound follows directly what was there before.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from whisperjob.model.manifest import SAMPLE_RATE

RESTART_MARK = 2**40
"""ffmpeg's muxers need timestamps that rise. Where a clock goes back, the decoder's command adds this many samples (two
years) instead, so that a jump by half of it or more says: the clock was set back here."""

_TOLERANCE = SAMPLE_RATE * 3 // 100
"""Containers round timestamps, and recorders take them from a clock of their own: 30 ms are no gap."""

_SAMPLE_BYTES = 4
_LONG_SILENCE = 10 * SAMPLE_RATE
"""From here on a recogniser makes up words. Whisper (tiny.en), on 24 clips of speech with 428 words, had 5 too many
with 5 s of silence before each clip, as without; 35 with 20 s, and 64 with 75 s."""

_MIN_SILENCE = 600 * SAMPLE_RATE
_MAX_SILENCE = 6 * 3600 * SAMPLE_RATE
"""Longer pauses are mostly none: a clock that was set back in MPEG-TS, where it has 33 bits, appears as one that jumps
ahead by up to 26 hours."""

_MIN_BYTES_PER_SECOND = 50
"""A recording has at least this many bytes for each second, pauses that its file leaves out included. Sound at the
lowest bit rates takes ten times as much; less means that a timestamp is wrong."""


@dataclass(frozen=True, slots=True)
class Segment:
    """Silence, and the sound that follows it, in samples at 16 kHz."""

    silence: int
    samples: int


def silence_limit(size_bytes: int) -> int:
    """Returns how many samples of silence a file's timestamps may ask for in all, by the size of the file."""
    return min(max(_MIN_SILENCE, size_bytes // _MIN_BYTES_PER_SECOND * SAMPLE_RATE), _MAX_SILENCE)


class FileClock:
    """Follows a file's clock from frame to frame, and says how much silence comes before each.

    `begin_seconds` is when, on that clock, the recording begins (mostly its picture); by default with its first frame.
    """

    def __init__(self, begin_seconds: float | None, max_silence: int) -> None:
        self.discontinuities = 0
        """How often the clock was set back, or forward by more than can be true."""

        self.silence = 0
        """The samples of silence so far."""

        self.long_silences: list[tuple[int, int]] = []
        """Where silence of ten seconds and more was put in: [begin, end) in samples."""

        self._begin = None if begin_seconds is None else math.floor(begin_seconds * SAMPLE_RATE + 0.5)
        self._max_silence = max_silence
        self._position = 0
        self._offset: int | None = None
        self._first = self._end = 0

    @property
    def span_seconds(self) -> float:
        """The time on the clock from the first sample to the end of the last, if there was no discontinuity."""
        return (self._end - self._first) / SAMPLE_RATE

    @property
    def first_seconds(self) -> float:
        """When, on the clock, the first sample sounds."""
        return self._first / SAMPLE_RATE

    def place(self, start: int, samples: int) -> int:
        """Returns how many samples of silence come before a frame, which is placed behind all earlier ones.

        `start` is when the frame begins on the file's clock, and `samples` its length, both at 16 kHz.
        """
        if self._offset is None:
            self._first = start
            self._offset = start if self._begin is None else min(self._begin, start)
        elif start - self._end >= RESTART_MARK // 2:
            self._follow(start)
        missing = start - self._offset - self._position
        if missing > self._max_silence - self.silence:
            self._follow(start)
            missing = 0
        silence = missing if missing > (_TOLERANCE if self._position else 0) else 0
        self.silence += silence
        if silence >= _LONG_SILENCE:
            self.long_silences.append((self._position, self._position + silence))
        self._position += silence + samples
        self._end = start + samples
        return silence

    def _follow(self, start: int) -> None:
        """Sets the clock so that the frame at `start` follows the one before it."""
        self._offset = start - self._position
        self.discontinuities += 1


def place_frames(clock: FileClock, lines: Iterable[bytes]) -> list[Segment]:
    """Returns the sound of frames, joined where one follows the other.

    `lines` are what ffmpeg's framecrc muxer prints of mono floats: stream, dts, pts, duration, bytes, checksum.
    """
    segments = []
    silence = samples = 0
    for line in lines:
        if line.startswith(b"#"):
            continue
        _, _, start, _, size, *_ = line.split(b",")
        count = int(size) // _SAMPLE_BYTES
        if before := clock.place(int(start), count):
            if samples:
                segments.append(Segment(silence, samples))
            silence, samples = before, 0
        samples += count
    if samples:
        segments.append(Segment(silence, samples))
    return segments
