"""Reads what an attempt left in the store and says whether it holds."""

import hashlib

from pydantic import ValidationError

from whisperjob.deciding.decision import Diarized, Finished, Refused, Result, Unusable
from whisperjob.model import names
from whisperjob.model.manifest import MAX_CHUNK_BYTES, MAX_MANIFEST_BYTES, MAX_TIMELINE_BYTES, Failure, Manifest
from whisperjob.model.phase import Stage
from whisperjob.model.timeline import Timeline
from whisperjob.stores.port import ObjectStore, read_all

_MAX_OBJECTS = 10_000
"""24 h in chunks of a minute are 1,440; a worker that wrote more than this is not ours any more."""


def read_result(store: ObjectStore, stage: Stage, prefix: str) -> Result | None:
    """What an attempt of this stage left under its prefix: its result, None if it left none.

    Blocks on the store; raises StoreUnavailableError. One listing proves that every file is there with its size; the
    SHA-256 of each is the readers' to check.
    """
    sizes: dict[str, int] = {}
    for stored in store.list(prefix):
        sizes[stored.key.removeprefix(prefix)] = stored.size_bytes
        if len(sizes) > _MAX_OBJECTS:
            return Unusable("too many objects")
    try:
        if names.MANIFEST_NAME in sizes:
            key = prefix + names.MANIFEST_NAME
            return _finished(store, key, sizes) if stage is Stage.OPTIMIZE else _diarized(store, key)
        if names.FAILURE_NAME in sizes:
            data = read_all(store, prefix + names.FAILURE_NAME, MAX_MANIFEST_BYTES)
            return Refused(Failure.model_validate_json(data))
    except ValidationError as error:
        return Unusable(f"{error.error_count()} field(s) are wrong, {error.errors()[0]['msg']}")
    except ValueError as error:
        return Unusable(str(error))
    return None


def _finished(store: ObjectStore, key: str, sizes: dict[str, int]) -> Result:
    data = read_all(store, key, MAX_MANIFEST_BYTES)
    manifest = Manifest.model_validate_json(data)
    for chunk in manifest.chunks:
        found = sizes.get(chunk.filename)
        if found != chunk.size_bytes:
            return Unusable(f"{chunk.filename} has {found} bytes, not {chunk.size_bytes}")
        if found > MAX_CHUNK_BYTES:
            return Unusable(f"{chunk.filename} is over the limit of a chunk")
    return Finished(manifest=manifest, key=key, sha256=hashlib.sha256(data).hexdigest())


def _diarized(store: ObjectStore, key: str) -> Result:
    data = read_all(store, key, MAX_TIMELINE_BYTES)
    return Diarized(timeline=Timeline.model_validate_json(data), key=key, sha256=hashlib.sha256(data).hexdigest())
