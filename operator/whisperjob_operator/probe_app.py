"""Probes and metrics over HTTP, for kubelet and Prometheus alone."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from whisperjob.serving.metrics_app import scrape

Check = Callable[[], str]
"""Says what is wrong, nothing if all is well."""


def create_probe_app(live: Check, ready: Check, registry: CollectorRegistry) -> Starlette:
    """/livez, /readyz and /metrics."""

    async def livez(_: Request) -> Response:
        return _answer(live())

    async def readyz(_: Request) -> Response:
        return _answer(ready())

    async def metrics(_: Request) -> Response:
        return scrape(registry)

    return Starlette(routes=[Route("/livez", livez), Route("/readyz", readyz), Route("/metrics", metrics)])


def _answer(wrong: str) -> Response:
    return PlainTextResponse(wrong or "ok", 503 if wrong else 200)
