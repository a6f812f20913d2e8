"""A download that can be broken off and taken up again: into `<name>.part`, hashed, renamed when it is whole.

The part file's own bytes are the state; what the service says the file is (SHA-256) is also its ETag, so If-Range
makes sure that a resumed file is the same file.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import httpx

from whisperjob_client.errors import BadAnswerError, DamagedDownloadError, StorageError
from whisperjob_client.models import Chunk
from whisperjob_client.responses import check
from whisperjob_client.uploading import BLOCK_BYTES


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file to fetch and where it is to lie."""

    path: str
    sha256: str
    target: Path

    @property
    def part(self) -> Path:
        return self.target.with_name(f"{self.target.name}.part")


def wanted(chunk: Chunk, folder: Path) -> Wanted:
    """Raises BadAnswerError if the service names a file that would lie outside the folder, or on another server."""
    if not chunk.download_url.startswith("/") or chunk.download_url.startswith("//"):
        raise BadAnswerError(f"The service names an address {chunk.download_url!r}, which is not its own.")
    if Path(chunk.filename).name != chunk.filename or chunk.filename in ("", ".", ".."):
        raise BadAnswerError(f"The service names a file {chunk.filename!r}, which is no plain name.")
    return Wanted(chunk.download_url, chunk.sha256, folder / chunk.filename)


def redirected(response: httpx.Response) -> httpx.URL | None:
    """Where the store itself has the file, if the service says so. That address is given no key.

    Raises BadAnswerError where it would not be as safe as the service's own.
    """
    if response.status_code != 307:
        return None
    here, there = response.request.url, httpx.URL(response.headers.get("location", ""))
    if there.scheme not in ("http", "https") or not there.host or (here.scheme == "https" and there.scheme == "http"):
        raise BadAnswerError("The service sends downloads to an address that is none, or not safe.")
    return there


def has(file: Path, sha256: str) -> bool:
    """Whether the file is there already, whole."""
    if not file.is_file():
        return False
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest() == sha256


class PartialDownload:
    """An open part file. Use it as a context; `finish` checks and renames."""

    def __init__(self, wanted: Wanted) -> None:
        """Raises StorageError if the folder cannot be written to."""
        self._wanted = wanted
        self._digest = hashlib.sha256()
        self.size_bytes = 0
        try:
            wanted.part.parent.mkdir(parents=True, exist_ok=True)
            self._file: BinaryIO = wanted.part.open("a+b")
        except OSError as error:
            raise StorageError.of(error, wanted.part) from None
        self._take_up()

    def __enter__(self) -> "PartialDownload":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    @property
    def headers(self) -> dict[str, str]:
        """`identity`: a range counts the file's own bytes."""
        common = {"Accept-Encoding": "identity"}
        if not self.size_bytes:
            return common
        return common | {"Range": f"bytes={self.size_bytes}-", "If-Range": f'"{self._wanted.sha256}"'}

    def begin(self, response: httpx.Response) -> bool:
        """Whether bytes follow. Raises ApiError; a refused range means that what is there is all or wrong."""
        if response.status_code == 416 and self.size_bytes:
            return False
        check(response)
        if response.status_code != 206:
            self._restart()
        elif not response.headers.get("content-range", "").startswith(f"bytes {self.size_bytes}-"):
            raise BadAnswerError("The service sent another part of the file than was asked for.")
        return True

    def add(self, data: bytes) -> None:
        """Raises StorageError."""
        self._digest.update(data)
        try:
            self._file.write(data)
        except OSError as error:
            raise StorageError.of(error, self._wanted.part) from None
        self.size_bytes += len(data)

    def finish(self) -> Path:
        """Raises StorageError, or DamagedDownloadError with the part removed, so that another try begins anew."""
        try:
            self._file.close()
        except OSError as error:
            raise StorageError.of(error, self._wanted.part) from None
        if self._digest.hexdigest() != self._wanted.sha256:
            self._wanted.part.unlink(missing_ok=True)
            raise DamagedDownloadError(
                f"{self._wanted.target.name} arrived damaged (its SHA-256 is not what the service says)."
            )
        return self._wanted.part.replace(self._wanted.target)

    def _take_up(self) -> None:
        self._file.seek(0)
        while block := self._file.read(BLOCK_BYTES):
            self._digest.update(block)
            self.size_bytes += len(block)

    def _restart(self) -> None:
        self._file.seek(0)
        self._file.truncate()
        self._digest = hashlib.sha256()
        self.size_bytes = 0
