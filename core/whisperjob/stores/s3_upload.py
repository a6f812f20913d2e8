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
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from itertools import chain
from typing import Final

from minio import Minio
from minio.datatypes import Part
from minio.error import S3Error

from whisperjob.model.errors import StoreUnavailableError
from whisperjob.stores.port import Readable
from whisperjob.stores.s3_errors import CLIENT_ERRORS, to_store_error
from whisperjob.stores.s3_races import through_removals

PART_BYTES: Final = 8 * 1024 * 1024
"""Times 10,000 parts, S3's limit, is 80 GB. With two in flight and one being read, an upload holds 24 MiB."""
_IN_FLIGHT: Final = 2

log = logging.getLogger(__name__)


def upload(client: Minio, bucket: str, key: str, data: Readable, content_type: str) -> int:
    """Stores all of `data`; returns its size in bytes.

    What `data.read` raises passes through as it is, and nothing is kept then. The service's errors are StoreErrors.
    """
    parts = _parts(data)
    first = next(parts, b"")
    if len(first) < PART_BYTES:
        return _send_whole(client, bucket, key, first, content_type)
    every = chain((first,), parts)
    del first  # else it would be held until the last part is sent
    return _Multipart(client, bucket, key, content_type).send(every)


def _send_whole(client: Minio, bucket: str, key: str, data: bytes, content_type: str) -> int:
    try:
        result = through_removals(lambda: client.put_object(bucket, key, io.BytesIO(data), len(data), content_type))
    except CLIENT_ERRORS as error:
        raise to_store_error(error) from error
    _require_etag(result.etag)
    return len(data)


def _parts(data: Readable) -> Iterator[bytes]:
    """The stream in parts, all of full size but the last; patient with a `read` that returns less than asked for."""
    ended = False
    while not ended:
        pieces: list[bytes] = []
        missing = PART_BYTES
        while missing and not ended:
            piece = data.read(missing)
            ended = not piece
            pieces.append(piece)
            missing -= len(piece)
        part = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        del pieces
        if part:
            yield part


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

    def send(self, parts: Iterator[bytes]) -> int:
        size = 0
        flying: deque[Future[str]] = deque()
        with ThreadPoolExecutor(_IN_FLIGHT, thread_name_prefix="s3-part") as pool:
            try:
                while part := next(parts, b""):
                    if len(flying) == _IN_FLIGHT:
                        self._etags.append(flying.popleft().result())
                    size += len(part)
                    flying.append(pool.submit(self._send_part, part, len(self._etags) + len(flying) + 1))
                    del part
                while flying:
                    self._etags.append(flying.popleft().result())
                self._complete(size)
            except BaseException:
                for future in flying:
                    future.cancel()
                wait(flying)  # a part that lands after the abort would stay
                self._abort()
                raise
        return size

    def _send_part(self, part: bytes, number: int) -> str:
        try:
            etag = self._client._upload_part(self._bucket, self._key, part, None, self._id, number)
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
