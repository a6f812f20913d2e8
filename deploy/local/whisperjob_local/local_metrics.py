"""Metrics of the one process: the engine's and the API's together, on a port of their own."""

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

_GRACE: Final = timedelta(seconds=1)


class LocalMetrics:
    def __init__(self, bound: socket.socket) -> None:
        self._registry = CollectorRegistry()
        self.engine = EngineMetrics(self._registry)
        self.listener = Listener(create_metrics_app(self._registry), bound, grace=_GRACE)

    def around(self, app: FastAPI, cache: RecordCache, engine: Engine, launcher: Launcher) -> MetricsMiddleware:
        """The app, with its requests counted; the rest is read when it is asked for."""
        self.engine.watch(cache, engine)
        launcher.subscribe(self.engine.worker_changed)
        return MetricsMiddleware(app, app.routes, ApiMetrics(self._registry))
