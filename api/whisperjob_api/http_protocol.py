"""uvicorn's HTTP protocol, with the limits it lacks: what happens before a request reaches the app, and after.

For whoever serves the app: `uvicorn.Config(app, http=ApiProtocol)`. uvicorn sets no bound on how long or how large a
request's head may be, nor on how long an answer may stand unread; its own limit of connections answers in plain text.
Errors made here have the shape of all others.
"""

import asyncio
from enum import Enum, auto
from typing import ClassVar, Final

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from whisperjob_api.errors import HttpCode
from whisperjob_api.schemas import ErrorBody

_BUSY_RETRY_SECONDS: Final = 5


class _Refusal(Enum):
    """Why a connection ends although no app said so: status, code, sentence."""

    NOT_HTTP = (400, HttpCode.INVALID_REQUEST, "This is not HTTP as it should be.")
    TOO_BUSY = (503, HttpCode.UNAVAILABLE, "Too many connections are open; try again soon.")
    HEAD_TOO_SLOW = (408, HttpCode.REQUEST_TIMEOUT, "The head of the request took too long.")
    HEAD_TOO_LARGE = (431, HttpCode.HEADERS_TOO_LARGE, "The head of the request is too large.")


class _HeadTooLargeError(Exception):
    """Ends the parsing from inside a callback."""


class _Head(Enum):
    """Where the request stands that the parser is at."""

    AWAITED = auto()
    BEGUN = auto()
    COMPLETE = auto()


class ApiProtocol(HttpToolsProtocol):
    """One connection. The limits are the class's, so that whoever serves it may set others."""

    head_seconds: ClassVar[float] = 15.0
    """For the head of a request, from its first byte to its last, and for the first byte of a new connection."""

    max_head_bytes: ClassVar[int] = 32 * 1024
    """Of a request's line and headers, trailers among them. Four times what most servers take."""

    unread_seconds: ClassVar[float] = 120.0
    """How long a client may read nothing of an answer that waits: it holds a file and a connection."""

    max_connections: ClassVar[int] = 400
    """Each may hold an open file besides: together well under the usual 1024 descriptors of a process."""

    _head = _Head.AWAITED
    _head_bytes = 0
    _silent_bytes = 0
    _parser_spoke = False
    _deaf = False
    _upgrading = False
    _head_timer: asyncio.TimerHandle | None = None
    _unread_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        if len(self.connections) > self.max_connections:
            self._refuse(_Refusal.TOO_BUSY)
        else:
            self._start_head_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_head_timer()
        self._stop_unread_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            return
        self._unset_keepalive_if_required()
        if not self._in_flight:
            if self._head is _Head.COMPLETE:
                self._head = _Head.AWAITED
            if self._head_timer is None:
                self._start_head_timer()
        self._parser_spoke = False
        self._parse(data)
        # What the parser keeps to itself (a header without an end, a chunk's extension) is counted here.
        self._silent_bytes = 0 if self._parser_spoke else self._silent_bytes + len(data)
        if self._silent_bytes > self.max_head_bytes and not self._deaf:
            self._refuse(_Refusal.HEAD_TOO_LARGE)

    def _parse(self, data: bytes) -> None:
        rest = memoryview(data)
        try:
            while rest:
                try:
                    self.parser.feed_data(rest)
                    rest = rest[:0]
                except httptools.HttpParserUpgrade as upgrade:
                    # The parser would leave the body to another protocol. There is none: it hears the head again.
                    rest = rest[upgrade.args[0] :]
                    self.parser.feed_data(self._head_without_upgrade())
        except httptools.HttpParserError:
            too_large = self._head_bytes > self.max_head_bytes
            self._refuse(_Refusal.HEAD_TOO_LARGE if too_large else _Refusal.NOT_HTTP)

    def _head_without_upgrade(self) -> bytes:
        lines = [b"%s %s HTTP/%s" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())]
        for name, value in self.headers:
            if name == b"connection" and b"close" in value.lower():
                lines.append(b"connection: close")
            elif name not in (b"connection", b"upgrade", b"http2-settings"):
                lines.append(b"%s: %s" % (name, value))
        return b"".join(line + b"\r\n" for line in (*lines, b""))

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head = _Head.BEGUN
        self._head_bytes = 0

    def on_url(self, url: bytes) -> None:
        self._count_head(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count_head(len(name) + len(value) + len(b": \r\n"))
        if self._head is _Head.BEGUN:  # a trailer must not pass for a header: nobody checked it
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._upgrading = self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT"
        if self._upgrading:
            return
        self._head = _Head.COMPLETE
        self._stop_head_timer()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._parser_spoke = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        if not self._upgrading:
            super().on_message_complete()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread_timer = self.loop.call_later(self.unread_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stop_unread_timer()

    @property
    def _in_flight(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle  # None before the first request, whatever its annotation says
        return cycle is not None and not cycle.response_complete

    def _count_head(self, length: int) -> None:
        self._parser_spoke = True
        self._head_bytes += length
        if self._head_bytes > self.max_head_bytes:
            raise _HeadTooLargeError

    def _head_is_late(self) -> None:
        if self.transport.is_closing():
            return
        if self._head is _Head.BEGUN:
            self._refuse(_Refusal.HEAD_TOO_SLOW)
        else:
            self.transport.close()  # nothing was asked, so there is nothing to answer

    def _refuse(self, refusal: _Refusal) -> None:
        """Nothing more is heard on this connection. What is being answered stays first, and whole."""
        self._deaf = True
        if not self._in_flight:
            self._answer(*refusal.value)
        elif not self.cycle.more_body:
            self.cycle.keep_alive = False  # it came behind a whole request: that one's answer is the last
        elif self.cycle.response_started:
            self.transport.close()
        else:
            self._answer(*refusal.value)

    def _answer(self, status: int, code: HttpCode, sentence: str) -> None:
        body = ErrorBody(error=sentence, code=code).model_dump_json().encode()
        head = [
            STATUS_LINE[status],
            b"content-type: application/json\r\n",
            b"cache-control: no-store\r\n",
            b"x-content-type-options: nosniff\r\n",
            b"connection: close\r\n",
            b"content-length: %d\r\n" % len(body),
        ]
        if code is HttpCode.UNAVAILABLE:
            head.append(b"retry-after: %d\r\n" % _BUSY_RETRY_SECONDS)
        self.transport.write(b"".join((*head, b"\r\n", body)))
        self.transport.close()

    def _start_head_timer(self) -> None:
        self._head_timer = self.loop.call_later(self.head_seconds, self._head_is_late)

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _stop_unread_timer(self) -> None:
        if self._unread_timer is not None:
            self._unread_timer.cancel()
            self._unread_timer = None
