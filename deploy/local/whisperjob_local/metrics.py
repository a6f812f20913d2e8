"""Metrics of the one process: the engine's and the API's together, on a port of their own."""

import socket
from datetime import timedelta
from typing import Final

from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from whisperjob.engine.listener import Listener
from whisperjob.engine.loop import Engine
from whisperjob.engine.metrics import EngineMetrics, create_metrics_app
from whisperjob.engine.ports import Launcher
from whisperjob.records.cache import RecordCache
from whisperjob_api.metrics import ApiMetrics, Metered

_GRACE: Final = timedelta(seconds=1)


class LocalMetrics:
    def __init__(self, bound: socket.socket) -> None:
        self._registry = CollectorRegistry()
        self.engine = EngineMetrics(self._registry)
        self.listener = Listener(create_metrics_app(self._registry), bound, grace=_GRACE)

    def around(self, app: FastAPI, cache: RecordCache, engine: Engine, launcher: Launcher) -> Metered:
        """The app, with its requests counted; the rest is read when it is asked for."""
        self.engine.watch(cache, engine)
        launcher.subscribe(self.engine.child_changed)
        return Metered(app, app.routes, ApiMetrics(self._registry))
