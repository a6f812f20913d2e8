"""Files that others see whole or not at all: written beside their place, then renamed into it."""

import os
import secrets
from pathlib import Path

from whisperjob_client.errors import StorageError


def write_atomically(target: Path, data: bytes) -> None:
    """Replaces a file. Whenever the machine stops, it is the old one or the new one. Raises StorageError."""
    unfinished = target.with_name(
        f".whisperjob-{secrets.token_hex(8)}.part"
    )  # short, however long the target's name is
    try:
        with unfinished.open("wb") as file:
            file.write(data)
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
