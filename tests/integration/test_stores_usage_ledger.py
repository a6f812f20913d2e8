"""The ledger of deleted jobs, in every kind of store."""

from datetime import timedelta

import pytest

from support.builders import a_job, a_spec, at
from whisperjob.model.phase import Phase
from whisperjob.model.usage import DAY
from whisperjob.stores.port import ObjectStore
from whisperjob.stores.usage_ledger import note_deletion, read_deleted

pytest_plugins = ["support.stores.fixtures"]

NOW = at(0)


def noted(store: ObjectStore, uid: str, hours_ago: float, tenant: str = "alice") -> None:
    created = NOW - timedelta(hours=hours_ago)
    job = a_job(uid=uid, created_at=created, spec=a_spec(tenant=tenant), phase=Phase.ERROR, duration_seconds=60.4)
    note_deletion(store, job, NOW)


def uids(store: ObjectStore, later: timedelta = timedelta(0), tenant: str = "alice") -> list[str]:
    return sorted(use.uid for use in read_deleted(store, "default", tenant, NOW + later))


def test_what_was_deleted_counts_for_the_rest_of_its_day(store: ObjectStore) -> None:
    for _ in range(2):  # deleting was interrupted, and is done again
        noted(store, "old", 20)
    noted(store, "young", 1)
    noted(store, "yesterday", 25)
    noted(store, "other", 1, tenant="bob")
    assert uids(store) == ["old", "young"]
    assert uids(store, tenant="bob") == ["other"]
    (use,) = (use for use in read_deleted(store, "default", "alice", NOW) if use.uid == "young")
    assert (use.size_bytes, use.audio_seconds, use.counts_until) == (1000, 60, NOW + DAY - timedelta(hours=1))
    assert uids(store, timedelta(hours=5)) == ["young"]


@pytest.mark.parametrize(("days", "left"), [(2, 1), (9, 0)])
def test_what_is_long_past_is_removed_and_a_jump_of_the_clock_removes_nothing(
    store: ObjectStore, days: int, left: int
) -> None:
    noted(store, "old", 1)
    assert uids(store, timedelta(days=days)) == []
    assert len(list(store.list("usage/"))) == left
