"""Reads what an attempt left in the store, and says whether it is valid."""

import hashlib
from collections.abc import Callable, Mapping
from typing import Final

from pydantic import ValidationError

from whisperjob.deciding.decision import Diarized, Finished, Result, Unusable, VerdictGiven
from whisperjob.model import names
from whisperjob.model.manifest import MAX_CHUNK_BYTES, MAX_MANIFEST_BYTES, MAX_TIMELINE_BYTES, Manifest, Verdict
from whisperjob.model.phase import Stage
from whisperjob.model.timeline import Timeline
from whisperjob.stores.port import ObjectStore, read_all

_MAX_OBJECTS = 10_000
"""24 hours in chunks of a minute are 1,440; a worker that wrote more than this is not trusted."""

Sizes = Mapping[str, int]
"""The size in bytes of every file that the attempt wrote, by its name."""


def read_result(store: ObjectStore, stage: Stage, prefix: str) -> Result | None:
    """Returns what an attempt at this stage left under its prefix, None if it left no result.

    Blocks on the store; raises StoreUnavailableError. One listing proves that every file is there with its size; the
    SHA-256 of each is checked by those who read it.
    """
    sizes: dict[str, int] = {}
    for stored in store.list(prefix):
        sizes[stored.key.removeprefix(prefix)] = stored.size_bytes
        if len(sizes) > _MAX_OBJECTS:
            return Unusable("too many objects")
    try:
        if names.MANIFEST_NAME in sizes:
            return _READERS[stage](store, prefix + names.MANIFEST_NAME, sizes)
        if names.FAILURE_NAME in sizes:
            data = read_all(store, prefix + names.FAILURE_NAME, MAX_MANIFEST_BYTES)
            return VerdictGiven(Verdict.model_validate_json(data))
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        return Unusable(f"{error.error_count()} field(s) are wrong, {first['msg']}")
    except ValueError as error:
        return Unusable(str(error))
    return None


def _read_manifest(store: ObjectStore, key: str, sizes: Sizes) -> Result:
    data = read_all(store, key, MAX_MANIFEST_BYTES)
    manifest = Manifest.model_validate_json(data)
    for chunk in manifest.chunks:
        size = sizes.get(chunk.filename)
        if size != chunk.size_bytes:
            return Unusable(f"{chunk.filename} has {size} bytes, not {chunk.size_bytes}")
        if size > MAX_CHUNK_BYTES:
            return Unusable(f"{chunk.filename} is over the limit of a chunk")
    return Finished(manifest=manifest, key=key, sha256=hashlib.sha256(data).hexdigest())


def _read_timeline(store: ObjectStore, key: str, _: Sizes) -> Result:
    data = read_all(store, key, MAX_TIMELINE_BYTES)
    return Diarized(timeline=Timeline.model_validate_json(data), key=key, sha256=hashlib.sha256(data).hexdigest())


_READERS: Final[Mapping[Stage, Callable[[ObjectStore, str, Sizes], Result]]] = {
    Stage.OPTIMIZE: _read_manifest,
    Stage.DIARIZE: _read_timeline,
}
"""How the object `manifest.json` of each stage is read; called with the store, the key and the sizes of all files."""
