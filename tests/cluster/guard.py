"""Runs a command in namespaces of its own until standard input ends, then leaves nothing: a program, not a module.

    python -I guard.py FOLDER own|host COMMAND…      (COMMAND is run by `unshare`, with CLUSTER_CGROUP set)

Standard input is the lifeline: the process at its other end may be killed in any way. Even if this process itself is
killed, the kernel ends the namespaces' processes, and the next guard removes what is left: control groups are named
whisperjob-<process id>. FOLDER is emptied except for `logs`. Standard library only.
"""

import contextlib
import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

PREFIX = "whisperjob-"
GUARD = "guard"
"""A file with the guard's process id."""
END_SECONDS = 30.0
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def main(folder: Path, net: str, command: list[str]) -> int:
    name = f"{PREFIX}{os.getpid()}"
    prctl(_PR_SET_CHILD_SUBREAPER, 1)
    for sign in (signal.SIGINT, signal.SIGHUP):
        signal.signal(sign, signal.SIG_IGN)  # a terminal's Ctrl-C is for the holder of the lifeline
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    for sign in (signal.SIGTERM, signal.SIGCHLD):
        signal.signal(sign, lambda *_: None)
    (folder / GUARD).write_text(str(os.getpid()))
    remove_cgroups_of_the_dead()
    make_cgroups(name)
    spaces = ["--mount", "--pid", "--ipc", "--uts", *(["--net"] if net == "own" else [])]
    child = subprocess.Popen(
        ["unshare", *spaces, "--fork", "--kill-child", *command],
        stdin=subprocess.DEVNULL,
        env={"PATH": PATH, "LC_ALL": "C.UTF-8", "CLUSTER_CGROUP": name},
        preexec_fn=die_with_parent,
    )
    try:
        select.select([sys.stdin, woken], [], [])
    finally:
        ended = child.poll()
        child.kill()
        reap_all()
        remove_cgroups(name)
        empty(folder)
    return 0 if ended is None else ended


def prctl(option: int, value: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def die_with_parent() -> None:
    prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def reap_all() -> None:
    """The namespace's first process becomes a child of this one when `unshare` dies. When it is gone, all are."""
    deadline = time.monotonic() + END_SECONDS
    while time.monotonic() < deadline:
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                time.sleep(0.01)
        except ChildProcessError:
            return


def hierarchies() -> list[Path]:
    """Returns every mounted tree of control groups: one in version 2, several in version 1."""
    fields = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    return [Path(where) for _, where, kind, *_ in fields if kind in ("cgroup", "cgroup2")]


def make_cgroups(name: str) -> None:
    """Makes the group that the kubelet needs as its root, in every tree."""
    for tree in hierarchies():
        with contextlib.suppress(FileExistsError, PermissionError):
            (tree / name).mkdir()
            for setting in ("cpuset.cpus", "cpuset.mems"):  # version 1: empty, and so unusable, by default
                if (tree / name / setting).exists() and (tree / setting).exists():
                    (tree / name / setting).write_text((tree / setting).read_text())


def remove_cgroups(name: str) -> None:
    """Removes the groups bottom up, with retries: a group that was just emptied is busy for a moment."""
    deadline = time.monotonic() + END_SECONDS
    left = [tree / name for tree in hierarchies() if (tree / name).is_dir()]
    while left and time.monotonic() < deadline:
        for top in left:
            for folder, _, _ in os.walk(top, topdown=False):
                with contextlib.suppress(OSError):
                    Path(folder).rmdir()
        left = [top for top in left if top.is_dir()]
        if left:
            time.sleep(0.05)


def runs(pid: str) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return Path("/proc", pid, "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def remove_cgroups_of_the_dead() -> None:
    names = {path.name for tree in hierarchies() for path in tree.glob(f"{PREFIX}*")}
    for name in names:
        holder = name.removeprefix(PREFIX)
        if holder.isdecimal() and not runs(holder):
            remove_cgroups(name)


def empty(folder: Path) -> None:
    """Empties the folder except for `logs` and the guard's process id, which explain what happened."""
    for path in folder.iterdir():
        if path.name in ("logs", GUARD):
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3:]))
