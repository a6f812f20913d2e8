"""uvicorn's HTTP protocol with the limits that it lacks, before a request reaches the app and after it left the app.

A server uses it by `uvicorn.Config(app, http=build_protocol(settings))`. uvicorn does not limit how long or how large
the head of a request may be, nor how long a response may stay unread; its own limit of connections responds in plain
text and does not ask whose they are, and it accepts requests without a Host or with two. The errors of this module have
the JSON of all others.

Every request gets its path here, before metrics, keys and routes see it: without double slashes and without one at the
end, which people and programs that join addresses add.
"""

import asyncio
import re
from collections.abc import Sequence
from enum import Enum, auto
from typing import ClassVar, Final

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from whisperjob.model.settings import ApiSettings
from whisperjob_api.client_address import Network
from whisperjob_api.connection_shares import Activity, HeldConnection, choose_to_close, find_owner
from whisperjob_api.errors import HttpCode
from whisperjob_api.schemas import ErrorBody
from whisperjob_api.upload_rate import ArrivalRate

_BUSY_RETRY_SECONDS: Final = 5
_ORIGIN: Final = re.compile(rb"[A-Za-z][A-Za-z0-9+.-]*://[^/]*")
"""What stands before the path where a client sends the whole address, as it would to a proxy."""
_HOST: Final = re.compile(rb"[A-Za-z0-9._~!$&'()*+,;=%:\[\]-]*")
"""RFC 9112 wants a request with anything else refused. It is compared with nothing: the service is one site."""


class _Refusal(Enum):
    """Why a connection is refused before the app is involved: status, code, sentence."""

    HOST = (400, HttpCode.INVALID_REQUEST, "The request must have one Host header, with a valid host.")
    NOT_HTTP = (400, HttpCode.INVALID_REQUEST, "The request is not valid HTTP.")
    TOO_BUSY = (503, HttpCode.UNAVAILABLE, "Too many connections are open; try again soon.")
    HEAD_TOO_SLOW = (408, HttpCode.REQUEST_TIMEOUT, "The head of the request took too long.")
    HEAD_TOO_LARGE = (431, HttpCode.HEADERS_TOO_LARGE, "The head of the request is too large.")


class _RefusedError(Exception):
    """Ends the parsing from inside a callback of the parser."""


class _Head(Enum):
    """How much of a request's head was parsed."""

    NOT_STARTED = auto()
    STARTED = auto()
    COMPLETE = auto()


def remove_extra_slashes(target: bytes) -> bytes:
    """Returns a request's target with single slashes in its path, and none at the path's end.

    The target is as it was sent: encoded slashes and dots are part of a name, and the query stays as it is.
    """
    address, mark, query = target.partition(b"?")
    if b"//" not in address and not address.endswith(b"/"):
        return target
    origin = match[0] if (match := _ORIGIN.match(address)) else b""
    path = re.sub(rb"/{2,}", b"/", address[len(origin) :])
    return origin + (path.rstrip(b"/") or b"/") + mark + query


