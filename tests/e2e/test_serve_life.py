"""`whisperjob serve` through its life: a file is optimized, restarts lose nothing, and every refusal is a sentence."""

import hashlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from support.audio.media import write_noise
from support.programs.processes import children_of, lives
from support.service.serving import Service, served
from support.stores.minio_server import MinioServer
from support.waiting import until_sync

WHISPERJOB = str(Path(sys.executable).with_name("whisperjob"))


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_noise(tmp_path_factory.mktemp("short") / "a talk – ünï ☀.wav", seconds=5)


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Long enough for a test to act while a worker processes it."""
    return write_noise(tmp_path_factory.mktemp("long") / "long.wav", seconds=1200)


def download(service: Service, job: str) -> bytes:
    (chunk,) = service.job(job)["chunks"]
    answer = service.client.get(chunk["downloadUrl"])
    assert answer.status_code == 200
    assert hashlib.sha256(answer.content).hexdigest() == chunk["sha256"]
    return answer.content


def start_working(service: Service, file: Path) -> str:
    """Uploads a file; returns when ffmpeg processes it."""
    job = service.upload(file)
    until_sync(lambda: service.job(job)["status"] == "processing", "the work to begin")
    until_sync(lambda: at_work(service), "ffmpeg to run")
    return job


def at_work(service: Service) -> list[int]:
    """Returns the workers that run something, and what they run; not the standby worker."""
    children = {worker: children_of(worker) for worker in children_of(service.process.pid)}
    return [pid for worker, below in children.items() if below for pid in (worker, *below)]


def refusal(data: Path, environment: dict[str, str] | None = None, *options: str) -> str:
    """Returns the standard error of a `serve` that does not start."""
    ended = subprocess.run(
        [WHISPERJOB, "serve", "--data-dir", str(data), *(options or ("--port", "0"))],
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert "Traceback" not in ended.stderr
    return ended.stderr


def test_a_recording_goes_in_and_comes_out_and_a_restart_keeps_it(tmp_path: Path, short: Path) -> None:
    with served(tmp_path / "data") as service:
        job = service.upload(short)
        ended = service.ended(job)
        assert ended["status"] == "completed"
        assert ended["originalFilename"] == short.name
        before = download(service, job)
        key = service.key
        assert service.stop() == 0
    with served(tmp_path / "data") as service:
        assert service.key == key
        assert service.job(job) == ended
        assert download(service, job) == before
        assert [file for file in (tmp_path / "data" / "scratch").rglob("*") if file.is_file()] == []


def test_announces_itself_once_it_listens(tmp_path: Path) -> None:
    with served(tmp_path / "data") as service:
        output = "".join(service.output)
        assert f"WhisperJob is ready at {service.url}  (docs: {service.url}/docs)" in output
        until_sync(lambda: "api-key" in "".join(service.output), "the key's place")
        assert f"{service.key}  (stored in {tmp_path / 'data' / 'api-key'})" in "".join(service.output)
        answer = service.client.get("/health")
        assert answer.json() == {"status": "ok", "ffmpeg": True, "diarization": False}
        assert "server" not in answer.headers


def test_stopped_at_work_it_goes_on_at_the_next_start(tmp_path: Path, long: Path) -> None:
    with served(tmp_path / "data") as service:
        job = start_working(service, long)
        workers = service.descendants()
        assert service.stop() == 0
        assert not any(lives(pid) for pid in workers)
    with served(tmp_path / "data") as service:
        assert service.ended(job)["status"] == "completed"


def test_a_deleted_job_leaves_no_process_after_two_seconds(tmp_path: Path, long: Path) -> None:
    with served(tmp_path / "data", {"WHISPERJOB_WORKERS": "1"}) as service:
        job = start_working(service, long)
        workers = at_work(service)
        assert service.client.delete(f"/job/{job}").status_code == 204
        until_sync(lambda: not any(lives(pid) for pid in workers), "the worker's end", 2)
        assert service.client.get(f"/job/{job}").status_code == 404


def test_an_upload_in_flight_survives_the_order_to_stop(tmp_path: Path, short: Path) -> None:
    body = (
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
        + short.read_bytes()
        + b"\r\n--x--\r\n"
    )
    with served(tmp_path / "data") as service:
        address = httpx.URL(service.url)
        head = (
            f"POST /whisper_optimize HTTP/1.1\r\nHost: x\r\nX-API-Key: {service.key}\r\nContent-Length: {len(body)}\r\n"
            "Content-Type: multipart/form-data; boundary=x\r\nConnection: close\r\n\r\n"
        )
        with socket.create_connection((address.host, address.port), timeout=20) as upload:
            upload.sendall(head.encode() + body[:1000])
            uploading = tmp_path / "data" / "objects" / "staging"
            until_sync(lambda: any(p.is_file() for p in uploading.rglob("*")), "the upload to begin")
            service.process.send_signal(signal.SIGTERM)
            until_sync(lambda: refuses((str(address.host), int(address.port or 0))), "new requests to be refused")
            upload.sendall(body[1000:])
            answer = b"".join(iter(lambda: upload.recv(65536), b""))
        assert answer.startswith(b"HTTP/1.1 202 ")
        assert service.process.wait(20) == 0
        service.stop()
    with served(tmp_path / "data") as service:
        (job,) = service.client.get("/jobs").json()["jobs"]
        assert service.ended(job["jobId"])["status"] == "completed"


def refuses(address: tuple[str, int]) -> bool:
    try:
        socket.create_connection(address, timeout=1).close()
    except ConnectionRefusedError:
        return True
    return False


def test_a_second_signal_waits_for_nobody(tmp_path: Path) -> None:
    with served(tmp_path / "data") as service:
        address = httpx.URL(service.url)
        with socket.create_connection((address.host, address.port)) as lazy:
            lazy.sendall(
                f"POST /whisper_optimize HTTP/1.1\r\nHost: x\r\nX-API-Key: {service.key}\r\nContent-Length: 9999\r\n"
                "Content-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\n".encode()
            )
            service.process.send_signal(signal.SIGINT)
            until_sync(lambda: refuses((str(address.host), int(address.port or 0))), "new requests to be refused")
            began = time.monotonic()
            service.process.send_signal(signal.SIGINT)
            assert service.process.wait(10) == 130
            assert time.monotonic() - began < 5
        service.stop()


def test_keys_from_the_environment_leave_no_file(tmp_path: Path) -> None:
    with served(
        tmp_path / "data", {"WHISPERJOB_API_KEYS": "team:the-first-key-of-team,the-second-key-of-all"}
    ) as service:
        assert service.client.get("/stats").status_code == 200
        assert service.client.get("/stats", headers={"X-API-Key": "the-second-key-of-all"}).status_code == 200
        assert service.client.get("/stats", headers={"X-API-Key": "team:the-first-key-of-team"}).status_code == 401
        assert not (tmp_path / "data" / "api-key").exists()
        until_sync(lambda: "X-API-Key: as in WHISPERJOB_API_KEYS" in "".join(service.output), "the word of it")
        assert "first-key-of-team" not in "".join(service.output)


def test_a_second_service_on_the_folder_is_refused(tmp_path: Path) -> None:
    with served(tmp_path / "data"):
        assert "is in use by another WhisperJob" in refusal(tmp_path / "data")


def test_a_busy_port_is_refused(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"Port {port} on 127.0.0.1 is taken" in refusal(tmp_path / "data", {}, "--port", str(port))


def test_missing_ffmpeg_is_refused(tmp_path: Path) -> None:
    assert "apt-get install ffmpeg" in refusal(tmp_path / "data", {"WHISPERJOB_FFMPEG": "/no/such/ffmpeg"})


def test_a_diarizer_that_is_no_program_is_refused(tmp_path: Path) -> None:
    assert "The diarizer's interpreter /no/python" in refusal(
        tmp_path / "data", {"WHISPERJOB_DIARIZER_PYTHON": "/no/python"}
    )


def test_a_data_folder_that_cannot_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    assert "cannot be written" in refusal(tmp_path / "file" / "data")


def test_a_senseless_key_is_refused_and_not_repeated(tmp_path: Path) -> None:
    output = refusal(tmp_path / "data", {"WHISPERJOB_API_KEYS": "Not A Tenant:sesame"})
    assert "sesame" not in output
    assert len(output.splitlines()) == 1


def test_objects_in_a_bucket_instead_of_the_folder(tmp_path: Path, short: Path, minio_server: MinioServer) -> None:
    settings = minio_server.settings()
    environment = {
        "WHISPERJOB_S3_ENDPOINT": str(settings.s3_endpoint),
        "WHISPERJOB_S3_BUCKET": settings.s3_bucket,
        "WHISPERJOB_S3_ACCESS_KEY": settings.s3_access_key,
        "WHISPERJOB_S3_SECRET_KEY": settings.s3_secret_key.get_secret_value(),
    }
    with served(tmp_path / "data", environment) as service:
        job = service.upload(short)
        assert service.ended(job)["status"] == "completed"
        download(service, job)
        assert service.client.delete(f"/job/{job}").status_code == 204
    assert not (tmp_path / "data" / "objects").exists()
