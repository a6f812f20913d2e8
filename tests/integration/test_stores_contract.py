"""What every object store promises, held against each of them: a folder, and a bucket of a real MinIO server."""

import gc
import hashlib
import io
import secrets
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from support.minio_server import MinioServer
from whisperjob.model.errors import ObjectNotFoundError
from whisperjob.stores.folder import FolderStore
from whisperjob.stores.port import ObjectStore, read_all
from whisperjob.stores.s3 import S3Store

MIB = 1024 * 1024
NO_AGE = timedelta(0)


@dataclass(frozen=True)
class Case:
    """A store, and the two things its port does not show: what is unfinished in it, and how that comes about."""

    store: ObjectStore
    unfinished: Callable[[], list[str]]
    leave_unfinished: Callable[[], object]


def folder_case(root: Path) -> Case:
    staging = root / "staging"
    return Case(
        FolderStore(root),
        lambda: [path.name for path in staging.iterdir()],
        lambda: (staging / f"{secrets.token_hex(4)}.part").write_bytes(b"half"),
    )


def s3_case(server: MinioServer) -> Case:
    settings = server.settings()
    store = S3Store(settings)
    store.ensure_bucket()
    client, bucket = store._client, settings.s3_bucket
    return Case(
        store,
        lambda: [upload.object_name for upload in client._list_multipart_uploads(bucket).uploads],
        lambda: client._create_multipart_upload(bucket, f"left/{secrets.token_hex(4)}", {}),
    )


@pytest.fixture(params=["folder", pytest.param("s3", marks=pytest.mark.minio)])
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Case:
    if request.param == "folder":
        return folder_case(tmp_path / "store")
    return s3_case(request.getfixturevalue("minio_server"))


@pytest.fixture
def store(case: Case) -> ObjectStore:
    return case.store


def put(store: ObjectStore, key: str, data: bytes = b"data") -> int:
    return store.put(key, io.BytesIO(data))


def get(store: ObjectStore, key: str, start: int = 0, length: int | None = None) -> bytes:
    return b"".join(store.read(key, start, length))


def listed(store: ObjectStore, prefix: str = "") -> list[str]:
    return [found.key for found in store.list(prefix)]


class VanishedError(Exception):
    """The sender is gone."""


class Stream:
    """`size` bytes that need no memory; then the end, or `error`. Calls `at_half` once, half-way."""

    def __init__(
        self, size: int, *, error: Exception | None = None, at_half: Callable[[], None] | None = None, most: int = 2**62
    ) -> None:
        self.sha256 = hashlib.sha256()
        self._size = size
        self._given = 0
        self._error = error
        self._at_half = at_half
        self._most = most

    def read(self, size: int = -1, /) -> bytes:
        left = self._size - self._given
        if not left and self._error is not None:
            raise self._error
        if self._given >= self._size // 2 and self._at_half is not None:
            at_half, self._at_half = self._at_half, None
            at_half()
        piece = (self._given % 251).to_bytes(1, "big") * min(size if size >= 0 else left, left, self._most)
        self._given += len(piece)
        self.sha256.update(piece)
        return piece


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


def test_a_sender_of_small_pieces_is_put_together(store: ObjectStore) -> None:
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
def test_a_careless_prefix_deletes_nothing(store: ObjectStore, prefix: str) -> None:
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


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_readers_that_lose_interest_hold_nothing(store: ObjectStore) -> None:
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


def test_it_says_how_it_is(store: ObjectStore) -> None:
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
