"""The API's metrics for Prometheus: requests by route, and uploads. No label names a job."""

import time
from collections.abc import Iterable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from whisperjob_api.request_middleware import UPLOAD_PATH

_UNKNOWN: Final = "unknown"
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "DELETE", "OPTIONS", "PUT", "PATCH"})
_NO_STATUS: Final = "cut"
"""The label of a request without a status: the client closed the connection, or the response failed, before one."""
_UPLOAD_BUCKETS: Final = (0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)


class ApiMetrics:
    """The counters and histograms of one API."""

    def __init__(self, registry: CollectorRegistry) -> None:
        labels = ["method", "route"]
        self._requests = Counter("whisperjob_http_requests", "Answers", [*labels, "status"], registry=registry)
        self._seconds = Histogram(
            "whisperjob_http_request_seconds", "From a request's head to its answer's end", labels, registry=registry
        )
        self._upload_bytes = Counter("whisperjob_upload_bytes", "Bytes of upload bodies received", registry=registry)
        self._upload_seconds = Histogram(
            "whisperjob_upload_seconds", "Uploads that became jobs", buckets=_UPLOAD_BUCKETS, registry=registry
        )

    def count_upload_bytes(self, size_bytes: int) -> None:
        """Counts bytes of an upload's body."""
        self._upload_bytes.inc(size_bytes)

    def count_request(self, method: str, route: str, status: int | None, seconds: float) -> None:
        """Counts a request that ended after so many seconds. `status` is None if there was no response."""
        method = method if method in _METHODS else _UNKNOWN
        self._requests.labels(method, route, _NO_STATUS if status is None else str(status)).inc()
        self._seconds.labels(method, route).observe(seconds)
        if route == UPLOAD_PATH and status is not None and 200 <= status < 300:
            self._upload_seconds.observe(seconds)


class MetricsMiddleware:
    """ASGI middleware around a whole app. `routes` are the app's, for requests that end before they are routed."""

    def __init__(self, app: ASGIApp, routes: Iterable[BaseRoute], metrics: ApiMetrics) -> None:
        self._app = app
        self._routes = tuple(routes)
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.monotonic()
        status: int | None = None

        async def send_and_note_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        async def receive_and_count() -> Message:
            message = await receive()
            self._metrics.count_upload_bytes(len(message.get("body", b"")))
            return message

        try:
            receiver = receive_and_count if scope["path"] == UPLOAD_PATH else receive
            await self._app(scope, receiver, send_and_note_status)
        finally:
            self._metrics.count_request(scope["method"], self._find_route(scope), status, time.monotonic() - began)

    def _find_route(self, scope: Scope) -> str:
        """Returns the path of the route as it was declared, such as /job/{job_id}."""
        route = scope.get("route") or next((r for r in self._routes if r.matches(scope)[0] is not Match.NONE), None)
        return str(getattr(route, "path", _UNKNOWN))
