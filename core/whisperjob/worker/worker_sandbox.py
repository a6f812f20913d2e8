"""What a worker itself may open, once it has claimed its work: Python and its packages, and the files of its attempt.

A worker parses headers of strangers' files in Python, and holds a token. It is confined less than ffmpeg, which it
starts; but the database, the API keys and the recordings of others are closed to it as well.
"""

import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

from whisperjob.model.protocol import Claim, DiarizeOptions, FileRead, FileWrite
from whisperjob.worker.processes import confine, sandbox
from whisperjob.worker.processes.program_files import find_program_files

_REFER_SINCE = 2
"""Results are renamed from one folder into another, which earlier Landlock refuses always."""

_READ: Final = confine.READ_FILE | confine.READ_DIR
_RUN: Final = _READ | confine.EXECUTE
_PUBLISH: Final = (
    confine.WRITE_FILE | confine.TRUNCATE | confine.MAKE_REG | confine.MAKE_DIR | confine.REMOVE_FILE | confine.REFER
)
_OWN: Final = _READ | _PUBLISH | confine.REMOVE_DIR | confine.MAKE_SYM
_USE: Final = _READ | confine.WRITE_FILE | confine.IOCTL_DEV

_SYSTEM_FOLDERS = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/nix/store")
"""Not all of /opt: a service may be installed there, with its data."""

_SYSTEM_INFORMATION = (
    "/sys",
    *(f"/proc/{name}" for name in ("cpuinfo", "driver", "filesystems", "loadavg", "meminfo", "stat", "sys", "version")),
)
"""Not all of /proc: Landlock lets the environment of other processes be read there."""

_DEVICES = (*("null", "zero", "full", "random", "urandom", "shm"), *("nvidia*", "dri", "kfd", "dxg"))
_CONFIGURATION = (
    *(
        "alternatives",
        "ca-certificates",
        "fonts",
        "group",
        "gai.conf",
        "host.conf",
        "hosts",
        "ld.so.cache",
        "ld.so.conf",
    ),
    *("ld.so.conf.d", "localtime", "mime.types", "nsswitch.conf", "OpenCL", "passwd", "pki", "resolv.conf", "ssl"),
    *("timezone", "vulkan"),
)
"""What libraries read in /etc. The whole folder is not granted: keys lie there."""

_PATHS_IN_VARIABLES = ("LD_LIBRARY_PATH", "PYTHONPATH", "SSL_CERT_FILE", "SSL_CERT_DIR")


def confine_worker(claim: Claim, *, folder: Path, token_file: Path | None, ffmpeg: Path) -> None:
    """Restricts this thread, and those that it starts, to the files of its work.

    `folder` is the attempt's own, for temporary files. Without Landlock it does nothing; sandbox.py has logged that.
    Raises OSError.
    """
    if sys.platform != "linux" or sandbox.landlock_version() < _REFER_SINCE:
        return
    programs = [ffmpeg, ffmpeg.with_name(ffmpeg.name.replace("ffmpeg", "ffprobe"))]
    sandbox.prepare(*map(str, programs))  # what it finds out is out of reach afterwards
    rules = [
        *_rules(_system_paths(programs), _RUN),
        *_rules((*_configuration(), *_SYSTEM_INFORMATION, f"/proc/{os.getpid()}", *_model_paths(claim)), _READ),
        *_rules((path for name in _DEVICES for path in Path("/dev").glob(name)), _USE),
        *_rules([folder, *_caches(claim)], _OWN),
        *_rules([token_file.parent] if token_file else [], _READ),
        *_rules((Path(given.read.path) for given in claim.inputs if isinstance(given.read, FileRead)), _READ),
    ]
    if isinstance(claim.results, FileWrite):
        folder, staging = Path(claim.results.directory), Path(claim.results.staging)
        for place in (folder, staging):
            place.mkdir(parents=True, exist_ok=True)
        # Not to be read: unfinished uploads of others are in the second one, under names that nobody can guess.
        rules += [*_rules([staging], _PUBLISH), *_rules([folder], _PUBLISH | confine.READ_DIR)]
    confine.forbid_new_privileges()
    ruleset = confine.build_ruleset(sandbox.landlock_version(), rules, network=True)
    try:
        confine.restrict_thread(ruleset)
    finally:
        os.close(ruleset)


def _rules(paths: Iterable[str | Path], rights: int) -> confine.Rules:
    return [(str(path), rights) for path in paths]


def _system_paths(programs: list[Path]) -> set[Path]:
    """Returns the folders of programs and libraries: the system's, Python's, and ffmpeg's wherever it is."""
    paths = {Path(path) for path in (*_SYSTEM_FOLDERS, sys.prefix, sys.base_prefix, sys.exec_prefix, *sys.path) if path}
    for program in (sys.executable, *map(str, programs)):
        found = find_program_files(program)
        paths.update((Path(program).resolve(), *found.executables, *found.libraries))
    return {path.resolve() for path in (*paths, *Path("/opt").glob("rocm*"), *Path("/opt").glob("cuda*"))}


def _configuration() -> list[str | Path]:
    variables = (os.environ.get(name, "") for name in _PATHS_IN_VARIABLES)
    named = [path for value in variables for path in value.split(os.pathsep) if path]
    return [*named, *(Path("/etc", name) for name in _CONFIGURATION)]


def _caches(claim: Claim) -> list[Path]:
    """Returns the folders in which the diarizer's libraries keep what they fetch, and makes those that are missing."""
    if not isinstance(claim.options, DiarizeOptions):
        return []
    home = Path(os.environ.get("HOME") or "/nonexistent")
    named = [os.environ.get(name) for name in ("HF_HOME", "MPLCONFIGDIR")]
    folders = [*(Path(path) for path in named if path), home / ".cache" / "huggingface", home / ".cache" / "torch"]
    for folder in folders:
        with suppress(OSError):  # what cannot be made cannot be used either
            folder.mkdir(parents=True, exist_ok=True)
    return folders


def _model_paths(claim: Claim) -> list[Path]:
    """Returns the model's folder, where one is named instead of a model."""
    if isinstance(claim.options, DiarizeOptions) and (folder := Path(claim.options.model)).is_absolute():
        return [folder]
    return []
