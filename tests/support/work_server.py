"""A worker-protocol server and a small object store over real HTTP, for workers alone, without an engine.

The store takes GETs with ranges and S3 POST forms. Both can be told to misbehave the way real ones do.
"""

import email.parser
import email.policy
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from support.http_thread import serving_http
from whisperjob.model.protocol import (
    CLAIM_PATH,
    PROGRESS_PATH,
    Claim,
    FileRead,
    FileWrite,
    HttpRead,
    HttpWrite,
    Input,
    OptimizeOptions,
    ProgressPost,
    WorkLimits,
)

TOKEN = "the-attempt's-token"


@dataclass
class WorkServer:
    """What the server hands out, and what it was told. `base_url` is set once it listens."""

    claim: Claim | None = None
    base_url: str = ""
    claims: int = 0
    posts: list[ProgressPost] = field(default_factory=list)
    refuse_progress: int | None = None
    """HTTP status for progress posts from now on."""
    refuse_claims: int | None = None
    objects: dict[str, bytes] = field(default_factory=dict)
    """What POST forms brought, and what GET serves."""
    cut_reads_after: int | None = None
    """The next read breaks off after so many bytes, once."""
    refuse_writes: int = 0
    """So many POST forms are answered with 403, as after a grant's end."""

    @property
    def steps(self) -> list[str]:
        return [str(post.step) for post in self.posts]


class _Server(ThreadingHTTPServer):
    def __init__(self, state: WorkServer) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.state = state


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        state = self.server.state
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path == "/store":
            self._store(state, body)
        elif self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self._answer(401)
        elif self.path == CLAIM_PATH:
            state.claims += 1
            if state.refuse_claims is not None or state.claim is None:
                self._answer(state.refuse_claims or 410)
            else:
                self._answer(200, state.claim.model_dump_json(by_alias=True).encode())
        elif self.path == PROGRESS_PATH:
            if state.refuse_progress is not None:
                self._answer(state.refuse_progress)
            else:
                state.posts.append(ProgressPost.model_validate(json.loads(body)))
                self._answer(204)
        else:
            self._answer(404)

    def do_GET(self) -> None:
        state = self.server.state
        data = state.objects.get(self.path.removeprefix("/store/"))
        if data is None:
            self._answer(404)
            return
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(asked[1]) if asked else 0
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        cut, state.cut_reads_after = state.cut_reads_after, None
        self.wfile.write(data[start:] if cut is None else data[start : start + cut])
        if cut is not None:
            self.close_connection = True

    def _store(self, state: WorkServer, body: bytes) -> None:
        if state.refuse_writes > 0:
            state.refuse_writes -= 1
            self._answer(403)
            return
        head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        form = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + body)
        fields = {str(part.get_param("name", header="content-disposition")): part for part in form.iter_parts()}
        key, file = fields["key"].get_content().strip(), fields["file"].get_payload(decode=True)
        assert fields["policy"].get_content().strip() == "granted"
        state.objects[key] = bytes(file)
        self._answer(204)

    def _answer(self, status: int, body: bytes = b"") -> None:
        self.send_response(status)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Quiet."""


@contextmanager
def serving_work(state: WorkServer) -> Iterator[WorkServer]:
    with serving_http(_Server(state)) as state.base_url:
        yield state


def claim_for(
    source: FileRead | HttpRead,
    results: FileWrite | HttpWrite,
    size_bytes: int,
    *,
    filename: str = "talk.wav",
    sha256: str | None = None,
    options: OptimizeOptions | None = None,
    limits: WorkLimits | None = None,
    lifetime: timedelta = timedelta(hours=1),
) -> Claim:
    return Claim(
        job_name="job",
        uid="uid-1",
        attempt=1,
        inputs=(Input(filename=filename, read=source, size_bytes=size_bytes, sha256=sha256),),
        results=results,
        options=options or OptimizeOptions(),
        limits=limits or WorkLimits(),
        expires_at=datetime.now(UTC) + lifetime,
    )


def file_claim(source: Path, store: Path, **more: object) -> Claim:
    """Grants as the folder store gives them."""
    read = FileRead(path=str(source))
    write = FileWrite(directory=str(store / "results"), staging=str(store / "staging"))
    return claim_for(read, write, source.stat().st_size, **more)  # type: ignore[arg-type]  # passed on as they are


def http_claim(state: WorkServer, data: bytes, **more: object) -> Claim:
    """Grants as an S3 store gives them; the source is put into the server."""
    state.objects["uploads/source"] = data
    read = HttpRead(url=f"{state.base_url}/store/uploads/source")
    write = HttpWrite(
        url=f"{state.base_url}/store", fields={"policy": "granted"}, prefix="jobs/uid-1/", max_object_bytes=10**8
    )
    return claim_for(read, write, len(data), **more)  # type: ignore[arg-type]  # passed on as they are
