"""Metrics over HTTP, for Prometheus."""

from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


def scrape(registry: CollectorRegistry) -> Response:
    """Returns the answer to one scrape, in Prometheus' text format."""
    return Response(generate_latest(registry), media_type=CONTENT_TYPE)


def create_metrics_app(registry: CollectorRegistry) -> Starlette:
    """Builds the app that answers /metrics."""

    async def metrics(_: Request) -> Response:
        return scrape(registry)

    return Starlette(routes=[Route("/metrics", metrics)])