class ApiProtocol(HttpToolsProtocol):
    """One connection. The limits are attributes of the class, so that a server can set others."""

    head_seconds: ClassVar[float] = 15.0
    """The time for the head of a request, from its first byte to its last, and for the first byte of a connection."""

    max_head_bytes: ClassVar[int] = 32 * 1024
    """The size of a request's line and headers, trailers included. It is four times the limit of most servers."""

    unread_seconds: ClassVar[float] = 120.0
    """How long a client may read nothing of a response, which holds a file and a connection."""

    linger_seconds: ClassVar[float] = 2.0
    """How long a refused client may go on sending. Closing at once would reset the connection, and hide the reason."""

    stall_seconds: ClassVar[float] = 2.0
    """A client that reads nothing for so long, or has sent too little since, may lose its connection to another."""

    stalled_bytes_per_second: ClassVar[int] = ApiSettings.model_fields["min_upload_bytes_per_second"].default
    """A body that arrives no faster is one that its sender holds up."""

    max_connections: ClassVar[int] = ApiSettings.model_fields["max_connections"].default
    trusted_proxies: ClassVar[Sequence[Network]] = ()

    owner: str | None = None
    """Whose share of the connections this one counts in."""

    _head = _Head.NOT_STARTED
    _head_bytes = 0
    _unreported_bytes = 0
    _parser_progressed = False
    _progress_at = _message_at = 0.0
    _arrivals: ArrivalRate
    _refused = False
    _refusal: _Refusal | None = None
    _upgrading = False
    _head_timer: asyncio.TimerHandle | None = None
    _unread_timer: asyncio.TimerHandle | None = None
    _linger_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self._progress_at = self._message_at = self.loop.time()
        self._arrivals = ArrivalRate(self._progress_at)
        self.owner = find_owner(self.client[0] if self.client else None, self.trusted_proxies)
        if len(self.connections) > self.max_connections and not self._make_room():
            self._refuse(_Refusal.TOO_BUSY)
        else:
            self._start_head_timer()

    def _make_room(self) -> bool:
        """Closes another connection, if one has to give way to this one. Returns whether this one may stay."""
        others = [
            one for one in self.connections if one is not self and isinstance(one, ApiProtocol) and not one.is_closing
        ]
        if len(others) < self.max_connections:
            return True
        index = choose_to_close([one.to_held() for one in others], self.owner)
        if index is not None:
            others[index].give_way()
        return index is not None

    @property
    def is_closing(self) -> bool:
        """Whether this connection takes no further request, and is no longer counted."""
        return self._refused or self.transport.is_closing()

    def to_held(self) -> HeldConnection:
        """Returns what decides whether this connection has to give way to another."""
        return HeldConnection(self.owner, self._find_activity(), self._progress_at)

    def _find_activity(self) -> Activity:
        if not self._in_flight:
            return Activity.HEAD if self._head is _Head.STARTED else Activity.IDLE
        now = self.loop.time()
        if self.flow.write_paused:
            stalled = now - self._progress_at >= self.stall_seconds
        elif self.cycle.more_body and not self.flow.read_paused:
            too_slow = self._arrivals.bytes_per_second(now) < self.stalled_bytes_per_second
            answered = self.cycle.response_started  # what still comes is read only so that the answer can be
            stalled = answered or (too_slow and now - self._message_at >= self.stall_seconds)
        else:
            stalled = False
        return Activity.STALLED if stalled else Activity.BUSY

    def give_way(self) -> None:
        """Ends this connection in favour of another. A client that has sent part of a request is told so."""
        if self._in_flight and self.flow.write_paused:
            self._refused = True
            self.transport.abort()  # closing would wait until the client has read what is buffered
        elif self._in_flight or self._head is _Head.STARTED:
            self._refuse(_Refusal.TOO_BUSY)
        else:
            self._refused = True
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_head_timer()
        self._stop_unread_timer()
        if self._linger_timer is not None:
            self._linger_timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        self._progress_at = self.loop.time()
        self._arrivals.add(len(data), self._progress_at)
        self._unset_keepalive_if_required()
        if not self._in_flight:
            if self._head is _Head.COMPLETE:
                self._head = _Head.NOT_STARTED
            if self._head_timer is None:
                self._start_head_timer()
        self._parser_progressed = False
        self._parse(data)
        # Bytes that the parser buffers (a header without an end, the extension of a chunk) are counted here.
        self._unreported_bytes = 0 if self._parser_progressed else self._unreported_bytes + len(data)
        if self._unreported_bytes > self.max_head_bytes and not self._refused:
            self._refuse(_Refusal.HEAD_TOO_LARGE)

    def _parse(self, data: bytes) -> None:
        remaining = memoryview(data)
        try:
            while remaining:
                try:
                    self.parser.feed_data(remaining)
                    remaining = remaining[:0]
                except httptools.HttpParserUpgrade as upgrade:
                    # The parser would leave the body to another protocol. There is none: it gets the head again.
                    remaining = remaining[upgrade.args[0] :]
                    self.parser.feed_data(self._head_without_upgrade())
        except httptools.HttpParserError:
            self._refuse(self._refusal or _Refusal.NOT_HTTP)

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
        self._message_at = self.loop.time()
        self._arrivals = ArrivalRate(self._message_at)
        self._head = _Head.STARTED
        self._head_bytes = 0

    def on_url(self, url: bytes) -> None:
        self._count_head(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count_head(len(name) + len(value) + len(b": \r\n"))
        if self._head is _Head.STARTED:  # a trailer must not count as a header: no middleware has checked it
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._upgrading = self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT"
        if self._upgrading:
            return
        if not self._has_valid_host():
            raise self._end_parsing(_Refusal.HOST)
        self._head = _Head.COMPLETE
        self._stop_head_timer()
        self.url = remove_extra_slashes(self.url)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._parser_progressed = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        if not self._upgrading:
            super().on_message_complete()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._progress_at = self.loop.time()
        self._unread_timer = self.loop.call_later(self.unread_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._progress_at = self.loop.time()
        self._stop_unread_timer()

    @property
    def _in_flight(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle  # None before the first request, in spite of its annotation
        return cycle is not None and not cycle.response_complete

    def _count_head(self, length: int) -> None:
        self._parser_progressed = True
        self._head_bytes += length
        if self._head_bytes > self.max_head_bytes:
            raise self._end_parsing(_Refusal.HEAD_TOO_LARGE)

    def _has_valid_host(self) -> bool:
        hosts = [value for name, value in self.headers if name == b"host"]
        if not hosts:
            return self.parser.get_http_version() == "1.0"
        return len(hosts) == 1 and _HOST.fullmatch(hosts[0]) is not None

    def _end_parsing(self, refusal: _Refusal) -> _RefusedError:
        self._refusal = refusal
        return _RefusedError(refusal.name)

    def _on_head_timeout(self) -> None:
        if self._refused or self.transport.is_closing():
            return
        if self._head is _Head.STARTED:
            self._refuse(_Refusal.HEAD_TOO_SLOW)
        else:
            self.transport.close()  # there is no request, so there is no response

    def _refuse(self, refusal: _Refusal) -> None:
        """Reads nothing more from this connection. A response that is being sent goes first, and is sent whole."""
        self._refused = True
        if not self._in_flight:
            self._send_error(refusal)
        elif not self.cycle.more_body:
            self.cycle.keep_alive = False  # it followed a whole request: the response to that is the last one
        elif self.cycle.response_started:
            self.transport.close()
        else:
            self.cycle.disconnected = True  # the app sends nothing after this
            self.cycle.message_event.set()
            self._send_error(refusal)

    def _send_error(self, refusal: _Refusal) -> None:
        status, code, sentence = refusal.value
        body = ErrorBody(error=sentence, code=code).model_dump_json().encode()
        head = [
            STATUS_LINE[status],
            b"content-type: application/json\r\n",
            b"cache-control: no-store\r\n",
            b"x-content-type-options: nosniff\r\n",
            b"connection: close\r\n",
            b"content-length: %d\r\n" % len(body),
        ]
        if refusal is _Refusal.TOO_BUSY:
            head.append(b"retry-after: %d\r\n" % _BUSY_RETRY_SECONDS)
        self.transport.write(b"".join((*head, b"\r\n", body)))
        if refusal is _Refusal.TOO_BUSY:
            self.transport.close()  # it must not hold the connection that it was refused
        else:
            self._linger()

    def _linger(self) -> None:
        """Ends the response, and drops what the client still sends until it closes or its time is over."""
        self.flow.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._linger_timer = self.loop.call_later(self.linger_seconds, self.transport.close)

    def _start_head_timer(self) -> None:
        self._head_timer = self.loop.call_later(self.head_seconds, self._on_head_timeout)

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _stop_unread_timer(self) -> None:
        if self._unread_timer is not None:
            self._unread_timer.cancel()
            self._unread_timer = None


def build_protocol(settings: ApiSettings) -> type[ApiProtocol]:
    """Returns the protocol with the limits of these settings."""
    limits = {"max_connections": settings.max_connections, "trusted_proxies": settings.trusted_proxies}
    return type("ConfiguredApiProtocol", (ApiProtocol,), limits)
