"""An S3 service that gives canned answers: for the ones a healthy server never gives."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from support.programs.http_thread import serving_http


@dataclass(frozen=True)
class Answer:
    status: int
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/xml"
    withheld_bytes: int = 0
    """Promised by Content-Length and never sent; the connection ends instead."""


@dataclass
class CannedS3:
    endpoint: str
    requests: list[str] = field(default_factory=list)
    """Method and target of each, in order of arrival."""


@contextmanager
def canned_s3(answer: Callable[[str, str], Answer]) -> Iterator[CannedS3]:
    """Serves `answer(method, target)` on a loopback port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            service.requests.append(f"{self.command} {self.path}")
            given = answer(self.command, self.path)
            body = b"" if self.command == "HEAD" else given.body.encode()
            self.send_response(given.status)
            self.send_header("Content-Length", str(len(body) + given.withheld_bytes))
            self.send_header("Content-Type", given.content_type)
            for name, value in given.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)
            self.close_connection = given.withheld_bytes > 0

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class's name
            pass

    for method in ("GET", "PUT", "POST", "DELETE", "HEAD"):
        setattr(Handler, f"do_{method}", Handler._answer)
    with serving_http(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as endpoint:
        service = CannedS3(endpoint)
        yield service
