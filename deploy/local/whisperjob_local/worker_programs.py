"""The workers' programs on this machine: the optimizer by this interpreter, the diarizer by one of its own.

torch is never part of the service's own environment: `make diarizer` builds another, and its interpreter is found here.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from whisperjob_local.startup import StartupError
from whisperjob_local.worker_process import passed_on

Argv = Callable[[Path], Sequence[str]]
"""A worker's command, by its scratch folder."""

DIARIZER_PLACE = Path(".cache", "diarizer", "python")
"""Where `make diarizer` leaves its interpreter, from the checkout's root."""

NO_DIARIZER = "There is no diarizer on this machine: `make diarizer` builds one, once."

_CHECK_SECONDS = 60.0

_DIARIZER_MODULE = "whisperjob_diarizer.run"

_NICENESS = 5
"""Workers take all cores they get; the API should still answer at once."""

_PROXIES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY")
_FOR_MODELS = (
    *("HF_TOKEN", "HF_HOME", "HF_ENDPOINT"),
    *_PROXIES,
    *(name.lower() for name in _PROXIES),  # as most people write them
    *("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES"),
)
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
    return Program(_worker(str(python), _DIARIZER_MODULE, server, ffmpeg), diarizer_environment())


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


def check_diarizer(python: Path) -> None:
    """Raises StartupError if that interpreter cannot even start the worker, as one that lacks its packages cannot.

    Half a second: for one that somebody named; what `make diarizer` made it has tried. torch is not looked for, which
    takes seconds: the worker itself says that it is missing.
    """
    argv = [str(python), "-P", "-m", _DIARIZER_MODULE, "--help"]
    environment = {**passed_on(os.environ), **diarizer_environment()}
    try:
        ended = subprocess.run(  # noqa: S603 - a program its owner named, arguments as a list
            argv, env=environment, capture_output=True, stdin=subprocess.DEVNULL, timeout=_CHECK_SECONDS, check=False
        )
        said = ended.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        why = None if ended.returncode == 0 else said or f"exit code {ended.returncode}"
    except subprocess.TimeoutExpired:
        why = "it does not end"
    except OSError as error:
        why = error.strerror or str(error)
    if why is not None:
        raise StartupError(f"{python} (WHISPERJOB_DIARIZER_PYTHON) cannot run the diarizer: {why.rstrip('.')}.")


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
