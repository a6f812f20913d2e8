"""Do events still flow? What proves that the watches live, for the liveness probe.

A watch can die and nobody notice: the process works on, blind. So everything that was learnt without an event (by a
listing, by the answer to a write of our own) must be told by an event, too, soon. Where it is not, and that kind of
object had no event at all since, its watch is dead. Must not import kopf: this is what watches over it.
"""

from dataclasses import dataclass, field

from whisperjob_kubernetes.connection import JsonObject


@dataclass(slots=True)
class _Kind:
    told: dict[str, int] = field(default_factory=dict)
    """The latest version events told of, by uid."""
    expected: dict[str, tuple[int, float]] = field(default_factory=dict)
    """A version learnt otherwise and when, by uid."""
    last_event: float = float("-inf")
    events: int = 0


class WatchHealth:
    """Kinds by their plural name. Times are seconds of one monotonic clock, given by the caller."""

    def __init__(self, kinds: tuple[str, ...], blind_after_seconds: float) -> None:
        self._kinds = {kind: _Kind() for kind in kinds}
        self._blind_after = blind_after_seconds

    def expect(self, kind: str, uid: str, version: int, now: float) -> None:
        """An object was seen in this version, not by an event."""
        state = self._kinds[kind]
        if state.told.get(uid, -1) >= version:
            return
        _, since = state.expected.get(uid, (version, now))
        state.expected[uid] = (version, since)

    def told(self, kind: str, uid: str, version: int, now: float, *, deleted: bool = False) -> None:
        """An event told of an object."""
        state = self._kinds[kind]
        state.events += 1
        state.last_event = now
        if version >= state.expected.get(uid, (0, now))[0]:
            state.expected.pop(uid, None)
        if deleted:
            self.forget(kind, uid)
        else:
            state.told[uid] = version

    def forget(self, kind: str, uid: str) -> None:
        """The object is gone: nothing is expected of it any more."""
        self._kinds[kind].told.pop(uid, None)
        self._kinds[kind].expected.pop(uid, None)

    def blind(self, now: float) -> tuple[str, ...]:
        """The kinds whose events do not come any more."""
        return tuple(kind for kind, state in self._kinds.items() if self._is_blind(state, now))

    def _is_blind(self, state: _Kind, now: float) -> bool:
        overdue = {uid: since for uid, (_, since) in state.expected.items() if now - since >= self._blind_after}
        for uid, since in overdue.items():
            if since <= state.last_event:  # others came after it: the watch lives, this one was missed in a re-list
                del state.expected[uid]
        return any(since > state.last_event for since in overdue.values())

    def events(self) -> dict[str, int]:
        """How many came, by kind."""
        return {kind: state.events for kind, state in self._kinds.items()}


def identity_of(body: JsonObject) -> tuple[str, int]:
    """(uid, version) of a Kubernetes object."""
    metadata = body["metadata"]
    return metadata["uid"], int(metadata["resourceVersion"])
