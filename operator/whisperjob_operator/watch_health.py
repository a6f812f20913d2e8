"""Decides whether the events of the watches still arrive, for the liveness probe.

A watch can die unnoticed, and the process then works on what it knew before. So every version of an object that was
learnt without an event (from a listing, or from the answer to a write) must soon arrive as an event, too. Where it does
not, and where no other event of that kind has arrived since, the watch of that kind is dead. Must not import kopf: this
module watches over it.
"""

from dataclasses import dataclass, field

from whisperjob_kubernetes.connection import JsonObject


@dataclass(slots=True)
class _Watch:
    """What is known of the watch of one kind."""

    seen: dict[str, int] = field(default_factory=dict)
    """The latest version that an event brought, by uid."""
    expected: dict[str, tuple[int, float]] = field(default_factory=dict)
    """A version that an event must bring, and since when, by uid."""
    last_event: float = float("-inf")
    events: int = 0


class WatchHealth:
    """The watches by the plural names of their kinds. The caller gives the time, in seconds of one monotonic clock."""

    def __init__(self, kinds: tuple[str, ...], blind_after_seconds: float) -> None:
        self._watches = {kind: _Watch() for kind in kinds}
        self._blind_after = blind_after_seconds

    def expect_event(self, kind: str, uid: str, version: int, now: float) -> None:
        """Notes that an object was observed in this version otherwise than by an event."""
        watch = self._watches[kind]
        if watch.seen.get(uid, -1) >= version:
            return
        _, since = watch.expected.get(uid, (version, now))
        watch.expected[uid] = (version, since)

    def record_event(self, kind: str, uid: str, version: int, now: float, *, deleted: bool = False) -> None:
        """Notes that an event brought an object in this version."""
        watch = self._watches[kind]
        watch.events += 1
        watch.last_event = now
        if version >= watch.expected.get(uid, (0, now))[0]:
            watch.expected.pop(uid, None)
        if deleted:
            self.forget(kind, uid)
        else:
            watch.seen[uid] = version

    def forget(self, kind: str, uid: str) -> None:
        """Notes that an object is gone: no event of it is expected any more."""
        self._watches[kind].seen.pop(uid, None)
        self._watches[kind].expected.pop(uid, None)

    def dead_watches(self, now: float) -> tuple[str, ...]:
        """Returns the kinds whose events no longer arrive."""
        return tuple(kind for kind, watch in self._watches.items() if self._is_dead(watch, now))

    def _is_dead(self, watch: _Watch, now: float) -> bool:
        overdue = {uid: since for uid, (_, since) in watch.expected.items() if now - since >= self._blind_after}
        for uid, since in overdue.items():
            if since <= watch.last_event:  # others came after it: the watch lives, a re-listing skipped this one
                del watch.expected[uid]
        return any(since > watch.last_event for since in overdue.values())

    def event_counts(self) -> dict[str, int]:
        """Returns how many events arrived, by kind."""
        return {kind: watch.events for kind, watch in self._watches.items()}


def identity_of(body: JsonObject) -> tuple[str, int]:
    """Returns (uid, version) of a Kubernetes object."""
    metadata = body["metadata"]
    return metadata["uid"], int(metadata["resourceVersion"])
