"""Converts the errors of an S3 service, and of the way to it, to the store's errors. Pure.

A message holds the service's error code and nothing else: addresses, headers and the bodies of responses may carry
signatures, and these sentences are logged.
"""

from typing import Final
from xml.etree import ElementTree as ET

from minio.error import InvalidResponseError, MinioException, S3Error, ServerError
from urllib3.exceptions import HTTPError, MaxRetryError, NewConnectionError
from urllib3.exceptions import TimeoutError as HttpTimeoutError

from whisperjob.model.errors import ObjectNotFoundError, StoreError, StoreFullError, StoreUnavailableError

CLIENT_ERRORS: Final = (MinioException, HTTPError, OSError, ET.ParseError)
"""Everything that the client raises for events outside this process."""

_NOT_FOUND_CODES: Final = frozenset({"NoSuchKey", "NoSuchVersion"})
_NO_SPACE_CODES: Final = frozenset(
    {"XMinioStorageFull", "XMinioAdminBucketQuotaExceeded", "QuotaExceeded", "InsufficientCapacity"}
)
_DENIED_CODES: Final = frozenset(
    {"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "RequestTimeTooSkewed", "AllAccessDisabled"}
)
_HTTP_INSUFFICIENT_STORAGE: Final = 507


def to_store_error(error: Exception, key: str | None = None) -> StoreError:
    """Converts one of `CLIENT_ERRORS`. It can become ObjectNotFoundError only if `key` was requested."""
    if isinstance(error, S3Error):
        return _from_code(error.code or "an unnamed error", error.response.status, key)
    status = _http_status(error)
    if status is not None:
        return _from_code(f"HTTP {status}", status, key)
    cause = error.reason if isinstance(error, MaxRetryError) else error
    # urllib3 counts a refused connection among its time-outs
    if isinstance(cause, HttpTimeoutError | TimeoutError) and not isinstance(cause, NewConnectionError):
        return StoreUnavailableError("the object store did not answer in time")
    return StoreUnavailableError("the object store cannot be reached")


def _http_status(error: Exception) -> int | None:
    if isinstance(error, ServerError):
        return error.status_code
    # the client has no public name for the status of a response that is not XML (a proxy's page, most of the time)
    return error._code if isinstance(error, InvalidResponseError) else None


def _from_code(code: str, status: int, key: str | None) -> StoreError:
    if code in _NOT_FOUND_CODES and key is not None:
        return ObjectNotFoundError(key)
    if code in _NO_SPACE_CODES or status == _HTTP_INSUFFICIENT_STORAGE:
        return StoreFullError(f"the object store has no room left ({code})")
    if code in _DENIED_CODES:
        return StoreUnavailableError(f"the object store refuses our credentials ({code})")
    return StoreUnavailableError(f"the object store cannot do it now ({code})")
