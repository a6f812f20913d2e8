"""Objects as files on one machine: the store of a service that runs without S3.

`objects/<key>` holds the visible objects. `staging/` holds those that are not visible yet, or no longer: an object is
written there and renamed into place, and a whole prefix is renamed into it before it is deleted. Both are on one file
system, so that each rename is atomic. Workers on the same machine read and publish by the same rules (`FileRead`,
`FileWrite`).
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

from whisperjob.files import sync_folder
from whisperjob.model.errors import ObjectNotFoundError, StoreFullError, StoreUnavailableError
from whisperjob.model.protocol import FileRead, FileWrite
from whisperjob.stores import keys
from whisperjob.stores.object_stream import PIECE_BYTES, ObjectStream
from whisperjob.stores.port import Readable, StoredObject

_NO_SPACE_ERRNOS: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
_NOT_FOUND_ERRNOS: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.ENXIO})
_WRITEBACK_BYTES: Final = 8 * 1024 * 1024
"""How much may be dirty in the page cache before the disk starts to write it; see `_start_writeback`."""


class FolderStore:
    """An ObjectStore in a folder. One FolderStore owns the folder; workers write only where `grant_write` allows it."""

    def __init__(self, root: Path) -> None:
        self._objects = root.absolute() / "objects"
        self._staging = root.absolute() / "staging"
        self._tree = threading.Lock()
        """Held while folders are created and filled, or emptied and removed. That is short: no data is copied then."""
        with _as_store_errors():
            for folder in (self._objects, self._staging):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def put(self, key: str, data: Readable, *, content_type: str = "application/octet-stream") -> int:  # noqa: ARG002  the port has it; a file has no media type
        keys.require_key(key)
        staged = self._staging / f"{secrets.token_hex(8)}.part"
        with _as_store_errors():
            file = os.open(staged, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        try:
            try:
                size = _copy(data, file)
            finally:
                with _as_store_errors():
                    os.close(file)
            with _as_store_errors():
                self._publish(staged, self._objects / key)
        except BaseException:
            with suppress(OSError):
                staged.unlink()
            raise
        return size

    def _publish(self, staged: Path, target: Path) -> None:
        """Renames an object into place, and returns when the names on the way to it are on the disk."""
        with self._tree:
            try:
                created = self._create_folder(target.parent)
                staged.rename(target)
            except OSError as error:
                self._remove_empty_folders(target.parent)
                if not staged.exists():
                    raise StoreUnavailableError("an unfinished object was swept while it was written") from error
                raise
        for folder in (target.parent, *(new.parent for new in created)):
            with suppress(FileNotFoundError):  # the object was published, and deleted since
                sync_folder(folder, strict=True)

    def _create_folder(self, folder: Path) -> list[Path]:
        """Creates a folder and its parents; returns the new ones, deepest first."""
        missing = [parent for parent in (folder, *folder.parents) if not parent.is_dir()]
        for parent in reversed(missing):
            parent.mkdir(mode=0o700, exist_ok=True)
        return missing

    def read(self, key: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        if not keys.is_key(key):
            raise ObjectNotFoundError(key)
        with _as_store_errors(key):
            file = os.open(self._objects / key, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)

        def read(size: int) -> bytes:
            with _as_store_errors():
                return os.read(file, size)

        stream = ObjectStream(read, lambda: os.close(file), length)
        with _as_store_errors(key):
            if not stat.S_ISREG(os.fstat(file).st_mode):
                stream.close()
                raise ObjectNotFoundError(key)
            os.lseek(file, start, os.SEEK_SET)
        return stream

    def stat(self, key: str) -> StoredObject | None:
        if not keys.is_key(key):
            return None
        with _as_store_errors():
            return _stat_file(key, self._objects / key)

    def list(self, prefix: str) -> Iterator[StoredObject]:
        if not keys.is_listing_prefix(prefix):
            return
        folder, slash, beginning = prefix.rpartition("/")
        with _as_store_errors():
            yield from _list_files(self._objects / folder, folder + slash, beginning)

    def delete(self, key: str) -> None:
        if not keys.is_key(key):
            return
        path = self._objects / key
        with _as_store_errors(), self._tree:
            with suppress(FileNotFoundError, NotADirectoryError, IsADirectoryError):
                path.unlink()
            self._remove_empty_folders(path.parent)

    def delete_prefix(self, prefix: str) -> int:
        """Hides everything by one rename, then removes it; returns the number of files removed.

        A worker that is still ending then has no folder to write to. A folder that such a worker creates again is
        removed as well, up to three times.
        """
        keys.require_folder_prefix(prefix)
        folder = self._objects / prefix
        removed = 0
        with _as_store_errors():
            for _ in range(3):
                hidden = self._staging / f"{secrets.token_hex(8)}.deleted"
                with self._tree:
                    try:
                        folder.rename(hidden)
                    except (FileNotFoundError, NotADirectoryError):
                        break
                    except OSError as error:
                        if error.errno not in _NO_SPACE_ERRNOS:
                            raise
                        hidden = folder  # no room for another name: it is removed where it is
                    self._remove_empty_folders(folder.parent)
                removed += _remove_tree(hidden)
            with self._tree:
                self._remove_empty_folders(folder.parent)
        return removed

    def _remove_empty_folders(self, folder: Path) -> None:
        while folder != self._objects:
            try:
                folder.rmdir()
            except FileNotFoundError:
                pass
            except OSError:
                return
            folder = folder.parent

    def grant_read(self, key: str, expires: timedelta) -> FileRead:  # noqa: ARG002  the port has it; a path does not expire
        if not keys.is_key(key):
            raise ObjectNotFoundError(key)
        return FileRead(path=str(self._objects / key))

    def grant_download(self, *_: object) -> None:
        """Returns None: clients cannot reach a folder."""

    def grant_write(self, prefix: str, expires: timedelta, max_object_bytes: int) -> FileWrite:  # noqa: ARG002  the port has them; the worker keeps to them
        keys.require_folder_prefix(prefix)
        with _as_store_errors(), self._tree:
            self._create_folder(self._objects / prefix)
        return FileWrite(directory=str(self._objects / prefix), staging=str(self._staging))

    def sweep_unfinished(self, older_than: timedelta, *, below: tuple[str, ...] = ("",)) -> int:  # noqa: ARG002  the port has it; one service owns the folder
        with _as_store_errors():
            return _remove_tree(self._staging, modified_before=time.time() - older_than.total_seconds(), keep_root=True)

    def free_bytes(self) -> int | None:
        with _as_store_errors():
            return shutil.disk_usage(self._objects).free

    def check(self) -> None:
        for folder in (self._objects, self._staging):
            if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
                raise StoreUnavailableError(f"the store's folder {folder.name} is gone or cannot be written")
        probe = self._staging / f"{secrets.token_hex(8)}.probe"
        with _as_store_errors():
            os.close(os.open(probe, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
            probe.unlink(missing_ok=True)


@contextmanager
def _as_store_errors(key: str | None = None) -> Iterator[None]:
    """Raises the store's errors for those of the operating system; with a key, a missing file is a missing object."""
    try:
        yield
    except OSError as error:
        if key is not None and error.errno in _NOT_FOUND_ERRNOS:
            raise ObjectNotFoundError(key) from None
        if error.errno in _NO_SPACE_ERRNOS:
            raise StoreFullError("no room is left in the store's folder") from error
        raise StoreUnavailableError(f"the store's folder cannot be used: {error.strerror}") from error


