"""The operator's metrics. Requests of its own client are counted; kopf's watches show in the counts of events."""

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, Counter
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from whisperjob.engine.engine_metrics import EngineMetrics
from whisperjob_kubernetes.requests import ApiRequest
from whisperjob_operator.loop_lag import LoopLag
from whisperjob_operator.watch_health import WatchHealth


class OperatorMetrics:
    """The metrics of one operator, in a registry of their own: a test may run two operators."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.engine = EngineMetrics(self.registry)
        self._requests = Counter(
            "whisperjob_operator_api_requests",
            "Requests to the API server that were answered",
            ["verb", "resource", "code"],
            registry=self.registry,
        )

    def request_answered(self, request: ApiRequest, code: int) -> None:
        """Counts an answered request by its HTTP status."""
        self._requests.labels(request.verb, request.resource, str(code)).inc()

    def watch(self, watch_health: WatchHealth, loop_lag: LoopLag, monotonic: Callable[[], float]) -> None:
        """Shows the state of these, read at each scrape."""
        self.registry.register(_LivenessCollector(watch_health, loop_lag, monotonic))


class _LivenessCollector(Collector):
    """What the liveness probe depends on, as metrics."""

    def __init__(self, watch_health: WatchHealth, loop_lag: LoopLag, monotonic: Callable[[], float]) -> None:
        self._watch_health, self._loop_lag, self._monotonic = watch_health, loop_lag, monotonic

    def collect(self) -> Iterator[Metric]:
        events = GaugeMetricFamily("whisperjob_operator_events_seen", "Watch events by kind", labels=["kind"])
        for kind, count in self._watch_health.event_counts().items():
            events.add_metric([kind], count)
        yield events
        dead = self._watch_health.dead_watches(self._monotonic())
        yield GaugeMetricFamily("whisperjob_operator_blind_kinds", "Kinds whose watch is dead", value=len(dead))
        yield GaugeMetricFamily(
            "whisperjob_operator_loop_lag_seconds", "How late the event loop is", value=self._loop_lag.seconds
        )
