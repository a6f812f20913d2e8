"""Inputs that are read in place: a file that differs from what was stored is refused."""

import hashlib
from datetime import timedelta
from pathlib import Path

import pytest

from support.builders import at
from whisperjob.model.protocol import Claim, FileRead, FileWrite, Input, OptimizeOptions, WorkLimits
from whisperjob.worker.transport.opening import open_transport
from whisperjob.worker.transport.port import FetchedFile, TransportError

STORED = bytes(range(200)) * 50


def fetch(path: Path, *, samples: int | None) -> FetchedFile:
    def never() -> Claim:
        raise AssertionError("nothing here expires")

    wanted = Input(
        filename="chunk_000.mp3",
        read=FileRead(path=str(path)),
        size_bytes=len(STORED),
        sha256=hashlib.sha256(STORED).hexdigest(),
        samples=samples,
    )
    claim = Claim(
        job_name="talk",
        uid="u",
        attempt=1,
        inputs=(wanted,),
        results=FileWrite(directory=str(path.parent), staging=str(path.parent)),
        options=OptimizeOptions(),
        limits=WorkLimits(),
        expires_at=at(0) + timedelta(days=36_500),
    )
    return open_transport(claim, never, path.parent).fetch()


def test_a_chunk_is_read_in_place(tmp_path: Path) -> None:
    file = tmp_path / "chunk"
    file.write_bytes(STORED)
    assert fetch(file, samples=16_000).path == file


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (STORED[:-1], "a chunk has 9999 bytes here and 10000 in its record"),
        (STORED[:-1] + b"x", "a chunk is not what was stored: its SHA-256 differs"),
        (None, "a chunk is not where the claim says"),
    ],
)
def test_a_damaged_chunk_is_refused(tmp_path: Path, found: bytes | None, why: str) -> None:
    file = tmp_path / "chunk"
    if found is not None:
        file.write_bytes(found)
    with pytest.raises(TransportError, match=why):
        fetch(file, samples=16_000)


def test_an_upload_of_another_length_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "source"
    file.write_bytes(STORED + b"x")
    with pytest.raises(TransportError, match="the source has 10001 bytes"):
        fetch(file, samples=None)
