"""Which store error an error of the service becomes: missing, full, or unavailable."""

from xml.etree import ElementTree as ET

import pytest
from minio.error import InvalidResponseError, S3Error, ServerError
from urllib3 import HTTPConnectionPool, HTTPResponse
from urllib3.connection import HTTPConnection
from urllib3.exceptions import MaxRetryError, NewConnectionError, ProtocolError, ReadTimeoutError, ResponseError

from whisperjob.model.errors import ObjectNotFoundError, StoreFullError, StoreUnavailableError
from whisperjob.stores.s3_errors import to_store_error

POOL = HTTPConnectionPool("store.invalid")
REFUSED = NewConnectionError(HTTPConnection("store.invalid"), "refused")
ADDRESS = "/bucket/key?X-Amz-Signature=0123456789abcdef"


def s3_error(code: str, status: int) -> S3Error:
    return S3Error(
        HTTPResponse(status=status), code, "a message with X-Amz-Signature=0123456789abcdef", ADDRESS, "r", "h"
    )


@pytest.mark.parametrize(
    ("error", "expected", "sentence"),
    [
        (s3_error("NoSuchKey", 404), ObjectNotFoundError, "no object 'a/b'"),
        (s3_error("NoSuchBucket", 404), StoreUnavailableError, "NoSuchBucket"),
        (s3_error("XMinioStorageFull", 507), StoreFullError, "no room"),
        (s3_error("XMinioAdminBucketQuotaExceeded", 400), StoreFullError, "no room"),
        (s3_error("SomethingNew", 507), StoreFullError, "no room"),
        (s3_error("SlowDown", 503), StoreUnavailableError, "cannot do it now"),
        (s3_error("InternalError", 500), StoreUnavailableError, "cannot do it now"),
        (s3_error("AccessDenied", 403), StoreUnavailableError, "refuses our credentials"),
        (s3_error("SignatureDoesNotMatch", 403), StoreUnavailableError, "refuses our credentials"),
        (ServerError("HTTP 503", 503), StoreUnavailableError, "HTTP 503"),
        (ServerError("HTTP 507", 507), StoreFullError, "no room"),
        (InvalidResponseError(502, "text/html", f"<h1>{ADDRESS}"), StoreUnavailableError, "HTTP 502"),
        (InvalidResponseError(507, "text/html", None), StoreFullError, "no room"),
        (MaxRetryError(POOL, ADDRESS, REFUSED), StoreUnavailableError, "cannot be reached"),
        (MaxRetryError(POOL, ADDRESS, ReadTimeoutError(POOL, ADDRESS, "slow")), StoreUnavailableError, "in time"),
        (MaxRetryError(POOL, ADDRESS, ResponseError("too many 503")), StoreUnavailableError, "cannot be reached"),
        (ReadTimeoutError(POOL, ADDRESS, "slow"), StoreUnavailableError, "in time"),
        (ProtocolError("broken"), StoreUnavailableError, "cannot be reached"),
        (ConnectionResetError(), StoreUnavailableError, "cannot be reached"),
        (ET.ParseError("no XML"), StoreUnavailableError, "cannot be reached"),
    ],
)
def test_service_errors_become_store_errors(error: Exception, expected: type[Exception], sentence: str) -> None:
    translated = to_store_error(error, "a/b")
    assert type(translated) is expected
    assert sentence in str(translated)
    assert "X-Amz" not in str(translated)


def test_no_object_is_missing_without_a_key() -> None:
    assert type(to_store_error(s3_error("NoSuchKey", 404))) is StoreUnavailableError
