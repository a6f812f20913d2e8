"""The network between the service and its object store is bad: slow, cut, reset, silent, or answers 503."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from chaos.scenario import NotRunError
from chaos.toxiproxy import TOXICS, ToxicLink, toxic_link
from chaos.trial import Trial, a_recording, trial
from support.programs.binaries import NoBinaryError
from support.programs.http_thread import serving_http
from support.stores.minio_server import MinioServer, find_binary
from whisperjob.stores.s3 import S3Store

FULL_SECONDS = 15.0
QUICK_SECONDS = 3.0
_QUICK_TROUBLES = ("reset", "cut in the middle", "503")
_BUCKET = "chaos"


def bad_store(folder: Path, full: bool) -> str:
    """Jobs wait while the store is bad, and are completed when it is good again."""
    recording = a_recording(folder, 60)
    with _minio(folder / "minio") as minio, toxic_link(_address(minio.endpoint)) as link:
        environment = {
            "WHISPERJOB_S3_ENDPOINT": f"http://127.0.0.1:{link.port}",
            "WHISPERJOB_S3_ACCESS_KEY": minio.access_key,
            "WHISPERJOB_S3_SECRET_KEY": minio.secret_key,
            "WHISPERJOB_S3_BUCKET": _BUCKET,
            "WHISPERJOB_RETRY_BASE": "1s",
        }
        with trial(folder, environment, S3Store(minio.settings(_BUCKET))) as running, _unavailable() as unavailable:
            chosen = [*TOXICS, "cut off", "503"] if full else list(_QUICK_TROUBLES)
            uploads = refused = 0
            for trouble in chosen:
                running.accept(recording)
                with _trouble(link, trouble, unavailable), running.promises.watched(running.service):
                    end = time.monotonic() + (FULL_SECONDS if full else QUICK_SECONDS)
                    while time.monotonic() < end:
                        uploads += 1
                        refused += not _uploaded(running, recording)
            ends = running.settle()
    return (
        f"{', '.join(chosen)}: {len(ends)} accepted jobs completed; {refused} of {uploads} uploads during the trouble "
        "were refused, and left nothing"
    )


def _uploaded(running: Trial, recording: Path) -> bool:
    """Whether an upload was accepted. One that was not must say so with an error of the service or of the network."""
    with recording.open("rb") as file:
        try:
            answer = running.service.client.post("/whisper_optimize", files={"file": ("talk.wav", file)}, timeout=60)
        except httpx.TransportError:
            return False
    assert answer.status_code in (202, 503), answer.text
    if answer.status_code == 202:
        running.promises.accept(answer.json()["jobId"])
    return answer.status_code == 202


@contextmanager
def _trouble(link: ToxicLink, name: str, unavailable: str) -> Iterator[None]:
    match name:
        case "cut off":
            bad = link.cut()
        case "503":
            bad = link.leading_to(unavailable)
        case _:
            bad = link.poisoned(TOXICS[name])
    with bad:
        yield


@contextmanager
def _unavailable() -> Iterator[str]:
    """The address of a server that answers every request with 503, as a store does that is busy."""
    with serving_http(ThreadingHTTPServer(("127.0.0.1", 0), _Busy)) as url:
        yield _address(url)


class _Busy(BaseHTTPRequestHandler):
    """It says what S3 says, and closes the connection, so that it need not read what is sent."""

    def handle_one_request(self) -> None:
        body = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
        self.raw_requestline = self.rfile.readline(65537)
        if self.raw_requestline and self.parse_request():
            self.send_response(503)
            self.send_header("Content-Type", "application/xml")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class names it so
        """Nobody reads it."""


@contextmanager
def _minio(folder: Path) -> Iterator[MinioServer]:
    try:
        server = MinioServer(find_binary(), folder)
    except NoBinaryError as error:
        raise NotRunError(str(error)) from error
    server.start()
    try:
        yield server
    finally:
        server.stop()


def _address(url: str) -> str:
    return urlsplit(url).netloc
