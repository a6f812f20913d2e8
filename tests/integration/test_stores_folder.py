"""What only a store in a folder has: a full disk, workers that write to it, files that are not objects."""

import io
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from whisperjob.model.errors import ObjectNotFoundError, StoreUnavailableError
from whisperjob.model.protocol import FileRead, FileWrite
from whisperjob.model.settings import StoreSettings
from whisperjob.stores.folder import FolderStore
from whisperjob.stores.open import open_store

HOUR = timedelta(hours=1)
NO_AGE = timedelta(0)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def store(root: Path) -> FolderStore:
    return FolderStore(root)


def put(store: FolderStore, key: str, data: bytes = b"data") -> None:
    store.put(key, io.BytesIO(data))


class Acting:
    """Two pieces, with an action between them."""

    def __init__(self, act: Callable[[], object]) -> None:
        self._steps = [lambda: None, act]

    def read(self, size: int = -1, /) -> bytes:
        if not self._steps:
            return b""
        self._steps.pop(0)()
        return b"piece"


def test_without_an_endpoint_objects_lie_in_the_folder(root: Path) -> None:
    store = open_store(StoreSettings(s3_endpoint=None), root)
    store.put("jobs/1/a", io.BytesIO(b"data"))
    assert (root / "objects/jobs/1/a").read_bytes() == b"data"


def test_only_the_owner_may_read_recordings(root: Path, store: FolderStore) -> None:
    put(store, "uploads/1/a")
    for path in (root / "objects", root / "staging", *(root / "objects").rglob("*")):
        assert path.stat().st_mode & 0o077 == 0, path


def test_objects_outlive_the_store(root: Path, store: FolderStore) -> None:
    put(store, "jobs/1/a")
    assert [found.key for found in FolderStore(root).list("")] == ["jobs/1/a"]


def test_nothing_empty_is_left_behind(root: Path, store: FolderStore) -> None:
    put(store, "jobs/1/optimize/1/a")
    put(store, "jobs/2/a")
    store.delete("jobs/1/optimize/1/a")
    assert [path.name for path in (root / "objects/jobs").iterdir()] == ["2"]
    store.delete_prefix("jobs/2/")
    assert list((root / "objects").iterdir()) == []
    assert list((root / "staging").iterdir()) == []


def publish(grant: FileWrite, name: str, data: bytes) -> None:
    """Publishes a file as a worker does."""
    staged = Path(grant.staging) / f"worker-{os.getpid()}-{name}"
    staged.write_bytes(data)
    staged.rename(Path(grant.directory) / name)


def test_a_worker_reads_and_publishes_in_place(store: FolderStore) -> None:
    put(store, "uploads/1/a", b"source")
    source = store.grant_read("uploads/1/a", HOUR)
    assert isinstance(source, FileRead)
    assert Path(source.path).read_bytes() == b"source"
    grant = store.grant_write("jobs/1/optimize/1/", HOUR, 10)
    assert list(store.list("")) == [store.stat("uploads/1/a")]
    publish(grant, "output.mp3", b"mp3")
    assert [found.key for found in store.list("jobs/")] == ["jobs/1/optimize/1/output.mp3"]
    assert b"".join(store.read("jobs/1/optimize/1/output.mp3")) == b"mp3"


def test_an_ending_worker_does_not_block_a_deletion(root: Path, store: FolderStore) -> None:
    """A worker writes until its folder is gone; then nothing of the job is left, and the deletion did not fail."""
    grant = store.grant_write("jobs/1/optimize/1/", HOUR, 10)
    started = threading.Event()

    def write() -> None:
        number = 0
        try:
            while True:
                publish(grant, f"chunk_{number:03d}.mp3", b"mp3")
                started.set()
                number += 1
        except FileNotFoundError:
            pass

    worker = threading.Thread(target=write)
    worker.start()
    assert started.wait(10)
    assert store.delete_prefix("jobs/1/") > 0
    worker.join(10)
    assert not worker.is_alive()
    assert list(store.list("")) == []
    assert list((root / "objects").iterdir()) == []


def test_a_live_upload_is_swept_by_force_only(store: FolderStore) -> None:
    assert store.put("a", Acting(lambda: store.sweep_unfinished(HOUR))) == 10
    with pytest.raises(StoreUnavailableError, match="swept"):
        store.put("b", Acting(lambda: store.sweep_unfinished(NO_AGE)))
    assert [found.key for found in store.list("")] == ["a"]


