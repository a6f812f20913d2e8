"""Files that others see whole or not at all: written beside their place, then renamed into it.

What people say is nobody else's business, so new files belong to their owner alone (0600), and no link is followed that
somebody else may have put into a shared folder such as /tmp.
"""

import errno
import os
import secrets
import stat
from pathlib import Path
from typing import BinaryIO, Final

from whisperjob_client.errors import StorageError

PRIVATE: Final = 0o600
PRIVATE_FOLDER: Final = 0o700

_NO_LINK: Final = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
"""A pipe in the place of a file must not make this program wait."""


def write_atomically(target: Path, data: bytes) -> None:
    """Replaces a file. Whenever the machine stops, it is the old one or the new one. Raises StorageError.

    A file that is replaced passes its permissions on, because its owner may have changed them.
    """
    unfinished = target.with_name(
        f".whisperjob-{secrets.token_hex(8)}.part"
    )  # short, however long the target's name is
    try:
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_LINK, PRIVATE)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            if (permissions := _permissions(target)) is not None:
                unfinished.chmod(permissions)
            file.flush()
            os.fsync(file.fileno())
        publish(unfinished, target)
    except OSError as error:
        raise StorageError.from_os_error(error, target) from None
    finally:
        unfinished.unlink(missing_ok=True)


def publish(finished: Path, target: Path) -> Path:
    """Gives a finished file its name, and returns that. Raises StorageError."""
    try:
        return finished.replace(target)
    except OSError as error:
        raise StorageError.from_os_error(error, target) from None


def open_private(file: Path) -> BinaryIO:
    """Opens a file to read it and to append to it. What somebody else may have put there is replaced by an empty file.

    Raises OSError.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | _NO_LINK
    try:
        descriptor = os.open(file, flags, PRIVATE)
    except OSError:
        if not file.is_symlink() and not file.is_fifo():
            raise
    else:
        if _is_own(os.fstat(descriptor)):
            return os.fdopen(descriptor, "a+b")
        os.close(descriptor)
    file.unlink()
    return os.fdopen(os.open(file, flags | os.O_EXCL, PRIVATE), "a+b")


def ensure_private_folder(folder: Path) -> None:
    """Makes a folder that only its owner may enter; one that is there stays as it is.

    Raises StorageError if there is a link, or, where anybody may make folders (as in /tmp), the folder of another user:
    what is in it would be believed.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        try:
            folder.mkdir(PRIVATE_FOLDER)
        except FileExistsError:
            if not folder.is_dir():
                raise
            _check_owner(folder)
    except OSError as error:
        raise StorageError.from_os_error(error, folder) from None


def _check_owner(folder: Path) -> None:
    found = folder.lstat()
    if stat.S_ISLNK(found.st_mode):
        raise StorageError(f"{folder} is a link; remove it, or choose another place.")
    shared = folder.parent.stat().st_mode & stat.S_IWOTH
    if shared and hasattr(os, "geteuid") and found.st_uid != os.geteuid():
        raise StorageError(f"{folder} belongs to another user; remove it, or choose another place.")


def read_bounded(file: Path, max_bytes: int) -> bytes:
    """Returns what is in a file. Raises OSError if it is a link or a pipe, or larger."""
    with os.fdopen(os.open(file, os.O_RDONLY | _NO_LINK), "rb") as opened:
        found = os.fstat(opened.fileno())
        if not stat.S_ISREG(found.st_mode) or found.st_size > max_bytes:
            raise OSError(errno.EFBIG, "no file of a size that was written", str(file))
        return opened.read(max_bytes)


def _is_own(found: os.stat_result) -> bool:
    """Returns whether it is a file of this user that has no second name."""
    user = os.geteuid() if hasattr(os, "geteuid") else found.st_uid  # Windows has none
    return stat.S_ISREG(found.st_mode) and found.st_nlink == 1 and found.st_uid == user


def _permissions(target: Path) -> int | None:
    """Returns those of a file that is there already."""
    try:
        found = target.lstat()
    except OSError:
        return None
    return stat.S_IMODE(found.st_mode) & 0o666 if _is_own(found) else None
