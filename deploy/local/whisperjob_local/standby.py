"""A standby worker: it is started and has imported its modules before there is work, and waits for a token.

Starting Python and importing take a third of a second, which a job should not have to wait for.
"""

import asyncio
import logging
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path

from whisperjob.model.phase import Stage
from whisperjob_local.worker_process import WorkerProcess
from whisperjob_local.worker_programs import WorkerProgram

log = logging.getLogger(__name__)

_NEXT_AFTER_SECONDS = 0.5
"""By then the worker that was acquired has reported progress. It should have the cores to itself while it starts."""


@dataclass(frozen=True, slots=True)
class StartedWorker:
    """A worker without work, and its scratch folder, which the caller has to remove."""

    process: WorkerProcess
    scratch: Path


class StandbyWorker:
    """At most one worker of one stage. It ends with this process, as every worker does, and is no attempt of a job."""

    def __init__(self, stage: Stage, program: WorkerProgram, scratch: Path) -> None:
        """The worker gets a folder of its own in `scratch`. It is started by `prepare`."""
        self._stage = stage
        self._program = program
        self._scratch = scratch
        self._starting: asyncio.Task[StartedWorker | None] | None = None
        self._next_start: asyncio.TimerHandle | None = None

    def prepare(self) -> None:
        """Starts a worker, unless there is one."""
        if self._starting is None:
            self._starting = asyncio.create_task(self._start(), name="a standby worker")

    async def acquire(self, stage: Stage) -> StartedWorker | None:
        """Returns the worker if it is one of that stage and runs, else None. The next one is started a moment later."""
        if stage is not self._stage:
            return None
        worker = await self._detach()
        self._next_start = asyncio.get_running_loop().call_later(_NEXT_AFTER_SECONDS, self.prepare)
        if worker is None or worker.process.is_running:
            return worker
        await _discard(worker)
        return None

    async def close(self) -> None:
        """Ends the worker, and starts no other."""
        if (worker := await self._detach()) is not None:
            await _discard(worker)

    async def _detach(self) -> StartedWorker | None:
        if self._next_start is not None:
            self._next_start.cancel()
        starting, self._starting = self._starting, None
        return None if starting is None else await starting

    async def _start(self) -> StartedWorker | None:
        scratch = self._scratch / f"standby-{secrets.token_hex(4)}"
        try:
            scratch.mkdir()
            return StartedWorker(await start_worker(self._program, scratch), scratch)
        except OSError as error:
            log.warning("no standby worker: %s", error)
            shutil.rmtree(scratch, ignore_errors=True)
            return None


async def start_worker(program: WorkerProgram, scratch: Path) -> WorkerProcess:
    """Starts a worker, which waits for its token. Raises OSError if it cannot be started."""
    return await WorkerProcess.start(program.argv(scratch), scratch, program.environment)


async def _discard(worker: StartedWorker) -> None:
    await worker.process.terminate()
    await asyncio.to_thread(shutil.rmtree, worker.scratch, ignore_errors=True)
