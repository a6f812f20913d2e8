"""One pass over one job: finalize what was deleted, observe, decide, apply."""

from dataclasses import dataclass, field
from datetime import timedelta

from whisperjob.deciding.decision import AT_ONCE
from whisperjob.deciding.rules import decide
from whisperjob.engine.applying import Applier
from whisperjob.engine.observing import Observer
from whisperjob.engine.watched_clock import WatchedClock
from whisperjob.model.errors import RecordConflictError, RecordNotFoundError
from whisperjob.model.resource import WhisperJob


@dataclass(slots=True)
class Reconciler:
    """Connects observer, decision and applier. It stores nothing but the tombstones of deleted jobs."""

    observer: Observer
    applier: Applier
    clock: WatchedClock
    _tombstones: dict[str, list[WhisperJob]] = field(default_factory=dict)

    def add_tombstone(self, deleted: WhisperJob) -> None:
        """Retains a deleted record as a tombstone until a pass over its name has finalized it."""
        self._tombstones.setdefault(deleted.name, []).append(deleted)

    async def reconcile(self, name: str) -> timedelta | None:
        """Brings one job a step further; returns when to come back, None if only a change makes that worthwhile.

        Raises what the ports raise: the caller tries again later.
        """
        await self._finalize(name)
        observation = await self.observer.observe(name)
        if observation is None:
            return None
        job, observed = observation
        decision = decide(job, observed, self.clock.now(), self.observer.policy)
        try:
            return await self.applier.apply(job, decision)
        except RecordConflictError:
            self.applier.cache.put(await self.applier.records.get(name))
            return AT_ONCE
        except RecordNotFoundError:
            self.applier.cache.forget(job)
            return AT_ONCE

    async def _finalize(self, name: str) -> None:
        while tombstones := self._tombstones.get(name):
            await self.applier.finalize(tombstones[0])
            tombstones.pop(0)
        self._tombstones.pop(name, None)
