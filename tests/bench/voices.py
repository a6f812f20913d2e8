"""Conversations of made-up voices whose turns are known: flite and espeak-ng speak, a list says who and when."""

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
"""Recorded from four people, and spoken by ffmpeg."""

_ESPEAK = (("en-us", 50, 165), ("en-gb+f3", 70, 180))


@dataclass(frozen=True, slots=True)
class Told:
    """Who speaks from when to when, seconds."""

    start: float
    end: float
    voice: str


def conversation_of(voices: int, cache: Path) -> tuple[Path, list[Told]]:
    """So many of them taking turns for a minute and a half, every eighth turn cutting in on the one before."""
    if shutil.which("espeak-ng") is None:
        raise SystemExit("espeak-ng is missing; it speaks in the conversations of the check: apt-get install espeak-ng")
    chance = random.Random(voices)
    mixed, told, at, last = array("h", bytes(2 * RATE * SECONDS)), [], 1.0, -1
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        for turn in range(200):
            speaker = chance.choice([n for n in range(voices) if n != last])
            samples = _spoken(speaker, " ".join(chance.sample(SENTENCES, chance.randint(1, 2))), Path(folder))
            if turn and turn % 8 == 0:
                at -= 1.2
            if at + len(samples) / RATE > SECONDS:
                break
            start = round(at * RATE)
            for offset, sample in enumerate(samples):
                mixed[start + offset] = max(-32_768, min(32_767, mixed[start + offset] + sample))
            told.append(Told(at, at + len(samples) / RATE, f"voice {speaker}"))
            at += len(samples) / RATE + chance.uniform(0.2, 0.8)
            last = speaker
    made = cache / f"voices-{voices}.wav"
    write_wav(made, mixed)
    return made, told


def _spoken(speaker: int, text: str, folder: Path) -> "array[int]":
    """At 16 kHz, without the silence around it."""
    raw = ("-ar", str(RATE), "-ac", "1", "-f", "s16le", "-")
    source: tuple[str, ...]
    if speaker < len(_FLITE):
        said = folder / "text"
        said.write_text(text)
        source = ("-f", "lavfi", "-i", f"flite=textfile={said}:voice={_FLITE[speaker]}")
    else:
        name, pitch, speed = _ESPEAK[speaker - len(_FLITE)]
        made = folder / "turn.wav"
        command = ["espeak-ng", "-v", name, "-p", str(pitch), "-s", str(speed), "-w", str(made), text]
        subprocess.run(command, check=True, capture_output=True)
        source = ("-i", str(made))
    convert = ["ffmpeg", "-nostdin", "-v", "error", *source, *raw]
    samples = array("h", subprocess.run(convert, check=True, capture_output=True).stdout)
    loud = [index for index in range(0, len(samples), 80) if abs(samples[index]) > 200]
    return samples[loud[0] : loud[-1] + 80]


def write_wav(path: Path, samples: "array[int] | bytes") -> None:
    """16-bit, mono, at RATE."""
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE)
        out.writeframes(samples)
