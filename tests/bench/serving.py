"""Measures the service over HTTP against the least that the same work costs without it."""

import hashlib
import json
import os
import re
import secrets
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

_UPLOAD_BYTES = 500 * 1000 * 1000
_BLOCK_BYTES = 1024 * 1024
_KEY = "the-key-of-this-benchmark"


@dataclass(frozen=True, slots=True)
class Serving:
    """Rates in MB/s or requests/s, each beside its baseline; seconds from the end of an upload to first progress."""

    upload_folder: float
    copy_sha_fsync: float
    upload_s3: float | None
    minio_put: float | None
    get_job: float
    bare_route: float
    first_progress_seconds: float


@contextmanager
def service(folder: Path, environment: Mapping[str, str] | None = None) -> Iterator[httpx.Client]:
    """Runs `whisperjob serve` in a process of its own, which ends with the block."""
    program = str(Path(sys.executable).with_name("whisperjob"))
    env = {**os.environ, "WHISPERJOB_API_KEYS": _KEY, **(environment or {})}
    process = subprocess.Popen(
        [program, "serve", "--port", "0", "--data-dir", str(folder)], env=env, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        url = next(found[0] for line in process.stdout if (found := re.search(r"http://[\d.]+:\d+", line)))
        with httpx.Client(base_url=url, headers={"X-API-Key": _KEY}, timeout=600) as client:
            yield client
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def serving(folder: Path, speech: Path, s3: Mapping[str, str] | None, *, rounds: int) -> Serving:
    """Measures all rates. `s3` is the environment of a service with an S3 store; None if there is none."""
    payload = _create_payload(folder)
    with tempfile.TemporaryDirectory(dir=folder) as data, service(Path(data)) as client:
        pairs = [(_measure_upload(client, payload), _measure_copy(payload, Path(data))) for _ in range(rounds)]
        first = statistics.median(_measure_first_progress(client, speech) for _ in range(rounds))
        get_job, bare = _measure_requests(client, rounds)
    s3_pairs = _against_minio(folder, payload, s3, rounds) if s3 else None
    return Serving(
        upload_folder=statistics.median(rate for rate, _ in pairs),
        copy_sha_fsync=statistics.median(baseline for _, baseline in pairs),
        upload_s3=statistics.median(rate for rate, _ in s3_pairs) if s3_pairs else None,
        minio_put=statistics.median(baseline for _, baseline in s3_pairs) if s3_pairs else None,
        get_job=get_job,
        bare_route=bare,
        first_progress_seconds=first,
    )


def _create_payload(folder: Path) -> Path:
    payload = folder / "payload.bin"
    if not payload.exists():
        with payload.open("wb") as file:
            for _ in range(_UPLOAD_BYTES // 1_000_000):
                file.write(secrets.token_bytes(1_000_000))
    return payload


def _measure_rate(work: Callable[[], object]) -> float:
    """Returns the MB a second of one pass over the payload."""
    began = time.perf_counter()
    work()
    return _UPLOAD_BYTES / 1e6 / (time.perf_counter() - began)


def _measure_upload(client: httpx.Client, payload: Path) -> float:
    """Uploads by curl, whose own cost is small, as a browser or script would; waits until the job has ended."""
    response = payload.with_suffix(".json")
    command = ["curl", "-sS", "-f", "-H", f"X-API-Key: {_KEY}", "-F", f"file=@{payload}", "-o", str(response)]
    command += [f"{client.base_url}/whisper_optimize"]
    rate = _measure_rate(lambda: subprocess.check_call(command))
    job = json.loads(response.read_bytes())["jobId"]
    _wait(lambda: client.get(f"/job/{job}").json()["status"] in ("completed", "error"))
    client.delete(f"/job/{job}").raise_for_status()
    return rate


def _measure_copy(payload: Path, folder: Path) -> float:
    """Copies, hashes and syncs: the least that storing an upload in a folder needs."""

    def work() -> None:
        digest = hashlib.sha256()
        with payload.open("rb") as source, (folder / "copy.bin").open("wb") as target:
            while block := source.read(_BLOCK_BYTES):
                digest.update(block)
                target.write(block)
            target.flush()
            os.fsync(target.fileno())
        (folder / "copy.bin").unlink()

    return _measure_rate(work)


def _against_minio(folder: Path, payload: Path, s3: Mapping[str, str], rounds: int) -> list[tuple[float, float]]:
    import urllib3
    from minio import Minio

    address = urllib3.util.parse_url(s3["WHISPERJOB_S3_ENDPOINT"])
    minio = Minio(
        f"{address.host}:{address.port}",
        access_key=s3["WHISPERJOB_S3_ACCESS_KEY"],
        secret_key=s3["WHISPERJOB_S3_SECRET_KEY"],
        secure=False,
    )
    bucket = s3["WHISPERJOB_S3_BUCKET"]

    def put() -> None:
        with payload.open("rb") as file:
            minio.put_object(bucket, "floor", file, _UPLOAD_BYTES, part_size=16 * 1024 * 1024)

    def measure_put() -> float:
        rate = _measure_rate(put)
        minio.remove_object(bucket, "floor")  # the upload's object is deleted after its time, too
        return rate

    with tempfile.TemporaryDirectory(dir=folder) as data, service(Path(data), s3) as client:
        _measure_upload(client, payload)  # makes the bucket
        measure_put()  # opens the connections
        return [(_measure_upload(client, payload), measure_put()) for _ in range(rounds)]


def _measure_first_progress(client: httpx.Client, speech: Path) -> float:
    """Measures the seconds from the end of an upload to the first report of its worker: the duration."""
    with speech.open("rb") as file:
        job = client.post("/whisper_optimize", files={"file": ("talk.m4a", file)}).json()["jobId"]
    began = time.perf_counter()
    _wait(lambda: client.get(f"/job/{job}").json()["duration"] is not None)
    seconds = time.perf_counter() - began
    _wait(lambda: client.get(f"/job/{job}").json()["status"] == "completed")
    return seconds


def _wait(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 600
    while not condition():
        if time.monotonic() > end:
            raise SystemExit("the service did not finish in ten minutes")
        time.sleep(0.005)


def _measure_requests(client: httpx.Client, rounds: int) -> tuple[float, float]:
    """Measures the requests a second for a completed job's status, and for a bare FastAPI route with the same JSON."""
    job = client.get("/jobs", params={"status": "completed"}).json()["jobs"][0]["jobId"]
    body = client.get(f"/job/{job}").json()
    with _serve_bare_route(body) as url:
        rates = [(_run_wrk(f"{client.base_url}/job/{job}"), _run_wrk(url)) for _ in range(rounds)]
    return statistics.median(rate for rate, _ in rates), statistics.median(baseline for _, baseline in rates)


@contextmanager
def _serve_bare_route(body: object) -> Iterator[str]:
    """Serves a FastAPI application of one route, by uvicorn with its default settings."""
    source = (
        "import json, sys, fastapi, uvicorn\n"
        "app, body = fastapi.FastAPI(), json.loads(sys.argv[1])\n"
        "@app.get('/job/{job}')\n"
        "async def get(job: str): return body\n"
        "uvicorn.run(app, port=0, access_log=False)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", source, json.dumps(body)], stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        url = next(found[0] for line in process.stderr if (found := re.search(r"http://[\d.]+:\d+", line)))
        yield f"{url}/job/x"
    finally:
        process.terminate()
        process.wait(10)


def _run_wrk(url: str) -> float:
    if shutil.which("wrk") is None:
        raise SystemExit("wrk is missing; it measures requests a second: apt-get install wrk")
    command = ["wrk", "-t1", "-c16", "-d5s", "-H", f"X-API-Key: {_KEY}", url]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    if "Non-2xx" in output:
        raise SystemExit(f"{url} does not answer as it should:\n{output}")
    found = re.search(r"Requests/sec:\s*([\d.]+)", output)
    assert found is not None
    return float(found[1])
