"""Probes and metrics over HTTP, for the kubelet and Prometheus alone."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from whisperjob.serving.metrics_app import scrape

Check = Callable[[], str]
"""Returns a sentence about the problem, an empty one if there is none."""


def create_probe_app(live: Check, ready: Check, registry: CollectorRegistry) -> Starlette:
    """Builds the app that answers /livez, /readyz and /metrics."""

    async def livez(_: Request) -> Response:
        return _answer(live())

    async def readyz(_: Request) -> Response:
        return _answer(ready())

    async def metrics(_: Request) -> Response:
        return scrape(registry)

    return Starlette(routes=[Route("/livez", livez), Route("/readyz", readyz), Route("/metrics", metrics)])


def _answer(problem: str) -> Response:
    return PlainTextResponse(problem or "ok", 503 if problem else 200)
