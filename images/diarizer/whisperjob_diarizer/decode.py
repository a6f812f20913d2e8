"""Decodes MP3 chunks into one waveform: 16-bit samples at 16 kHz, mono, in memory that is allocated once.

The lengths of the chunks are known exactly, in samples, so each goes to its own place, whatever a decoder makes of its
ends. A day of audio is 2.8 GB in 16 bits and would be 5.5 in floats; the models convert the ten seconds they look at.
"""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from whisperjob.model.errors import InputError, JobCode
from whisperjob.model.manifest import SAMPLE_RATE
from whisperjob.worker.processes.process_group import ProcessGroup
from whisperjob.worker.processes.runner import TO_CALLER, Program, ProgramError, Runner, RunningProgram, find_ffmpeg

SAMPLE_BYTES = 2
_PIECE_BYTES = 1024 * 1024

_QUIET = ("-nostdin", "-hide_banner", "-v", "error")
_OPENING = ("-protocol_whitelist", "file,pipe")
_ONE_STREAM = ("-map", "0:a:0", "-map_metadata", "-1", "-vn", "-sn", "-dn")
_CHUNKS_ONLY = ("-format_whitelist", "mp3", "-codec_whitelist", "mp3float,mp3")


def decode_argv(ffmpeg: str, path: Path, *, chunk: bool) -> list[str]:
    """Builds the command line that decodes a file to raw samples on standard output.

    A chunk may be MP3 and nothing else; other files may have any format.
    """
    only = _CHUNKS_ONLY if chunk else ()
    raw = ("-ac", "1", "-ar", str(SAMPLE_RATE), "-f", "s16le", "pipe:1")
    return [ffmpeg, *_QUIET, *_OPENING, *only, "-i", f"file:{path}", *_ONE_STREAM, *raw]


@dataclass(frozen=True, slots=True)
class Decoder:
    """ffmpeg as the diarizer uses it: it turns files into raw samples."""

    ffmpeg: str
    runner: Runner

    @classmethod
    def find(cls, ffmpeg: str, *, processes: ProcessGroup) -> Self:
        """Raises ProgramError if ffmpeg is not there."""
        return cls(str(find_ffmpeg(ffmpeg)), Runner(processes))

    def open(self, path: Path, *, chunk: bool) -> AbstractContextManager[RunningProgram]:
        """Decodes a file into the `output` of a program that lives no longer than the block."""
        argv = decode_argv(self.ffmpeg, path, chunk=chunk)
        return self.runner.start(Program(argv, stdout=TO_CALLER, reads=(path,)))


class Waveform:
    """The whole recording. Its pages take up memory only once they are written."""

    def __init__(self, samples: int) -> None:
        self.data = bytearray(samples * SAMPLE_BYTES)
        self.notes: list[str] = []
        self._position = 0

    @property
    def duration_seconds(self) -> float:
        """The length of the recording."""
        return round(len(self.data) / SAMPLE_BYTES / SAMPLE_RATE, 6)

    def add(self, path: Path, samples: int, decoder: Decoder) -> None:
        """Decodes a chunk to where the one before it ended. Too short, it is followed by silence; too long, it is cut.

        Raises ProgramError if ffmpeg did not do its work; the recording is not at fault then.
        """
        start, size = self._position, samples * SAMPLE_BYTES
        with decoder.open(path, chunk=True) as decoding:
            filled = 0
            with memoryview(self.data)[start : start + size] as place:
                while filled < size and (count := decoding.output.readinto(place[filled:])):
                    filled += count
            excess = 0
            while piece := decoding.output.read(_PIECE_BYTES):
                excess += len(piece)
            complaint = decoding.wait().stderr_tail
        if filled == 0:
            raise ProgramError(f"a chunk of the optimised audio cannot be decoded: {complaint[-200:]}")
        if (difference := (filled + excess - size) // SAMPLE_BYTES) != 0:
            more_or_fewer = "more" if difference > 0 else "fewer"
            self.notes.append(f"A chunk decoded to {abs(difference)} samples {more_or_fewer} than its record says")
        self._position += size


def decode_whole(path: Path, decoder: Decoder) -> Waveform:
    """Decodes any recording, whose length is not known before. Raises InputError, ProgramError."""
    waveform = Waveform(0)
    with decoder.open(path, chunk=False) as decoding:
        while piece := decoding.output.read(_PIECE_BYTES):
            waveform.data += piece
        complaint = decoding.wait().stderr_tail
    if len(waveform.data) < SAMPLE_BYTES:
        raise InputError(JobCode.NO_AUDIO, f"There is no audio in it that can be decoded. {complaint[-200:]}".strip())
    del waveform.data[len(waveform.data) // SAMPLE_BYTES * SAMPLE_BYTES :]
    return waveform
