"""`python -m whisperjob_api`: the API in a cluster, until SIGTERM; uploads in flight may end."""

import asyncio
import logging
import signal
import sys
from datetime import timedelta

import uvloop
from prometheus_client import CollectorRegistry

from whisperjob.engine.engine_metrics import CacheState
from whisperjob.model.settings import ApiSettings
from whisperjob.records.cache import RecordCache
from whisperjob.serving.listener import Listener, bind
from whisperjob.serving.metrics_app import create_metrics_app
from whisperjob.serving.program import run_program, shared_store
from whisperjob_api.api_metrics import ApiMetrics, MetricsMiddleware
from whisperjob_api.app import create_app
from whisperjob_api.cluster_settings import ClusterApiSettings
from whisperjob_api.http_protocol import ApiProtocol
from whisperjob_api.services import Api
from whisperjob_kubernetes.connection import connect
from whisperjob_kubernetes.records import KubernetesRecords

log = logging.getLogger("whisperjob_api")

_METRICS_GRACE = timedelta(seconds=1)

_KEEP_ALIVE_SECONDS = 75
"""Longer than the minute for which proxies keep idle connections: they must be the first to close one."""


async def _serve() -> None:
    front, settings, store = ClusterApiSettings(), ApiSettings(), shared_store()
    if not settings.api_keys:
        raise ValueError("WHISPERJOB_API_KEYS is not set: nobody could use the service")
    api = await connect(front.kubeconfig)
    try:
        records = KubernetesRecords(api, front.namespace)
        cache = RecordCache(records)
        parts = Api(
            records=records,
            cache=cache,
            store=store,
            settings=settings,
            engine_ready=lambda: True,
            diarizes=front.diarizes,
        )
        app, registry = create_app(parts), CollectorRegistry()
        registry.register(CacheState(cache))
        listener = Listener(
            MetricsMiddleware(app, app.routes, ApiMetrics(registry)),
            bind(front.host, front.port),
            grace=front.shutdown_grace,
            http=ApiProtocol,
            keep_alive_seconds=_KEEP_ALIVE_SECONDS,
        )
        metrics = Listener(create_metrics_app(registry), bind(front.host, front.metrics_port), grace=_METRICS_GRACE)

        def stop() -> None:
            parts.uploads.close()
            listener.stop()

        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop)
        await _run(listener, cache, metrics)
    finally:
        await api.close()


async def _run(listener: Listener, cache: RecordCache, metrics: Listener) -> None:
    """Ends when any ends: an API whose copy of the records is no longer kept must not answer from it."""
    copying = asyncio.create_task(cache.run(), name="the record cache")
    telling = asyncio.create_task(metrics.run(), name="the metrics")
    serving = asyncio.create_task(listener.run(), name="the API")
    await asyncio.wait({copying, telling, serving}, return_when=asyncio.FIRST_COMPLETED)
    listener.stop()
    try:
        for task in (copying, telling):
            if task.done():
                task.result()
        await serving
    finally:
        metrics.stop()
        copying.cancel()
        await asyncio.gather(copying, telling, return_exceptions=True)


def main() -> int:
    return run_program(log, _serve, uvloop.new_event_loop)


if __name__ == "__main__":
    sys.exit(main())
