"""Workers as subprocesses: what embedded mode has for batch/v1 Jobs and their scheduler.

At most as many workers of a stage run at a time as its capacity. The others are Pending; tenants take turns
(`deciding.fair_share`), and of one tenant the highest priority starts first, then the oldest job. Each attempt has a
random token, of which only the hash is stored here.
"""

import asyncio
import hashlib
import logging
import secrets
import shutil
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import islice

from whisperjob.deciding.fair_share import FairShare, Waiting, give_equal_weight
from whisperjob.engine.ports import Launch, WorkerIdentity
from whisperjob.model.clock import utc_now
from whisperjob.model.machine_faults import SENTENCES, MachineFault, find_machine_fault
from whisperjob.model.phase import Reason, Stage
from whisperjob.model.space import SpaceNeed
from whisperjob.model.workers import Worker, WorkerState
from whisperjob.worker.worker_program import ATTEMPT_OVER
from whisperjob_local.standby import StandbyWorker, StartedWorker, start_worker
from whisperjob_local.worker_process import WorkerEnd, WorkerProcess
from whisperjob_local.worker_programs import WorkerProgram
from whisperjob_local.worker_space import WorkerSpace

log = logging.getLogger(__name__)

_SPACE_SECONDS = 1.0
"""How often the disk is looked at while an attempt waits for room on it."""


@dataclass(slots=True, eq=False)
class _Attempt:
    """A worker, its process and the task that runs it. Without a task it waits for its turn."""

    launch: Launch
    worker: Worker
    process: WorkerProcess | None = None
    task: asyncio.Task[None] | None = None

    def to_waiting(self) -> Waiting:
        """Returns what decides when the attempt starts."""
        job = self.launch.job
        return Waiting(self.launch.name, job.spec.tenant, job.spec.priority, job.metadata.creation_timestamp)


