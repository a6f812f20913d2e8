"""A Launcher whose workers do what the test says: the real port, without processes."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from whisperjob.engine.ports import Launch, WorkerIdentity
from whisperjob.model.workers import Worker, WorkerState


class ScriptedLauncher:
    def __init__(self) -> None:
        self.by_name: dict[str, Worker] = {}
        self.launched: list[Launch] = []
        self.stopped: list[str] = []
        self._callbacks: list[Callable[[Worker], None]] = []

    def subscribe(self, on_change: Callable[[Worker], None]) -> None:
        self._callbacks.append(on_change)

    async def start(self, launch: Launch) -> Worker:
        if launch.name not in self.by_name:
            self.launched.append(launch)
            self.by_name[launch.name] = Worker(
                name=launch.name,
                job_name=launch.job.name,
                job_uid=launch.job.uid,
                stage=launch.stage,
                attempt=launch.attempt,
                state=WorkerState.PENDING,
                created_at=datetime.now(UTC),
            )
        return self.by_name[launch.name]

    async def stop(self, name: str) -> None:
        await asyncio.sleep(0)
        if self.by_name.pop(name, None):
            self.stopped.append(name)

    async def workers(self) -> tuple[Worker, ...]:
        return tuple(self.by_name.values())

    def becomes(self, launch: Launch, state: WorkerState, **changes: Any) -> None:
        """Changes the worker's state, and calls the engine back."""
        fields: dict[str, Any] = {"state": state, "started_at": datetime.now(UTC), **changes}
        worker = replace(self.by_name[launch.name], **fields)
        self.by_name[launch.name] = worker
        for callback in self._callbacks:
            callback(worker)

    def vanishes(self, launch: Launch) -> None:
        """Removes the worker without calling the engine back."""
        del self.by_name[launch.name]

    @staticmethod
    def worker(launch: Launch) -> WorkerIdentity:
        return WorkerIdentity(launch.job.name, launch.job.uid, launch.stage, launch.attempt)
