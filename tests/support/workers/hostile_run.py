"""Runs the optimizer's worker on one file, as a process of its own, and says what that cost."""

import os
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from support.programs.processes import children_of
from support.workers.process import running
from support.workers.work_server import WorkServer, file_claim
from whisperjob.model.manifest import Verdict

_LOOK_SECONDS = 0.02
_LONGEST_SECONDS = 240


@dataclass(frozen=True)
class Cost:
    """Processor time of the worker and all its programs, the memory of the largest of these, and its scratch space."""

    cpu_seconds: float
    memory_bytes: int
    scratch_bytes: int


@dataclass(frozen=True)
class Run:
    """How a worker ended: its exit status, the verdict's code or `completed`, its sentence, and the costs."""

    status: int
    outcome: str
    message: str
    cost: Cost


def run_worker(state: WorkServer, folder: Path, source: Path, filename: str) -> Run:
    """Runs a worker to its end in an empty folder, which it leaves with the results alone."""
    store, scratch = folder / "store", folder / "scratch"
    store.mkdir()
    scratch.mkdir()
    state.claim = file_claim(source, store, filename=filename)
    command = [sys.executable, "-m", "whisperjob_optimizer.run", "--server", state.base_url, "--scratch", str(scratch)]
    with running([*command, "--token-stdin"]) as process:
        status, cost = _watch(process, scratch)
        process.returncode = status
        assert process.stderr is not None
        complaint = process.stderr.read().decode(errors="replace")
    assert list(scratch.iterdir()) == []
    results = store / "results"
    if (failure := results / "failure.json").exists():
        verdict = Verdict.model_validate_json(failure.read_bytes())
        return Run(status, str(verdict.code), verdict.message, cost)
    outcome = "completed" if (results / "manifest.json").exists() else f"nothing: {complaint[-300:]}"
    return Run(status, outcome, "", cost)


def _watch(process: "subprocess.Popen[bytes]", scratch: Path) -> tuple[int, Cost]:
    """Waits for the end of a worker. The kernel adds up the time of a process and of those that it waited for.

    Its figure for memory counts that of this process, too, from which the worker was forked.
    """
    most, memory, deadline = 0, 0, time.monotonic() + _LONGEST_SECONDS
    while True:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            cost = Cost(usage.ru_utime + usage.ru_stime, memory, most)
            return os.waitstatus_to_exitcode(status), cost
        assert time.monotonic() < deadline, "the worker does not end"
        most = max(most, _size(scratch))
        memory = max([memory, *map(_peak_bytes, [process.pid, *_descendants(process.pid)])])
        time.sleep(_LOOK_SECONDS)


def _descendants(pid: int) -> list[int]:
    children = children_of(pid)
    return [*children, *(found for child in children for found in _descendants(child))]


def _peak_bytes(pid: int) -> int:
    """Returns the most memory that a program has had; 0 if it has ended."""
    with suppress(FileNotFoundError, ProcessLookupError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0


def _size(folder: Path) -> int:
    size = 0
    for path, _, names in os.walk(folder):  # passes over what is removed meanwhile
        for name in names:
            with suppress(FileNotFoundError):
                size += Path(path, name).lstat().st_blocks * 512
    return size
