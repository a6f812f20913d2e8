"""What a job costs on a cluster: the wait for its worker, and the writes of the operator."""

import time
from pathlib import Path
from typing import Final

import httpx

from cluster.harness import Cluster
from cluster.installation import Installation, finished, submit, wait_for
from cluster.kube import Object

_EVENTS: Final = 3


def seconds_to_worker(client: httpx.Client, installation: Installation, file: Path) -> tuple[str, float]:
    """A new job, and how long after its upload's end its worker's container ran."""
    name = submit(client, file)
    uploaded = time.monotonic()
    wait_for(lambda: any(map(_has_begun, installation.workers(name))), "a running worker")
    return name, time.monotonic() - uploaded


def _has_begun(pod: Object) -> bool:
    states = [container["state"] for container in pod["status"].get("containerStatuses", [])]
    return any("running" in state or "terminated" in state for state in states)


def operator_writes(client: httpx.Client, cluster: Cluster, installation: Installation, name: str) -> list[str]:
    """Every write of the operator for a job whose worker runs, in order, as "verb/resource", once it has ended.

    From the API server's own log: what the operator says of itself is not asked.
    """
    (attempt,) = {pod["metadata"]["labels"]["batch.kubernetes.io/job-name"] for pod in installation.workers(name)}
    finished(client, name)

    def writes() -> list[str]:
        return [
            "/".join(filter(None, (entry["verb"], about["resource"], about.get("subresource"))))
            for entry in cluster.audit()
            if entry["user"]["username"] == installation.operator_user()
            and (about := entry["objectRef"]).get("name", "").startswith((name, attempt))
        ]

    wait_for(
        lambda: "delete/jobs" in writes() and writes().count("create/events") == _EVENTS, "the operator's last words"
    )
    return writes()
