"""An S3 service with canned responses, for those that a healthy server never sends."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from support.programs.http_thread import serving_http


@dataclass(frozen=True)
class CannedResponse:
    """One response."""

    status: int
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/xml"
    withheld_bytes: int = 0
    """Announced by Content-Length and never sent; the connection ends instead."""


@dataclass
class CannedS3:
    """The running service and the requests that it got."""

    endpoint: str
    requests: list[str] = field(default_factory=list)
    """The method and target of each request, in order of arrival."""


@contextmanager
def canned_s3(answer: Callable[[str, str], CannedResponse]) -> Iterator[CannedS3]:
    """Serves `answer(method, target)` on a loopback port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            service.requests.append(f"{self.command} {self.path}")
            response = answer(self.command, self.path)
            body = b"" if self.command == "HEAD" else response.body.encode()
            self.send_response(response.status)
            self.send_header("Content-Length", str(len(body) + response.withheld_bytes))
            self.send_header("Content-Type", response.content_type)
            for name, value in response.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)
            self.close_connection = response.withheld_bytes > 0

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class's name
            pass

    for method in ("GET", "PUT", "POST", "DELETE", "HEAD"):
        setattr(Handler, f"do_{method}", Handler._answer)
    with serving_http(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as endpoint:
        service = CannedS3(endpoint)
        yield service
