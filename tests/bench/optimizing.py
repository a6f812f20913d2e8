"""Our pipeline against what people do today, and against the least that decoding and encoding cost."""

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
    """Peak memory of our largest process in MiB, for recordings of two lengths."""

    ten_minutes: float
    five_hours: float

    @property
    def ratio(self) -> float:
        return self.five_hours / self.ten_minutes


@dataclass(frozen=True, slots=True)
class Comparison:
    """Costs of the same recording made ready in different ways."""

    naive: Cost
    ffmpeg_normalize: Cost
    ours: Cost
    floor: Cost
    memory_mp4: Growth
    memory_matroska: Growth


def compare(recording: Path, ten_minutes: Path, five_hours: Path, *, rounds: int) -> Comparison:
    """Ours and the floor alternate `rounds` times and count by their median; the slow ones run once."""
    ours, floors = [], []
    for _ in range(rounds):
        ours.append(_ours(recording))
        floors.append(_floor(recording))
    return Comparison(
        naive=_naive(recording),
        ffmpeg_normalize=_ffmpeg_normalize(recording),
        ours=median(ours),
        floor=median(floors),
        memory_mp4=Growth(_ours(ten_minutes).peak_mib, _ours(five_hours).peak_mib),
        memory_matroska=Growth(_ours_in_matroska(ten_minutes), _ours_in_matroska(five_hours)),
    )


def _whisperjob() -> str:
    return str(Path(sys.executable).with_name("whisperjob"))


def _ours(recording: Path) -> Cost:
    with tempfile.TemporaryDirectory(dir=recording.parent) as out:
        return run([_whisperjob(), "local", "optimize", recording, "-o", out])


def _ours_in_matroska(recording: Path) -> float:
    """Peak memory with the same sound in a container whose index ffmpeg need not hold whole."""
    with tempfile.TemporaryDirectory(dir=recording.parent) as folder:
        copy = Path(folder) / "speech.mka"
        run([*_FFMPEG, "-i", recording, "-vn", "-c", "copy", copy])
        return _ours(copy).peak_mib


def _naive(recording: Path) -> Cost:
    """Filters and loudnorm once to measure, once to write, then cut by time."""
    with tempfile.TemporaryDirectory(dir=recording.parent) as out:
        measured = run([*_FFMPEG, "-i", recording, "-vn", "-af", f"{_FILTERS},{_LOUDNORM}", "-f", "null", "-"])
        whole = Path(out) / "whole.mp3"
        written = run([*_FFMPEG, "-i", recording, "-vn", "-af", f"{_FILTERS},{_LOUDNORM}", *_MP3, whole])
        segment = ("-f", "segment", "-segment_time", "2400", "-c", "copy", Path(out) / "chunk_%03d.mp3")
        return measured + written + run([*_FFMPEG, "-i", whole, *segment])


def _ffmpeg_normalize(recording: Path) -> Cost:
    tool = shutil.which("ffmpeg-normalize", path=str(Path(sys.executable).parent))
    if tool is None:
        raise SystemExit("ffmpeg-normalize is missing; it is in requirements/dev.txt: make bench")
    with tempfile.TemporaryDirectory(dir=recording.parent) as out:
        encode = ("-c:a", "libmp3lame", "-b:a", "64k", "-ar", "16000", "-e=-ac 1")
        return run([tool, recording, "-t", "-16", "-tp", "-1", *encode, "-vn", "-o", Path(out) / "whole.mp3"])


def _floor(recording: Path) -> Cost:
    """Decoding alone, then encoding alone: one process each, ffmpeg's default quality."""
    with tempfile.TemporaryDirectory(dir=recording.parent) as out:
        pcm = Path(out) / "mono.wav"
        run([*_FFMPEG, "-i", recording, "-vn", "-ac", "1", "-ar", "16000", pcm])
        decode = run([*_FFMPEG, "-i", recording, "-vn", "-f", "null", "-"])
        return decode + run([*_FFMPEG, "-i", pcm, *_MP3, Path(out) / "whole.mp3"])
