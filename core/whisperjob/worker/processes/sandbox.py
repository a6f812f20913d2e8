"""Builds the command line that confines ffmpeg (see confine.py): what it may open, its system calls, and its user.

What a machine lacks (Landlock, libseccomp, the right to change users) does not hold there, and the log says so once.
docs/explanation/sandbox.md has the whole list.
"""

import logging
import os
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from whisperjob.model.machine_faults import MachineFault, MachineFaultError
from whisperjob.worker.processes import confine, own_user
from whisperjob.worker.processes.limits import DEFAULT_LIMITS, Limits
from whisperjob.worker.processes.program_files import find_program_files
from whisperjob.worker.processes.seccomp_filter import build_filter

_ENVIRONMENT = {"LC_ALL": "C", "AV_LOG_FORCE_NOCOLOR": "1"}

_READ: Final = confine.READ_FILE | confine.READ_DIR
_WRITE: Final = _READ | confine.WRITE_FILE | confine.MAKE_REG | confine.TRUNCATE
_EVERYBODYS: Final = (
    ("/dev/null", confine.READ_FILE | confine.WRITE_FILE),
    ("/dev/zero", confine.READ_FILE),
    ("/dev/urandom", confine.READ_FILE),
    ("/etc/ld.so.cache", confine.READ_FILE),
    ("/sys/devices/system/cpu/online", confine.READ_FILE),
)

_log = logging.getLogger(__name__)


class NotConfinedError(MachineFaultError):
    """The settings require the whole sandbox, and this machine lacks a part of it."""

    def __init__(self, detail: str) -> None:
        super().__init__(MachineFault.NOT_CONFINED, detail)


@dataclass(frozen=True, slots=True)
class Reach:
    """The files of a program, besides itself and its libraries: files or folders it may read, folders it may fill."""

    reads: tuple[Path, ...] = ()
    writes: tuple[Path, ...] = ()


NOTHING = Reach()


@cache
def filter_program() -> bytes:
    """Returns the seccomp filter as the kernel takes it; empty where libseccomp is absent."""
    try:
        return build_filter()
    except (ImportError, OSError, RuntimeError) as error:
        _log.warning("ffmpeg runs without seccomp: %s", error)
        return b""


@cache
def landlock_version() -> int:
    """Returns the version of Landlock that the kernel has, 0 if there is none."""
    version = confine.landlock_version()
    if version == 0:
        _log.warning("ffmpeg runs without Landlock, which the kernel does not have or does not allow")
    return version


def prepare(*programs: str) -> None:
    """Finds out beforehand, while there is time, what confining these programs needs."""
    if sys.platform == "linux":
        filter_program()
        landlock_version()
        own_user.choose()
        for program in programs:
            find_program_files(program)


def find_missing(*programs: str) -> list[str]:
    """Returns what this machine lacks to confine these programs wholly, each as a part of a sentence."""
    if sys.platform != "linux":
        return ["this system is not Linux"]
    missing = []
    if not landlock_version():
        missing.append("the kernel has no Landlock")
    if not filter_program():
        missing.append("libseccomp is missing")
    missing += [f"{name} is a script" for name in programs if not find_program_files(name).executables]
    return missing


def confined(argv: list[str], limits: Limits = DEFAULT_LIMITS, reach: Reach = NOTHING) -> list[str]:
    """Returns `argv`, whose program is an absolute path, as a command that confines itself first.

    It works on Linux only; on other systems `argv` comes back unchanged.
    """
    if sys.platform != "linux":
        return argv
    user = own_user.choose()
    wrapper = Path(__file__).with_name("confine.py")
    confinement: confine.Confinement = {
        "parent": os.getpid(),
        "limits": limits.to_list(own_user=user > 0),
        "landlock": landlock_version(),
        "rules": _rules(argv[0], reach),
        "folders": [str(folder) for folder in reach.writes],
        "user": user,
        "seccomp": filter_program(),
    }
    return [sys.executable, "-I", "-S", str(wrapper), confine.pack(confinement), *argv]


def bare_environment() -> dict[str, str]:
    """Returns the environment of a confined program: of this process's own, it has only the path of libraries."""
    path = os.environ.get("LD_LIBRARY_PATH")
    return _ENVIRONMENT if path is None else _ENVIRONMENT | {"LD_LIBRARY_PATH": path}


def _rules(program: str, reach: Reach) -> confine.Rules:
    files = find_program_files(program)
    rules = list(_EVERYBODYS)
    if files.executables:
        rules += [(str(path), confine.EXECUTE | confine.READ_FILE) for path in files.executables]
        rules += [(str(path), _READ) for path in files.libraries]
    elif Path(program).exists():
        _warn_of_script(program)
        rules.append(("/", confine.EXECUTE | _READ))
    rules += [(str(path), _READ) for path in reach.reads]
    rules += [(str(path), _WRITE) for path in reach.writes]
    return rules


@cache
def _warn_of_script(program: str) -> None:
    _log.warning("%s is a script: it may read and run every file of this machine that its user may", program)
