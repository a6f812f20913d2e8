"""The service over HTTP against the least that the same work costs without it."""

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
_KEY = "bench"


@dataclass(frozen=True, slots=True)
class Serving:
    """Rates in MB/s or requests/s, each beside its floor; seconds from an upload's end to the first progress."""

    upload_folder: float
    copy_sha_fsync: float
    upload_s3: float | None
    minio_put: float | None
    get_job: float
    bare_route: float
    first_progress_seconds: float


@contextmanager
def service(folder: Path, environment: Mapping[str, str] | None = None) -> Iterator[httpx.Client]:
    """`whisperjob serve` in a process of its own, ended when done."""
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
    """`s3`: the environment of a service that keeps its objects in an S3 store; None if there is none."""
    payload = _payload(folder)
    with tempfile.TemporaryDirectory(dir=folder) as data, service(Path(data)) as client:
        pairs = [(_upload(client, payload), _copy(payload, Path(data))) for _ in range(rounds)]
        first = statistics.median(_first_progress(client, speech) for _ in range(rounds))
        get_job, bare = _requests(client, rounds)
    s3_pairs = _against_minio(folder, payload, s3, rounds) if s3 else None
    return Serving(
        upload_folder=statistics.median(ours for ours, _ in pairs),
        copy_sha_fsync=statistics.median(floor for _, floor in pairs),
        upload_s3=statistics.median(ours for ours, _ in s3_pairs) if s3_pairs else None,
        minio_put=statistics.median(floor for _, floor in s3_pairs) if s3_pairs else None,
        get_job=get_job,
        bare_route=bare,
        first_progress_seconds=first,
    )


def _payload(folder: Path) -> Path:
    made = folder / "payload.bin"
    if not made.exists():
        with made.open("wb") as file:
            for _ in range(_UPLOAD_BYTES // 1_000_000):
                file.write(secrets.token_bytes(1_000_000))
    return made


def _rate(work: Callable[[], object]) -> float:
    """MB a second of one pass over the payload."""
    begun = time.perf_counter()
    work()
    return _UPLOAD_BYTES / 1e6 / (time.perf_counter() - begun)


def _upload(client: httpx.Client, payload: Path) -> float:
    """By curl, whose own cost is small, as a browser or script would send it. Ends when the job has ended too."""
    answer = payload.with_suffix(".json")
    command = ["curl", "-sS", "-f", "-H", f"X-API-Key: {_KEY}", "-F", f"file=@{payload}", "-o", str(answer)]
    command += [f"{client.base_url}/whisper_optimize"]
    rate = _rate(lambda: subprocess.check_call(command))
    job = json.loads(answer.read_bytes())["jobId"]
    _wait(lambda: client.get(f"/job/{job}").json()["status"] in ("completed", "error"))
    client.delete(f"/job/{job}").raise_for_status()
    return rate


def _copy(payload: Path, folder: Path) -> float:
    """Copying, hashing and syncing: what keeping an upload in a folder cannot do without."""

    def work() -> None:
        digest = hashlib.sha256()
        with payload.open("rb") as source, (folder / "copy.bin").open("wb") as target:
            while block := source.read(_BLOCK_BYTES):
                digest.update(block)
                target.write(block)
            target.flush()
            os.fsync(target.fileno())
        (folder / "copy.bin").unlink()

    return _rate(work)


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

    def floor() -> float:
        rate = _rate(put)
        minio.remove_object(bucket, "floor")  # the upload's object is deleted after its time, too
        return rate

    with tempfile.TemporaryDirectory(dir=folder) as data, service(Path(data), s3) as client:
        _upload(client, payload)  # makes the bucket
        floor()  # opens the connections
        return [(_upload(client, payload), floor()) for _ in range(rounds)]


def _first_progress(client: httpx.Client, speech: Path) -> float:
    """From the end of an upload to the first thing its worker said: the length it found."""
    with speech.open("rb") as file:
        job = client.post("/whisper_optimize", files={"file": ("talk.m4a", file)}).json()["jobId"]
    begun = time.perf_counter()
    _wait(lambda: client.get(f"/job/{job}").json()["duration"] is not None)
    seconds = time.perf_counter() - begun
    _wait(lambda: client.get(f"/job/{job}").json()["status"] == "completed")
    return seconds


def _wait(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 600
    while not condition():
        if time.monotonic() > end:
            raise SystemExit("the service did not finish in ten minutes")
        time.sleep(0.005)


def _requests(client: httpx.Client, rounds: int) -> tuple[float, float]:
    """Requests a second for a completed job's status, ours and a bare FastAPI route with the same JSON."""
    job = client.get("/jobs", params={"status": "completed"}).json()["jobs"][0]["jobId"]
    body = client.get(f"/job/{job}").json()
    with _bare(body) as url:
        rates = [(_wrk(f"{client.base_url}/job/{job}"), _wrk(url)) for _ in range(rounds)]
    return statistics.median(ours for ours, _ in rates), statistics.median(bare for _, bare in rates)


@contextmanager
def _bare(body: object) -> Iterator[str]:
    """A FastAPI application of one route, served by uvicorn with its default settings."""
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


def _wrk(url: str) -> float:
    if shutil.which("wrk") is None:
        raise SystemExit("wrk is missing; it measures requests a second: apt-get install wrk")
    command = ["wrk", "-t1", "-c16", "-d5s", "-H", f"X-API-Key: {_KEY}", url]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    if "Non-2xx" in output:
        raise SystemExit(f"{url} does not answer as it should:\n{output}")
    found = re.search(r"Requests/sec:\s*([\d.]+)", output)
    assert found is not None
    return float(found[1])
