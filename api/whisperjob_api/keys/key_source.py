"""Where a service has its keys from: its settings, and a folder that is watched. A change needs no restart."""

import asyncio
import hashlib
import logging
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from whisperjob_api.keys.audit import log_key_changes
from whisperjob_api.keys.key_folder import parse_file, read_file
from whisperjob_api.keys.key_records import KeyFileError
from whisperjob_api.keys.keyring import ApiKey, Keyring, parse_entries
from whisperjob_api.keys.last_use import LastUses

log = logging.getLogger(__name__)

POLL_SECONDS: Final = 1.0
"""The files are small and are read whole each time: modification times mislead after a restore, and on some mounts."""
SETTLE_SECONDS: Final = 0.1
"""New content must be the same twice: a program that does not replace a file at once could be seen half way."""

_ABSENT: Final = b"absent"


@dataclass(frozen=True, slots=True)
class _Reading:
    """What reading a file brought. `digest` is of the content, or of the problem."""

    digest: bytes
    content: bytes | None = None
    problem: KeyFileError | None = None

    def parse(self, name: str) -> dict[bytes, ApiKey]:
        """Returns the keys. Raises KeyFileError."""
        if self.problem is not None:
            raise self.problem
        return {} if self.content is None else parse_file(name, self.content)


def _read(path: Path) -> _Reading:
    try:
        content = read_file(path)
    except KeyFileError as error:
        return _Reading(hashlib.sha256(str(error).encode()).digest(), problem=error)
    return _Reading(_ABSENT if content is None else hashlib.sha256(content).digest(), content)


@dataclass
class _WatchedFile:
    """One file, and what it had when it was last usable."""

    path: Path
    digest: bytes = _ABSENT
    keys: Mapping[bytes, ApiKey] = field(default_factory=dict)
    refused_digest: bytes | None = None
    """The content that cannot be used and is there now."""


class KeySource:
    """The valid keys at any time: `keyring`. A file with unusable content leaves its earlier keys valid."""

    def __init__(
        self,
        entries: Iterable[str] = (),
        files: Iterable[Path] = (),
        *,
        last_use_folder: Path | None = None,
    ) -> None:
        """`entries` are the setting's; `files` may be absent.

        A key that stands twice is what the later file says: put `keys.json`, which may restrict it, last. Raises
        ValueError, also for a file that cannot be used; its message never has a key.
        """
        self._fixed = parse_entries(entries, "setting")
        self._files = [_WatchedFile(file) for file in files]
        for file in self._files:
            reading = _read(file.path)
            try:
                file.digest, file.keys = reading.digest, reading.parse(file.path.name)
            except KeyFileError as error:
                raise ValueError(f"the file {file.path} cannot be used: {error}") from None
        self.changes = 0
        self.refusals: Counter[str] = Counter()
        """Requests that were refused for their key, by the error's code."""
        self.last_uses = LastUses(last_use_folder)
        self.keyring = self._combine()

    @property
    def broken_files(self) -> int:
        """How many files have content now that cannot be used."""
        return sum(file.refused_digest is not None for file in self._files)

    def count_refusal(self, code: str) -> None:
        """Counts a request that is refused for its key."""
        self.refusals[code] += 1

    async def run(self) -> None:
        """Reads the files again and again, until it is cancelled."""
        try:
            while True:
                await asyncio.sleep(POLL_SECONDS)
                await self.refresh()
                await asyncio.to_thread(self.last_uses.write_if_due, datetime.now(UTC))
        finally:
            self.last_uses.write_if_due(datetime.now(UTC), closing=True)

    async def refresh(self) -> None:
        """Reads the files once, and takes over what changed."""
        changed = [await self._refresh_file(file) for file in self._files]
        if any(changed):
            before, self.keyring = self.keyring, self._combine()
            self.changes += 1
            self.last_uses.forget_others({key.id for key in self.keyring.all()})
            log_key_changes(before.all(), self.keyring.all())

    async def _refresh_file(self, file: _WatchedFile) -> bool:
        """Returns whether its keys changed."""
        reading = await asyncio.to_thread(_read, file.path)
        if reading.digest == file.digest and file.refused_digest is not None:
            log.info("the file of keys %s is as it was before", file.path)
            file.refused_digest = None
        if reading.digest in (file.digest, file.refused_digest):
            return False
        await asyncio.sleep(SETTLE_SECONDS)
        if (await asyncio.to_thread(_read, file.path)).digest != reading.digest:
            return False
        try:
            keys = reading.parse(file.path.name)
        except KeyFileError as error:
            file.refused_digest = reading.digest
            log.error(  # noqa: TRY400 - a mistake of the operator, for whom a traceback says nothing
                "The file of keys %s cannot be used, and its earlier keys stay valid: %s.", file.path, error
            )
            return False
        if reading.content is None:
            log.warning("the file of keys %s is gone: its keys are not valid any more", file.path)
        file.digest, file.keys, file.refused_digest = reading.digest, keys, None
        return True

    def _combine(self) -> Keyring:
        keys = dict(self._fixed)
        for file in self._files:
            keys |= file.keys
        return Keyring(keys)
