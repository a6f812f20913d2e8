"""minio-py's client, with request bodies that the signature does not cover.

Signature V4 covers a body by its SHA-256, or states that it does not. minio-py hashes every body in either case (read
in 7.2.20, api.py, `_build_headers`): by SHA-256 over http, by MD5 over https; the service hashes it once more. For the
parts of an upload that would be the second hash in this process, and the data is protected without it: on the way by
TLS, where that is used, and from end to end by the SHA-256 of the whole file, which is computed as it arrives, stored
in the record and checked by the worker that fetches the object.
"""

from datetime import datetime
from typing import Final

from minio import Minio
from minio.credentials.credentials import Credentials
from minio.helpers import DictType

_CONTENT_SHA256: Final = "x-amz-content-sha256"
_UNSIGNED: Final = "UNSIGNED-PAYLOAD"


def unsigned_body() -> DictType:
    """Returns the headers of a request whose signature does not cover its body, as in presigned requests."""
    return {_CONTENT_SHA256: _UNSIGNED}


class Client(Minio):
    """A Minio client that leaves bodies sent with `unsigned_body()` unhashed."""

    def _build_headers(
        self, host: str, headers: DictType | None = None, body: bytes | None = None, creds: Credentials | None = None
    ) -> tuple[DictType, datetime]:
        if body is None or headers is None or headers.get(_CONTENT_SHA256) != _UNSIGNED:
            return super()._build_headers(host, headers, body, creds)
        built, date = super()._build_headers(host, headers, None, creds)
        return built | {"Content-Length": str(len(body)), _CONTENT_SHA256: _UNSIGNED}, date
