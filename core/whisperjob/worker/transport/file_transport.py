"""Transfers to and from a store in a folder of this machine: inputs are read in place, results are renamed into it."""

import hashlib
import shutil
from pathlib import Path

from whisperjob.files import atomic_write
from whisperjob.model.base import Model
from whisperjob.model.protocol import FileRead, FileWrite, Input
from whisperjob.worker.transport.port import (
    FetchedFile,
    TransportError,
    check_sha256,
    check_size,
    describe,
    write_json,
)
from whisperjob.worker.transport.renewable_claim import RenewableClaim


class FileTransport:
    """Implements Transport for grants of the scheme `file`."""

    def __init__(self, claim: RenewableClaim, scratch: Path) -> None:
        self._claim = claim
        self._scratch = scratch

    def fetch(self, index: int = 0) -> FetchedFile:
        expected = self._claim.current.inputs[index]
        if not isinstance(expected.read, FileRead):
            raise TransportError("the claim grants an input by HTTP and results by file")
        path = Path(expected.read.path)
        if not path.is_file():
            raise TransportError(f"{describe(expected)} is not where the claim says")
        _check_in_place(expected, path)
        return FetchedFile(path, expected.sha256, 0)

    def publish(self, path: Path, name: str) -> None:
        self._claim.renew_before_expiry()
        grant = self._claim.current.results
        if not isinstance(grant, FileWrite):
            raise TransportError("the renewed claim grants results by HTTP")
        directory, staging = Path(grant.directory), Path(grant.staging)
        directory.mkdir(parents=True, exist_ok=True)
        staging.mkdir(parents=True, exist_ok=True)
        with atomic_write(directory / name, staging=staging, durable=True) as unfinished:
            shutil.copyfile(path, unfinished)

    def publish_json(self, content: Model, name: str) -> None:
        self.publish(write_json(content, self._scratch / name), name)


def _check_in_place(expected: Input, path: Path) -> None:
    """Checks a chunk by its SHA-256, as it is where it must be downloaded, and an upload, of up to some GB, by its
    size alone. Raises TransportError."""
    check_size(expected, path.stat().st_size)
    if expected.samples is not None and expected.sha256 is not None:
        with path.open("rb") as file:
            check_sha256(expected, hashlib.file_digest(file, "sha256").hexdigest())
