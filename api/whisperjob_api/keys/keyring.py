"""The keys that are valid, by their hashes. Pure.

A key is looked up by its SHA-256. How long that takes depends on the hash of what was presented, which says nothing of
the keys, so there is nothing to measure.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from whisperjob.model.base import DNS_LABEL
from whisperjob_api.keys.key_records import KeyFile
from whisperjob_api.keys.key_text import MIN_DIFFERENT, MIN_LENGTH, hash_key
from whisperjob_api.keys.scopes import ALL_SCOPES, Scope

DEFAULT_TENANT: Final = "default"

_TENANT = re.compile(DNS_LABEL)
_KEY = re.compile(r"[!-~]+")


class KeyEnd(StrEnum):
    """Why a key is not valid any more."""

    EXPIRED = "expired"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What the service knows of a key. `id` may appear in logs."""

    id: str
    tenant: str
    name: str = ""
    scopes: frozenset[Scope] = ALL_SCOPES
    expires_at: datetime | None = None
    revoked_at: datetime | None = None

    def find_end(self, now: datetime) -> KeyEnd | None:
        """Returns why the key is not valid; None if it is. Revoked is revoked, whatever this machine's clock says."""
        if self.revoked_at is not None:
            return KeyEnd.REVOKED
        if self.expires_at is not None and self.expires_at <= now:
            return KeyEnd.EXPIRED
        return None


class Keyring:
    """All keys of one moment. It is never changed; another takes its place."""

    def __init__(self, keys: Mapping[bytes, ApiKey]) -> None:
        """`keys` are by the SHA-256 of their text."""
        self._keys = dict(keys)

    def find(self, digest: bytes) -> ApiKey | None:
        """Returns the key with this SHA-256, also one that is not valid any more; None if there is none."""
        return self._keys.get(digest)

    def all(self) -> list[ApiKey]:
        """Returns the keys, also those that are not valid any more."""
        return list(self._keys.values())


def parse_entries(entries: Iterable[str], source: str) -> dict[bytes, ApiKey]:
    """Parses keys as text: `key` (tenant `default`) or `tenant:key`. They may do everything.

    `source` begins their ids. Raises ValueError; its message never has a key.
    """
    keys: dict[bytes, ApiKey] = {}
    for number, entry in enumerate(entries, 1):
        left, colon, right = entry.partition(":")
        tenant, text = (left, right) if colon else (DEFAULT_TENANT, left)
        _check_entry(tenant, text)
        digest = hash_key(text)
        if digest in keys and keys[digest].tenant != tenant:
            raise ValueError("two tenants have the same API key; each needs one of its own")
        keys.setdefault(digest, ApiKey(f"{source}-{number}", tenant))
    return keys


def _check_entry(tenant: str, text: str) -> None:
    if not _TENANT.fullmatch(tenant):
        raise ValueError("an API key's tenant must be a DNS label; a key itself must not contain a colon")
    if not _KEY.fullmatch(text):
        raise ValueError("an API key must be visible ASCII, without spaces")
    if len(text) < MIN_LENGTH or len(set(text)) < MIN_DIFFERENT:
        raise ValueError(
            f"an API key of the tenant {tenant} is too easy to guess: it needs at least {MIN_LENGTH} characters, "
            f"{MIN_DIFFERENT} of them different; `openssl rand -hex 24` makes one, and `whisperjob keys create` too"
        )


def from_records(file: KeyFile) -> dict[bytes, ApiKey]:
    """Returns the keys of `keys.json`."""
    return {
        bytes.fromhex(record.sha256): ApiKey(
            record.id, record.tenant, record.name, frozenset(record.scopes), record.expires_at, record.revoked_at
        )
        for record in file.keys
    }
