"""The stores that the contract is tested on, and a sender that can vanish."""

import hashlib
import io
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from support.stores.minio_server import MinioServer
from whisperjob.stores.folder import FolderStore
from whisperjob.stores.port import ObjectStore
from whisperjob.stores.s3 import S3Store

MIB = 1024 * 1024
NO_AGE = timedelta(0)


@dataclass(frozen=True)
class Case:
    """A store, and what its port does not have: a list of unfinished writes, and a way to leave one."""

    store: ObjectStore
    unfinished: Callable[[], list[str]]
    leave_unfinished: Callable[[], object]


def folder_case(root: Path) -> Case:
    staging = root / "staging"
    return Case(
        FolderStore(root),
        lambda: [path.name for path in staging.iterdir()],
        lambda: (staging / f"{secrets.token_hex(4)}.part").write_bytes(b"half"),
    )


def s3_case(server: MinioServer) -> Case:
    settings = server.settings()
    store = S3Store(settings)
    store.ensure_bucket()
    client, bucket = store._client, settings.s3_bucket
    return Case(
        store,
        lambda: [upload.object_name for upload in client._list_multipart_uploads(bucket).uploads],
        lambda: client._create_multipart_upload(bucket, f"left/{secrets.token_hex(4)}", {}),
    )


def put(store: ObjectStore, key: str, data: bytes = b"data") -> int:
    return store.put(key, io.BytesIO(data))


def get(store: ObjectStore, key: str, start: int = 0, length: int | None = None) -> bytes:
    return b"".join(store.read(key, start, length))


def listed(store: ObjectStore, prefix: str = "") -> list[str]:
    return [stored.key for stored in store.list(prefix)]


class VanishedError(Exception):
    """The sender vanished."""


class Stream:
    """`size` bytes that need no memory, then the end or `error`. It calls `at_half` once, half-way."""

    def __init__(
        self, size: int, *, error: Exception | None = None, at_half: Callable[[], None] | None = None, most: int = 2**62
    ) -> None:
        self.sha256 = hashlib.sha256()
        self._size = size
        self._given = 0
        self._error = error
        self._at_half = at_half
        self._most = most

    def read(self, size: int = -1, /) -> bytes:
        left = self._size - self._given
        if not left and self._error is not None:
            raise self._error
        if self._given >= self._size // 2 and self._at_half is not None:
            at_half, self._at_half = self._at_half, None
            at_half()
        piece = (self._given % 251).to_bytes(1, "big") * min(size if size >= 0 else left, left, self._most)
        self._given += len(piece)
        self.sha256.update(piece)
        return piece
