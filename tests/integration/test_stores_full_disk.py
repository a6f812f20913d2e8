"""A store in a folder on a full disk: an object is stored whole or not at all, and deleting works."""

import io
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from support.programs.small_disk import make_read_only, small_disk, small_ext4
from whisperjob.model.errors import StoreFullError, StoreUnavailableError
from whisperjob.stores.folder import FolderStore

KIB = 1024


@pytest.fixture(params=[small_disk, small_ext4], ids=["tmpfs", "ext4"])
def disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    with request.param(tmp_path / "disk", 8) as folder:
        yield folder


def put(store: FolderStore, key: str, size: int) -> None:
    store.put(key, io.BytesIO(bytes(size)))


def fill_with_objects(store: FolderStore) -> list[str]:
    """Puts smaller and smaller objects until none has room; returns the keys of those that were stored."""
    keys: list[str] = []
    size = 512 * KIB
    while size:
        key = f"jobs/uid/optimize/1/chunk_{len(keys):05}.mp3"
        try:
            put(store, key, size)
        except StoreFullError:
            size //= 2
        else:
            keys.append(key)
    return keys


def fill_folder(folder: Path) -> None:
    """Makes names as long as the store's own, until the folder has no room for another."""
    for number in range(1_000_000):
        try:
            (folder / f"{number:016x}.filling").touch()
        except OSError:
            return


def test_an_object_that_does_not_fit_leaves_nothing(disk: Path) -> None:
    store = FolderStore(disk / "store")
    keys = fill_with_objects(store)
    assert [found.key for found in store.list("")] == keys
    with pytest.raises(StoreFullError):
        put(store, "jobs/other/trim/1/trimmed.mp3", 64 * KIB)
    assert sorted(path.name for path in (disk / "store" / "objects" / "jobs").iterdir()) == ["uid"]
    assert list((disk / "store" / "staging").iterdir()) == []


@pytest.mark.parametrize("disk", [small_ext4], ids=["ext4"], indirect=True)
def test_a_folder_is_deleted_where_not_even_a_name_has_room(disk: Path) -> None:
    """It is usually renamed first."""
    store = FolderStore(disk / "store")
    staging = disk / "store" / "staging"
    keys = fill_with_objects(store)
    fill_folder(staging)
    with pytest.raises(OSError, match="No space"):
        (disk / "store" / "objects" / "jobs").rename(staging / f"{0:016x}.deleted")
    assert store.delete_prefix("jobs/uid/") == len(keys)
    assert list(store.list("")) == []
    assert list((disk / "store" / "objects").iterdir()) == []
    assert store.sweep_unfinished(timedelta(0)) > 0
    put(store, "jobs/uid/next", 512 * KIB)


def test_single_objects_are_deleted_on_a_full_disk(disk: Path) -> None:
    store = FolderStore(disk / "store")
    for key in fill_with_objects(store):
        store.delete(key)
    assert list(store.list("")) == []
    put(store, "jobs/uid/next", 512 * KIB)


def test_a_read_only_disk_is_noticed_and_still_read(disk: Path) -> None:
    store = FolderStore(disk / "store")
    put(store, "jobs/uid/a", 10)
    store.check()
    make_read_only(disk)
    with pytest.raises(StoreUnavailableError):
        store.check()
    with pytest.raises(StoreUnavailableError):
        put(store, "jobs/uid/b", 10)
    assert b"".join(store.read("jobs/uid/a")) == bytes(10)
    make_read_only(disk, read_only=False)
    store.check()
    assert [found.key for found in store.list("")] == ["jobs/uid/a"]
