"""The outermost layer of the app: the rules for every request and response, whichever route handles it. Pure ASGI.

- A response that is ready before the body was read (401, 413, …) is sent at once and whole, and then the body is
  drained: closing at once would reset the connection, and many clients read nothing before they have sent everything.
- A body in an encoding that the service does not undo is 415, and an expectation that it does not know is 417.
- Bodies of all routes except the upload are small and arrive at once; a larger one is 413, a slower one is 408.
- An exception that no handler caught becomes a 500 with the usual JSON, without a traceback.
- Some headers are added to every response.
- HEAD is GET without the body: the routes see GET, and the server sends no body. A route that would do much work for a
  body checks `is_head`.
"""

import asyncio
import logging
import time
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from whisperjob.model.settings import ApiSettings
from whisperjob_api.error_responses import error_response, to_request_error
from whisperjob_api.errors import HttpCode, RequestError
from whisperjob_api.upload_rate import UploadRate

log = logging.getLogger(__name__)

DRAIN_FACTOR: Final = 64
"""A tenant's body is drained up to this many times the largest file, at no lower rate than that of an upload."""
DRAIN_PAUSE_SECONDS = 5.0
"""A client that sends nothing for so long has stopped: a radio link that lost a packet needs up to three seconds."""
STRANGER_DRAIN_SECONDS = 30.0
"""How long the body of a client without a key is drained."""
MAX_BODY_BYTES: Final = 64 * 1024
BODY_SECONDS = 20.0
"""The time for a whole small body: the slowest links need a second, and a sender that drips is cut off."""

UPLOAD_PATH: Final = "/whisper_optimize"
_HEAD_KEY: Final = "head"
_JUDGED_HEADERS: Final = frozenset({b"content-encoding", b"transfer-encoding", b"expect"})
"""Most requests have none of them, and are passed on without a closer look."""


class RequestMiddleware:
    """ASGI middleware around everything else in the app."""

    def __init__(self, app: ASGIApp, settings: ApiSettings) -> None:
        self.app = app
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        cycle = _RequestCycle(scope, receive, send, self._settings)
        if (refusal := _refuse_head(scope, cycle.has_body)) is not None:
            await _respond(cycle, scope, refusal)
            return
        if scope["method"] == "HEAD":
            scope = {**scope, "method": "GET", "state": {**scope.get("state", {}), _HEAD_KEY: True}}
        try:
            await self.app(scope, cycle.receive, cycle.send)
        except ClientDisconnect:
            if cycle.refusal is None:
                return
        except Exception as error:
            if cycle.started:
                raise  # the server cuts the connection: half a response must not look whole
            log.exception("unexpected error in %s %s", scope["method"], scope["raw_path"].decode("ascii", "replace"))
            await _respond(cycle, scope, to_request_error(error))
        if cycle.refusal is not None and not cycle.started:
            refusal, cycle.refusal = cycle.refusal, None
            await _respond(cycle, scope, refusal)


def is_head(scope: Scope) -> bool:
    """Returns whether the client sent HEAD; the routes see GET."""
    return _HEAD_KEY in scope.get("state", {})


async def _respond(cycle: "_RequestCycle", scope: Scope, error: RequestError) -> None:
    await error_response(error)(scope, cycle.receive, cycle.send)


def _refuse_head(scope: Scope, has_body: bool) -> RequestError | None:
    """Returns the error of a request whose head asks for what this service never does."""
    if _JUDGED_HEADERS.isdisjoint([name for name, _ in scope["headers"]]):
        return None
    headers = Headers(scope=scope)
    encodings = {*_list_tokens(headers, "content-encoding"), *_list_tokens(headers, "transfer-encoding")}
    if has_body and encodings - {"identity", "chunked"}:
        return RequestError(
            HttpCode.UNSUPPORTED_ENCODING, "The body must be sent as it is: this service does not decompress bodies."
        )
    if set(_list_tokens(headers, "expect")) - {"100-continue"}:
        return RequestError(HttpCode.EXPECTATION_FAILED, "The only expectation this service meets is 100-continue.")
    return None


