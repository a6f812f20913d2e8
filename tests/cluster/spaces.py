"""Starts a command inside a root file system and namespaces of its own, under a guard. Host side."""

import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cluster.guard import GUARD, empty, runs
from cluster.paths import STATE

_HERE = Path(__file__).parent
_KEEP_LOGS_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True)
class Space:
    """The surroundings of a command. `mounts` are (path on the host, path inside, read-only)."""

    root: Path
    net: Literal["own", "host"]
    mounts: tuple[tuple[Path, str, bool], ...] = ()


@dataclass(slots=True)
class Entered:
    """A guarded command. Everything it started ends when it is closed, or when this process ends for any reason."""

    process: "subprocess.Popen[bytes]"
    folder: Path

    def close(self) -> int:
        """Ends the command; idempotent. Returns its exit status, 0 where it was still running."""
        if self.process.stdin is not None:
            self.process.stdin.close()
        return self.process.wait(60)


def new_folder() -> Path:
    """Makes a new folder for one run, with `logs` in it."""
    STATE.mkdir(parents=True, exist_ok=True)
    for old in STATE.iterdir():
        _tidy(old)
    folder = Path(tempfile.mkdtemp(dir=STATE))
    folder.chmod(0o755)
    (folder / "logs").mkdir()
    (folder / "scratch").mkdir()
    return folder


def _tidy(folder: Path) -> None:
    """Cleans up after a guard that was killed. Its logs stay for a day."""
    try:
        guard = (folder / GUARD).read_text()
        age = time.time() - folder.stat().st_mtime
    except FileNotFoundError:  # its guard has not started yet, or another process has cleaned up
        return
    if runs(guard):
        return
    if age > _KEEP_LOGS_SECONDS:
        shutil.rmtree(folder, ignore_errors=True)
    else:
        empty(folder)


def enter(space: Space, folder: Path, command: list[str]) -> Entered:
    """Returns at once; what the command prints goes to logs/out.log. In it, $CLUSTER_CGROUP is its control group."""
    mounts = [f"{source}:{target}{':ro' if readonly else ''}" for source, target, readonly in space.mounts]
    inner = [str(_HERE / "enter.sh"), str(space.root), str(folder / "scratch"), space.net]
    inner += [*mounts, f"{folder / 'logs'}:/logs", "--", *command]
    with (folder / "logs" / "out.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-I", str(_HERE / "guard.py"), str(folder), space.net, *inner],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    return Entered(process, folder)
