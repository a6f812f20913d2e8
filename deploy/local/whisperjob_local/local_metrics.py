"""The metrics of embedded mode: the engine's and the API's together, on a port of their own."""

import socket
from datetime import timedelta
from typing import Final

from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from whisperjob.engine.engine_metrics import EngineMetrics
from whisperjob.engine.loop import Engine
from whisperjob.engine.ports import Launcher
from whisperjob.records.cache import RecordCache
from whisperjob.serving.listener import Listener
from whisperjob.serving.metrics_app import create_metrics_app
from whisperjob_api.api_metrics import ApiMetrics, MetricsMiddleware
from whisperjob_api.keys.key_metrics import KeyState
from whisperjob_api.keys.key_source import KeySource

_GRACE: Final = timedelta(seconds=1)


class LocalMetrics:
    """The metrics of one process and the listener that serves them on a bound socket."""

    def __init__(self, bound: socket.socket) -> None:
        self._registry = CollectorRegistry()
        self.engine = EngineMetrics(self._registry)
        self.listener = Listener(create_metrics_app(self._registry), bound, grace=_GRACE)

    def wrap(
        self, app: FastAPI, cache: RecordCache, engine: Engine, launcher: Launcher, keys: KeySource
    ) -> MetricsMiddleware:
        """Returns the app with its requests counted, and shows the state of the others, read at each scrape."""
        self.engine.watch(cache, engine)
        self._registry.register(KeyState(keys))
        launcher.subscribe(self.engine.worker_changed)
        return MetricsMiddleware(app, app.routes, ApiMetrics(self._registry))