def test_only_old_leftovers_are_swept(root: Path, store: FolderStore) -> None:
    staging = root / "staging"
    (staging / "trash.deleted/deep").mkdir(parents=True)
    for path, age in (
        (staging / "old.part", 7200),
        (staging / "new.part", 10),
        (staging / "trash.deleted/deep/a", 7200),
    ):
        path.write_bytes(b"left")
        os.utime(path, (path.stat().st_mtime - age,) * 2)
    assert store.sweep_unfinished(HOUR) == 2
    assert (staging / "new.part").exists()
    assert store.sweep_unfinished(NO_AGE) == 1
    store.sweep_unfinished(NO_AGE)
    assert list(staging.iterdir()) == []


@pytest.mark.parametrize("kind", ["link", "broken link", "folder link", "pipe", "folder"])
def test_what_is_no_plain_file_is_no_object(root: Path, store: FolderStore, tmp_path: Path, kind: str) -> None:
    """A compromised worker must not make the store read anything else, nor wait for ever."""
    secret = tmp_path / "secret"
    secret.write_text("secret")
    put(store, "jobs/1/real")
    path = root / "objects/jobs/1/a"
    match kind:
        case "link":
            path.symlink_to(secret)
        case "broken link":
            path.symlink_to(tmp_path / "nothing")
        case "folder link":
            path.symlink_to(tmp_path, target_is_directory=True)
        case "pipe":
            os.mkfifo(path)
        case _:
            path.mkdir()
    assert store.stat("jobs/1/a") is None
    with pytest.raises(ObjectNotFoundError):
        store.read("jobs/1/a")
    assert [found.key for found in store.list("")] == ["jobs/1/real"]
    assert store.delete_prefix("jobs/1/") >= 1
    assert secret.read_text() == "secret"


def test_names_that_are_no_keys_are_not_listed(root: Path, store: FolderStore) -> None:
    put(store, "jobs/1/a")
    for name in ("ü", "a b", "a\nb"):
        (root / "objects/jobs/1" / name).write_text("stray")
    assert [found.key for found in store.list("jobs/1/")] == ["jobs/1/a"]
    store.delete_prefix("jobs/1/")
    assert list((root / "objects").iterdir()) == []


def test_a_folder_that_went_away_is_unavailable(root: Path, store: FolderStore) -> None:
    put(store, "a")
    shutil.rmtree(root)
    with pytest.raises(StoreUnavailableError):
        store.check()
    with pytest.raises(StoreUnavailableError):
        put(store, "b")
    with pytest.raises(StoreUnavailableError):
        store.free_bytes()
    assert not root.exists()


def test_a_folder_that_cannot_be_made_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreUnavailableError):
        FolderStore(tmp_path / "file")


FULL_DISK = """
import io, sys
from pathlib import Path
from whisperjob.model.errors import StoreFullError
from whisperjob.stores.folder import FolderStore

root = Path(sys.argv[1])
store = FolderStore(root)
store.put("jobs/1/small", io.BytesIO(bytes(1 << 20)))
try:
    store.put("jobs/1/big", io.BytesIO(bytes(16 << 20)))
except StoreFullError as error:
    print(error)
else:
    sys.exit("it fitted")
assert [found.key for found in store.list("")] == ["jobs/1/small"], list(store.list(""))
assert list((root / "staging").iterdir()) == []
store.put("jobs/1/next", io.BytesIO(bytes(1 << 20)))
"""


def test_a_full_disk_keeps_nothing_half_written(tmp_path: Path) -> None:
    small_disk = ["unshare", "--map-root-user", "--mount", "sh", "-c"]
    mount = f"mount -t tmpfs -o size=4m none {tmp_path}"
    if not shutil.which("unshare") or subprocess.run([*small_disk, mount], capture_output=True).returncode:
        pytest.skip("a small disk cannot be made here: that needs unshare(1) and user namespaces")
    done = subprocess.run(
        [*small_disk, f'{mount} && exec "$@"', "sh", sys.executable, "-c", FULL_DISK, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert "no room" in done.stdout
