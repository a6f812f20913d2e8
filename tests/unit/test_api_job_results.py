"""The results that were used last are cached, and no more than the limit."""

import hashlib
import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.builders import a_manifest
from whisperjob.model.resource import Output
from whisperjob.stores.folder import FolderStore
from whisperjob_api import job_results
from whisperjob_api.job_results import JobResults
from whisperjob_api.thread_pools import ThreadPools


class CountingStore(FolderStore):
    """A folder store that lists the keys it was read at."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.reads: list[str] = []

    def read(self, key: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        self.reads.append(key)
        return super().read(key, start, length)


def an_output(store: FolderStore, key: str, samples: int) -> Output:
    data = a_manifest((samples,)).model_dump_json(by_alias=True).encode()
    store.put(key, io.BytesIO(data))
    digest = hashlib.sha256(data).hexdigest()
    return Output(manifest_key=key, manifest_sha256=digest, total_chunks=1, size_bytes=8000)


async def test_the_least_recently_used_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_results, "CACHED_MANIFESTS", 2)
    store = CountingStore(tmp_path)
    results = JobResults(store, ThreadPools(1))
    a, b, c = (an_output(store, key, samples) for key, samples in (("a", 16_000), ("b", 32_000), ("c", 48_000)))
    for output in (a, b, a, c):
        await results.manifest(output)
    assert store.reads == ["a", "b", "c"]
    assert (await results.manifest(a)).samples == 16_000
    assert (await results.manifest(c)).samples == 48_000
    assert store.reads == ["a", "b", "c"]
    assert (await results.manifest(b)).samples == 32_000
    assert store.reads == ["a", "b", "c", "b"]
