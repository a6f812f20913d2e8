"""What the operator tells Prometheus. Counts requests of its own client; kopf's watches are seen by their events."""

from collections import Counter as Tally
from collections.abc import Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from whisperjob.model.phase import Phase
from whisperjob.model.resource import WhisperJob
from whisperjob_operator.flow import Flow
from whisperjob_operator.requests import ApiRequest

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """A registry of its own, so that two operators in one test do not meet."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "whisperjob_operator_api_requests",
            "Requests to the API server that were answered",
            ["verb", "resource", "code"],
            registry=self._registry,
        )

    def request_answered(self, request: ApiRequest, code: int) -> None:
        self._requests.labels(request.verb, request.resource, str(code)).inc()

    def watch(self, jobs: Callable[[], Iterable[WhisperJob]], flow: Flow, now: Callable[[], float]) -> None:
        """Reads these when it is asked, not before."""
        self._registry.register(_State(jobs, flow, now))

    def text(self) -> bytes:
        return generate_latest(self._registry)


class _State(Collector):
    def __init__(self, jobs: Callable[[], Iterable[WhisperJob]], flow: Flow, now: Callable[[], float]) -> None:
        self._jobs, self._flow, self._now = jobs, flow, now

    def collect(self) -> Iterator[Metric]:
        phases = Tally(job.status.phase for job in self._jobs())
        family = GaugeMetricFamily("whisperjob_jobs", "WhisperJobs by phase", labels=["phase"])
        for phase in Phase:
            family.add_metric([phase], phases[phase])
        yield family
        events = GaugeMetricFamily("whisperjob_operator_events_seen", "Watch events by kind", labels=["kind"])
        for kind, count in self._flow.events().items():
            events.add_metric([kind], count)
        yield events
        yield GaugeMetricFamily(
            "whisperjob_operator_blind_kinds", "Kinds whose watch is dead", value=len(self._flow.blind(self._now()))
        )
