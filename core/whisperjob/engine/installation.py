"""Whose objects a folder or bucket holds: each installation leaves a marker among them.

A sweep deletes what no record needs. If the records are not those that the objects were made for (a lost database, a
second service on the same bucket, a restored or another cluster), that would be everything. So every installation
writes a marker beside its objects, with the id of its records, and sweeps only where its marker is alone. The marker
also holds what a sweep remembers across restarts.
"""

import io
import secrets
import socket
from dataclasses import dataclass, field
from typing import Final

from pydantic import AwareDatetime, ValidationError

from whisperjob.model import names
from whisperjob.model.base import Model
from whisperjob.stores.port import ObjectStore, read_all

_MAX_MARKER_BYTES: Final = 64 * 1024 * 1024
"""Some hundred thousand orphans; a marker that is longer is not read."""


class Marker(Model):
    """The JSON of an installation's marker.

    `seen_at` is the latest time of day that was trusted, `held_seconds` what remained of a grace time after a jump.
    `run` is the process that wrote it. `orphans` has, for each key, the seconds for which it was seen to be an orphan.
    `records_version` is the latest version of the records: if theirs is lower, they were restored from a backup.
    `disputed` has the uids and names of jobs whose records were lost, not deleted: no sweep removes their objects.
    """

    run: str = ""
    host: str = ""
    seen_at: AwareDatetime | None = None
    held_seconds: float = 0.0
    records_version: int = 0
    orphans: dict[str, float] = {}
    disputed: frozenset[str] = frozenset()


@dataclass(slots=True)
class Installation:
    """One installation's marker in the store. Its methods block on the store, and raise what the store raises."""

    store: ObjectStore
    namespace: str
    id: str
    run: str = field(default_factory=lambda: secrets.token_hex(8))

    @property
    def key(self) -> str:
        """The key of the marker."""
        return names.installation_key(self.namespace, self.id)

    def read(self) -> Marker | None:
        """Returns the marker; None where there is none, or one that cannot be read."""
        if self.store.stat(self.key) is None:
            return None
        try:
            return Marker.model_validate_json(read_all(self.store, self.key, _MAX_MARKER_BYTES))
        except (ValidationError, ValueError):
            return None

    def others(self) -> list[str]:
        """Returns the keys of other installations' markers."""
        prefix = names.installations_prefix(self.namespace)
        return [stored.key for stored in self.store.list(prefix) if stored.key != self.key]

    def write(self, marker: Marker) -> None:
        """Writes the marker of this process in place of an earlier one."""
        marker = marker.model_copy(update={"run": self.run, "host": socket.gethostname()})
        self.store.put(self.key, io.BytesIO(marker.model_dump_json(by_alias=True).encode()))
