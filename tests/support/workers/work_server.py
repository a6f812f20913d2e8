"""A worker-protocol server and a small object store over real HTTP, for workers alone, without an engine.

The store takes GETs with ranges and S3 POST forms. Both can be set to fail the way real ones do.
"""

import email.parser
import email.policy
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from support.programs.http_thread import serving_http
from whisperjob.model.protocol import (
    CLAIM_PATH,
    PROGRESS_PATH,
    Claim,
    DiarizeOptions,
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
    """What the server hands out, and what was posted to it. `base_url` is set once it listens."""

    claim: Claim | None = None
    base_url: str = ""
    claims: int = 0
    posts: list[ProgressPost] = field(default_factory=list)
    refuse_progress: int | None = None
    """The HTTP status of progress posts from now on."""
    refuse_claims: int | None = None
    objects: dict[str, bytes] = field(default_factory=dict)
    """The objects that POST forms stored, and that GET serves."""
    cut_reads_after: int | None = None
    """The next read ends after this many bytes, once."""
    refuse_writes: int = 0
    """This many POST forms are answered with 403, as after the end of a grant."""
    is_full: bool = False
    """The store answers POST forms as MinIO does whose disk is full."""

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
        requested = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(requested[1]) if requested else 0
        self.send_response(206 if requested else 200)
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        cut, state.cut_reads_after = state.cut_reads_after, None
        self.wfile.write(data[start:] if cut is None else data[start : start + cut])
        if cut is not None:
            self.close_connection = True

    def _store(self, state: WorkServer, body: bytes) -> None:
        if state.is_full:
            self._answer(507, b"<Error><Code>XMinioStorageFull</Code></Error>")
            return
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
        """Logs nothing."""


@contextmanager
def serving_work(state: WorkServer) -> Iterator[WorkServer]:
    with serving_http(_Server(state)) as state.base_url:
        yield state


def claim_for(
    inputs: Sequence[Input],
    results: FileWrite | HttpWrite,
    options: OptimizeOptions | DiarizeOptions,
    lifetime: timedelta = timedelta(hours=1),
) -> Claim:
    return Claim(
        job_name="job",
        uid="uid-1",
        attempt=1,
        inputs=tuple(inputs),
        results=results,
        options=options,
        limits=WorkLimits(),
        expires_at=datetime.now(UTC) + lifetime,
    )


def written_into(store: Path) -> FileWrite:
    """Returns a grant as the folder store gives it."""
    return FileWrite(directory=str(store / "results"), staging=str(store / "staging"))


def posted_to(state: WorkServer, prefix: str) -> HttpWrite:
    """Returns a grant as an S3 store gives it."""
    return HttpWrite(url=f"{state.base_url}/store", fields={"policy": "granted"}, prefix=prefix, max_object_bytes=10**8)


def read_from(state: WorkServer, key: str, data: bytes) -> HttpRead:
    """Puts an object into the server, and returns a grant to read it."""
    state.objects[key] = data
    return HttpRead(url=f"{state.base_url}/store/{key}")


def file_claim(
    source: Path, store: Path, *, filename: str = "talk.wav", options: OptimizeOptions | None = None
) -> Claim:
    """Returns a claim of an optimizer's work in a folder store."""
    wanted = Input(filename=filename, read=FileRead(path=str(source)), size_bytes=source.stat().st_size)
    return claim_for([wanted], written_into(store), options or OptimizeOptions())


def http_claim(state: WorkServer, data: bytes, *, sha256: str, lifetime: timedelta = timedelta(hours=1)) -> Claim:
    """Returns a claim of an optimizer's work in an S3 store."""
    read = read_from(state, "uploads/source", data)
    wanted = Input(filename="talk.wav", read=read, size_bytes=len(data), sha256=sha256)
    return claim_for([wanted], posted_to(state, "jobs/uid-1/"), OptimizeOptions(), lifetime=lifetime)
