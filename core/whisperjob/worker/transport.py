"""Brings a worker its inputs and its results to the store, with nothing but the grants of its claim.

Two schemes: `file` (read in place, publish by rename) and `http` (presigned GET, S3 POST policy). Grants expire; a new
claim renews them, so that a worker may take as long as its deadline allows.
"""

import hashlib
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import urllib3
from urllib3.util import Retry, Timeout

from whisperjob.model.base import Model
from whisperjob.model.errors import WhisperJobError
from whisperjob.model.protocol import Claim, FileRead, FileWrite, HttpRead, HttpWrite, Input

_PIECE_BYTES = 256 * 1024
_TIMEOUT = Timeout(connect=10, read=60)
_NO_RETRY = Retry(0, redirect=0)
_ATTEMPTS = 6
_FIRST_WAIT_SECONDS = 0.2
_EXPIRY_MARGIN = timedelta(seconds=30)

CONTENT_TYPES = {".mp3": "audio/mpeg", ".json": "application/json"}


class TransportError(WhisperJobError):
    """The store did not give the source or did not take a result; the recording is not at fault."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """An input on this machine. `sha256` is None where nobody has computed it yet."""

    path: Path
    sha256: str | None
    scratch_bytes: int
    """What of the scratch space it takes up."""


class Transport:
    """One attempt's way to the store. `renew` claims again."""

    def __init__(self, claim: Claim, renew: Callable[[], Claim], scratch: Path) -> None:
        self._claim = claim
        self._renew = renew
        self._scratch = scratch
        self._pool = urllib3.PoolManager(maxsize=2, timeout=_TIMEOUT)

    def fetch(self, index: int = 0) -> Fetched:
        """One of the claim's inputs. Raises TransportError if it cannot be had whole."""
        wanted = self._claim.inputs[index]
        if isinstance(wanted.read, FileRead):
            path = Path(wanted.read.path)
            if not path.is_file():
                raise TransportError(f"{_shown(wanted)} is not where the claim says")
            _check_in_place(wanted, path)
            return Fetched(path, wanted.sha256, 0)
        path = self._scratch / f"fetched-{index}"
        digest = self._download(path, index)
        _check_sha256(wanted, digest)
        return Fetched(path, digest, path.stat().st_size)

    def publish(self, path: Path, name: str) -> None:
        """Makes a file of ours a result, visible whole or not at all. Raises TransportError, OSError."""
        self._refresh()
        if isinstance(self._claim.results, FileWrite):
            self._rename_into(self._claim.results, path, name)
        else:
            self._upload(path, name)

    def publish_json(self, content: Model, name: str) -> None:
        """What is written last: a manifest, or a verdict. Raises as `publish` does."""
        path = self._scratch / name
        path.write_text(content.model_dump_json(by_alias=True, indent=1))
        self.publish(path, name)

    def _refresh(self, *, force: bool = False) -> None:
        if force or self._claim.expires_at - _EXPIRY_MARGIN < datetime.now(UTC):
            self._claim = self._renew()

    def _download(self, path: Path, index: int) -> str:
        """SHA-256 of what was fetched. An interrupted transfer goes on where it stopped."""
        digest, size, wanted = hashlib.sha256(), 0, self._claim.inputs[index]
        with path.open("wb") as out:
            for wait in _waits():
                refused = False
                read = self._claim.inputs[index].read
                assert isinstance(read, HttpRead)
                try:
                    for piece in self._read(read.url, size):
                        out.write(piece)
                        digest.update(piece)
                        size += len(piece)
                except _RefusedError:
                    refused = True
                except urllib3.exceptions.HTTPError:
                    pass
                if size >= wanted.size_bytes:
                    break
                time.sleep(wait)
                self._refresh(force=refused)
        _check_size(wanted, size)
        return digest.hexdigest()

    def _read(self, url: str, start: int) -> Iterator[bytes]:
        headers = {"Range": f"bytes={start}-"} if start else {}
        answer = self._pool.request("GET", url, headers=headers, preload_content=False, retries=_NO_RETRY)
        try:
            _check(answer)
            if start and answer.status != 206:
                raise TransportError("the store does not resume an interrupted transfer")
            yield from answer.stream(_PIECE_BYTES)
        finally:
            answer.close()

    def _rename_into(self, grant: FileWrite, path: Path, name: str) -> None:
        directory, staging = Path(grant.directory), Path(grant.staging)
        directory.mkdir(parents=True, exist_ok=True)
        staging.mkdir(parents=True, exist_ok=True)
        staged = staging / f"worker-{secrets.token_hex(8)}"
        try:
            with path.open("rb") as source, staged.open("xb") as out:
                shutil.copyfileobj(source, out, _PIECE_BYTES)
                out.flush()
                os.fsync(out.fileno())
            staged.rename(directory / name)
        finally:
            staged.unlink(missing_ok=True)
        _sync_folder(directory)

    def _upload(self, path: Path, name: str) -> None:
        for wait in _waits():
            refused = False
            grant = self._claim.results
            assert isinstance(grant, HttpWrite)
            if path.stat().st_size > grant.max_object_bytes:
                raise TransportError(f"{name} is larger than the store takes")
            form = Form(grant, name, path)
            try:
                answer = self._pool.request(
                    "POST", grant.url, body=form.pieces(), headers=form.headers(), retries=_NO_RETRY
                )
                _check(answer)
            except _RefusedError:
                refused = True
            except urllib3.exceptions.HTTPError:
                pass
            else:
                return
            time.sleep(wait)
            self._refresh(force=refused)
        raise TransportError(f"the store does not take {name}")


