"""Conversations of synthetic voices (flite, espeak-ng), whose turns are known."""

import random
import shutil
import subprocess
import tempfile
import wave
from array import array
from dataclasses import dataclass
from pathlib import Path

from bench.speech import SENTENCES

RATE = 16_000
SECONDS = 90
_FLITE = ("slt", "awb", "rms", "kal")
"""Voices of four people, synthesised by ffmpeg."""

_ESPEAK = (("en-us", 50, 165), ("en-gb+f3", 70, 180))


@dataclass(frozen=True, slots=True)
class ReferenceTurn:
    """Who really speaks from `start` to `end` (seconds)."""

    start: float
    end: float
    voice: str


def conversation_of(voices: int, cache: Path) -> tuple[Path, list[ReferenceTurn]]:
    """Creates a conversation of a minute and a half in which every eighth turn interrupts the one before.

    Returns the WAV file in `cache`, and its turns.
    """
    if shutil.which("espeak-ng") is None:
        raise SystemExit("espeak-ng is missing; it speaks in the conversations of the check: apt-get install espeak-ng")
    chance = random.Random(voices)
    mixed, reference, at, last = array("h", bytes(2 * RATE * SECONDS)), [], 1.0, -1
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        for turn in range(200):
            speaker = chance.choice([n for n in range(voices) if n != last])
            samples = _synthesise(speaker, " ".join(chance.sample(SENTENCES, chance.randint(1, 2))), Path(folder))
            if turn and turn % 8 == 0:
                at -= 1.2
            if at + len(samples) / RATE > SECONDS:
                break
            start = round(at * RATE)
            for offset, sample in enumerate(samples):
                mixed[start + offset] = max(-32_768, min(32_767, mixed[start + offset] + sample))
            reference.append(ReferenceTurn(at, at + len(samples) / RATE, f"voice {speaker}"))
            at += len(samples) / RATE + chance.uniform(0.2, 0.8)
            last = speaker
    path = cache / f"voices-{voices}.wav"
    write_wav(path, mixed)
    return path, reference


def _synthesise(speaker: int, text: str, folder: Path) -> "array[int]":
    """Returns the samples of a spoken text at 16 kHz, without the silence around it."""
    raw = ("-ar", str(RATE), "-ac", "1", "-f", "s16le", "-")
    source: tuple[str, ...]
    if speaker < len(_FLITE):
        text_file = folder / "text"
        text_file.write_text(text)
        source = ("-f", "lavfi", "-i", f"flite=textfile={text_file}:voice={_FLITE[speaker]}")
    else:
        name, pitch, speed = _ESPEAK[speaker - len(_FLITE)]
        path = folder / "turn.wav"
        command = ["espeak-ng", "-v", name, "-p", str(pitch), "-s", str(speed), "-w", str(path), text]
        subprocess.run(command, check=True, capture_output=True)
        source = ("-i", str(path))
    convert = ["ffmpeg", "-nostdin", "-v", "error", *source, *raw]
    samples = array("h", subprocess.run(convert, check=True, capture_output=True).stdout)
    loud = [index for index in range(0, len(samples), 80) if abs(samples[index]) > 200]
    return samples[loud[0] : loud[-1] + 80]


def write_wav(path: Path, samples: "array[int] | bytes") -> None:
    """Writes 16-bit mono samples at RATE."""
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE)
        out.writeframes(samples)
