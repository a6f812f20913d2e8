"""A worker ahead of its work: started, its imports done, waiting for the token on its standard input.

Starting Python and importing take a third of a second, which nobody who has uploaded a recording should wait for.
"""

import asyncio
import logging
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path

from whisperjob.model.phase import Stage
from whisperjob_local.worker_process import WorkerProcess
from whisperjob_local.worker_programs import Program

log = logging.getLogger(__name__)

_NEXT_AFTER_SECONDS = 0.5
"""By then the one that was taken has said its first word; its beginning should have the cores to itself."""


@dataclass(frozen=True, slots=True)
class Ready:
    """A worker without work, and the folder it was started in, which from now on is its taker's to remove."""

    process: WorkerProcess
    scratch: Path


class StandbyWorker:
    """At most one worker of one stage. It dies with this process as every worker does, and is no job's attempt."""

    def __init__(self, stage: Stage, program: Program, scratch: Path) -> None:
        """It gets a folder of its own in `scratch`. Nothing starts before `prepare`."""
        self._stage = stage
        self._program = program
        self._scratch = scratch
        self._starting: asyncio.Task[Ready | None] | None = None
        self._next: asyncio.TimerHandle | None = None

    def prepare(self) -> None:
        """Starts one, unless there is one."""
        if self._starting is None:
            self._starting = asyncio.create_task(self._start(), name="a spare worker")

    async def take(self, stage: Stage) -> Ready | None:
        """The spare, if there is one for that stage and it lives. Another takes its place a moment later."""
        if stage is not self._stage:
            return None
        ready = await self._leave()
        self._next = asyncio.get_running_loop().call_later(_NEXT_AFTER_SECONDS, self.prepare)
        if ready is None or ready.process.lives:
            return ready
        await _discard(ready)
        return None

    async def close(self) -> None:
        if (ready := await self._leave()) is not None:
            await _discard(ready)

    async def _leave(self) -> Ready | None:
        if self._next is not None:
            self._next.cancel()
        starting, self._starting = self._starting, None
        return None if starting is None else await starting

    async def _start(self) -> Ready | None:
        scratch = self._scratch / f"spare-{secrets.token_hex(4)}"
        try:
            scratch.mkdir()
            return Ready(await start_worker(self._program, scratch), scratch)
        except OSError as error:
            log.warning("no spare worker: %s", error)
            shutil.rmtree(scratch, ignore_errors=True)
            return None


async def start_worker(program: Program, scratch: Path) -> WorkerProcess:
    """Raises OSError if it cannot be started."""
    return await WorkerProcess.start(program.argv(scratch), scratch, program.environment)


async def _discard(ready: Ready) -> None:
    await ready.process.terminate()
    await asyncio.to_thread(shutil.rmtree, ready.scratch, ignore_errors=True)
