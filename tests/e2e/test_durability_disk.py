"""A full disk: a clear answer while it is full, and everything goes on when there is room again."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.audio.media import write_speech
from support.service.serving import Service, served
from support.waiting import until_sync

DISK_MIB = 256
ENVIRONMENT = {"WHISPERJOB_MIN_FREE_BYTES": "0", "WHISPERJOB_RETRY_BASE": "2s"}


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small disk of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip("only root may mount the small disk this fills")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m", "tmpfs", str(folder)], capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"the small disk this fills cannot be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(disk: Path, but: int = 0) -> Path:
    """Leaves `but` bytes free."""
    filler = disk / "filler"
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, shutil.disk_usage(disk).free - but)
    return filler


@pytest.fixture
def service(disk: Path) -> Iterator[Service]:
    with served(disk / "data", ENVIRONMENT) as running:
        yield running


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Some 10 MB to upload; working on it takes more scratch space than that."""
    return write_speech(tmp_path / "talk.wav", seconds=120)


def test_an_upload_that_does_not_fit_is_refused_and_leaves_nothing(
    service: Service, disk: Path, recording: Path
) -> None:
    filler = fill(disk, but=1024 * 1024)
    with recording.open("rb") as file:
        refused = service.client.post("/whisper_optimize", files={"file": ("talk.wav", file)})
    assert (refused.status_code, refused.json()["code"]) == (507, "insufficient_storage")
    assert "retry-after" in refused.headers
    assert service.client.get("/stats").json()["totalJobs"] == 0
    filler.unlink()
    assert service.ended(service.upload(recording))["status"] == "completed"


def test_a_disk_that_fills_up_under_an_upload_is_no_accepted_job(service: Service, disk: Path, recording: Path) -> None:
    """No Content-Length to check beforehand: it ends when the disk does."""
    fill(disk, but=4 * 1024 * 1024)
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="t.wav"\r\n\r\n'
    refused = service.client.post(
        "/whisper_optimize",
        content=iter([head, recording.read_bytes(), b"\r\n--x--\r\n"]),
        headers={"Content-Type": "multipart/form-data; boundary=x"},
    )
    assert (refused.status_code, refused.json()["code"]) == (507, "insufficient_storage")
    objects = disk / "data" / "objects"
    assert [file for file in objects.rglob("*") if file.is_file()] == []


def test_a_job_without_scratch_space_is_tried_again_when_there_is_some(
    service: Service, disk: Path, recording: Path
) -> None:
    (disk / "data" / "scratch").mkdir(exist_ok=True)
    filler = fill(disk, but=recording.stat().st_size + 4 * 1024 * 1024)
    job = service.upload(recording)
    until_sync(lambda: any("Retrying" in line for line in service.output), "the first attempt to fail", 60)
    assert service.job(job)["status"] != "error"
    filler.unlink()
    assert service.ended(job)["status"] == "completed"
