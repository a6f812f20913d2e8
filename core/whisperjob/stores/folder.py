"""Objects as files of one machine: the embedded default.

`objects/<key>` holds what is visible, `staging/` what is not yet, or no longer: an object is written there and
renamed into place, a whole prefix is renamed out of place before it is deleted. Both lie on one file system, so that
each rename is atomic. Workers on the same machine read and publish by the same rules (`FileRead`, `FileWrite`).
"""

import errno
import math
import os
import secrets
import shutil
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Final

from whisperjob.model.errors import ObjectNotFoundError, StoreFullError, StoreUnavailableError
from whisperjob.model.protocol import FileRead, FileWrite
from whisperjob.stores import keys
from whisperjob.stores.object_stream import PIECE_BYTES, Pieces
from whisperjob.stores.port import Readable, StoredObject

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
_ABSENT: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.ENXIO})
_WRITEBACK_BYTES: Final = 8 * 1024 * 1024
"""How much may lie dirty in the page cache before the disk is set to work; see `_start_writeback`."""


class FolderStore:
    """An ObjectStore in a folder. One FolderStore owns it; workers only write where `grant_write` lets them."""

    def __init__(self, root: Path) -> None:
        self._objects = root.absolute() / "objects"
        self._staging = root.absolute() / "staging"
        self._tree = threading.Lock()
        """Held while folders are made and filled, or emptied and removed: moments, never while data is copied."""
        with _translated():
            for folder in (self._objects, self._staging):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def put(self, key: str, data: Readable, *, content_type: str = "application/octet-stream") -> int:  # noqa: ARG002  the port's; files have none
        keys.require_key(key)
        staged = self._staging / f"{secrets.token_hex(8)}.part"
        with _translated():
            file = os.open(staged, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        try:
            try:
                size = _copy(data, file)
            finally:
                with _translated():
                    os.close(file)
            with _translated():
                self._publish(staged, self._objects / key)
        except BaseException:
            with suppress(OSError):
                staged.unlink()
            raise
        return size

    def _publish(self, staged: Path, target: Path) -> None:
        """Renames into place; returns when the names on the way there are on the disk."""
        with self._tree:
            made = self._make_folder(target.parent)
            if not staged.exists():
                raise StoreUnavailableError("an unfinished object was swept while it was written")
            staged.rename(target)
        for folder in (target.parent, *(new.parent for new in made)):
            with suppress(FileNotFoundError):  # published, and deleted since
                _sync_folder(folder)

    def _make_folder(self, folder: Path) -> list[Path]:
        """Like mkdir -p; returns what it made, deepest first."""
        missing = [parent for parent in (folder, *folder.parents) if not parent.is_dir()]
        for parent in reversed(missing):
            parent.mkdir(mode=0o700, exist_ok=True)
        return missing

    def read(self, key: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        if not keys.is_key(key):
            raise ObjectNotFoundError(key)
        with _translated(key):
            file = os.open(self._objects / key, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)

        def read(size: int) -> bytes:
            with _translated():
                return os.read(file, size)

        pieces = Pieces(read, lambda: os.close(file), length)
        with _translated(key):
            if not stat.S_ISREG(os.fstat(file).st_mode):
                pieces.close()
                raise ObjectNotFoundError(key)
            os.lseek(file, start, os.SEEK_SET)
        return pieces

    def stat(self, key: str) -> StoredObject | None:
        if not keys.is_key(key):
            return None
        with _translated():
            return _stored(key, self._objects / key)

    def list(self, prefix: str) -> Iterator[StoredObject]:
        if not keys.is_listing_prefix(prefix):
            return
        folder, slash, rest = prefix.rpartition("/")
        with _translated():
            yield from _walk(self._objects / folder, folder + slash, rest)

    def delete(self, key: str) -> None:
        if not keys.is_key(key):
            return
        path = self._objects / key
        with _translated(), self._tree:
            with suppress(FileNotFoundError, NotADirectoryError, IsADirectoryError):
                path.unlink()
            self._drop_empty_folders(path.parent)

    def delete_prefix(self, prefix: str) -> int:
        """Hides everything by one rename, then removes it: a worker that is still dying finds no folder to write to.

        What a worker brings back by making the folder anew is removed too, a few times over.
        """
        keys.require_folder_prefix(prefix)
        folder = self._objects / prefix
        removed = 0
        with _translated():
            for _ in range(3):
                hidden = self._staging / f"{secrets.token_hex(8)}.deleted"
                with self._tree:
                    try:
                        folder.rename(hidden)
                    except (FileNotFoundError, NotADirectoryError):
                        break
                    self._drop_empty_folders(folder.parent)
                removed += _remove_tree(hidden)
        return removed

    def _drop_empty_folders(self, folder: Path) -> None:
        while folder != self._objects:
            try:
                folder.rmdir()
            except FileNotFoundError:
                pass
            except OSError:
                return
            folder = folder.parent

    def grant_read(self, key: str, expires: timedelta) -> FileRead:  # noqa: ARG002  the port's; a path does not expire
        if not keys.is_key(key):
            raise ObjectNotFoundError(key)
        return FileRead(path=str(self._objects / key))

    def grant_download(self, *_: object) -> None:
        """A folder has no address."""

    def grant_write(self, prefix: str, expires: timedelta, max_object_bytes: int) -> FileWrite:  # noqa: ARG002  the port's; held by the worker itself
        keys.require_folder_prefix(prefix)
        with _translated(), self._tree:
            self._make_folder(self._objects / prefix)
        return FileWrite(directory=str(self._objects / prefix), staging=str(self._staging))

    def sweep_unfinished(self, older_than: timedelta) -> int:
        with _translated():
            return _remove_tree(self._staging, modified_before=time.time() - older_than.total_seconds(), keep_root=True)

    def free_bytes(self) -> int | None:
        with _translated():
            return shutil.disk_usage(self._objects).free

    def check(self) -> None:
        for folder in (self._objects, self._staging):
            if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
                raise StoreUnavailableError(f"the store's folder {folder.name} is gone or cannot be written")


@contextmanager
def _translated(key: str | None = None) -> Iterator[None]:
    """The operating system's errors in the store's words; with a key, a missing file is a missing object."""
    try:
        yield
    except OSError as error:
        if key is not None and error.errno in _ABSENT:
            raise ObjectNotFoundError(key) from None
        if error.errno in _FULL:
            raise StoreFullError("no room is left in the store's folder") from error
        raise StoreUnavailableError(f"the store's folder cannot be used: {error.strerror}") from error


def _copy(data: Readable, file: int) -> int:
    """All of `data` into a file, on the disk when this returns. What `data.read` raises is not translated."""
    size = started = 0
    while piece := data.read(PIECE_BYTES):
        with _translated():
            rest = memoryview(piece)
            while rest:
                rest = rest[os.write(file, rest) :]
            size += len(piece)
            if size - started >= _WRITEBACK_BYTES:
                _start_writeback(file, started, size - started)
                started = size
    with _translated():
        os.fsync(file)
    return size


def _start_writeback(file: int, start: int, length: int) -> None:
    """Sets the disk to work on a range while more arrives, so that the last fsync has little left to wait for.

    On Linux POSIX_FADV_DONTNEED begins to write dirty pages and drops clean ones; asked once, while the range is
    dirty, it drops nothing (seen with fincore), and a worker still reads the file from memory.
    """
    if hasattr(os, "posix_fadvise"):
        with suppress(OSError):
            os.posix_fadvise(file, start, length, os.POSIX_FADV_DONTNEED)


def _sync_folder(folder: Path) -> None:
    """Makes the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _stored(key: str, path: Path) -> StoredObject | None:
    try:
        found = path.lstat()
    except OSError as error:
        if error.errno in _ABSENT:
            return None
        raise
    return StoredObject(key, found.st_size, found.st_mtime) if stat.S_ISREG(found.st_mode) else None


def _walk(folder: Path, prefix: str, beginning: str = "") -> Iterator[StoredObject]:
    """Objects below a folder in order of key: a folder sorts as its name with the "/" that follows it in keys.

    Holds the names of one folder a level, never the whole tree.
    """
    try:
        with os.scandir(folder) as entries:
            names = sorted(
                entry.name + ("/" if entry.is_dir(follow_symlinks=False) else "")
                for entry in entries
                if entry.name.startswith(beginning)
            )
    except (FileNotFoundError, NotADirectoryError):
        return
    for name in names:
        if name.endswith("/"):
            yield from _walk(folder / name, prefix + name)
        elif keys.is_key(prefix + name) and (found := _stored(prefix + name, folder / name)) is not None:
            yield found


def _remove_tree(folder: Path, modified_before: float = math.inf, *, keep_root: bool = False) -> int:
    """Removes old files, and old folders that are empty then; returns how many files.

    Something else may be removing the same tree: what is gone already is no error.
    """
    removed = 0
    try:
        old = not keep_root and folder.lstat().st_mtime <= modified_before
        with os.scandir(folder) as entries:
            children = list(entries)
    except FileNotFoundError:
        return 0
    for entry in children:
        with suppress(FileNotFoundError):
            if entry.is_dir(follow_symlinks=False):
                removed += _remove_tree(Path(entry.path), modified_before)
            elif entry.stat(follow_symlinks=False).st_mtime <= modified_before:
                Path(entry.path).unlink()
                removed += 1
    if old:
        with suppress(OSError):
            folder.rmdir()
    return removed