def _copy(data: Readable, file: int) -> int:
    """Copies all of `data` to a file and syncs it; returns the size. Errors of `data.read` pass through unchanged."""
    size = started = 0
    while piece := data.read(PIECE_BYTES):
        with _as_store_errors():
            remaining = memoryview(piece)
            while remaining:
                remaining = remaining[os.write(file, remaining) :]
            size += len(piece)
            if size - started >= _WRITEBACK_BYTES:
                _start_writeback(file, started, size - started)
                started = size
    with _as_store_errors():
        os.fsync(file)
    return size


def _start_writeback(file: int, start: int, length: int) -> None:
    """Starts to write a range to the disk while more data arrives, so that the last fsync has little to wait for.

    On Linux, POSIX_FADV_DONTNEED starts to write dirty pages and drops clean ones. Called once, while the range is
    dirty, it drops nothing (seen with fincore), and a worker still reads the file from memory.
    """
    if hasattr(os, "posix_fadvise"):
        with suppress(OSError):
            os.posix_fadvise(file, start, length, os.POSIX_FADV_DONTNEED)


def _stat_file(key: str, path: Path) -> StoredObject | None:
    """Returns a file as an object, or None if it is absent or no regular file."""
    try:
        status = path.lstat()
    except OSError as error:
        if error.errno in _NOT_FOUND_ERRNOS:
            return None
        raise
    return StoredObject(key, status.st_size, status.st_mtime) if stat.S_ISREG(status.st_mode) else None


def _list_files(folder: Path, prefix: str, beginning: str = "") -> Iterator[StoredObject]:
    """Yields the objects below a folder in the order of their keys, where a "/" follows the name of a folder.

    It holds the names of one folder for each level, never those of the whole tree.
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
            yield from _list_files(folder / name, prefix + name)
        elif keys.is_key(prefix + name) and (stored := _stat_file(prefix + name, folder / name)) is not None:
            yield stored


def _remove_tree(folder: Path, modified_before: float = math.inf, *, keep_root: bool = False) -> int:
    """Removes old files, and old folders that are empty then; returns the number of files removed.

    The same tree may be removed elsewhere at the same time: a file that is gone already is no error.
    """
    removed = 0
    try:
        remove_root = not keep_root and folder.lstat().st_mtime <= modified_before
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
    if remove_root:
        with suppress(OSError):
            folder.rmdir()
    return removed
