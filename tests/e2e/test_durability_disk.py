"""A full disk: clear answers while it is full, jobs can be deleted, and all goes on when there is room again."""

import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.audio.media import write_speech
from support.programs.small_disk import fill, small_disk
from support.service.serving import Service, served
from support.waiting import until_sync
from whisperjob.model import names

DISK_MIB = 768
ENVIRONMENT = {"WHISPERJOB_MIN_FREE_BYTES": "0", "WHISPERJOB_RETRY_BASE": "2s", "WHISPERJOB_WORKERS": "1"}
WAITS = "waiting for free disk space"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", DISK_MIB) as folder:
        yield folder


@pytest.fixture
def service(disk: Path) -> Iterator[Service]:
    with served(disk / "data", ENVIRONMENT) as running:
        yield running


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Some 23 MB to upload; working on it takes more scratch space than that."""
    return write_speech(tmp_path / "talk.wav", seconds=120)


def objects_in(disk: Path) -> list[str]:
    """Returns the keys of the recordings and results of all jobs."""
    root = disk / "data" / "objects" / "objects"
    assert root.is_dir()
    keys = [path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()]
    return [key for key in keys if key.startswith((names.UPLOADS_PREFIX, names.JOBS_PREFIX))]


def said(service: Service, words: str) -> bool:
    return any(words in line for line in service.output)


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
    """There was room when it began; somebody else takes it meanwhile."""
    sound, middle = recording.read_bytes(), 1_000_000
    head, tail = b'--x\r\nContent-Disposition: form-data; name="file"; filename="t.wav"\r\n\r\n', b"\r\n--x--\r\n"

    def body() -> Iterator[bytes]:
        yield head + sound[:middle]
        fill(disk)
        yield sound[middle:] + tail

    length = str(len(head + sound + tail))
    headers = {"Content-Type": "multipart/form-data; boundary=x", "Content-Length": length}
    refused = service.client.post("/whisper_optimize", content=body(), headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (507, "insufficient_storage")
    assert objects_in(disk) == []
    assert service.client.get("/stats").json()["totalJobs"] == 0


def test_a_service_that_starts_on_a_full_disk_serves_deletes_and_goes_on_when_there_is_room(
    disk: Path, recording: Path
) -> None:
    """Its last life was killed, and what its worker left in scratch is swept first."""
    data = disk / "data"
    with served(data, ENVIRONMENT) as service:
        jobs = [service.upload(recording) for _ in range(2)]
        service.kill()
    (data / "scratch" / "left-by-a-killed-worker").mkdir()
    (data / "scratch" / "left-by-a-killed-worker" / "pcm").write_bytes(bytes(4 * 2**20))
    filler = fill(disk)
    with served(data, ENVIRONMENT) as service:
        assert not (data / "scratch" / "left-by-a-killed-worker").exists()
        fill(disk)
        until_sync(lambda: said(service, WAITS), "the worker to wait", 60)
        assert service.job(jobs[1])["status"] in ("queued", "processing")
        assert service.client.delete(f"/job/{jobs[0]}").status_code == 204
        assert service.client.get(f"/job/{jobs[0]}").status_code == 404
        filler.unlink()
        assert service.ended(jobs[1])["status"] == "completed"


def test_jobs_are_deleted_on_a_full_disk_and_make_room(service: Service, disk: Path, recording: Path) -> None:
    job = service.upload(recording)
    assert service.ended(job)["status"] == "completed"
    assert objects_in(disk)
    fill(disk)
    assert service.client.delete(f"/job/{job}").status_code == 204
    until_sync(lambda: not objects_in(disk), "the objects to be gone")
    assert shutil.disk_usage(disk).free > 500_000


def test_retention_works_on_a_full_disk(disk: Path, recording: Path) -> None:
    with served(disk / "data", {**ENVIRONMENT, "RETENTION": "5s"}) as service:
        job = service.upload(recording)
        assert service.ended(job)["status"] == "completed"
        fill(disk)
        until_sync(lambda: service.client.get(f"/job/{job}").status_code == 404, "the job to expire", 30)
        until_sync(lambda: not objects_in(disk), "the objects to be gone")


def test_it_is_not_ready_while_the_database_cannot_be_written_and_still_answers(service: Service, disk: Path) -> None:
    with sqlite3.connect(disk / "data" / "jobs.sqlite", isolation_level=None) as other:
        assert service.client.get("/readyz").status_code == 200
        other.execute("BEGIN IMMEDIATE")
        until_sync(lambda: service.client.get("/readyz").status_code == 503, "it to be not ready")
        assert service.client.get("/stats").status_code == 200
        assert service.client.get("/livez").status_code == 200
        other.execute("ROLLBACK")
    other.close()
    until_sync(lambda: service.client.get("/readyz").status_code == 200, "it to be ready again")
