"""The folder with the files of keys: reading it, and changing `keys.json` under a lock.

In embedded mode it is the data folder; in a cluster it is a Secret that is mounted, whose files are replaced all at
once.
"""

import fcntl
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from whisperjob.files import atomic_write
from whisperjob_api.keys.key_records import KeyChange, KeyFile, KeyFileError, parse_key_file
from whisperjob_api.keys.keyring import ApiKey, from_records, parse_entries

RECORDS_NAME: Final = "keys.json"
TEXT_NAME: Final = "api-keys"
"""Keys as text, separated by commas or white space: an entry of a Secret. Every name but `keys.json` means text."""
MAX_FILE_BYTES: Final = 4 * 1024 * 1024
"""Ten thousand records. A larger file is a mistake."""


def read_file(file: Path) -> bytes | None:
    """Returns the content of a file; None if there is none. Raises KeyFileError."""
    try:
        with file.open("rb") as opened:
            content = opened.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise KeyFileError(f"it cannot be read ({error.strerror})") from None
    if len(content) > MAX_FILE_BYTES:
        raise KeyFileError(f"it is larger than {MAX_FILE_BYTES} bytes")
    return content


def parse_file(name: str, content: bytes) -> dict[bytes, ApiKey]:
    """Parses the content of a file of keys by the file's name. Raises KeyFileError."""
    if name == RECORDS_NAME:
        return from_records(parse_key_file(content))
    try:
        entries = content.decode("ascii").replace(",", " ").split()
        keys = parse_entries(entries, name)
    except UnicodeDecodeError:
        raise KeyFileError("an API key must be visible ASCII") from None
    except ValueError as error:
        raise KeyFileError(str(error)) from None
    if not keys:
        raise KeyFileError("it holds no API key")
    return keys


def load_records(folder: Path) -> KeyFile:
    """Returns the records of a folder; none if it has no `keys.json`. Raises KeyFileError."""
    file = folder / RECORDS_NAME
    try:
        content = read_file(file)
        return KeyFile() if content is None else parse_key_file(content)
    except KeyFileError as error:
        raise KeyFileError(f"The file {file} cannot be used: {error}.") from None


def change_records(folder: Path, change: Callable[[KeyFile], KeyChange]) -> KeyChange:
    """Replaces `keys.json` by what `change` makes of it, and returns that. The folder is made if it is missing.

    Two changes at the same time happen one after the other. The file is seen whole or not at all. It is readable by its
    owner only, who is the owner of the folder also where root changes it. Raises KeyFileError, OSError, and what
    `change` raises.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = os.open(folder / f".{RECORDS_NAME}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _give_to_owner(lock, folder)
        fcntl.flock(lock, fcntl.LOCK_EX)
        changed = change(load_records(folder))
        with atomic_write(folder / RECORDS_NAME, durable=True) as unfinished:
            descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
                _give_to_owner(descriptor, folder)
                opened.write(changed.file.model_dump_json(by_alias=True, exclude_none=True, indent=2) + "\n")
        return changed
    finally:
        os.close(lock)


def _give_to_owner(descriptor: int, folder: Path) -> None:
    """A service with a user of its own could not read what root wrote."""
    if os.geteuid() == 0:
        owner = folder.stat()
        os.fchown(descriptor, owner.st_uid, owner.st_gid)
