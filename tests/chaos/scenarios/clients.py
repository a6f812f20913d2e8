"""Clients that hold what others need: idle connections, uploads that drip, answers that nobody reads."""

import resource
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

from chaos.latency import compared, latencies
from chaos.trial import KEYS, Trial, a_recording, trial
from support.waiting import until_sync

CONNECTIONS = 500
SLOW_UPLOADS = 16
FULL_SECONDS = 30.0
QUICK_SECONDS = 5.0
STRANGER = "127.0.0.2"
_FILES = 2048
_DRIP_BYTES = 4200


def flood_of_connections(folder: Path, full: bool) -> str:
    """One address holds 500 connections, and others are served as before."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, _FILES), hard), hard))
    with trial(folder) as running, ExitStack() as connections:
        quiet = latencies(running.service, 3)
        address = urlsplit(running.service.url)
        refused = 0
        for number in range(CONNECTIONS):
            try:
                connection = connections.enter_context(_connection(str(address.hostname), int(address.port or 0)))
                connection.sendall(b"GET /jobs HTTP/1.1\r\nHost: x\r\n" if number % 2 else b"")
            except OSError:
                refused += 1
        with running.promises.watched(running.service):
            busy = latencies(running.service, FULL_SECONDS if full else QUICK_SECONDS)
            running.accept(a_recording(folder, 5))
            running.promises.wait_for_ends(running.service, 120)
        running.settle()
    return f"{CONNECTIONS} connections of one address ({refused} failed): {compared(quiet, busy)}; an upload completed"


@contextmanager
def _connection(host: str, port: int) -> Iterator[socket.socket]:
    with socket.create_connection((host, port), timeout=10, source_address=(STRANGER, 0)) as connection:
        yield connection


def slow_uploads(folder: Path, full: bool) -> str:
    """One tenant drips into every upload slot; another's upload is taken within seconds."""
    recording = a_recording(folder, 5)
    with trial(folder) as running, ExitStack() as stack:
        quiet = latencies(running.service, 3)
        over = threading.Event()
        stack.callback(over.set)
        address = urlsplit(running.service.url)
        started: list[int] = []
        drips = [
            threading.Thread(
                target=_drip, args=(str(address.hostname), int(address.port or 0), over, started), daemon=True
            )
            for _ in range(SLOW_UPLOADS)
        ]
        for drip in drips:
            drip.start()
        until_sync(lambda: len(started) == SLOW_UPLOADS, "the slow uploads to begin", 30)
        begun = time.monotonic()
        until_sync(lambda: _accepted(running, recording), "an upload of another tenant to be taken", 60)
        waited = time.monotonic() - begun
        busy = latencies(running.service, FULL_SECONDS if full else QUICK_SECONDS)
        over.set()
        for drip in drips:
            drip.join()
        running.settle()
    taken = f"another tenant's upload was taken after {waited:.1f} s"
    return f"{SLOW_UPLOADS} uploads at 4 kB/s: {taken}; {compared(quiet, busy)}"


def _accepted(running: Trial, recording: Path) -> bool:
    with recording.open("rb") as file:
        answer = running.service.client.post("/whisper_optimize", files={"file": ("talk.wav", file)})
    if answer.status_code == 503:
        return False
    assert answer.status_code == 202, answer.text
    running.promises.accept(answer.json()["jobId"])
    return True


def _drip(host: str, port: int, over: threading.Event, started: list[int]) -> None:
    """Sends an upload slowly until the server ends it, or until it is `over`."""
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="t.wav"\r\n\r\n'
    request = (
        f"POST /whisper_optimize HTTP/1.1\r\nHost: x\r\nX-API-Key: {KEYS['busy']}\r\n"
        f"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: {len(head) + 10_000_000}\r\n\r\n"
    )
    with suppress(OSError), socket.create_connection((host, port), timeout=10) as connection:
        connection.sendall(request.encode() + head)
        started.append(1)
        while not over.wait(1):
            connection.sendall(b"\0" * _DRIP_BYTES)
