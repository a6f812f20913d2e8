"""Tries out whether this machine can read recordings at all, before one is blamed that it did not read.

ffprobe and ffmpeg fail in the same ways on a bad recording and on a bad machine: with too little memory, with libraries
missing, under a sandbox that does not fit. A recording that is surely good tells which it is.
"""

import math
import wave
from array import array
from pathlib import Path

from whisperjob.model.errors import InputError, JobCode, WhisperJobError
from whisperjob.model.machine_faults import MachineFault, MachineFaultError
from whisperjob.model.phase import Profile
from whisperjob_optimizer import budget, command, decoding, probe, steps
from whisperjob_optimizer.downmix import default_mix
from whisperjob_optimizer.tools import Workspace

BLAMING_CODES = frozenset(
    {
        JobCode.NO_AUDIO,
        JobCode.NOT_MEDIA,
        JobCode.EMPTY_INPUT,
        JobCode.ENCRYPTED,
        JobCode.TRACK_UNAVAILABLE,
    }
)
"""Verdicts that may rest on what ffprobe or ffmpeg did not find."""

_RATE = 16_000
_SAMPLES = 1600
_HERTZ = 440


def require_working_machine(workspace: Workspace) -> None:
    """Raises MachineFaultError if ffprobe and ffmpeg cannot read a tenth of a second of a tone here."""
    sample = workspace.scratch / "self-test.wav"
    decoded = workspace.scratch / "self-test.pcm"
    try:
        samples = _decode_tone(workspace, sample, decoded)
    except (MachineFaultError, OSError):
        raise
    except WhisperJobError as error:
        raise MachineFaultError(MachineFault.NO_PROGRAM, f"a good recording cannot be read here: {error}") from error
    finally:
        sample.unlink(missing_ok=True)
        decoded.unlink(missing_ok=True)
    if samples != _SAMPLES:
        raise MachineFaultError(MachineFault.NO_PROGRAM, f"ffmpeg makes {samples} samples of {_SAMPLES}")


def _decode_tone(workspace: Workspace, sample: Path, decoded: Path) -> int:
    """Returns how many samples were decoded."""
    _write_tone(sample)
    found = probe.identify(steps.probe_file(workspace, sample).output, sample.read_bytes())
    limit = decoding.SampleLimit(10 * _SAMPLES, InputError(JobCode.DURATION_LIMIT, "The tone is too long."))
    source, mix = command.FfmpegInput(sample.name), default_mix(found.channels, found.layout)
    program_limits = budget.decode_limits(sample.stat().st_size, None, 1)
    settings = (mix, found.layout, Profile.FULL, None, limit, program_limits, decoded, lambda _: None)
    return decoding.decode(workspace, source, *settings).pcm.samples


def _write_tone(path: Path) -> None:
    samples = array("h", (round(8000 * math.sin(2 * math.pi * _HERTZ * n / _RATE)) for n in range(_SAMPLES)))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(_RATE)
        file.writeframes(samples.tobytes())
