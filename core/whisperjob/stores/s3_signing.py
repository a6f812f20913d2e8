"""minio-py's client, with bodies that its signature need not cover.

Signature V4 covers a body by its SHA-256, or says that it does not. minio-py hashes every body all the same (read in
7.2.20, api.py, `_build_headers`): by SHA-256 over http, by MD5 over https; the service hashes it once more. Of an
upload's parts that would be the second hash here, and it guards what is guarded without it: on the way by TLS, where
there is any, and from end to end by the SHA-256 of the whole, which is computed as it arrives, kept in the record and
checked by the worker that fetches the object.
"""

from datetime import datetime
from typing import Final

from minio import Minio
from minio.credentials.credentials import Credentials
from minio.helpers import DictType

_CONTENT_SHA256: Final = "x-amz-content-sha256"
_UNSIGNED: Final = "UNSIGNED-PAYLOAD"


def unsigned_body() -> DictType:
    """The headers of a request whose signature does not cover its body, as no presigned one's does."""
    return {_CONTENT_SHA256: _UNSIGNED}


class Client(Minio):
    def _build_headers(
        self, host: str, headers: DictType | None = None, body: bytes | None = None, creds: Credentials | None = None
    ) -> tuple[DictType, datetime]:
        if body is None or headers is None or headers.get(_CONTENT_SHA256) != _UNSIGNED:
            return super()._build_headers(host, headers, body, creds)
        built, date = super()._build_headers(host, headers, None, creds)
        return built | {"Content-Length": str(len(body)), _CONTENT_SHA256: _UNSIGNED}, date
