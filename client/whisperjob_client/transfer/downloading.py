"""A download that can stop and continue: into `<name>.part`, hashed, and renamed when it is whole.

The bytes of the part file are all the state there is. The SHA-256 that the service gives for a file is also its ETag,
so If-Range makes sure that a download continues with the same file.
"""

import hashlib
import math
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

import httpx

from whisperjob_client.api.bounded_bodies import MEBIBYTE
from whisperjob_client.api.responses import check
from whisperjob_client.atomic_files import open_private, publish
from whisperjob_client.errors import BadAnswerError, DamagedDownloadError, StorageError
from whisperjob_client.models import Chunk
from whisperjob_client.transfer import BLOCK_BYTES

MAX_FILE_BYTES: Final = 512 * MEBIBYTE
"""Whatever a service declares: no file that is made of a recording is larger than the largest recording."""

_ROUNDING_MB: Final = 0.1
"""A service gives sizes with one decimal."""

_PLAIN_NAME: Final = re.compile(r"(?!(con|prn|aux|nul|com\d|lpt\d)\.)[a-z0-9_]{1,64}\.mp3")
"""The names that manifests may have. None is a device of Windows."""

_CONTENT_RANGE: Final = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)")


@dataclass(frozen=True, slots=True)
class DownloadTarget:
    """A file to fetch: its path on the service, its hash, its place on this machine, and the most bytes it has."""

    path: str
    sha256: str
    file: Path
    max_bytes: int = MAX_FILE_BYTES

    @property
    def part_file(self) -> Path:
        """It holds the bytes that have arrived so far."""
        return self.file.with_name(f"{self.file.name}.part")


def download_target(chunk: Chunk, folder: Path) -> DownloadTarget:
    """Raises BadAnswerError if the service names a file that would lie outside the folder, or on another server."""
    if not chunk.download_url.startswith("/") or chunk.download_url.startswith(("//", "/\\")):
        raise BadAnswerError(f"The service names an address {chunk.download_url[:200]!r}, which is not its own.")
    if not _PLAIN_NAME.fullmatch(chunk.filename):
        raise BadAnswerError(f"The service names a file {chunk.filename[:200]!r}, which is no plain name of an MP3.")
    max_bytes = min(math.ceil((chunk.size_mb + _ROUNDING_MB) * MEBIBYTE), MAX_FILE_BYTES)
    return DownloadTarget(chunk.download_url, chunk.sha256, folder / chunk.filename, max_bytes)


def redirect_to_store(response: httpx.Response) -> httpx.URL | None:
    """Returns the file's address in the object store, if the service redirects there. That address gets no key.

    Raises BadAnswerError if the address is unusable, or less safe than the service's own.
    """
    if response.status_code != 307:
        return None
    service = response.request.url
    try:
        store = httpx.URL(response.headers.get("location", ""))
    except (httpx.InvalidURL, ValueError):
        raise BadAnswerError("The service sends downloads to an address that is none.") from None
    unsafe = service.scheme == "https" and store.scheme == "http"
    if store.scheme not in ("http", "https") or not store.host or unsafe:
        raise BadAnswerError("The service sends downloads to an address that is none, or not safe.")
    return store


def is_complete(file: Path, sha256: str) -> bool:
    """Returns whether the file is there already, whole."""
    if not file.is_file():
        return False
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest() == sha256


class PartialDownload:
    """An open part file, which closes at the end of its `with` block; `finish` checks and renames it."""

    def __init__(self, target: DownloadTarget) -> None:
        """Raises StorageError if the folder cannot be written to."""
        self._target = target
        self._digest = hashlib.sha256()
        self.size_bytes = 0
        try:
            target.part_file.parent.mkdir(parents=True, exist_ok=True)
            self._file: BinaryIO = open_private(target.part_file)
        except OSError as error:
            raise StorageError.from_os_error(error, target.part_file) from None
        self._resume()

    def __enter__(self) -> "PartialDownload":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    @property
    def headers(self) -> dict[str, str]:
        """Returns the headers that request the missing bytes. `identity`: a range counts bytes of the file."""
        common = {"Accept-Encoding": "identity"}
        if not self.size_bytes:
            return common
        return common | {"Range": f"bytes={self.size_bytes}-", "If-Range": f'"{self._target.sha256}"'}

    def accept(self, response: httpx.Response) -> bool:
        """Returns whether bytes follow. They do not after a refused range: what is there is everything, or wrong.

        Raises ApiError, BadAnswerError.
        """
        if response.status_code == 416 and self.size_bytes:
            return False
        check(response)
        if response.status_code != 206:
            self._restart()
        elif not self._continues(response.headers.get("content-range", "")):
            raise BadAnswerError("The service sent another part of the file than was requested.")
        length = response.headers.get("content-length", "")
        if length.isdecimal() and int(length[:19]) > self._target.max_bytes - self.size_bytes:
            raise self._too_large()
        return True

    def _continues(self, content_range: str) -> bool:
        """Returns whether the range begins with the first missing byte and belongs to a file of a possible size."""
        told = _CONTENT_RANGE.fullmatch(content_range.strip())
        if told is None or int(told[1]) != self.size_bytes:
            return False
        return told[3] == "*" or int(told[3]) <= self._target.max_bytes

    def _too_large(self) -> BadAnswerError:
        """Removes the part file, because no later try can make it good."""
        self._target.part_file.unlink(missing_ok=True)
        return BadAnswerError(f"{self._target.file.name} is larger than the service says; it was not stored.")

    def write(self, data: bytes) -> None:
        """Raises StorageError, BadAnswerError for the first byte that is too many."""
        if self.size_bytes + len(data) > self._target.max_bytes:
            raise self._too_large()
        self._digest.update(data)
        try:
            self._file.write(data)
        except OSError as error:
            raise StorageError.from_os_error(error, self._target.part_file) from None
        self.size_bytes += len(data)

    def finish(self) -> Path:
        """Returns the finished file. Raises StorageError, or DamagedDownloadError after it removed the part file, so
        that the next try starts from the beginning."""
        try:
            self._file.close()
        except OSError as error:
            raise StorageError.from_os_error(error, self._target.part_file) from None
        if self._digest.hexdigest() != self._target.sha256:
            self._target.part_file.unlink(missing_ok=True)
            raise DamagedDownloadError(
                f"{self._target.file.name} arrived damaged (its SHA-256 is not what the service says)."
            )
        return publish(self._target.part_file, self._target.file)

    def _resume(self) -> None:
        """Hashes what an earlier try left. What is too large for the file is from another one."""
        if os.fstat(self._file.fileno()).st_size > self._target.max_bytes:
            self._restart()
        self._file.seek(0)
        while block := self._file.read(BLOCK_BYTES):
            self._digest.update(block)
            self.size_bytes += len(block)

    def _restart(self) -> None:
        self._file.seek(0)
        self._file.truncate()
        self._digest = hashlib.sha256()
        self.size_bytes = 0