class SubprocessLauncher:
    """The Launcher and TokenVerifier of one process. Not thread-safe: one event loop.

    `programs` are the workers of each stage. The folder of `space` belongs to this launcher alone: whatever an earlier
    process left there is removed. The `standby` worker, if any, is used first; it is closed with the launcher.
    `weight_of` returns a tenant's share of the workers.
    """

    def __init__(
        self,
        programs: Mapping[Stage, WorkerProgram],
        space: WorkerSpace,
        *,
        run_deadline: timedelta,
        standby: StandbyWorker | None = None,
        weight_of: Callable[[str], float] = give_equal_weight,
    ) -> None:
        self._programs = programs
        self._standby = standby
        self._space = space
        self._scratch = scratch = space.folder
        self._next_look: asyncio.TimerHandle | None = None
        self._run_deadline = run_deadline
        self._attempts: dict[str, _Attempt] = {}
        self._identities: dict[bytes, WorkerIdentity] = {}
        self._callbacks: list[Callable[[Worker], None]] = []
        self._shares = {stage: FairShare(weight_of) for stage in programs}
        self._closed = False
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(parents=True, exist_ok=True)

    def subscribe(self, on_change: Callable[[Worker], None]) -> None:
        self._callbacks.append(on_change)

    async def start(self, launch: Launch) -> Worker:
        existing = self._attempts.get(launch.name)
        if existing is not None:
            return existing.worker
        worker = Worker(
            name=launch.name,
            job_name=launch.job.name,
            job_uid=launch.job.uid,
            stage=launch.stage,
            attempt=launch.attempt,
            state=WorkerState.PENDING,
            created_at=utc_now(),
            reason=Reason.WAITING,
            message="waiting for a free worker",
        )
        attempt = _Attempt(launch, worker)
        self._attempts[launch.name] = attempt
        self._notify(worker)
        self._start_pending()
        return attempt.worker

    async def stop(self, name: str) -> None:
        """Ends the worker and returns when it is gone: it cannot write anything after that."""
        attempt = self._attempts.get(name)
        if attempt is None:
            return
        if not attempt.worker.stopping:
            self._change(attempt, replace(attempt.worker, stopping=True))
        if attempt.task is not None:
            await self._terminate(attempt, attempt.task)
        if self._attempts.get(name) is attempt:
            del self._attempts[name]

    async def workers(self) -> tuple[Worker, ...]:
        return tuple(attempt.worker for attempt in self._attempts.values())

    async def verify(self, token: str) -> WorkerIdentity | None:
        return self._identities.get(_digest(token))

    async def close(self) -> None:
        """Ends all workers without notice to the subscribers: a restart of the engine is no failure of a worker."""
        self._closed = True
        if self._next_look is not None:
            self._next_look.cancel()
        self._callbacks.clear()
        await asyncio.gather(*(self.stop(name) for name in list(self._attempts)))
        if self._standby is not None:
            await self._standby.close()

    def prepare(self) -> None:
        """Starts the standby worker for the first attempt. To be called on the event loop."""
        if self._standby is not None:
            self._standby.prepare()

    def _start_pending(self) -> None:
        """Starts the workers that there is room for."""
        if self._closed:
            return
        unfinished = [a for a in self._attempts.values() if not a.worker.state.ended]
        for stage, program in self._programs.items():
            attempts = [a for a in unfinished if a.launch.stage is stage]
            running = {a.launch.name: a.launch.job.spec.tenant for a in attempts if a.task is not None}
            pending = {a.launch.name: a for a in attempts if a.task is None and not a.worker.stopping}
            capacity = len(attempts) if program.capacity is None else program.capacity
            order = self._shares[stage].order([a.to_waiting() for a in pending.values()], running, time.monotonic())
            for waiting in islice(order, max(0, capacity - len(running))):
                attempt = pending[waiting.name]
                if not self._has_space(attempt):  # none overtakes it: a large one would wait for ever
                    break
                attempt.task = asyncio.create_task(self._run(attempt), name=attempt.worker.name)

    def _has_space(self, attempt: _Attempt) -> bool:
        """Reserves the attempt's share of the disk. If there is no room, the disk is looked at again in a moment."""
        try:
            if self._space.reserve(attempt.launch):
                return True
            message = f"waiting for free disk space (about {_to_mb(self._space.need_of(attempt.launch))} MB)"
        except OSError as error:
            message = f"the disk of the workers cannot be used ({error.strerror})"
        if message != attempt.worker.message:
            log.warning("%s: %s", attempt.worker.name, message)
            self._change(attempt, replace(attempt.worker, message=message))
        if self._next_look is not None:
            self._next_look.cancel()
        self._next_look = asyncio.get_running_loop().call_later(_SPACE_SECONDS, self._start_pending)
        return False

    async def _run(self, attempt: _Attempt) -> None:
        end: WorkerEnd | None = None
        try:
            end = await self._run_process(attempt)
            if end.exit_code and not attempt.worker.stopping:
                log.error(
                    "%s: exit code %d; the end of its stderr:\n%s", attempt.worker.name, end.exit_code, end.stderr_tail
                )
        except OSError:
            log.exception("%s could not be started", attempt.worker.name)
        finally:
            self._space.end(attempt.launch, used_up=end is not None and end.exit_code == MachineFault.NO_SPACE)
            self._change(attempt, replace(_with_end(attempt.worker, end), ended_at=utc_now()))
            self._start_pending()

    async def _run_process(self, attempt: _Attempt) -> WorkerEnd:
        launch = attempt.launch
        scratch = self._scratch / launch.name
        token = secrets.token_urlsafe(32)
        try:
            share = self._space.share_of(launch.name)
            identity = WorkerIdentity(launch.job.name, launch.job.uid, launch.stage, launch.attempt, share)
            self._identities[_digest(token)] = identity
            started = None if self._standby is None else await self._standby.acquire(launch.stage)
            if started is None:
                scratch.mkdir()
                started = StartedWorker(await start_worker(self._programs[launch.stage], scratch), scratch)
            attempt.process, scratch = started.process, started.scratch
            self._space.begin(launch.name, scratch)
            await attempt.process.send_token(token)
            running = replace(attempt.worker, state=WorkerState.RUNNING, started_at=utc_now(), reason="", message="")
            self._change(attempt, running)
            if attempt.worker.stopping:
                await attempt.process.terminate()
            limit = launch.job.spec.deadlines.run_seconds
            return await attempt.process.wait(self._run_deadline if limit is None else timedelta(seconds=limit))
        finally:
            self._identities.pop(_digest(token), None)
            await asyncio.to_thread(shutil.rmtree, scratch, ignore_errors=True)

    async def _terminate(self, attempt: _Attempt, task: asyncio.Task[None]) -> None:
        if attempt.process is not None and not attempt.worker.state.ended:
            await attempt.process.terminate()
        await asyncio.wait({task})

    def _change(self, attempt: _Attempt, worker: Worker) -> None:
        attempt.worker = worker
        self._notify(worker)

    def _notify(self, worker: Worker) -> None:
        for callback in self._callbacks:
            callback(worker)


def _with_end(worker: Worker, end: WorkerEnd | None) -> Worker:
    """Returns the worker in its final state. `end` is None if its process could not be started.

    The message is shown to users: it is the end of a sentence and contains nothing of the worker's output.
    """
    if end is None:
        return replace(_failed(worker, "the worker could not be started"), machine_fault=True)
    if end.deadline_exceeded:
        exceeded = _failed(worker, "the worker ran too long", Reason.DEADLINE_EXCEEDED)
        return replace(exceeded, deadline_exceeded=True)
    if end.exit_code == 0:
        return replace(worker, state=WorkerState.SUCCEEDED, reason=Reason.SUCCEEDED, message="")
    if fault := find_machine_fault(end.exit_code):
        return replace(_failed(worker, SENTENCES[fault]), machine_fault=True)
    return _failed(worker, describe_exit(end.exit_code))


def _failed(worker: Worker, message: str, reason: Reason = Reason.INFRASTRUCTURE) -> Worker:
    return replace(worker, state=WorkerState.FAILED, reason=reason, message=message)


def describe_exit(code: int) -> str:
    """Says why a worker with this exit code failed. Shells and runtimes exit with 128 + n after signal n."""
    number = -code if code < 0 else code - 128
    if 0 < number < signal.NSIG:
        try:
            name = signal.Signals(number).name
        except ValueError:
            name = f"signal {number}"
        return f"the worker was killed ({name})"
    if code == ATTEMPT_OVER:
        return "the engine reported that the attempt is over"
    return f"the worker failed (exit code {code})"


def _to_mb(need: SpaceNeed) -> int:
    return (need.scratch_bytes + need.output_bytes) // 10**6


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
