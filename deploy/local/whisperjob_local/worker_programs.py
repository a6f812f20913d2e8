"""The programs of the workers on this machine: this interpreter runs the optimizer, another one the diarizer.

torch is never part of the service's own environment. `make diarizer` builds another, whose interpreter is found here.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from whisperjob.model.phase import Stage
from whisperjob_local.startup import StartupError
from whisperjob_local.worker_process import worker_environment

Argv = Callable[[Path], Sequence[str]]
"""Returns the command line of a worker, given its scratch folder."""

DIARIZER_PATH = Path(".cache", "diarizer", "python")
"""The interpreter that `make diarizer` builds, relative to the root of the checkout."""

NO_DIARIZER_MESSAGE = "There is no diarizer on this machine: `make diarizer` builds one, once."

_CHECK_SECONDS = 60.0

_DIARIZER_MODULE = "whisperjob_diarizer.run"

_NICENESS = 5
"""Workers use all cores; the API should still answer at once."""

_PROXIES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY")
_DIARIZER_VARIABLES = (
    *("HF_TOKEN", "HF_HOME", "HF_ENDPOINT"),
    *_PROXIES,
    *(name.lower() for name in _PROXIES),  # as most people write them
    *("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES"),
)
"""The variables that a diarizer inherits, besides those that every worker inherits."""

_INSTALLATION_FOLDERS = ("site-packages", "dist-packages")


@dataclass(frozen=True, slots=True)
class WorkerProgram:
    """How to start a worker of a stage, and the capacity of the stage on this machine.

    `environment` is added to the variables that every worker inherits. `capacity` is None where the engine limits how
    many run at a time.
    """

    argv: Argv
    environment: Mapping[str, str]
    capacity: int | None


def build_programs(
    server: str, ffmpeg: str, *, optimizers: int, diarizer: Path | None, require_sandbox: bool = False
) -> Mapping[Stage, WorkerProgram]:
    """Returns the program of each stage that has a worker on this machine.

    `server` is the URL where workers claim their work, `optimizers` says how many of them run at a time, and `diarizer`
    is the diarizer's interpreter, if there is one.
    """

    options = ("--require-sandbox",) if require_sandbox else ()

    def build(stage: Stage) -> WorkerProgram | None:
        match stage:
            case Stage.OPTIMIZE:
                argv = _build_argv(sys.executable, "whisperjob_optimizer.run", server, ffmpeg, *options)
                return WorkerProgram(argv, {}, optimizers)
            case Stage.DIARIZE:
                if diarizer is None:
                    return None
                argv = _build_argv(str(diarizer), _DIARIZER_MODULE, server, ffmpeg, *options)
                return WorkerProgram(argv, diarizer_environment(), capacity=None)

    programs = {stage: build(stage) for stage in Stage}
    return {stage: program for stage, program in programs.items() if program is not None}


def diarizer_environment() -> dict[str, str]:
    """Returns the variables with which the diarizer's interpreter finds this package, its models and its devices."""
    environment = {name: os.environ[name] for name in _DIARIZER_VARIABLES if name in os.environ}
    if roots := _source_roots("whisperjob", "whisperjob_diarizer"):
        environment["PYTHONPATH"] = os.pathsep.join(roots)
    return environment


def find_diarizer(setting: str | None) -> Path | None:
    """Returns the diarizer's interpreter, None if there is none.

    It is the one that the setting names, or else the one that `make diarizer` has built; `off` disables the diarizer.
    Raises StartupError if the one that is named is no program.
    """
    if setting == "off":
        return None
    if setting is not None:
        program = shutil.which(setting)
        if program is None:
            raise StartupError(f"The diarizer's interpreter {setting} (WHISPERJOB_DIARIZER_PYTHON) is no program.")
        return Path(program).absolute()
    built = Path(__file__).parents[3] / DIARIZER_PATH
    return built if os.access(built, os.X_OK) else None


def check_diarizer(python: Path) -> None:
    """Raises StartupError if that interpreter cannot start the worker, because packages are missing, for example.

    It takes half a second, and is meant for interpreters that a setting names: `make diarizer` has tried its own. torch
    is not imported, which would take seconds; the worker itself reports that it is missing.
    """
    argv = [str(python), "-P", "-m", _DIARIZER_MODULE, "--help"]
    environment = {**worker_environment(os.environ), **diarizer_environment()}
    try:
        completed = subprocess.run(  # noqa: S603 - a program that a setting names, arguments as a list
            argv, env=environment, capture_output=True, stdin=subprocess.DEVNULL, timeout=_CHECK_SECONDS, check=False
        )
        last_line = completed.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        problem = None if completed.returncode == 0 else last_line or f"exit code {completed.returncode}"
    except subprocess.TimeoutExpired:
        problem = "it does not end"
    except OSError as error:
        problem = error.strerror or str(error)
    if problem is not None:
        raise StartupError(f"{python} (WHISPERJOB_DIARIZER_PYTHON) cannot run the diarizer: {problem.rstrip('.')}.")


def _build_argv(python: str, module: str, server: str, ffmpeg: str, *options: str) -> Argv:
    def argv(scratch: Path) -> Sequence[str]:
        worker = [python, "-P", "-m", module, "--server", server, "--token-stdin", *options]
        return ["nice", "-n", str(_NICENESS), *worker, "--scratch", str(scratch), "--ffmpeg", ffmpeg]

    return argv


def _source_roots(*packages: str) -> list[str]:
    """Returns the folders that these packages are imported from, where they lie in a checkout.

    An installed package shares its folder with packages that are compiled for this interpreter and useless to another.
    """
    specs = (importlib.util.find_spec(package) for package in packages)
    roots = [Path(spec.origin).parents[1] for spec in specs if spec and spec.origin]
    return [str(root) for root in roots if root.name not in _INSTALLATION_FOLDERS]
