"""The file `keys.json`: the records of keys, and the changes of them that `whisperjob keys` makes. Pure.

A record holds the hash of its key and never the key.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Final, Literal, Self

from pydantic import AwareDatetime, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from whisperjob.model.base import DNS_LABEL, Model, Sha256
from whisperjob.model.errors import WhisperJobError
from whisperjob_api.keys.key_text import KEY_ID, hash_key, make_key
from whisperjob_api.keys.scopes import Scope

NAME_LENGTH: Final = 100
HISTORY: Final = timedelta(days=90)
"""A key that ended is listed for this time, so that its owner is told why it is refused."""


class KeyFileError(WhisperJobError):
    """A file of keys cannot be used; the message is one sentence, without a key."""


class UnknownKeyError(WhisperJobError):
    """No key has this id."""

    def __init__(self, key_id: str) -> None:
        super().__init__(f"There is no key with the id {key_id!r}; `whisperjob keys list` shows all.")


class EndedKeyError(WhisperJobError):
    """The key is revoked, has expired, or has a successor already."""

    def __init__(self, key_id: str, successor: str | None) -> None:
        problem = f"was rotated already: {successor} follows it" if successor else "is not valid any more"
        super().__init__(f"The key {key_id} {problem}; make another with `whisperjob keys create`.")


class KeyRecord(Model):
    """One key. Unknown fields are refused: one of them may be a restriction."""

    model_config = ConfigDict(extra="forbid")

    id: Annotated[str, StringConstraints(pattern=f"^{KEY_ID}$")]
    sha256: Sha256
    name: Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f-\x9f]+$", max_length=NAME_LENGTH)]
    tenant: Annotated[str, StringConstraints(pattern=f"^{DNS_LABEL}$")]
    scopes: Annotated[tuple[Scope, ...], Field(min_length=1)]
    created_at: AwareDatetime
    expires_at: AwareDatetime | None = None
    revoked_at: AwareDatetime | None = None
    replaced_by: Annotated[str, StringConstraints(pattern=f"^{KEY_ID}$")] | None = None

    def ended_at(self, now: datetime) -> datetime | None:
        """Returns when the key ended; None if it is valid now. Revoked is revoked, whatever the clock says."""
        if self.revoked_at is not None:
            return self.revoked_at
        return self.expires_at if self.expires_at is not None and self.expires_at <= now else None


class KeyFile(Model):
    """The whole file."""

    model_config = ConfigDict(extra="forbid")

    version: Literal[1] = 1
    keys: tuple[KeyRecord, ...] = ()

    @model_validator(mode="after")
    def _ids_are_unique(self) -> Self:
        if len({key.id for key in self.keys}) < len(self.keys):
            raise ValueError("two keys have the same id")
        if len({key.sha256 for key in self.keys}) < len(self.keys):
            raise ValueError("two records are of the same key")
        return self

    def find(self, key_id: str) -> KeyRecord:
        """Returns a record. Raises UnknownKeyError."""
        for key in self.keys:
            if key.id == key_id:
                return key
        raise UnknownKeyError(key_id)

    def with_record(self, record: KeyRecord, now: datetime) -> "KeyFile":
        """Returns the file with this record added, or in the place of the one with its id, without those that ended
        long ago."""
        others = [key for key in self.keys if key.id != record.id]
        position = next((place for place, key in enumerate(self.keys) if key.id == record.id), len(others))
        keys = [*others[:position], record, *others[position:]]
        return KeyFile(keys=tuple(key for key in keys if (key.ended_at(now) or now) >= now - HISTORY))


@dataclass(frozen=True, slots=True)
class KeyChange:
    """A new file and the record that is new in it, with the text of the key if it was made just now."""

    file: KeyFile
    record: KeyRecord
    text: str | None = None


def parse_key_file(content: bytes) -> KeyFile:
    """Parses `keys.json`. Raises KeyFileError."""
    try:
        return KeyFile.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise KeyFileError(f"it is no file of keys ({where + ': ' if where else ''}{first['msg']})") from None


def create_key(
    file: KeyFile, name: str, tenant: str, scopes: Iterable[Scope], lifetime: timedelta | None, now: datetime
) -> KeyChange:
    """Makes a key. Raises KeyFileError if its name or tenant does not fit."""
    key = make_key()
    try:
        record = KeyRecord(
            id=key.id,
            sha256=hash_key(key.text).hex(),
            name=name,
            tenant=tenant,
            scopes=tuple(sorted(set(scopes), key=list(Scope).index)),
            created_at=now,
            expires_at=None if lifetime is None else now + lifetime,
        )
    except ValidationError as error:
        raise KeyFileError(_describe_wrong_field(str(error.errors()[0]["loc"][0]))) from None
    return KeyChange(file.with_record(record, now), record, key.text)


def revoke_key(file: KeyFile, key_id: str, now: datetime) -> KeyChange:
    """Makes a key invalid from now on; one that is revoked already stays as it is. Raises UnknownKeyError."""
    record = file.find(key_id)
    if record.revoked_at is not None:
        return KeyChange(file, record)
    revoked = record.model_copy(update={"revoked_at": now})
    return KeyChange(file.with_record(revoked, now), revoked)


def rotate_key(file: KeyFile, key_id: str, overlap: timedelta, now: datetime) -> KeyChange:
    """Makes a key like this one, with a lifetime of the same length. The old one stays valid for `overlap`.

    Raises UnknownKeyError, EndedKeyError.
    """
    old = file.find(key_id)
    if old.ended_at(now) is not None or old.replaced_by is not None:
        raise EndedKeyError(key_id, old.replaced_by)
    lifetime = None if old.expires_at is None else old.expires_at - old.created_at
    made = create_key(file, old.name, old.tenant, old.scopes, lifetime, now)
    end = now + overlap if old.expires_at is None else min(old.expires_at, now + overlap)
    ended = {"expires_at": end} if overlap else {"revoked_at": now}
    replaced = old.model_copy(update={**ended, "replaced_by": made.record.id})
    return KeyChange(made.file.with_record(replaced, now), made.record, made.text)


def _describe_wrong_field(field: str) -> str:
    return {
        "name": f"A key's name has 1 to {NAME_LENGTH} characters, in one line.",
        "tenant": "A key's tenant must be a DNS label: lower-case letters, digits and hyphens, 63 at most.",
    }.get(field, f"The key's {field} does not fit.")
