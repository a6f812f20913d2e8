"""Objects in a bucket of an S3 service. Only plain S3 is used, so that any service will do (tested against MinIO).

Requests carry their signature in headers, so that no address that this process opens, and therefore no log line of the
HTTP library, can leak one. Addresses that carry a signature are only made here, for workers and clients; they are
never opened here.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import urlsplit

import urllib3
from minio.datatypes import PostPolicy
from minio.deleteobjects import DeleteError, DeleteObject
from minio.error import S3Error

from whisperjob.model.errors import ObjectNotFoundError, StoreUnavailableError
from whisperjob.model.protocol import HttpRead, HttpWrite
from whisperjob.model.settings import StoreSettings
from whisperjob.stores import keys
from whisperjob.stores.object_stream import ObjectStream
from whisperjob.stores.port import Readable, StoredObject
from whisperjob.stores.s3_errors import CLIENT_ERRORS, to_store_error
from whisperjob.stores.s3_races import retry_removal_races
from whisperjob.stores.s3_signing import Client
from whisperjob.stores.s3_upload import put_stream

_CONNECTIONS: Final = 64
"""Connections that stay open per service: for 16 uploads with two parts in flight, and as many downloads."""
_TIMEOUT: Final = urllib3.Timeout(connect=5, read=30)
_RETRIES: Final = urllib3.Retry(
    total=3,
    connect=2,
    read=1,
    backoff_factor=0.2,
    status_forcelist=(500, 502, 503, 504),
    allowed_methods=None,  # POST too: a second upload created by mistake is swept, a second completion is recognised
    raise_on_status=False,  # so that the service's own error code is read
    respect_retry_after_header=False,  # MinIO sends 60 s and more when it is busy; the callers decide how to wait
)
"""The client gives up on a dead service within a second, on a silent one within about a minute."""
_PROBE_TIMEOUT: Final = urllib3.Timeout(connect=2, read=3)
"""Shorter than the time limit of a readiness probe."""
_MAX_EXPIRY: Final = timedelta(days=7)
"""The limit of S3 on a presigned address."""
_DELETE_PASSES: Final = 3
"""A worker that is still ending may write while its prefix is deleted; what it writes later is an orphan, and swept.
What one pass could not delete (`s3_races`), the next pass deletes."""


class S3Store:
    """An ObjectStore in one bucket. Its constructor sends no request, because the service may come up later."""

    def __init__(self, settings: StoreSettings) -> None:
        if settings.s3_endpoint is None:
            raise ValueError("no S3 endpoint is set")
        if not settings.s3_access_key or not settings.s3_secret_key.get_secret_value():
            raise ValueError("an S3 store needs an access key and a secret key")
        if bool(settings.s3_grant_access_key) != bool(settings.s3_grant_secret_key.get_secret_value()):
            raise ValueError("grants of an S3 store need both an access key and a secret key, or neither")
        self._bucket = settings.s3_bucket
        pool = urllib3.PoolManager(maxsize=_CONNECTIONS, timeout=_TIMEOUT, retries=_RETRIES)
        probe = urllib3.PoolManager(maxsize=4, timeout=_PROBE_TIMEOUT, retries=False)
        self._client = _client(settings, settings.s3_endpoint, pool)
        self._probe = _client(settings, settings.s3_endpoint, probe)
        granting = _with_key_of_grants(settings)
        self._signer = _client(granting, settings.s3_worker_endpoint or settings.s3_endpoint, urllib3.PoolManager())
        public = settings.s3_public_endpoint
        self._public = _client(granting, public, urllib3.PoolManager()) if public else None
        self._bucket_exists = False

    def ensure_bucket(self) -> None:
        """Creates the bucket if it is absent. Only the first call sends a request."""
        if self._bucket_exists:
            return
        with _as_store_errors():
            if not self._client.bucket_exists(self._bucket):
                try:
                    self._client.make_bucket(self._bucket)
                except S3Error as error:
                    if error.code not in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists"):
                        raise
        self._bucket_exists = True

    def put(self, key: str, data: Readable, *, content_type: str = "application/octet-stream") -> int:
        keys.require_key(key)
        self.ensure_bucket()
        return put_stream(self._client, self._bucket, key, data, content_type)

    def read(self, key: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        if length == 0 or not keys.is_key(key):
            if self.stat(key) is None:
                raise ObjectNotFoundError(key)
            return iter(())
        self.ensure_bucket()
        try:
            response = self._client.get_object(self._bucket, key, offset=start, length=length or 0)
        except CLIENT_ERRORS as error:
            if isinstance(error, S3Error) and error.code == "InvalidRange":
                return iter(())
            raise to_store_error(error, key) from error

        def read(size: int) -> bytes:
            with _as_store_errors():
                return response.read(size)

        def close() -> None:
            response.close()  # ends a connection with bytes left in it; one read to its end is back in the pool by now
            response.release_conn()

        return ObjectStream(read, close, length)

    def stat(self, key: str) -> StoredObject | None:
        if not keys.is_key(key):
            return None
        self.ensure_bucket()
        try:
            with _as_store_errors(key):
                result = self._client.stat_object(self._bucket, key)
        except ObjectNotFoundError:
            return None
        return StoredObject(key, result.size or 0, _to_epoch_seconds(result.last_modified))

    def list(self, prefix: str) -> Iterator[StoredObject]:
        if not keys.is_listing_prefix(prefix):
            return
        self.ensure_bucket()
        with _as_store_errors():
            for entry in self._client.list_objects(self._bucket, prefix, recursive=True):
                if entry.object_name is not None and keys.is_key(entry.object_name):
                    yield StoredObject(entry.object_name, entry.size or 0, _to_epoch_seconds(entry.last_modified))

    def delete(self, key: str) -> None:
        if not keys.is_key(key):
            return
        self.ensure_bucket()
        with _as_store_errors():
            retry_removal_races(lambda: self._client.remove_object(self._bucket, key))

    def delete_prefix(self, prefix: str) -> int:
        keys.require_folder_prefix(prefix)
        removed = 0
        errors: Sequence[DeleteError] = ()
        for _ in range(_DELETE_PASSES):
            listed, errors = self._delete_listed(prefix)
            removed += listed - len(errors)
            if not listed:
                break
        if errors:
            raise StoreUnavailableError(f"the object store did not delete {len(errors)} objects ({errors[0].code})")
        return removed

    def _delete_listed(self, prefix: str) -> tuple[int, Sequence[DeleteError]]:
        """Deletes what a listing shows; returns the number of objects listed, and the errors of those not deleted."""
        listed = 0

        def list_objects() -> Iterator[DeleteObject]:
            nonlocal listed
            for stored in self.list(prefix):
                listed += 1
                yield DeleteObject(stored.key)

        with _as_store_errors():
            errors = list(self._client.remove_objects(self._bucket, list_objects()))
        return listed, errors

    def grant_read(self, key: str, expires: timedelta) -> HttpRead:
        """Returns a presigned GET, signed for the workers' address of the service; it is valid for at most 7 days."""
        if not keys.is_key(key):
            raise ObjectNotFoundError(key)
        return HttpRead(url=self._signer.presigned_get_object(self._bucket, key, min(expires, _MAX_EXPIRY)))

    def grant_download(self, key: str, expires: timedelta, content_type: str, disposition: str) -> str | None:
        """Returns a presigned GET, signed for the public endpoint, or None if there is none."""
        if self._public is None or not keys.is_key(key):
            return None
        headers: dict[str, str | list[str] | tuple[str]] = {
            "response-content-type": content_type,
            "response-content-disposition": disposition,
        }
        return self._public.presigned_get_object(self._bucket, key, min(expires, _MAX_EXPIRY), response_headers=headers)

    def grant_write(self, prefix: str, expires: timedelta, max_object_bytes: int) -> HttpWrite:
        """Returns a POST policy: the form may hold its fields, `key` and `file`, and nothing else."""
        keys.require_folder_prefix(prefix)
        self.ensure_bucket()
        policy = PostPolicy(self._bucket, datetime.now(UTC) + min(expires, _MAX_EXPIRY))
        policy.add_starts_with_condition("key", prefix)
        policy.add_content_length_range_condition(0, max_object_bytes)
        fields = self._signer.presigned_post_policy(policy)
        return HttpWrite(url=self._form_url(), fields=fields, prefix=prefix, max_object_bytes=max_object_bytes)

    def _form_url(self) -> str:
        """Returns the bucket's own address, in the style (host or path) that the service uses."""
        example = urlsplit(self._signer.presigned_get_object(self._bucket, "x"))
        path = example.path.removesuffix("x").removesuffix("/")
        return f"{example.scheme}://{example.netloc}{path or '/'}"

    def sweep_unfinished(self, older_than: timedelta, *, below: tuple[str, ...] = ("",)) -> int:
        """Aborts multipart uploads; returns their number.

        A MinIO server lists those that were created since it started. It drops older ones by itself after a day
        (`stale_uploads_expiry`).
        """
        self.ensure_bucket()
        before = datetime.now(UTC) - older_than
        removed = 0
        marker: str | None = None
        with _as_store_errors():
            while True:
                page = self._client._list_multipart_uploads(self._bucket, key_marker=marker)
                for upload in page.uploads:
                    started = upload.initiated_time
                    if not (upload.upload_id and upload.object_name.startswith(below)):
                        continue  # another installation's
                    if not older_than or (started is not None and started <= before):
                        removed += self._abort(upload.object_name, upload.upload_id)
                marker = page.next_key_marker
                if not page.is_truncated or not marker:
                    return removed

    def _abort(self, key: str, upload_id: str) -> int:
        """Aborts one multipart upload; returns 1, or 0 if it was gone already."""
        try:
            self._client._abort_multipart_upload(self._bucket, key, upload_id)
        except S3Error as error:
            if error.code != "NoSuchUpload":
                raise
            return 0
        return 1

    def free_bytes(self) -> int | None:
        return None

    def check(self) -> None:
        with _as_store_errors():
            exists = self._probe.bucket_exists(self._bucket)
        if not exists:
            self._bucket_exists = False
            self.ensure_bucket()


