"""Puts a stream of unknown length into an S3 object: in parts, two of them in flight, whole or not at all.

minio-py's own `put_object(length=-1)` does not fit (read in 7.2.20, api.py, helpers.py). When `read` raises, it never
ends its two threads, which hold a part of 8 MiB each for ever. Parts still in flight may arrive after its abort. An
abort that fails hides what `read` raised. A part that failed is noticed only after the whole stream was read. An error
that arrives with status 200, as S3 may send it for CompleteMultipartUpload, counts as success. So this module sends the
client's own requests for the steps; requirements/ pins the client's version, and the contract suite runs all of them.
"""

import io
import logging
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Final, Protocol, cast, runtime_checkable

from minio import Minio
from minio.datatypes import Part
from minio.error import S3Error

from whisperjob.model.errors import StoreUnavailableError
from whisperjob.stores.port import Readable
from whisperjob.stores.s3_errors import CLIENT_ERRORS, to_store_error
from whisperjob.stores.s3_races import retry_removal_races
from whisperjob.stores.s3_signing import unsigned_body

PART_BYTES: Final = 8 * 1024 * 1024
"""Times 10,000 parts, the limit of S3, this is 80 GB. With two parts in flight and one being filled, an upload holds
24 MiB, which it reuses: new memory for each part costs a page fault for every 4 KiB, and joining parts a copy."""
_IN_FLIGHT: Final = 2
_READ_BYTES: Final = 256 * 1024
"""How much is read at a time from a stream that has no `readinto`."""

log = logging.getLogger(__name__)


def put_stream(client: Minio, bucket: str, key: str, data: Readable, content_type: str) -> int:
    """Stores all of `data`; returns its size in bytes.

    Errors of `data.read` pass through unchanged, and then nothing is stored. Raises StoreError for the service's.
    """
    first = bytearray(PART_BYTES)
    filled = _fill(first, data)
    if filled < PART_BYTES:
        return _put_small(client, bucket, key, bytes(memoryview(first)[:filled]), content_type)
    return _MultipartUpload(client, bucket, key, content_type).send(first, data)


def _put_small(client: Minio, bucket: str, key: str, data: bytes, content_type: str) -> int:
    try:
        result = retry_removal_races(lambda: client.put_object(bucket, key, io.BytesIO(data), len(data), content_type))
    except CLIENT_ERRORS as error:
        raise to_store_error(error) from error
    _require_etag(result.etag)
    return len(data)


@runtime_checkable
class _SupportsReadinto(Protocol):
    """A Readable that saves a copy by filling a buffer."""

    def readinto(self, buffer: memoryview, /) -> int:
        """Fills the buffer; returns the number of bytes, 0 at the end."""
        ...


def _fill(buffer: bytearray, data: Readable) -> int:
    """Fills the buffer; returns the number of bytes, which is less than its length only at the end of `data`.

    It accepts a `read` that returns less than it was called for.
    """
    view = memoryview(buffer)
    filled = 0
    while filled < len(view) and (count := _read_into(view[filled:], data)):
        filled += count
    return filled


def _read_into(view: memoryview, data: Readable) -> int:
    if isinstance(data, _SupportsReadinto):
        return data.readinto(view)
    piece = data.read(min(len(view), _READ_BYTES))
    view[: len(piece)] = piece
    return len(piece)


def _require_etag(etag: str | None) -> str:
    """Returns the ETag. A response with status 200 and without one (of S3 in trouble, of a portal) stored nothing."""
    if not etag:
        raise StoreUnavailableError("the object store did not confirm what it was sent")
    return etag


class _MultipartUpload:
    """One multipart upload, from its creation to its completion or its abort."""

    def __init__(self, client: Minio, bucket: str, key: str, content_type: str) -> None:
        self._client = client
        self._bucket = bucket
        self._key = key
        self._etags: list[str] = []
        try:
            self._id = client._create_multipart_upload(bucket, key, {"Content-Type": content_type})
        except CLIENT_ERRORS as error:
            raise to_store_error(error) from error

    def send(self, first: bytearray, data: Readable) -> int:
        """Sends the parts and completes the upload; returns the size in bytes.

        `first` is the first part, which is full; the following parts are read from `data`.
        """
        size = 0
        buffer, filled = first, len(first)
        in_flight: deque[tuple[Future[str], bytearray]] = deque()
        with ThreadPoolExecutor(_IN_FLIGHT, thread_name_prefix="s3-part") as pool:
            try:
                while filled:
                    size += filled
                    part = memoryview(buffer)[:filled]
                    in_flight.append(
                        (pool.submit(self._send_part, part, len(self._etags) + len(in_flight) + 1), buffer)
                    )
                    # One buffer more than parts in flight, so that the next part is filled meanwhile.
                    buffer = self._await_oldest(in_flight) if len(in_flight) > _IN_FLIGHT else bytearray(PART_BYTES)
                    filled = _fill(buffer, data)
                while in_flight:
                    self._await_oldest(in_flight)
                self._complete(size)
            except BaseException:
                for future, _ in in_flight:
                    future.cancel()
                wait([future for future, _ in in_flight])  # a part that arrives after the abort would stay
                self._abort()
                raise
        return size

    def _await_oldest(self, in_flight: deque[tuple[Future[str], bytearray]]) -> bytearray:
        """Waits for the part that was sent first; returns its buffer, which is free again."""
        future, buffer = in_flight.popleft()
        self._etags.append(future.result())
        return buffer

    def _send_part(self, part: memoryview, number: int) -> str:
        body = cast(bytes, part)  # the client takes its length and sends it, nothing else
        try:
            etag = self._client._upload_part(self._bucket, self._key, body, unsigned_body(), self._id, number)
        except CLIENT_ERRORS as error:
            raise to_store_error(error) from error
        return _require_etag(etag)

    def _complete(self, size: int) -> None:
        parts = [Part(number, etag) for number, etag in enumerate(self._etags, start=1)]
        try:
            result = retry_removal_races(
                lambda: self._client._complete_multipart_upload(self._bucket, self._key, self._id, parts)
            )
        except CLIENT_ERRORS as error:
            if isinstance(error, S3Error) and error.code == "NoSuchUpload" and self._stored_size() == size:
                return  # this was a second try, and the first one had arrived
            raise to_store_error(error) from error
        _require_etag(result.etag)

    def _stored_size(self) -> int | None:
        """Returns the size of the object as it is visible now, or None if there is none."""
        try:
            return self._client.stat_object(self._bucket, self._key).size
        except CLIENT_ERRORS:
            return None

    def _abort(self) -> None:
        try:
            self._client._abort_multipart_upload(self._bucket, self._key, self._id)
        except CLIENT_ERRORS as error:
            log.warning("an upload to %s stays unfinished until it is swept: %s", self._key, to_store_error(error))
