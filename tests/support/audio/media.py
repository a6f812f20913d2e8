"""Generated recordings: speech by espeak-ng where it is installed, else a signal with its rhythm, pitch and pauses.

Every writer takes the file's name and lets its extension choose the format, as a user's recorder would.
"""

import functools
import math
import shutil
import subprocess
import tempfile
from array import array
from pathlib import Path

_SENTENCES = (
    "The committee met on the third of May to discuss the harbour wall.",
    "It was agreed, after some debate, that the stones from the old quarry would serve.",
    "Nobody had asked the ferry company, and nobody was surprised at what they said.",
    "When the wind turned north, the small boats stayed in; seventeen of them, painted blue and white.",
    "Please send the invoice to the office in Rotterdam before Friday.",
    "We will come back to the question of noise, gain and compression later on.",
)
_VOICES = ("en-us", "en-gb+f3", "en-us+m4")

PAUSE_SECONDS = 0.7
SYNTHETIC = (
    "aevalsrc=exprs='0.25*gt(mod(t,6),0.9)*(0.15+0.85*pow(abs(sin(2*PI*1.9*t)),2))"
    "*(sin(2*PI*118*t+2*sin(2*PI*0.7*t))+0.7*sin(2*PI*236*t)+0.5*sin(2*PI*472*t)+0.35*sin(2*PI*1416*t)"
    "+0.2*sin(2*PI*2360*t)+0.1*(random(0)-0.5))':s=22050"
)
"""Voiced syllables, four a second, with overtones and breath, and a pause every six seconds."""


def ffmpeg(*arguments: str | Path) -> bytes:
    """Runs ffmpeg and returns its standard output; its complaint is part of the failure."""
    command = ["ffmpeg", "-nostdin", "-hide_banner", "-v", "error", "-y", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, timeout=300)
    assert done.returncode == 0, done.stderr.decode(errors="replace")[-2000:]
    return done.stdout


def has_espeak() -> bool:
    return shutil.which("espeak-ng") is not None


@functools.cache
def speech_seed() -> Path:
    """About half a minute of speech, mono, 22.05 kHz; made once per test run."""
    folder = Path(tempfile.mkdtemp(prefix="whisperjob-speech-"))
    seed = folder / "seed.wav"
    if not has_espeak():
        ffmpeg("-f", "lavfi", "-i", SYNTHETIC, "-t", "30", seed)
        return seed
    parts: list[str] = []
    inputs: list[str | Path] = []
    for index, sentence in enumerate(_SENTENCES):
        part = folder / f"{index}.wav"
        voice = _VOICES[index % len(_VOICES)]
        subprocess.run(["espeak-ng", "-v", voice, "-w", part, sentence], check=True, capture_output=True, timeout=60)
        inputs += ["-i", part]
        parts.append(f"[{index}]aresample=22050,apad=pad_dur={PAUSE_SECONDS}[p{index}]")
    joined = "".join(f"[p{index}]" for index in range(len(_SENTENCES)))
    graph = ";".join(parts) + f";{joined}concat=n={len(_SENTENCES)}:v=0:a=1"
    ffmpeg(*inputs, "-filter_complex", graph, seed)
    return seed


def write_speech(
    path: Path,
    *,
    seconds: float,
    volume_db: float = -8,
    noise: float = 0.001,
    rate: int = 48_000,
    channels: int = 2,
    filters: str = "",
    options: tuple[str, ...] = (),
) -> Path:
    """Speech with a little room noise. `filters` are applied last, `options` go to the encoder."""
    chain = f"[0:a]aresample={rate},volume={volume_db}dB[s];[s][1:a]amix=inputs=2:duration=first:normalize=0"
    chain += f",aformat=channel_layouts={'mono' if channels == 1 else 'stereo'}" if channels <= 2 else ""
    chain += f",{filters}" if filters else ""
    room = f"anoisesrc=color=pink:amplitude={noise}:sample_rate={rate}:seed=7"
    ffmpeg(
        *("-stream_loop", "-1", "-i", str(speech_seed()), "-f", "lavfi", "-i", room),
        *("-filter_complex", chain, "-t", str(seconds), *options, str(path)),
    )
    return path


def write_speech_video(path: Path, *, seconds: float, options: tuple[str, ...] = ()) -> Path:
    """A test picture with speech."""
    ffmpeg(
        *("-f", "lavfi", "-i", "testsrc=size=320x240:rate=25", "-stream_loop", "-1", "-i", str(speech_seed())),
        *("-map", "0:v", "-map", "1:a", "-t", str(seconds), "-pix_fmt", "yuv420p", *options, str(path)),
    )
    return path


def write_noise(path: Path, *, seconds: float) -> Path:
    """Pink noise, mono."""
    ffmpeg("-f", "lavfi", "-i", f"anoisesrc=d={seconds}:c=pink:r=16000:a=0.3", path)
    return path


def write_silence(path: Path, *, seconds: float) -> Path:
    ffmpeg("-f", "lavfi", "-i", "anullsrc=sample_rate=44100:channel_layout=stereo", "-t", str(seconds), path)
    return path


def decode(path: Path, *, rate: int = 16_000) -> "array[float]":
    """Mono float samples, as any player would hear them (gapless information honoured)."""
    return array("f", ffmpeg("-i", path, "-ac", "1", "-ar", str(rate), "-f", "f32le", "-"))


def integrated_lufs(path: Path) -> float:
    """By ffmpeg's ebur128, of the decoded file."""
    return _last_value(path, "ebur128=metadata=1", "lavfi.r128.I")


def true_peak_dbtp(path: Path) -> float:
    """By ffmpeg's ebur128, of the decoded file."""
    peak = _last_value(path, "ebur128=metadata=1:peak=true", "lavfi.r128.true_peak")
    return 20 * math.log10(peak) if peak > 0 else -math.inf


def _last_value(path: Path, measure: str, key: str) -> float:
    printed = ffmpeg("-i", path, "-af", f"{measure},ametadata=mode=print:key={key}:file=-", "-f", "null", "-")
    values = [line.partition("=")[2] for line in printed.decode().splitlines() if line.startswith(key)]
    return float(values[-1])
