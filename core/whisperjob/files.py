"""Files that others see whole or not at all: written beside their place, then renamed into it."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path


@contextmanager
def atomic_write(target: Path, *, staging: Path | None = None, durable: bool = False) -> Iterator[Path]:
    """Yields a path to write to. When the block ends, that file is renamed to `target`; when it raises, it is removed.

    The path lies in `staging`, which must be on the file system of `target`; by default it is beside `target`. With
    `durable` the content and the new name survive a crash of the machine. Raises OSError.
    """
    unfinished = (staging or target.parent) / f".{target.name[:200]}.{secrets.token_hex(4)}.part"
    try:
        yield unfinished
        if durable:
            _sync(unfinished, os.O_WRONLY)  # a worker may write here and not read
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)
    if durable:
        sync_folder(target.parent)


def sync_folder(folder: Path, *, strict: bool = False) -> None:
    """Makes the names in a folder survive a crash of the machine.

    With `strict` it raises OSError where that fails; by default a file system that cannot do it is no error.
    """
    with nullcontext() if strict else suppress(OSError):
        _sync(folder, os.O_RDONLY | os.O_DIRECTORY)


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
