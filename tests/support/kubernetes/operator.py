"""A whole operator in the test's process on a real API server.

`Cluster` plays the other parts of a cluster: it writes what a Job controller and a kubelet would write, such as pods,
their states and the end of a Job.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from support.kubernetes.connection import connected
from support.kubernetes.server import KubeServer
from support.kubernetes.settings import operator_settings
from support.waiting import until
from whisperjob.model.settings import EngineSettings
from whisperjob.stores.port import ObjectStore
from whisperjob_kubernetes.requests import ApiRequest
from whisperjob_operator.operator_metrics import OperatorMetrics
from whisperjob_operator.service import Operator

Object = dict[str, Any]

ACCOUNT = "whisperjob-worker"


class RunningOperator:
    """An operator and the requests of its own client."""

    def __init__(self, operator: Operator, requests: list[tuple[ApiRequest, int]]) -> None:
        self.operator = operator
        self.requests = requests

    def writes(self) -> list[str]:
        """Returns the writes so far, as "verb resource"."""
        return [
            f"{request.verb} {request.resource}"
            for request, code in self.requests
            if request.verb not in ("get", "list", "watch") and code < 300
        ]


@asynccontextmanager
async def running_operator(
    server: KubeServer,
    namespace: str,
    store: ObjectStore,
    *,
    kubeconfig: Path | None = None,
    engine: EngineSettings | None = None,
    **settings: Any,
) -> AsyncIterator[RunningOperator]:
    """Runs an operator, whose watches have started; ends it as SIGTERM does."""
    requests: list[tuple[ApiRequest, int]] = []
    metrics = OperatorMetrics()

    def on_request(request: ApiRequest, code: int) -> None:
        requests.append((request, code))
        metrics.request_answered(request, code)

    async with connected(server, kubeconfig, on_request) as api:
        operator = Operator(api, operator_settings(namespace, **settings), engine or EngineSettings(), store, metrics)
        stop = asyncio.Event()
        task = asyncio.create_task(operator.run(stop))
        try:
            await until(lambda: task.done() or not operator.readiness_problem(), "the operator to be ready", 20)
            yield RunningOperator(operator, requests)
        finally:
            stop.set()
            await task


class Cluster:
    """One namespace of a test's API server, as its controllers and its kubelet would see it."""

    def __init__(self, server: KubeServer, namespace: str) -> None:
        self.server = server
        self.namespace = namespace
        self._batch = f"/apis/batch/v1/namespaces/{namespace}/jobs"
        self._core = f"/api/v1/namespaces/{namespace}"
        self._wj = f"/apis/whisperjob.dev/v1alpha1/namespaces/{namespace}/whisperjobs"

    def make_account(self) -> None:
        self.server.request("POST", f"{self._core}/serviceaccounts", {"metadata": {"name": ACCOUNT}})

    def jobs(self) -> list[Object]:
        """Returns the Jobs, the oldest attempt first."""
        found: list[Object] = self.server.request("GET", self._batch)["items"]
        return sorted(found, key=lambda job: int(job["metadata"]["labels"]["whisperjob.dev/attempt"]))

    def whisperjob(self, name: str) -> Object:
        found: Object = self.server.request("GET", f"{self._wj}/{name}")
        return found

    def status(self, name: str) -> Object:
        found: Object = self.whisperjob(name).get("status", {})
        return found

    def events(self) -> list[Object]:
        found: list[Object] = self.server.request("GET", f"/apis/events.k8s.io/v1/namespaces/{self.namespace}/events")[
            "items"
        ]
        return found

    def make_whisperjob(self, name: str, key: str, **spec: Any) -> Object:
        body = {
            "apiVersion": "whisperjob.dev/v1alpha1",
            "kind": "WhisperJob",
            "metadata": {"name": name},
            "spec": {"source": {"key": key, "filename": "talk.mp4", "sizeBytes": 1000}, **spec},
        }
        made: Object = self.server.request("POST", self._wj, body)
        return made

    def patch_whisperjob(self, name: str, spec: Object) -> None:
        self.server.request("PATCH", f"{self._wj}/{name}", {"spec": spec}, "application/merge-patch+json")

    def delete_whisperjob(self, name: str) -> None:
        self.server.request("DELETE", f"{self._wj}/{name}")

    def make_pod(self, job: Object, phase: str = "Pending", node: str = "", **status: Any) -> Object:
        """Creates the pod of a Job, as the Job controller does, on the given node, as a scheduler does."""
        metadata, template = job["metadata"], job["spec"]["template"]
        body = {
            "metadata": {
                "name": f"{metadata['name']}-pod",
                "labels": template["metadata"]["labels"],
                "ownerReferences": [
                    {
                        "apiVersion": "batch/v1",
                        "kind": "Job",
                        "name": metadata["name"],
                        "uid": metadata["uid"],
                        "controller": True,
                    }
                ],
            },
            "spec": template["spec"] | ({"nodeName": node} if node else {}),
        }
        pod: Object = self.server.request("POST", f"{self._core}/pods", body)
        self.set_pod(pod, phase, **status)
        return pod

    def set_pod(self, pod: Object, phase: str, state: Object | None = None, **status: Any) -> None:
        """Sets a pod's status; `state` is its container's."""
        if state is not None:
            container = {"name": "optimizer", "image": "i", "imageID": "i", "restartCount": 0, "ready": False}
            status["containerStatuses"] = [{**container, "state": state}]
        path = f"{self._core}/pods/{pod['metadata']['name']}/status"
        self.server.request("PATCH", path, {"status": {"phase": phase, **status}}, "application/merge-patch+json")

    def run_pod(self, pod: Object) -> None:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        self.set_pod(pod, "Running", {"running": {"startedAt": now}})

    def delete_pod(self, pod: Object, grace_seconds: int = 0) -> None:
        """Deletes a pod. On a node it stays until the kubelet reports its end, forever on a lost one; 0 forces it."""
        path = f"{self._core}/pods/{pod['metadata']['name']}?gracePeriodSeconds={grace_seconds}"
        self.server.request("DELETE", path)

    def delete_job(self, job: Object) -> None:
        self.server.request("DELETE", f"{self._batch}/{job['metadata']['name']}?propagationPolicy=Background")

    def token_for(self, pod: Object, audience: str = "whisperjob-operator", account: str = ACCOUNT) -> str:
        """Returns the token that the kubelet would project into this pod."""
        body = {
            "spec": {
                "audiences": [audience],
                "expirationSeconds": 600,
                "boundObjectRef": {
                    "kind": "Pod",
                    "apiVersion": "v1",
                    "name": pod["metadata"]["name"],
                    "uid": pod["metadata"]["uid"],
                },
            }
        }
        made = self.server.request("POST", f"{self._core}/serviceaccounts/{account}/token", body)
        token: str = made["status"]["token"]
        return token
