"""A job that the service failed keeps its recording and runs again; one that waits for the machine says so."""

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from support.audio.media import write_speech
from support.service.serving import Service, served
from support.waiting import until_sync

OTHER = "other-0123456789abcdef0123"
ENVIRONMENT = {
    "WHISPERJOB_API_KEYS": f"mine:mine-0123456789abcdef0123,other:{OTHER}",
    "WHISPERJOB_MAX_FAILURES": "1",
    "WHISPERJOB_RETRY_BASE": "1s",
    "WHISPERJOB_RETRY_CAP": "2s",
}
MIB = 1024 * 1024


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with served(tmp_path / "data", ENVIRONMENT) as running:
        yield running


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    return write_speech(tmp_path / "talk.wav", seconds=120)


def failed_by_the_service(service: Service, recording: Path) -> str:
    job = service.upload(recording)
    until_sync(lambda: service.job(job)["status"] == "processing", "the job to run", 60)
    for worker in service.descendants():
        os.kill(worker, signal.SIGKILL)
    assert service.ended(job)["errorCode"] == "infrastructure"
    return job


def test_it_runs_again_and_is_queued_at_once(service: Service, recording: Path) -> None:
    job = failed_by_the_service(service, recording)
    answer = service.client.post(f"/job/{job}/retry")
    assert (answer.status_code, answer.json()["status"]) == (202, "queued")
    assert service.job(job)["status"] in ("queued", "processing")
    assert service.client.post(f"/job/{job}/retry").status_code in (202, 409)
    assert service.ended(job)["status"] == "completed"
    again = service.client.post(f"/job/{job}/retry")
    assert (again.status_code, again.json()["code"]) == (409, "not_retryable")


def test_the_command_runs_it_again(service: Service, recording: Path) -> None:
    job = failed_by_the_service(service, recording)
    environment = {**os.environ, "WHISPERJOB_URL": service.url, "WHISPERJOB_API_KEY": service.key}
    program = str(Path(sys.executable).with_name("whisperjob"))
    for command in ("retry", "wait"):
        subprocess.run([program, command, job], env=environment, check=True, timeout=120, capture_output=True)
    assert service.job(job)["status"] == "completed"


def test_only_its_owner_and_only_what_the_service_failed(service: Service, recording: Path, tmp_path: Path) -> None:
    job = failed_by_the_service(service, recording)
    with httpx.Client(base_url=service.url, headers={"X-API-Key": OTHER}) as stranger:
        assert stranger.post(f"/job/{job}/retry").status_code == 404
    text = tmp_path / "notes.mp3"
    text.write_bytes(b"%PDF-1.7 not a recording" * 100)
    bad = service.upload(text)
    assert service.ended(bad)["errorCode"] == "not_media"
    refused = service.client.post(f"/job/{bad}/retry")
    assert (refused.status_code, refused.json()["code"]) == (409, "not_retryable")


def test_a_machine_that_allows_too_little_memory_is_waited_for(service: Service, recording: Path) -> None:
    """Workers inherit the limit of the service, for which it is enough."""
    for standby in service.descendants():
        os.kill(standby, signal.SIGKILL)
    resource.prlimit(service.process.pid, resource.RLIMIT_AS, (900 * MIB, resource.RLIM_INFINITY))
    job = service.upload(recording)
    until_sync(lambda: "memory" in service.job(job).get("waitingFor", ""), "the job to say what it waits for", 60)
    ready = service.client.get("/readyz")
    assert (ready.status_code, "memory" in ready.json()["error"]) == (503, True)
    resource.prlimit(service.process.pid, resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert service.ended(job)["status"] == "completed"
    assert service.client.get("/readyz").status_code == 200
