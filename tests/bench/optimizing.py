"""Compares the pipeline with common methods, and with the least that decoding and encoding cost."""

import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bench.measure import Cost, median, run

_FILTERS = "highpass=f=80,lowpass=f=7500,agate=threshold=0.01:ratio=2,acompressor=threshold=0.1:ratio=3"
_LOUDNORM = "loudnorm=I=-16:TP=-1:LRA=11"
_MP3 = ("-ac", "1", "-ar", "16000", "-c:a", "libmp3lame", "-b:a", "64k")
_FFMPEG = ("ffmpeg", "-nostdin", "-v", "error", "-y")


@dataclass(frozen=True, slots=True)
class Growth:
    """Peak memory of the largest process in MiB, for recordings of two lengths."""

    ten_minutes: float
    five_hours: float

    @property
    def ratio(self) -> float:
        """How much more memory the longer one takes."""
        return self.five_hours / self.ten_minutes


@dataclass(frozen=True, slots=True)
class Comparison:
    """The costs of preparing the same recording by different methods."""

    naive: Cost
    ffmpeg_normalize: Cost
    whisperjob: Cost
    floor: Cost
    memory_mp4: Growth
    memory_matroska: Growth


def compare(recording: Path, ten_minutes: Path, five_hours: Path, *, rounds: int) -> Comparison:
    """Measures all methods. WhisperJob and the floor alternate `rounds` times, and their medians count; the others run
    once."""
    whisperjob, floors = [], []
    for _ in range(rounds):
        whisperjob.append(_run_whisperjob(recording))
        floors.append(_run_floor(recording))
    return Comparison(
        naive=_run_naive(recording),
        ffmpeg_normalize=_run_ffmpeg_normalize(recording),
        whisperjob=median(whisperjob),
        floor=median(floors),
        memory_mp4=Growth(_run_whisperjob(ten_minutes).peak_mib, _run_whisperjob(five_hours).peak_mib),
        memory_matroska=Growth(_run_whisperjob_on_matroska(ten_minutes), _run_whisperjob_on_matroska(five_hours)),
    )


def _command() -> str:
    return str(Path(sys.executable).with_name("whisperjob"))


def _run_whisperjob(recording: Path) -> Cost:
    with tempfile.TemporaryDirectory(dir=recording.parent) as out:
        return run([_command(), "local", "optimize", recording, "-o", out])


def _run_whisperjob_on_matroska(recording: Path) -> float:
    """Returns the peak memory for the same sound in a container whose index ffmpeg need not hold in memory."""
    with tempfile.TemporaryDirectory(dir=recording.parent) as folder:
        copy = Path(folder) / "speech.mka"
        run([*_FFMPEG, "-i", recording, "-vn", "-c", "copy", copy])
        return _run_whisperjob(copy).peak_mib


def _run_naive(recording: Path) -> Cost:
    """Runs filters and loudnorm once to measure and once to write, then cuts by time."""
    with tempfile.TemporaryDirectory(dir=recording.parent) as out:
        measured = run([*_FFMPEG, "-i", recording, "-vn", "-af", f"{_FILTERS},{_LOUDNORM}", "-f", "null", "-"])
        whole = Path(out) / "whole.mp3"
        written = run([*_FFMPEG, "-i", recording, "-vn", "-af", f"{_FILTERS},{_LOUDNORM}", *_MP3, whole])
        segment = ("-f", "segment", "-segment_time", "2400", "-c", "copy", Path(out) / "chunk_%03d.mp3")
        return measured + written + run([*_FFMPEG, "-i", whole, *segment])


def _run_ffmpeg_normalize(recording: Path) -> Cost:
    tool = shutil.which("ffmpeg-normalize", path=str(Path(sys.executable).parent))
    if tool is None:
        raise SystemExit("ffmpeg-normalize is missing; it is in requirements/dev.txt: make bench")
    with tempfile.TemporaryDirectory(dir=recording.parent) as out:
        encode = ("-c:a", "libmp3lame", "-b:a", "64k", "-ar", "16000", "-e=-ac 1")
        return run([tool, recording, "-t", "-16", "-tp", "-1", *encode, "-vn", "-o", Path(out) / "whole.mp3"])


def _run_floor(recording: Path) -> Cost:
    """Decodes, then encodes, each in one process with ffmpeg's default quality, and adds up both."""
    with tempfile.TemporaryDirectory(dir=recording.parent) as out:
        pcm = Path(out) / "mono.wav"
        run([*_FFMPEG, "-i", recording, "-vn", "-ac", "1", "-ar", "16000", pcm])
        decode = run([*_FFMPEG, "-i", recording, "-vn", "-f", "null", "-"])
        return decode + run([*_FFMPEG, "-i", pcm, *_MP3, Path(out) / "whole.mp3"])
