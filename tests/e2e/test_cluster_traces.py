"""However a cluster ends, nothing of it stays: no process, no control group, no mount, no file but its logs."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from cluster.guard import hierarchies, runs
from cluster.harness import Cluster, Parts
from cluster.installation import wait_for
from cluster.paths import REPOSITORY

pytest_plugins = ["cluster.fixtures"]
pytestmark = pytest.mark.cluster

HOLDER = """
import sys
from cluster.harness import Cluster, Parts
cluster = Cluster(Parts(lambda line: None))
cluster.start()
print(cluster.folder, cluster.guard, flush=True)
sys.stdin.read()
"""


@contextmanager
def held() -> Iterator[tuple["subprocess.Popen[str]", Path, int]]:
    """A process that holds a running cluster, the cluster's folder, and its guard's process id."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER],
        env=os.environ | {"PYTHONPATH": str(REPOSITORY / "tests")},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        folder, guard = process.stdout.readline().split()
        try:
            yield process, Path(folder), int(guard)
        finally:
            process.kill()


def space_of(pid: int) -> str:
    return str(Path(f"/proc/{pid}/ns/pid_for_children").readlink())


def processes_in(space: str) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if str((path / "ns/pid").readlink()) == space:
                found.append(int(path.name))
    return found


def control_groups(guard: int) -> list[Path]:
    return [path for tree in hierarchies() if (path := tree / f"whisperjob-{guard}").exists()]


def to_worker(pid: int) -> int:
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


def test_the_holder_is_killed(cluster_parts: Parts) -> None:
    mounts = Path("/proc/self/mounts").read_text()
    with held() as (process, folder, guard):
        space = space_of(to_worker(guard))
        assert len(processes_in(space)) > 8
        assert control_groups(guard)
        process.send_signal(signal.SIGKILL)
        wait_for(lambda: not runs(str(guard)), "the guard to end", 30)
        assert processes_in(space) == []
        assert control_groups(guard) == []
        assert {path.name for path in folder.iterdir()} == {"guard", "logs"}
    assert Path("/proc/self/mounts").read_text() == mounts


def test_the_guard_is_killed(cluster_parts: Parts) -> None:
    """The kernel ends the processes; the next cluster removes what they left."""
    with held() as (_, folder, guard):
        space = space_of(to_worker(guard))
        os.kill(guard, signal.SIGKILL)
        wait_for(lambda: not processes_in(space), "the processes to end", 30)
    following = Cluster(cluster_parts)
    try:
        following.start()
        assert control_groups(guard) == []
        assert {path.name for path in folder.iterdir()} == {"guard", "logs"}
    finally:
        following.stop()
    following.remove_logs()
