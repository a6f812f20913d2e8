"""Long synthetic speech: espeak-ng's voices take turns, with pauses and a little room noise, as stereo AAC."""

import random
import shutil
import subprocess
import tempfile
from pathlib import Path

SENTENCES = (
    "The committee met on Tuesday to discuss the annual budget and the new building.",
    "I am not sure that this is what we agreed on last time, but let us go through it again.",
    "Forty-two people signed up, seventeen came, and nine of them stayed until the very end.",
    "Could you send me the recording afterwards, please?",
    "Well, the short answer is no; the long answer takes the rest of this hour.",
    "When the wind turned north, the harbour filled with small boats looking for shelter.",
    "Let me share my screen. Can everybody see the third column of the second table?",
    "We measured it twice, and both times the numbers came out within one percent.",
)
_VOICES = (("en-us", 50, 165), ("en-gb", 35, 150), ("en-us+f3", 62, 175), ("en-gb+m4", 45, 160))


def speech(folder: Path, minutes: int) -> Path:
    """A file of that length in `folder`, which is created once. Needs espeak-ng and ffmpeg."""
    path = folder / f"speech-{minutes}m.m4a"
    if path.exists():
        return path
    if shutil.which("espeak-ng") is None:
        raise SystemExit("espeak-ng is missing; it makes the speech that is measured: apt-get install espeak-ng")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        turns = _turns(Path(scratch))
        part = Path(scratch) / "part.m4a"
        mix = "[0:a]aresample=48000,volume=-8dB[s];[s][1:a]amix=inputs=2:duration=longest:normalize=0"
        noise = f"anoisesrc=color=pink:amplitude=0.002:sample_rate=48000:duration={minutes * 60}"
        _ffmpeg(
            *("-stream_loop", "-1", "-i", str(turns), "-f", "lavfi", "-i", noise),
            *("-filter_complex", mix),
            *("-t", str(minutes * 60), "-ac", "2", "-c:a", "aac", "-b:a", "128k", str(part)),
        )
        part.rename(path)
    return path


def _turns(scratch: Path) -> Path:
    """Creates about five minutes of turns as one WAV, which is repeated to any length."""
    chance = random.Random(7)
    names = []
    for number in range(60):
        voice, pitch, speed = _VOICES[chance.randrange(len(_VOICES))]
        text = " ".join(chance.sample(SENTENCES, chance.randint(1, 3)))
        name = scratch / f"turn{number:02d}.wav"
        command = ["espeak-ng", "-v", voice, "-p", str(pitch), "-s", str(speed), "-w", str(name), text]
        subprocess.run(command, check=True, capture_output=True)
        names.append(name)
    pause = scratch / "pause.wav"
    _ffmpeg("-f", "lavfi", "-i", "anullsrc=sample_rate=22050:channel_layout=mono", "-t", "0.6", str(pause))
    listing = scratch / "turns.txt"
    listing.write_text("".join(f"file '{name.resolve()}'\nfile '{pause.resolve()}'\n" for name in names))
    joined = scratch / "turns.wav"
    _ffmpeg("-f", "concat", "-safe", "0", "-i", str(listing), str(joined))
    return joined


def _ffmpeg(*arguments: str) -> None:
    subprocess.run(["ffmpeg", "-nostdin", "-v", "error", "-y", *arguments], check=True, capture_output=True)