class Form:
    """An S3 POST policy form: the granted fields, the key, then the file, streamed from disk."""

    def __init__(self, grant: HttpWrite, name: str, path: Path) -> None:
        self._path = path
        self._boundary = secrets.token_hex(16)
        content_type = CONTENT_TYPES.get(path.suffix, "application/octet-stream")
        fields = {k: v for k, v in grant.fields.items() if k != "key"} | {"key": grant.prefix + name}
        head = "".join(self._field(key, value) for key, value in fields.items())
        head += f'--{self._boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
        head += f"Content-Type: {content_type}\r\n\r\n"
        self._head = head.encode()
        self._tail = f"\r\n--{self._boundary}--\r\n".encode()

    def _field(self, name: str, value: str) -> str:
        return f'--{self._boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'

    def headers(self) -> dict[str, str]:
        size = len(self._head) + self._path.stat().st_size + len(self._tail)
        return {"Content-Type": f"multipart/form-data; boundary={self._boundary}", "Content-Length": str(size)}

    def pieces(self) -> Iterator[bytes]:
        yield self._head
        with self._path.open("rb") as file:
            while piece := file.read(_PIECE_BYTES):
                yield piece
        yield self._tail


class _RefusedError(Exception):
    """HTTP 403 or 400 of an expired signature: a fresh grant may help."""


def _check(answer: urllib3.BaseHTTPResponse) -> None:
    """Raises _RefusedError, TransportError, or HTTPError where trying again may help."""
    if answer.status < 300:
        return
    if answer.status in (400, 401, 403):
        raise _RefusedError
    if answer.status in (408, 429) or answer.status >= 500:
        raise urllib3.exceptions.HTTPError(f"HTTP {answer.status}")
    raise TransportError(f"the store answers HTTP {answer.status}")


def _waits() -> Iterator[float]:
    """Seconds to wait after each attempt."""
    for attempt in range(_ATTEMPTS):
        yield _FIRST_WAIT_SECONDS * 2**attempt


def _check_in_place(wanted: Input, path: Path) -> None:
    """A chunk is hashed, as it is where it must be fetched; an upload, of up to some GB, is only measured."""
    _check_size(wanted, path.stat().st_size)
    if wanted.samples is not None and wanted.sha256 is not None:
        with path.open("rb") as file:
            _check_sha256(wanted, hashlib.file_digest(file, "sha256").hexdigest())


def _check_size(wanted: Input, size_bytes: int) -> None:
    if size_bytes != wanted.size_bytes:
        raise TransportError(f"{_shown(wanted)} has {size_bytes} bytes here and {wanted.size_bytes} in its record")


def _check_sha256(wanted: Input, sha256: str) -> None:
    if wanted.sha256 not in (None, sha256):
        raise TransportError(f"{_shown(wanted)} is not what was stored: its SHA-256 differs")


def _shown(wanted: Input) -> str:
    return "a chunk" if wanted.samples else "the source"


def _sync_folder(folder: Path) -> None:
    """So that the new name survives a crash of the machine."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # some file systems do not know it
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
