"""Measures what a job costs on a cluster: the wait for its worker, and the writes of the operator."""

import time
from pathlib import Path
from typing import Final

import httpx

from cluster.harness import Cluster
from cluster.installation import Installation, finished, submit, wait_for
from cluster.kube import Object

PROGRESS: Final = "progress"
_OF_PROGRESS: Final = frozenset({"step", "progress", "durationSeconds"})
_EVENTS: Final = 3


def seconds_to_worker(client: httpx.Client, installation: Installation, file: Path) -> tuple[str, float]:
    """Returns the name of a new job, and the seconds from the end of its upload until its worker's container ran."""
    name = submit(client, file)
    uploaded = time.monotonic()
    wait_for(lambda: any(map(_has_started, installation.workers(name))), "a running worker")
    return name, time.monotonic() - uploaded


def _has_started(pod: Object) -> bool:
    states = [container["state"] for container in pod["status"].get("containerStatuses", [])]
    return any("running" in state or "terminated" in state for state in states)


def operator_writes(client: httpx.Client, cluster: Cluster, installation: Installation, name: str) -> list[str]:
    """Every write of the operator for a job whose worker runs, in order, once it has ended: "verb/resource", or
    PROGRESS for a status of which nothing but the progress is new.

    They are read from the API server's own log, not from the operator's metrics.
    """
    (attempt,) = {pod["metadata"]["labels"]["batch.kubernetes.io/job-name"] for pod in installation.workers(name)}
    finished(client, name)

    def writes() -> list[Object]:
        return [
            entry
            for entry in cluster.audit()
            if entry["user"]["username"] == installation.operator_user()
            and entry["objectRef"].get("name", "").startswith((name, attempt))
        ]

    def all_written() -> bool:
        kinds = [_kind(entry) for entry in writes()]
        return "delete/jobs" in kinds and kinds.count("create/events") == _EVENTS

    wait_for(all_written, "the operator's last writes")
    kinds = []
    before: Object = {}
    for entry in writes():
        status = {key: value for key, value in entry.get("requestObject", {}).get("status", {}).items() if value}
        rest = {key: value for key, value in status.items() if key not in _OF_PROGRESS}
        kinds.append(PROGRESS if status and rest == before else _kind(entry))
        before = rest or before
    return kinds


def _kind(entry: Object) -> str:
    about = entry["objectRef"]
    return "/".join(filter(None, (entry["verb"], about["resource"], about.get("subresource"))))
