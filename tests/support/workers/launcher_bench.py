"""A subprocess launcher of small real programs that stand in for the workers."""

import os
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from support.builders import a_job, a_spec, at
from support.programs.processes import children_of
from support.waiting import until
from whisperjob.engine.ports import Launch
from whisperjob.model import names
from whisperjob.model.phase import Stage
from whisperjob.model.workers import Worker
from whisperjob_local.standby import StandbyWorker
from whisperjob_local.subprocess_launcher import SubprocessLauncher
from whisperjob_local.worker_programs import WorkerProgram
from whisperjob_local.worker_space import WorkerSpace

WORKER = r"""
import os, signal, subprocess, sys, time
mode, notes, name = sys.argv[1:]
token = sys.stdin.readline().strip()
with open(os.path.join(notes, "order"), "a") as order:
    order.write(name + "\n")
if mode == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if mode == "parent":
    helper = subprocess.Popen(["sleep", "300"], stdin=subprocess.DEVNULL)
    open(os.path.join(notes, "helper"), "w").write(str(helper.pid))
open("scratch-file", "w").write("x")
temporary = os.path.join(notes, name + ".tmp")
open(temporary, "w").write(f"{os.getpid()} {token}")
os.rename(temporary, os.path.join(notes, name))
if mode.isdecimal():
    sys.stderr.write("Traceback: /secret/path\n")
    sys.exit(int(mode))
if mode == "suicide":
    os.kill(os.getpid(), signal.SIGKILL)
sys.stdin.read() if mode != "stubborn" else time.sleep(300)  # does not heed the end of its input
"""


class Bench:
    """A launcher of stand-in workers.

    Each writes its pid and token to a file named like its worker, a standby worker to one named like its folder.
    """

    def __init__(
        self,
        folder: Path,
        capacity: int,
        run_deadline: timedelta = timedelta(minutes=5),
        *,
        standby: bool = False,
    ) -> None:
        self.notes = folder / "notes"
        self.notes.mkdir()
        self.scratch = folder / "scratch"
        self.modes: dict[str, str] = {}
        programs = {
            Stage.OPTIMIZE: WorkerProgram(self._argv, {}, capacity),
            Stage.DIARIZE: WorkerProgram(self._argv, {}, capacity=None),
        }
        self.space = WorkerSpace(self.scratch, places=capacity)
        self.launcher = SubprocessLauncher(
            programs,
            self.space,
            run_deadline=run_deadline,
            standby=StandbyWorker(Stage.OPTIMIZE, programs[Stage.OPTIMIZE], self.scratch) if standby else None,
        )
        self.changes: list[Worker] = []
        self.launcher.subscribe(self.changes.append)

    def _argv(self, scratch: Path) -> Sequence[str]:
        mode = self.modes.get(scratch.name, "wait")
        return sys.executable, "-c", WORKER, mode, str(self.notes), scratch.name

    async def standby(self) -> tuple[Path, int]:
        """The folder and the pid of the one standby worker that has no work, once there is one."""
        await until(lambda: self._idle_workers(), "a standby worker")
        ((folder, pid),) = self._idle_workers()
        return folder, pid

    def _idle_workers(self) -> list[tuple[Path, int]]:
        idle = (path for path in self.scratch.glob("standby-*") if not (self.notes / path.name).exists())
        folders = {str(path): path for path in idle}
        return [(folders[at], pid) for pid in children_of(os.getpid()) if (at := folder_of(pid)) in folders]

    async def start(
        self, job_name: str, mode: str = "wait", *, age: float = 0, stage: Stage = Stage.OPTIMIZE, **spec: object
    ) -> str:
        launch = a_launch(job_name, age, stage, **spec)
        self.modes[launch.name] = mode
        await self.launcher.start(launch)
        return launch.name

    def worker(self, name: str) -> tuple[int, str]:
        pid, token = (self.notes / name).read_text().split()
        return int(pid), token

    async def running(self, name: str) -> tuple[int, str]:
        await until((self.notes / name).exists, f"the start of {name}")
        return self.worker(name)

    async def seen(self, name: str) -> Worker | None:
        return next((worker for worker in await self.launcher.workers() if worker.name == name), None)

    async def ended(self, name: str) -> Worker:
        await until(lambda: any(c.name == name and c.state.ended for c in self.changes), f"the end of {name}")
        worker = await self.seen(name)
        assert worker is not None
        return worker


def a_launch(job_name: str, age: float = 0, stage: Stage = Stage.OPTIMIZE, **spec: object) -> Launch:
    job = a_job(name=job_name, uid=f"uid-{job_name}", created_at=at(-age), spec=a_spec(**spec))
    return Launch(job=job, stage=stage, attempt=1, name=names.worker_name(job.uid, stage, 1))


def folder_of(pid: int) -> str:
    """The current folder of a process, empty if it is gone."""
    try:
        return str(Path(f"/proc/{pid}/cwd").readlink())
    except OSError:
        return ""
