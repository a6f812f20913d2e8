"""The contract of reading, listing and deleting objects, tested on a folder and on a real MinIO server."""

import gc
import secrets
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from support.stores.cases import MIB, get, listed, put
from whisperjob.model.errors import ObjectNotFoundError
from whisperjob.stores.port import ObjectStore, read_all

pytest_plugins = ["support.stores.fixtures"]


def test_a_listing_is_in_order_of_key(store: ObjectStore) -> None:
    names = [
        "a/b",
        "a-b",
        "a.b",
        "a0",
        "a/b0",
        "B",
        "a/-",
        "z/y/x",
        "z/y.x",
        "z/y",
        "z/Y/x",
        "(",
        "jobs/10/x",
        "jobs/9/x",
    ]
    names.remove("z/y")  # a folder cannot have the name of a file; our keys never need it
    for name in names:
        put(store, name, name.encode())
    assert listed(store) == sorted(names)
    assert [found.size_bytes for found in store.list("")] == [len(name) for name in sorted(names)]


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        ("jobs/1/", ["jobs/1/a", "jobs/1/b/c"]),
        ("jobs/1", ["jobs/1/a", "jobs/1/b/c", "jobs/10/a"]),
        ("jobs/", ["jobs/1/a", "jobs/1/b/c", "jobs/10/a", "jobs/2/a"]),
        ("jobs/1/a", ["jobs/1/a"]),
        ("jobs/1/a/", []),
        ("jobs/3/", []),
        ("none", []),
        ("/jobs/", []),
        ("jobs/../jobs/", []),
        ("", ["jobs/1/a", "jobs/1/b/c", "jobs/10/a", "jobs/2/a", "uploads/1/a"]),
    ],
)
def test_a_prefix_lists_what_begins_with_it(store: ObjectStore, prefix: str, expected: list[str]) -> None:
    for key in ("jobs/1/a", "jobs/1/b/c", "jobs/10/a", "jobs/2/a", "uploads/1/a"):
        put(store, key)
    assert listed(store, prefix) == expected


def test_a_deleted_prefix_takes_its_own_and_no_more(store: ObjectStore) -> None:
    for key in ("jobs/1/a", "jobs/1/b/c", "jobs/1/b/d", "jobs/10/a", "uploads/1/a"):
        put(store, key)
    assert store.delete_prefix("jobs/1/") == 3
    assert listed(store) == ["jobs/10/a", "uploads/1/a"]
    assert store.delete_prefix("jobs/1/") == 0
    assert store.delete_prefix("jobs/10/") == 1
    assert listed(store) == ["uploads/1/a"]


@pytest.mark.parametrize("prefix", ["", "/", "jobs", "jobs/1", "../", "jobs/../", "/jobs/"])
def test_an_invalid_prefix_deletes_nothing(store: ObjectStore, prefix: str) -> None:
    put(store, "jobs/1/a")
    with pytest.raises(ValueError, match="prefix"):
        store.delete_prefix(prefix)
    with pytest.raises(ValueError, match="prefix"):
        store.grant_write(prefix, timedelta(hours=1), MIB)
    assert listed(store) == ["jobs/1/a"]


def test_deleting_is_idempotent(store: ObjectStore) -> None:
    put(store, "jobs/1/a")
    put(store, "jobs/1/b")
    for _ in range(2):
        store.delete("jobs/1/a")
        assert listed(store) == ["jobs/1/b"]
    store.delete("jobs/2/never")
    store.delete("jobs")
    assert listed(store) == ["jobs/1/b"]


@pytest.mark.parametrize(
    ("start", "length"),
    [
        (0, None),
        (0, 0),
        (0, 1),
        (1, 1),
        (5, None),
        (0, 3 * MIB),
        (0, 4 * MIB),
        (MIB - 1, 2),
        (3 * MIB - 1, None),
        (3 * MIB - 1, 5),
        (3 * MIB, None),
        (4 * MIB, None),
        (4 * MIB, 1),
    ],
)
def test_a_range_is_that_part(store: ObjectStore, start: int, length: int | None) -> None:
    data = secrets.token_bytes(3 * MIB)
    put(store, "a", data)
    end = None if length is None else start + length
    assert get(store, "a", start, length) == data[start:end]


def test_a_small_object_is_read_whole(store: ObjectStore) -> None:
    put(store, "empty", b"")
    put(store, "manifest.json", b"{}")
    assert read_all(store, "empty", 10) == b""
    assert read_all(store, "manifest.json", 2) == b"{}"
    with pytest.raises(ValueError, match="longer than 1 bytes"):
        read_all(store, "manifest.json", 1)


@pytest.mark.parametrize(
    "key", ["a", "jobs/1", "jobs", "jobs/1/a/b", "", "..", "../objects/jobs/1/a", "/jobs/1/a", "jobs//1", "ü"]
)
@pytest.mark.parametrize(("start", "length"), [(0, None), (0, 0), (7, 1)])
def test_what_is_not_there_is_missing(store: ObjectStore, key: str, start: int, length: int | None) -> None:
    put(store, "jobs/1/a")
    assert store.stat(key) is None
    with pytest.raises(ObjectNotFoundError):
        store.read(key, start, length)
    store.delete(key)
    assert listed(store) == ["jobs/1/a"]


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_abandoned_readers_hold_no_resources(store: ObjectStore) -> None:
    put(store, "a", bytes(3 * MIB))

    def open_and_leave() -> None:
        for _ in range(20):
            store.read("a")
            next(iter(store.read("a")))
        gc.collect()

    open_and_leave()
    before = open_files()
    open_and_leave()
    assert open_files() <= before


def test_a_reader_gets_to_the_end_of_what_is_deleted_meanwhile(store: ObjectStore) -> None:
    data = secrets.token_bytes(3 * MIB)
    put(store, "a", data)
    pieces = store.read("a")
    first = next(pieces)
    store.delete("a")
    assert first + b"".join(pieces) == data


def test_the_store_reports_its_health(store: ObjectStore) -> None:
    store.check()
    free = store.free_bytes()
    assert free is None or free > 0


@pytest.fixture
def no_grants_in_logs(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Nothing logged at any level carries a signature."""
    caplog.set_level("DEBUG")
    yield
    assert "x-amz" not in caplog.text.lower()
    assert "signature" not in caplog.text.lower()


@pytest.mark.usefixtures("no_grants_in_logs")
def test_logs_carry_no_signatures(store: ObjectStore) -> None:
    put(store, "jobs/1/a", bytes(9 * MIB))
    get(store, "jobs/1/a", 3, 5)
    store.grant_read("jobs/1/a", timedelta(hours=1))
    store.grant_write("jobs/1/", timedelta(hours=1), MIB)
    with pytest.raises(ObjectNotFoundError):
        store.read("jobs/2/a")
    store.delete_prefix("jobs/1/")
