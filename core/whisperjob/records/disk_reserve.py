"""A file that takes up disk space for nothing, to be given up when the disk is full.

Deleting a record needs a few pages of disk space, and it is what makes room on a full disk: without a reserve a full
disk would stay full.
"""

import logging
import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Final

log = logging.getLogger(__name__)

RESERVE_BYTES: Final = 8 * 2**20
"""Twice what SQLite's write-ahead log grows to before it is written from its beginning again."""


class DiskReserve:
    """Some MiB of the disk that `path` is on. It is made again once there is room for it twice."""

    def __init__(self, path: Path, size_bytes: int = RESERVE_BYTES) -> None:
        self._path = path
        self._size = size_bytes
        self._held = False

    def ensure(self) -> None:
        """Makes the reserve unless it is there or the disk has too little room. It does not raise."""
        if self._held:
            return
        with suppress(OSError):
            if self._path.exists() and self._path.stat().st_size == self._size:
                self._held = True
            elif shutil.disk_usage(self._path.parent).free >= 2 * self._size:
                self._allocate()

    def _allocate(self) -> None:
        try:
            file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            try:
                _allocate_blocks(file, self._size)
            finally:
                os.close(file)
        except OSError:
            self._path.unlink(missing_ok=True)
            raise
        self._held = True

    def give_up(self) -> bool:
        """Gives the space back to the disk; returns False if there was none. It does not raise."""
        self._held = False
        try:
            self._path.unlink()
        except OSError:
            return False
        log.warning("the disk is full: its reserve was given up, so that jobs can be deleted")
        return True


def _allocate_blocks(file: int, size: int) -> None:
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file, 0, size)
    else:  # macOS: written blocks are allocated
        piece = bytes(2**20)
        for offset in range(0, size, len(piece)):
            os.pwrite(file, piece[: size - offset], offset)