def _with_key_of_grants(settings: StoreSettings) -> StoreSettings:
    """Returns settings whose key is that of grants, if there is one."""
    if not settings.s3_grant_access_key:
        return settings
    return settings.model_copy(
        update={"s3_access_key": settings.s3_grant_access_key, "s3_secret_key": settings.s3_grant_secret_key}
    )


def _client(settings: StoreSettings, endpoint: str, pool: urllib3.PoolManager) -> Client:
    address = urlsplit(endpoint)
    if address.scheme not in ("http", "https") or not address.hostname or address.path.strip("/") or address.query:
        raise ValueError("an S3 endpoint is http(s)://host:port and nothing more")
    return Client(
        address.netloc,
        access_key=settings.s3_access_key,
        secret_key=settings.s3_secret_key.get_secret_value(),
        secure=address.scheme == "https",
        region=settings.s3_region,
        http_client=pool,
    )


def _to_epoch_seconds(moment: datetime | None) -> float:
    return moment.timestamp() if moment is not None else 0.0


@contextmanager
def _as_store_errors(key: str | None = None) -> Iterator[None]:
    """Raises the store's errors for those of the client; with a key, a missing object is named by it."""
    try:
        yield
    except CLIENT_ERRORS as error:
        raise to_store_error(error, key) from error