def _list_tokens(headers: Headers, name: str) -> list[str]:
    tokens = (token.strip().lower() for value in headers.getlist(name) for token in value.split(","))
    return [token for token in tokens if token]


def _body_too_large() -> RequestError:
    return RequestError(HttpCode.TOO_LARGE, f"The body is larger than {MAX_BODY_BYTES} bytes.")


def _body_too_slow() -> RequestError:
    return RequestError(HttpCode.REQUEST_TIMEOUT, f"The body did not arrive within {BODY_SECONDS:g} seconds.")


class _RequestCycle:
    """One request and its response: it counts the body that was read, and knows whether the response has begun."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, settings: ApiSettings) -> None:
        headers = Headers(scope=scope)
        self._scope = scope
        self._settings = settings
        self._receive = receive
        self._send = send
        length = headers.get("content-length", "")
        self._declared_bytes = int(length) if length.isdecimal() and len(length) < 19 else 0
        self._body_ended = not self._declared_bytes and "transfer-encoding" not in headers
        self._read_bytes = 0
        self._small = scope["path"] != UPLOAD_PATH
        self._deadline: float | None = None
        self.refusal: RequestError | None = None
        self.started = False

    @property
    def has_body(self) -> bool:
        """It is True while some of a body may still come."""
        return not self._body_ended

    async def receive(self) -> Message:
        """Receives for the app. A small body above its limits ends as if the client had closed the connection."""
        if not self._small or self._body_ended or self.started:
            return await self._receive_message()
        if self._declared_bytes > MAX_BODY_BYTES:
            self.refusal = _body_too_large()
        if self.refusal is None:
            message = await self._receive_in_time()
            if self._read_bytes > MAX_BODY_BYTES:
                self.refusal = _body_too_large()
            if self.refusal is None:
                return message
        return {"type": "http.disconnect"}

    async def _receive_in_time(self) -> Message:
        if self._deadline is None:
            self._deadline = asyncio.get_running_loop().time() + BODY_SECONDS
        try:
            async with asyncio.timeout_at(self._deadline):
                return await self._receive_message()
        except TimeoutError:
            if self.started:
                return await self._receive_message()
            self.refusal = _body_too_slow()
            return {"type": "http.disconnect"}

    async def _receive_message(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self._body_ended = True
        else:
            self._read_bytes += len(message.get("body", b""))
            self._body_ended = self._body_ended or not message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        """Sends for the app; drains the body before the end of a response that came before it."""
        if self.refusal is not None:
            return  # the app responds to a client that it believes gone; the refusal follows
        if message["type"] == "http.response.start":
            self.started = True
            self._complete_headers(message)
            await self._send(message)
        elif message.get("more_body", False) or self._body_ended:
            await self._send(message)
        else:
            await self._send({**message, "more_body": True})
            await self._drain()
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    def _complete_headers(self, message: Message) -> None:
        message.setdefault("headers", [])
        headers = MutableHeaders(scope=message)
        headers.setdefault("X-Content-Type-Options", "nosniff")
        if headers.get("content-type", "").startswith("application/json"):
            headers.setdefault("Cache-Control", "no-store")
        if not self._body_ended:
            headers["Connection"] = "close"

    async def _drain(self) -> None:
        """Drops the body until it ends, its sender pauses, or it has had more than its due."""
        limit = DRAIN_FACTOR * max(self._settings.max_upload_bytes, MAX_BODY_BYTES)
        rate = UploadRate(self._settings.min_upload_bytes_per_second)
        known = "tenant" in self._scope.get("state", {})
        try:
            async with asyncio.timeout(None if known else STRANGER_DRAIN_SECONDS):
                while not self._body_ended and self._read_bytes < limit:
                    began, already_read = time.monotonic(), self._read_bytes
                    async with asyncio.timeout(DRAIN_PAUSE_SECONDS):
                        await self._receive_message()
                    if rate.is_too_slow_after(time.monotonic() - began, self._read_bytes - already_read):
                        return
        except TimeoutError:
            return
