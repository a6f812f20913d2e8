"""A network between a client and a real service. It can break connections, and stand in for a diarizer.

It forwards everything else byte for byte.
"""

import http.client
import json
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from support.programs.http_thread import serving_http

_BLOCK = 64 * 1024


@dataclass
class Network:
    """What happens to the next requests, and a record of those that came.

    `lose_answers` is the number of requests that arrive whole, but whose answer is lost. The next `cuts` downloads end
    after `cut_after` bytes. `refuse` has (status, Retry-After) of the next requests. `speakers` is the diarization's
    result; it is not ready while `diarization_held` is set. A service that does not know the `diarization` of
    /health has `tells_diarizer` False. `query` is added to the address of each POST.
    """

    target: str
    url: str = ""
    lose_answers: int = 0
    cuts: int = 0
    cut_after: int = 0
    refuse: list[tuple[int, str]] = field(default_factory=list)
    speakers: dict[str, Any] | None = None
    diarization_error: str | None = None
    no_diarizer: bool = False
    query: str = ""
    tells_diarizer: bool = True
    diarization_held: bool = False
    requests: Counter[str] = field(default_factory=Counter)
    ranges: list[str] = field(default_factory=list)
    idempotency_keys: list[str] = field(default_factory=list)


@contextmanager
def network(target: str) -> Iterator[Network]:
    state = Network(target)
    with serving_http(ThreadingHTTPServer(("127.0.0.1", 0), _handler(state))) as state.url:
        yield state


def _handler(state: Network) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer_or_forward()

        do_POST = do_DELETE = do_HEAD = do_GET  # noqa: N815 - names of the base class

        def _answer_or_forward(self) -> None:
            path = urlsplit(self.path).path
            state.requests[f"{self.command} {path}"] += 1
            if state.refuse:
                status, wait = state.refuse.pop(0)
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                headers = {"Retry-After": wait} if wait else {}
                self._json(status, {"error": "Not now.", "code": "unavailable"}, headers)
            elif path == "/health" and (state.no_diarizer or state.speakers is not None or state.diarization_error):
                told = {"diarization": not state.no_diarizer} if state.tells_diarizer else {}
                self._json(200, {"status": "ok", "ffmpeg": True, **told})
            elif path.startswith("/diarize") and state.no_diarizer:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                self._json(503, {"error": "This service has no diarizer.", "code": "diarization_unavailable"})
            elif path.startswith("/diarize") and (state.speakers is not None or state.diarization_error):
                self._diarize()
            else:
                self._forward()

        def _diarize(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or "{}")
            job = body.get("jobId") or self.path.rpartition("/")[2]
            seen = state.requests[f"GET /diarize/{job}"]
            if self.command == "POST":
                self._json(202, {"jobId": job, "status": "running", "message": "Diarization started"})
            elif seen < 3 or state.diarization_held:
                running = {
                    "jobId": job,
                    "status": "running",
                    "result": None,
                    "error": None,
                    "progress": min(30 * seen, 90),
                }
                self._json(200, running | {"waitingFor": "a GPU" if seen == 1 else None})
            elif state.diarization_error:
                self._json(200, {"jobId": job, "status": "error", "error": state.diarization_error})
            else:
                self._json(200, {"jobId": job, "status": "completed", "result": state.speakers, "error": None})

        def _forward(self) -> None:
            if key := self.headers.get("Idempotency-Key"):
                state.idempotency_keys.append(key)
            address = urlsplit(state.target)
            upstream = http.client.HTTPConnection(address.hostname or "", address.port, timeout=60)
            try:
                path = f"{self.path}?{state.query}" if state.query and self.command == "POST" else self.path
                upstream.putrequest(self.command, path, skip_host=True, skip_accept_encoding=True)
                for name, value in self.headers.items():
                    upstream.putheader(name, value)
                upstream.endheaders()
                remaining = int(self.headers.get("Content-Length", 0))
                while remaining and (block := self.rfile.read(min(_BLOCK, remaining))):
                    upstream.send(block)
                    remaining -= len(block)
                answer = upstream.getresponse()
                if state.lose_answers:
                    state.lose_answers -= 1
                    answer.read()
                    self._hang_up()
                    return
                self._answer(answer)
            except (ConnectionError, http.client.HTTPException):
                self._hang_up()
            finally:
                upstream.close()

        def _answer(self, answer: http.client.HTTPResponse) -> None:
            self.send_response_only(answer.status)
            for name, value in answer.getheaders():
                self.send_header(name, value)
            self.end_headers()
            limit: int | None = None
            if "/download/" in self.path:
                state.ranges.append(self.headers.get("Range", ""))
                if state.cuts:
                    state.cuts -= 1
                    limit = state.cut_after
            while block := answer.read(_BLOCK if limit is None else min(_BLOCK, limit)):
                self.wfile.write(block)
                if limit is not None:
                    limit -= len(block)
                    if not limit:
                        self._hang_up()
                        return

        def _hang_up(self) -> None:
            self.close_connection = True
            try:
                self.connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                return

        def _json(self, status: int, body: dict[str, Any], headers: dict[str, str] | None = None) -> None:
            data = json.dumps(body).encode()
            self.send_response(status)
            for name, value in {**(headers or {}), "Content-Type": "application/json"}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name is the base class's
            pass

    return Handler
