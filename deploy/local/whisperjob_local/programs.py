"""The workers' programs on this machine: the optimizer by this interpreter, the diarizer by one of its own.

torch is never part of the service's own environment: `make diarizer` builds another, and its interpreter is found here.
"""

import importlib.util
import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from whisperjob_local.startup import StartupError

Argv = Callable[[Path], Sequence[str]]
"""A worker's command, by its scratch folder."""

DIARIZER_PLACE = Path(".cache", "diarizer", "python")
"""Where `make diarizer` leaves its interpreter, from the checkout's root."""

_NICENESS = 5
"""Workers take all cores they get; the API should still answer at once."""

_FOR_MODELS = ("HF_TOKEN", "HF_HOME", "HF_ENDPOINT", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "CUDA_VISIBLE_DEVICES")
"""What a diarizer gets of the environment besides what every worker gets."""

_INSTALLED = ("site-packages", "dist-packages")


@dataclass(frozen=True, slots=True)
class Program:
    """How to start a worker of a stage; `environment` comes besides what every worker gets."""

    argv: Argv
    environment: Mapping[str, str]


def optimizer(server: str, ffmpeg: str) -> Program:
    """Takes its work from `server`."""
    return Program(_worker(sys.executable, "whisperjob_optimizer.run", server, ffmpeg), {})


def diarizer(python: Path, server: str, ffmpeg: str) -> Program:
    return Program(_worker(str(python), "whisperjob_diarizer.run", server, ffmpeg), diarizer_environment())


def diarizer_environment() -> dict[str, str]:
    """What the diarizer's interpreter needs to find this program, its models and its devices."""
    environment = {name: os.environ[name] for name in _FOR_MODELS if name in os.environ}
    if roots := _source_roots("whisperjob", "whisperjob_diarizer"):
        environment["PYTHONPATH"] = os.pathsep.join(roots)
    return environment


def find_diarizer(wanted: str | None) -> Path | None:
    """The diarizer's interpreter: the one asked for, else the one `make diarizer` made; None if there is none.

    `off` asks for none. Raises StartupError if the one asked for is no program.
    """
    if wanted == "off":
        return None
    if wanted is not None:
        found = shutil.which(wanted)
        if found is None:
            raise StartupError(f"The diarizer's interpreter {wanted} (WHISPERJOB_DIARIZER_PYTHON) is no program.")
        return Path(found).absolute()
    made = Path(__file__).parents[3] / DIARIZER_PLACE
    return made if os.access(made, os.X_OK) else None


def _worker(python: str, module: str, server: str, ffmpeg: str) -> Argv:
    def argv(scratch: Path) -> Sequence[str]:
        worker = [python, "-P", "-m", module, "--server", server, "--token-stdin"]
        return ["nice", "-n", str(_NICENESS), *worker, "--scratch", str(scratch), "--ffmpeg", ffmpeg]

    return argv


def _source_roots(*packages: str) -> list[str]:
    """The folders these packages are imported from, where that is a checkout.

    An installed one shares its folder with packages that are compiled for this interpreter: another must bring its own.
    """
    specs = (importlib.util.find_spec(package) for package in packages)
    roots = [Path(spec.origin).parents[1] for spec in specs if spec and spec.origin]
    return [str(root) for root in roots if root.name not in _INSTALLED]
