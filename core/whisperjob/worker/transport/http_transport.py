"""Transfers to and from an S3 store: inputs by presigned GET, results by POST policy. Retries where it may help."""

import hashlib
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import urllib3
from urllib3.util import Retry, Timeout

from whisperjob.model.backoff import Backoff
from whisperjob.model.base import Model
from whisperjob.model.machine_faults import NoSpaceError
from whisperjob.model.protocol import HttpRead, HttpWrite
from whisperjob.worker.transport.port import (
    FetchedFile,
    StoreUnreachableError,
    TransportError,
    check_sha256,
    check_size,
    describe,
    write_json,
)
from whisperjob.worker.transport.post_form import PostForm
from whisperjob.worker.transport.renewable_claim import RenewableClaim

_PIECE_BYTES = 256 * 1024
_TIMEOUT = Timeout(connect=10, read=60)
_NO_RETRY = Retry(0, redirect=0)
"""Trying again is done here, since a fresh grant may be needed for it."""

_ATTEMPTS = 6
_INSUFFICIENT_STORAGE = 507
_BACKOFF = Backoff(base=timedelta(seconds=0.2), cap=timedelta(seconds=6.4))


class HttpTransport:
    """Implements Transport for grants of the scheme `http`."""

    def __init__(self, claim: RenewableClaim, scratch: Path) -> None:
        self._claim = claim
        self._scratch = scratch
        self._pool = urllib3.PoolManager(maxsize=2, timeout=_TIMEOUT)

    def fetch(self, index: int = 0) -> FetchedFile:
        path = self._scratch / f"fetched-{index}"
        sha256 = self._download(path, index)
        check_sha256(self._claim.current.inputs[index], sha256)
        return FetchedFile(path, sha256, path.stat().st_size)

    def publish(self, path: Path, name: str) -> None:
        self._claim.renew_before_expiry()
        for failures in range(1, _ATTEMPTS + 1):
            refused = False
            try:
                self._post(path, name)
            except _RefusedError:
                refused = True
            except urllib3.exceptions.HTTPError:
                pass
            else:
                return
            self._prepare_next_attempt(failures, refused=refused)
        raise StoreUnreachableError(f"the store does not take {name}")

    def publish_json(self, content: Model, name: str) -> None:
        self.publish(write_json(content, self._scratch / name), name)

    def _download(self, path: Path, index: int) -> str:
        """Downloads an input and returns its SHA-256. An interrupted transfer continues where it stopped."""
        digest, size, expected = hashlib.sha256(), 0, self._claim.current.inputs[index]
        complete = False
        with path.open("wb") as out:
            for failures in range(1, _ATTEMPTS + 1):
                refused = False
                try:
                    for piece in self._get(index, size):
                        out.write(piece)
                        digest.update(piece)
                        size += len(piece)
                except _RefusedError:
                    refused = True
                except urllib3.exceptions.HTTPError:
                    pass
                else:
                    complete = True  # shorter than its record says or not: the store gave all that it has
                if complete or size >= expected.size_bytes:
                    break
                self._prepare_next_attempt(failures, refused=refused)
        if not complete and size < expected.size_bytes:
            raise StoreUnreachableError(f"the store does not give {describe(expected)}")
        check_size(expected, size)
        return digest.hexdigest()

    def _get(self, index: int, start: int) -> Iterator[bytes]:
        """Yields an input from the byte `start` on."""
        grant = self._claim.current.inputs[index].read
        if not isinstance(grant, HttpRead):
            raise TransportError("the claim grants an input by file and results by HTTP")
        headers = {"Range": f"bytes={start}-"} if start else {}
        response = self._pool.request("GET", grant.url, headers=headers, preload_content=False, retries=_NO_RETRY)
        try:
            _check(response)
            if start and response.status != 206:
                raise TransportError("the store does not resume an interrupted transfer")
            yield from response.stream(_PIECE_BYTES)
        finally:
            response.close()

    def _post(self, path: Path, name: str) -> None:
        grant = self._claim.current.results
        if not isinstance(grant, HttpWrite):
            raise TransportError("the renewed claim grants results by file")
        if path.stat().st_size > grant.max_object_bytes:
            raise TransportError(f"{name} is larger than the store takes")
        form = PostForm(grant, name, path)
        _check(self._pool.request("POST", grant.url, body=form.body(), headers=form.headers(), retries=_NO_RETRY))

    def _prepare_next_attempt(self, failures: int, *, refused: bool) -> None:
        """Waits before the next attempt, if there is one, and renews grants that were refused or expire soon."""
        if failures < _ATTEMPTS:
            time.sleep(_BACKOFF.wait(failures).total_seconds())
        if refused:
            self._claim.renew()
        else:
            self._claim.renew_before_expiry()


class _RefusedError(Exception):
    """The store answered 401 or 403, or 400 as for an expired signature: a fresh grant may help."""


def _check(response: urllib3.BaseHTTPResponse) -> None:
    """Raises _RefusedError, NoSpaceError, TransportError, or HTTPError where trying again may help."""
    if response.status < 300:
        return
    if response.status == _INSUFFICIENT_STORAGE:
        raise NoSpaceError("the store has no room left")
    if response.status in (400, 401, 403):
        raise _RefusedError
    if response.status in (408, 429) or response.status >= 500:
        raise urllib3.exceptions.HTTPError(f"HTTP {response.status}")
    raise StoreUnreachableError(f"the store answers HTTP {response.status}")
