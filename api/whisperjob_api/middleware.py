"""The outermost layer: what holds for every exchange, whoever answers it. Pure ASGI.

- An answer that comes before the body was read (401, 413, …) is sent whole, then a little of the body is drained:
  closing at once would reset the connection, and a client that still sends would never see the answer.
- Bodies of all routes but the upload are small and come at once; more than that is 413, slower is 408.
- What nobody caught becomes a 500 in our shape, without a traceback.
- Headers that every answer carries.
- HEAD is GET without the body: the routes see GET, the server sends no body. Whoever would do much work for one asks
  `is_head`.
"""

import asyncio
import logging
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from whisperjob_api.error_responses import error_response, to_request_error
from whisperjob_api.errors import HttpCode, RequestError

log = logging.getLogger(__name__)

DRAIN_BYTES: Final = 8 * 1024 * 1024
DRAIN_SECONDS: Final = 2.0
MAX_BODY_BYTES: Final = 64 * 1024
BODY_SECONDS = 20.0
"""For a whole small body: a second of work for the worst of links, and the end for whoever drips."""

UPLOAD_PATH: Final = "/whisper_optimize"
_HEAD_KEY: Final = "head"


class RequestMiddleware:
    """ASGI middleware around everything else."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        exchange = _Exchange(scope, receive, send)
        if scope["method"] == "HEAD":
            scope = {**scope, "method": "GET", "state": {**scope.get("state", {}), _HEAD_KEY: True}}
        try:
            await self.app(scope, exchange.receive, exchange.send)
        except ClientDisconnect:
            if exchange.refusal is None:
                return
        except Exception as error:
            if exchange.started:
                raise  # the server cuts the connection: half an answer must not look whole
            log.exception("unexpected error in %s %s", scope["method"], scope["raw_path"].decode("ascii", "replace"))
            await _answer(exchange, scope, to_request_error(error))
        if exchange.refusal is not None and not exchange.started:
            refusal, exchange.refusal = exchange.refusal, None
            await _answer(exchange, scope, refusal)


def is_head(scope: Scope) -> bool:
    return _HEAD_KEY in scope.get("state", {})


async def _answer(exchange: "_Exchange", scope: Scope, error: RequestError) -> None:
    await error_response(error)(scope, exchange.receive, exchange.send)


def _body_too_large() -> RequestError:
    return RequestError(HttpCode.TOO_LARGE, f"The body is larger than {MAX_BODY_BYTES} bytes.")


def _body_too_slow() -> RequestError:
    return RequestError(HttpCode.REQUEST_TIMEOUT, f"The body did not come within {BODY_SECONDS:g} seconds.")


class _Exchange:
    """One request and its answer: knows how much of the body was read, and whether the answer has begun."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        self._receive = receive
        self._send = send
        self._method: str = scope["method"]
        self._expects_continue = headers.get("expect", "").lower() == "100-continue"
        length = headers.get("content-length", "")
        self._declared_bytes = int(length) if length.isdecimal() and len(length) < 19 else 0
        self._body_ended = not self._declared_bytes and "transfer-encoding" not in headers
        self._read_bytes = 0
        self._asked = False
        self._small = scope["path"] != UPLOAD_PATH
        self._deadline: float | None = None
        self.refusal: RequestError | None = None
        self.started = False

    async def receive(self) -> Message:
        """The app's side; a small body over its limits ends for it as if the client had gone."""
        if not self._small or self._body_ended or self.started:
            return await self._next()
        if self._declared_bytes > MAX_BODY_BYTES:
            self.refusal = _body_too_large()
        if self.refusal is None:
            message = await self._next_in_time()
            if self._read_bytes > MAX_BODY_BYTES:
                self.refusal = _body_too_large()
            if self.refusal is None:
                return message
        return {"type": "http.disconnect"}

    async def _next_in_time(self) -> Message:
        if self._deadline is None:
            self._deadline = asyncio.get_running_loop().time() + BODY_SECONDS
        try:
            async with asyncio.timeout_at(self._deadline):
                return await self._next()
        except TimeoutError:
            if self.started:
                return await self._next()
            self.refusal = _body_too_slow()
            return {"type": "http.disconnect"}

    async def _next(self) -> Message:
        self._asked = True
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self._body_ended = True
        else:
            self._read_bytes += len(message.get("body", b""))
            self._body_ended = self._body_ended or not message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        if self.refusal is not None:
            return  # the app's answer to a client it believes gone; ours follows
        if message["type"] == "http.response.start":
            self.started = True
            self._complete_headers(message)
            await self._send(message)
        elif message.get("more_body", False) or self._body_ended or self._never_asked_for:
            await self._send(message)
        else:
            await self._send({**message, "more_body": True})
            await self._drain()
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    @property
    def _never_asked_for(self) -> bool:
        """The client waits for `100 Continue` before it sends, and was never told to."""
        return self._expects_continue and not self._asked

    def _complete_headers(self, message: Message) -> None:
        message.setdefault("headers", [])
        headers = MutableHeaders(scope=message)
        headers.setdefault("X-Content-Type-Options", "nosniff")
        if headers.get("content-type", "").startswith("application/json"):
            headers.setdefault("Cache-Control", "no-store")
        if not self._body_ended:
            headers["Connection"] = "close"

    async def _drain(self) -> None:
        limit = self._read_bytes + DRAIN_BYTES
        try:
            async with asyncio.timeout(DRAIN_SECONDS):
                while not self._body_ended and self._read_bytes < limit:
                    await self._next()
        except TimeoutError:
            return
