"""What the operator tells Prometheus. Counts requests of its own client; kopf's watches are seen by their events."""

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, Counter
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from whisperjob.engine.engine_metrics import EngineMetrics
from whisperjob_kubernetes.requests import ApiRequest
from whisperjob_operator.loop_lag import LoopLag
from whisperjob_operator.watch_health import WatchHealth


class OperatorMetrics:
    """A registry of its own, so that two operators in one test do not meet."""

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
        self._requests.labels(request.verb, request.resource, str(code)).inc()

    def watch(self, flow: WatchHealth, lag: LoopLag, now: Callable[[], float]) -> None:
        """Reads these when it is asked, not before."""
        self.registry.register(_State(flow, lag, now))


class _State(Collector):
    def __init__(self, flow: WatchHealth, lag: LoopLag, now: Callable[[], float]) -> None:
        self._flow, self._lag, self._now = flow, lag, now

    def collect(self) -> Iterator[Metric]:
        events = GaugeMetricFamily("whisperjob_operator_events_seen", "Watch events by kind", labels=["kind"])
        for kind, count in self._flow.events().items():
            events.add_metric([kind], count)
        yield events
        yield GaugeMetricFamily(
            "whisperjob_operator_blind_kinds", "Kinds whose watch is dead", value=len(self._flow.blind(self._now()))
        )
        yield GaugeMetricFamily(
            "whisperjob_operator_loop_lag_seconds", "How late the event loop is", value=self._lag.seconds
        )
