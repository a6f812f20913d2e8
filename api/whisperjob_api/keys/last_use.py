"""When each key was last used: in memory, and now and then in a file beside the keys, where that can be written.

A file of its own, because `keys.json` is written by `whisperjob keys` alone. In a cluster, where the folder is a
Secret, the time is a metric only.
"""

import logging
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from pydantic import AwareDatetime, RootModel, ValidationError

from whisperjob.files import atomic_write

log = logging.getLogger(__name__)

LAST_USE_NAME: Final = "keys-last-used.json"
WRITE_INTERVAL: Final = timedelta(minutes=5)
_MAX_BYTES: Final = 4 * 1024 * 1024


class _LastUses(RootModel[dict[str, AwareDatetime]]):
    """The file: the time of each key's last use, by the key's id."""


def load_last_uses(folder: Path) -> dict[str, datetime]:
    """Returns the times by key id; none if the file is absent or damaged, since nothing depends on it."""
    try:
        with (folder / LAST_USE_NAME).open("rb") as opened:
            return dict(_LastUses.model_validate_json(opened.read(_MAX_BYTES)).root)
    except (OSError, ValidationError):
        return {}


class LastUses:
    """Collects uses; `write_if_due` stores them."""

    def __init__(self, folder: Path | None = None) -> None:
        """Without a folder nothing is stored."""
        self._folder = folder
        self._times = {} if folder is None else load_last_uses(folder)
        self._written_at = datetime.min.replace(tzinfo=UTC)
        self._dirty = False

    @property
    def times(self) -> dict[str, datetime]:
        """The times by key id."""
        return dict(self._times)

    def note(self, key_id: str, now: datetime) -> None:
        """Notes that a key is used."""
        self._times[key_id] = now
        self._dirty = True

    def forget_others(self, key_ids: set[str]) -> None:
        """Forgets the keys that are not among these."""
        self._times = {key_id: time for key_id, time in self._times.items() if key_id in key_ids}

    def write_if_due(self, now: datetime, *, closing: bool = False) -> None:
        """Writes the file if something is new and the last time is long ago. A failure is logged, and no more."""
        if self._folder is None or not self._dirty or (now - self._written_at < WRITE_INTERVAL and not closing):
            return
        self._written_at, self._dirty = now, False
        try:
            with atomic_write(self._folder / LAST_USE_NAME) as unfinished:
                descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                with os.fdopen(descriptor, "w", encoding="ascii") as opened:
                    opened.write(_LastUses(dict(self._times)).model_dump_json(indent=2) + "\n")
        except OSError as error:
            log.warning("the times at which keys were used cannot be stored (%s)", error.strerror)
