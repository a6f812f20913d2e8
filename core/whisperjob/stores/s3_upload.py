"""A stream of unknown length, into an S3 object: in parts, two in flight, whole or not at all.

minio-py's own `put_object(length=-1)` does not fit, read in 7.2.20 (api.py, helpers.py): when `read` raises it never
ends its two threads, which keep a part of 8 MiB each for ever; parts still in flight may land after its abort; an
abort that fails hides what `read` raised; a part that failed is noticed only after the whole stream was read; and an
error that arrives with status 200, as S3 may send it for CompleteMultipartUpload, counts as success. So this drives
the client's own requests for the steps; requirements/ pins its version, the contract suite runs every one of them.
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
from whisperjob.stores.s3_races import through_removals
from whisperjob.stores.s3_signing import unsigned_body

PART_BYTES: Final = 8 * 1024 * 1024
"""Times 10,000 parts, S3's limit, is 80 GB. With two in flight and one being filled, an upload holds 24 MiB, used again
and again: parts in memory that is new each time cost a page fault for every 4 KiB, and joining them a copy."""
_IN_FLIGHT: Final = 2
_READ_BYTES: Final = 256 * 1024
"""At a time, of a stream that cannot fill a buffer of ours."""

log = logging.getLogger(__name__)


def upload(client: Minio, bucket: str, key: str, data: Readable, content_type: str) -> int:
    """Stores all of `data`; returns its size in bytes.

    What `data.read` raises passes through as it is, and nothing is kept then. The service's errors are StoreErrors.
    """
    first = bytearray(PART_BYTES)
    filled = _fill(first, data)
    if filled < PART_BYTES:
        return _send_whole(client, bucket, key, bytes(memoryview(first)[:filled]), content_type)
    return _Multipart(client, bucket, key, content_type).send(first, data)


def _send_whole(client: Minio, bucket: str, key: str, data: bytes, content_type: str) -> int:
    try:
        result = through_removals(lambda: client.put_object(bucket, key, io.BytesIO(data), len(data), content_type))
    except CLIENT_ERRORS as error:
        raise to_store_error(error) from error
    _require_etag(result.etag)
    return len(data)


@runtime_checkable
class _Filling(Protocol):
    """A Readable that may spare a copy; as files do it, 0 is the end."""

    def readinto(self, buffer: memoryview, /) -> int: ...


def _fill(buffer: bytearray, data: Readable) -> int:
    """How many bytes came, fewer than there is room for only at the end; patient with a `read` that gives less than
    was asked for."""
    room = memoryview(buffer)
    filled = 0
    while filled < len(room) and (count := _read_into(room[filled:], data)):
        filled += count
    return filled


def _read_into(room: memoryview, data: Readable) -> int:
    if isinstance(data, _Filling):
        return data.readinto(room)
    piece = data.read(min(len(room), _READ_BYTES))
    room[: len(piece)] = piece
    return len(piece)


def _require_etag(etag: str | None) -> str:
    """Whatever answers 200 without one (S3 in trouble, a portal in between) has stored nothing."""
    if not etag:
        raise StoreUnavailableError("the object store did not confirm what it was sent")
    return etag


class _Multipart:
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
        """`first` is the first part, full; the rest comes from `data`."""
        size = 0
        buffer, filled = first, len(first)
        flying: deque[tuple[Future[str], bytearray]] = deque()
        with ThreadPoolExecutor(_IN_FLIGHT, thread_name_prefix="s3-part") as pool:
            try:
                while filled:
                    size += filled
                    part = memoryview(buffer)[:filled]
                    flying.append((pool.submit(self._send_part, part, len(self._etags) + len(flying) + 1), buffer))
                    # One more than fly, so that the next to go is filled meanwhile.
                    buffer = self._landed(flying) if len(flying) > _IN_FLIGHT else bytearray(PART_BYTES)
                    filled = _fill(buffer, data)
                while flying:
                    self._landed(flying)
                self._complete(size)
            except BaseException:
                for future, _ in flying:
                    future.cancel()
                wait([future for future, _ in flying])  # a part that lands after the abort would stay
                self._abort()
                raise
        return size

    def _landed(self, flying: deque[tuple[Future[str], bytearray]]) -> bytearray:
        """Waits for the part that went first; what it lay in is free again."""
        future, buffer = flying.popleft()
        self._etags.append(future.result())
        return buffer

    def _send_part(self, part: memoryview, number: int) -> str:
        body = cast(bytes, part)  # all that is done with it: its length, and sending it
        try:
            etag = self._client._upload_part(self._bucket, self._key, body, unsigned_body(), self._id, number)
        except CLIENT_ERRORS as error:
            raise to_store_error(error) from error
        return _require_etag(etag)

    def _complete(self, size: int) -> None:
        parts = [Part(number, etag) for number, etag in enumerate(self._etags, start=1)]
        try:
            result = through_removals(
                lambda: self._client._complete_multipart_upload(self._bucket, self._key, self._id, parts)
            )
        except CLIENT_ERRORS as error:
            if isinstance(error, S3Error) and error.code == "NoSuchUpload" and self._stored() == size:
                return  # it was a second try, and the first had arrived
            raise to_store_error(error) from error
        _require_etag(result.etag)

    def _stored(self) -> int | None:
        """The size of the object as it is visible now."""
        try:
            return self._client.stat_object(self._bucket, self._key).size
        except CLIENT_ERRORS:
            return None

    def _abort(self) -> None:
        try:
            self._client._abort_multipart_upload(self._bucket, self._key, self._id)
        except CLIENT_ERRORS as error:
            log.warning("an upload to %s was left unfinished, to be swept: %s", self._key, to_store_error(error))
