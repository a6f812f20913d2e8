"""The state of the keys for Prometheus, read at each scrape."""

from collections.abc import Iterator
from datetime import UTC, datetime

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from whisperjob_api.keys.key_source import KeySource


class KeyState(Collector):
    """How many keys there are, when they were used, and whether their files can be read."""

    def __init__(self, keys: KeySource) -> None:
        self._keys = keys

    def collect(self) -> Iterator[Metric]:
        now = datetime.now(UTC)
        known = self._keys.keyring.all()
        valid = sum(key.find_end(now) is None for key in known)
        yield GaugeMetricFamily("whisperjob_keys_valid", "API keys that are valid now", value=valid)
        yield GaugeMetricFamily(
            "whisperjob_key_files_broken", "Files of keys that cannot be used now", value=self._keys.broken_files
        )
        yield CounterMetricFamily(
            "whisperjob_key_changes", "How often changed keys were taken over", value=self._keys.changes
        )
        refusals = CounterMetricFamily(
            "whisperjob_keys_refused", "Requests refused for their key, by code", labels=["code"]
        )
        for code, count in self._keys.refusals.items():
            refusals.add_metric([code], count)
        yield refusals
        used = GaugeMetricFamily(
            "whisperjob_key_last_use_timestamp_seconds", "When a key was last used here", labels=["key"]
        )
        for key_id, time in self._keys.last_uses.times.items():
            used.add_metric([key_id], time.timestamp())
        yield used
