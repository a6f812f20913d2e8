"""`python -m whisperjob_api`: runs the API in a cluster until SIGTERM; uploads in flight may finish."""

import asyncio
import logging
import sys
from datetime import timedelta

import uvloop
from prometheus_client import CollectorRegistry

from whisperjob.engine.engine_metrics import CacheState
from whisperjob.model.settings import ApiSettings
from whisperjob.records.cache import RecordCache
from whisperjob.serving.listener import Listener, bind
from whisperjob.serving.metrics_app import create_metrics_app
from whisperjob.serving.program import open_shared_store, run_program
from whisperjob.serving.signals import on_stop_signals
from whisperjob.serving.supervisor import TaskSupervisor
from whisperjob_api.admission import UploadGate
from whisperjob_api.api_metrics import ApiMetrics, MetricsMiddleware
from whisperjob_api.app import create_app
from whisperjob_api.cluster_settings import ClusterApiSettings
from whisperjob_api.http_protocol import build_protocol
from whisperjob_api.keys.key_folder import RECORDS_NAME, TEXT_NAME
from whisperjob_api.keys.key_metrics import KeyState
from whisperjob_api.keys.key_source import KeySource
from whisperjob_api.services import ApiDependencies
from whisperjob_kubernetes.connection import connect
from whisperjob_kubernetes.records import KubernetesRecords

log = logging.getLogger("whisperjob_api")

_METRICS_GRACE = timedelta(seconds=1)


async def _serve() -> None:
    cluster_settings, settings, store = ClusterApiSettings(), ApiSettings(), open_shared_store()
    keys = open_keys(settings)
    cluster = await connect(cluster_settings.kubeconfig)
    try:
        records = KubernetesRecords(cluster, cluster_settings.namespace)
        cache = RecordCache(records)
        dependencies = ApiDependencies(
            records=records,
            cache=cache,
            store=store,
            settings=settings,
            keys=keys,
            engine_ready=lambda: True,
            diarizes=cluster_settings.diarizes,
        )
        app, registry = create_app(dependencies), CollectorRegistry()
        registry.register(CacheState(cache))
        registry.register(KeyState(keys))
        front = Listener(
            MetricsMiddleware(app, app.routes, ApiMetrics(registry)),
            bind(cluster_settings.host, cluster_settings.port),
            grace=cluster_settings.shutdown_grace,
            http=build_protocol(settings),
        )
        metrics = Listener(
            create_metrics_app(registry),
            bind(cluster_settings.host, cluster_settings.metrics_port),
            grace=_METRICS_GRACE,
        )
        await serve_until_signal(dependencies.upload_gate, front, metrics, cache, keys)
    finally:
        await cluster.close()


def open_keys(settings: ApiSettings) -> KeySource:
    """Returns the keys of the setting and of the folder that is watched. Raises ValueError."""
    folder, entries = settings.keys_folder, [key.get_secret_value() for key in settings.api_keys]
    keys = KeySource(entries, [folder / name for name in (TEXT_NAME, RECORDS_NAME)] if folder else [])
    if not keys.keyring.all():
        raise ValueError(
            "neither WHISPERJOB_API_KEYS nor WHISPERJOB_KEYS_FOLDER has a key: nobody could use the service"
        )
    return keys


async def serve_until_signal(
    upload_gate: UploadGate, front: Listener, metrics: Listener, cache: RecordCache, keys: KeySource
) -> None:
    """Serves until a stop signal. Raises TaskEndedError if a part ends before.

    An API must not answer from records that are no longer watched.
    """
    stop = asyncio.Event()
    on_stop_signals(stop.set)
    supervisor = TaskSupervisor()
    supervisor.start("the record cache", cache.run())
    supervisor.start("the keys", keys.run())
    serving_metrics = supervisor.start("the metrics", metrics.run())
    serving = supervisor.start("the API", front.run())

    async def serve_requests() -> None:
        await stop.wait()
        upload_gate.close()
        supervisor.release(serving)
        front.stop()
        await serving

    try:
        await supervisor.guard(serve_requests())
    finally:
        front.stop()
        metrics.stop()
        await supervisor.finish(serving_metrics)
        await supervisor.cancel()


def main() -> int:
    return run_program(log, _serve, uvloop.new_event_loop)


if __name__ == "__main__":
    sys.exit(main())
