"""The contract of writing objects, tested on a folder and on a real MinIO server."""

import hashlib
import threading
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from support.stores.cases import MIB, NO_AGE, Case, Stream, VanishedError, get, listed, put
from whisperjob.model.errors import ObjectNotFoundError
from whisperjob.stores.port import ObjectStore

pytest_plugins = ["support.stores.fixtures"]


@pytest.mark.parametrize("size", [0, 1, 8 * MIB - 1, 8 * MIB, 8 * MIB + 1, 16 * MIB, 21 * MIB + 7])
def test_an_object_is_what_was_sent(case: Case, size: int) -> None:
    before = time.time()
    stream = Stream(size)
    assert case.store.put("jobs/1/a", stream) == size
    found = case.store.stat("jobs/1/a")
    assert found is not None
    assert (found.key, found.size_bytes) == ("jobs/1/a", size)
    assert before - 2 < found.modified_at < time.time() + 2
    (in_listing,) = case.store.list("jobs/")
    assert (in_listing.key, in_listing.size_bytes) == ("jobs/1/a", size)
    assert hashlib.sha256(get(case.store, "jobs/1/a")).digest() == stream.sha256.digest()
    assert case.unfinished() == []


def test_small_pieces_are_joined(store: ObjectStore) -> None:
    stream = Stream(9 * MIB, most=100_003)
    assert store.put("a", stream) == 9 * MIB
    assert hashlib.sha256(get(store, "a")).digest() == stream.sha256.digest()


@pytest.mark.parametrize("error", [VanishedError(), ConnectionResetError("gone"), TimeoutError("slow")], ids=repr)
@pytest.mark.parametrize("size", [0, 1, 8 * MIB, 8 * MIB + 1, 30 * MIB])
def test_a_sender_that_vanishes_leaves_nothing(case: Case, size: int, error: Exception) -> None:
    put(case.store, "jobs/1/other")
    with pytest.raises(type(error)) as caught:
        case.store.put("jobs/1/a", Stream(size, error=error))
    assert caught.value is error
    assert case.store.stat("jobs/1/a") is None
    assert listed(case.store) == ["jobs/1/other"]
    assert case.unfinished() == []


def test_a_sender_that_vanishes_leaves_the_old_pointer(store: ObjectStore) -> None:
    put(store, "jobs/1/trim.json", b"old")
    with pytest.raises(VanishedError):
        store.put("jobs/1/trim.json", Stream(20 * MIB, error=VanishedError()))
    assert get(store, "jobs/1/trim.json") == b"old"


def test_failed_uploads_leave_no_threads(store: ObjectStore) -> None:
    def fail() -> None:
        with pytest.raises(VanishedError):
            store.put("a", Stream(20 * MIB, error=VanishedError()))

    fail()
    before = threading.active_count()
    fail()
    assert threading.active_count() == before


@pytest.mark.parametrize("size", [MIB, 30 * MIB])
def test_an_object_is_invisible_until_it_is_whole(store: ObjectStore, size: int) -> None:
    seen: list[object] = []

    def look() -> None:
        seen.extend((store.stat("jobs/1/a"), listed(store)))

    store.put("jobs/1/a", Stream(size, at_half=look))
    assert seen == [None, []]
    assert listed(store) == ["jobs/1/a"]


def test_an_upload_holds_little_memory(store: ObjectStore) -> None:
    tracemalloc.start()
    try:
        store.put("a", Stream(120 * MIB))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 40 * MIB


def test_a_pointer_is_replaced_at_once(store: ObjectStore) -> None:
    """Its readers see the old one whole or the new one whole, and never none."""
    versions = [str(number).encode() * 50_000 for number in range(10)]
    put(store, "jobs/1/trim.json", versions[0])
    over = threading.Event()

    def look() -> set[bytes]:
        seen = set()
        while not over.is_set():
            seen.add(get(store, "jobs/1/trim.json"))
            assert listed(store) == ["jobs/1/trim.json"]
        return seen

    with ThreadPoolExecutor(2) as pool:
        readers = [pool.submit(look) for _ in range(2)]
        try:
            for version in versions:
                put(store, "jobs/1/trim.json", version)
        finally:
            over.set()
        for reader in readers:
            assert reader.result() <= set(versions)
    assert get(store, "jobs/1/trim.json") == versions[-1]


@pytest.mark.parametrize("key", ["", "/", "/etc/passwd", "../a", "a/../../b", "a//b", "a/", "a b", "ü", "a\n"])
def test_a_bad_key_is_never_written(case: Case, key: str) -> None:
    with pytest.raises(ValueError, match="not a key"):
        put(case.store, key)
    with pytest.raises(ObjectNotFoundError):
        case.store.grant_read(key, timedelta(hours=1))
    assert listed(case.store) == []
    assert case.unfinished() == []


def test_many_write_at_once(case: Case) -> None:
    def send(number: int) -> tuple[str, bytes]:
        stream = Stream(9 * MIB + number if number % 8 == 0 else 1000 + number)
        key = f"jobs/{number % 3}/{number}"
        case.store.put(key, stream)
        return key, stream.sha256.digest()

    with ThreadPoolExecutor(8) as pool:
        sent = dict(pool.map(send, range(32)))
    assert listed(case.store) == sorted(sent)
    assert {key: hashlib.sha256(get(case.store, key)).digest() for key in sent} == sent
    assert case.unfinished() == []


def test_writing_survives_the_deletion_of_what_is_around_it(store: ObjectStore) -> None:
    """Every put succeeds, though its folder is removed again and again, and what is put last is there."""
    over = threading.Event()

    def delete() -> None:
        while not over.is_set():
            store.delete_prefix("jobs/1/")
            store.delete("jobs/1/deep/er/0")

    with ThreadPoolExecutor(1) as pool:
        deleting = pool.submit(delete)
        try:
            for number in range(100):
                put(store, f"jobs/1/deep/er/{number % 2}")
        finally:
            over.set()
        deleting.result()
    put(store, "jobs/1/deep/er/last")
    assert "jobs/1/deep/er/last" in listed(store)


def test_what_a_crash_left_is_swept_when_it_is_old(case: Case) -> None:
    put(case.store, "jobs/1/a")
    case.leave_unfinished()
    case.leave_unfinished()
    assert listed(case.store) == ["jobs/1/a"]
    assert case.store.sweep_unfinished(timedelta(hours=1)) == 0
    assert len(case.unfinished()) == 2
    assert case.store.sweep_unfinished(NO_AGE) == 2
    assert case.unfinished() == []
    assert case.store.sweep_unfinished(NO_AGE) == 0
    assert listed(case.store) == ["jobs/1/a"]
