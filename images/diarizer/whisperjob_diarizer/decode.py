"""Chunks of MP3 into one waveform: 16-bit samples at 16 kHz, mono, in memory that is allocated once.

The chunks' lengths are known exactly, in samples, so each goes to its own place, whatever a decoder makes of its ends.
16 bits, for a day of audio is then 2.8 GB and not 5.5; the models convert the ten seconds they look at.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from whisperjob.model.errors import InputError, JobCode
from whisperjob.model.manifest import SAMPLE_RATE
from whisperjob_diarizer.programs import ProgramError, Programs

SAMPLE_BYTES = 2
_PIECE_BYTES = 1024 * 1024

_QUIET = ("-nostdin", "-hide_banner", "-v", "error")
_OPENING = ("-protocol_whitelist", "file,pipe")
_ONE_STREAM = ("-map", "0:a:0", "-map_metadata", "-1", "-vn", "-sn", "-dn")
_CHUNKS_ONLY = ("-format_whitelist", "mp3", "-codec_whitelist", "mp3float,mp3")


def decode_argv(ffmpeg: str, path: Path, *, chunk: bool) -> list[str]:
    """To raw samples on standard output. A chunk is MP3 and nothing else; other files may be what they like."""
    only = _CHUNKS_ONLY if chunk else ()
    raw = ("-ac", "1", "-ar", str(SAMPLE_RATE), "-f", "s16le", "pipe:1")
    return [ffmpeg, *_QUIET, *_OPENING, *only, "-i", f"file:{path}", *_ONE_STREAM, *raw]


class Waveform:
    """The whole recording. Pages of it take up memory only once they are written."""

    def __init__(self, samples: int) -> None:
        self.data = bytearray(samples * SAMPLE_BYTES)
        self.notes: list[str] = []
        self._position = 0

    @property
    def duration_seconds(self) -> float:
        return round(len(self.data) / SAMPLE_BYTES / SAMPLE_RATE, 6)

    def add(self, path: Path, samples: int, programs: Programs) -> None:
        """Decodes a chunk to where the one before it ended. Too short, it is followed by silence; too long, cut.

        Raises ProgramError if ffmpeg did not do its work; whose recording it was made of is not at fault.
        """
        start, size = self._position, samples * SAMPLE_BYTES
        with programs.reading(decode_argv(programs.ffmpeg, path, chunk=True)) as running:
            got = 0
            with memoryview(self.data)[start : start + size] as place:
                while got < size and (count := running.output.readinto(place[got:])):
                    got += count
            beyond = 0
            while piece := running.output.read(_PIECE_BYTES):
                beyond += len(piece)
            complaint = running.ended()
        if got == 0:
            raise ProgramError(f"a chunk of the optimised audio, which is ours, cannot be decoded: {complaint[-200:]}")
        if (off := (got + beyond - size) // SAMPLE_BYTES) != 0:
            self.notes.append(
                f"A chunk decoded to {abs(off)} samples {'more' if off > 0 else 'fewer'} than its record says"
            )
        self._position += size


def decode_whole(path: Path, programs: Programs) -> Waveform:
    """Any recording, of a length not known before. Raises InputError, ProgramError."""
    waveform = Waveform(0)
    with programs.reading(decode_argv(programs.ffmpeg, path, chunk=False)) as running:
        while piece := running.output.read(_PIECE_BYTES):
            waveform.data += piece
        complaint = running.ended()
    if len(waveform.data) < SAMPLE_BYTES:
        raise InputError(JobCode.NO_AUDIO, f"There is no audio in it that can be decoded. {complaint[-200:]}".strip())
    del waveform.data[len(waveform.data) // SAMPLE_BYTES * SAMPLE_BYTES :]
    return waveform


@contextmanager
def removed_after(path: Path, *, ours: bool) -> Iterator[Path]:
    """A fetched chunk is needed no longer once it is decoded."""
    try:
        yield path
    finally:
        if ours:
            path.unlink(missing_ok=True)
