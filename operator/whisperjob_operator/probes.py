"""Probes and metrics over HTTP, for kubelet and Prometheus alone."""

from collections.abc import Callable

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from whisperjob_operator.metrics import CONTENT_TYPE

Check = Callable[[], str]
"""Says what is wrong, nothing if all is well."""


def create_probe_app(live: Check, ready: Check, metrics: Callable[[], bytes]) -> Starlette:
    """/livez, /readyz and /metrics."""

    async def livez(_: Request) -> Response:
        return _answer(live())

    async def readyz(_: Request) -> Response:
        return _answer(ready())

    async def scrape(_: Request) -> Response:
        return Response(metrics(), media_type=CONTENT_TYPE)

    return Starlette(routes=[Route("/livez", livez), Route("/readyz", readyz), Route("/metrics", scrape)])


def _answer(wrong: str) -> Response:
    return PlainTextResponse(wrong or "ok", 503 if wrong else 200)
