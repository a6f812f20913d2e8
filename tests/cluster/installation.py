"""A release of the chart in a cluster, and what a user does with it."""

import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

import httpx
from minio import Minio

from cluster.kube import Kube, Object
from cluster.paths import CHART

T = TypeVar("T")

INSTALL_SECONDS: Final = 120.0
_POLL_SECONDS: Final = 0.1
_WORKERS: Final = "app.kubernetes.io/component=worker"

_CRD: Final = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/whisperjobs.whisperjob.dev"

VALUES: Final = {
    "minio.enabled": "true",
    "worker.cpuRequest": "200m",
    "engine.retryBase": "1s",
    "api.shutdownGrace": "20s",
    "api.resources.requests.cpu": "50m",
}
"""For a node of two cores, and for short waits between attempts."""


def wait_for(condition: Callable[[], T], what: str, seconds: float = 60) -> T:
    """Returns the first true value of `condition`."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"waited {seconds} s in vain for {what}"
        time.sleep(_POLL_SECONDS)
    return value


class Installation:
    """A release of the chart in a namespace, which `install` creates."""

    def __init__(self, cluster: Kube, namespace: str, release: str = "wj") -> None:
        self.cluster = cluster
        self.namespace = cluster.namespace(namespace)
        self.release = release
        self.name = f"{release}-whisperjob"
        self.notes = ""
        self._core = f"/api/v1/namespaces/{self.namespace}"
        self._jobs = f"/apis/whisperjob.dev/v1alpha1/namespaces/{self.namespace}/whisperjobs"

    def install(self, **values: str) -> None:
        """Installs into a new namespace that enforces the restricted standard. Returns when everything is ready.

        The definition of WhisperJobs belongs to the whole cluster: only the first release installs it.
        """
        registry, (tag, *_) = self.cluster.images
        images = {"image.registry": registry, "image.tag": tag, "minio.image": f"{registry}/minio:{tag}"}
        crd = {"crds.install": "false"} if self.cluster.exists(_CRD) else {}
        self.cluster.kubectl("create", "namespace", self.namespace)
        enforce = "pod-security.kubernetes.io/enforce=restricted"
        self.cluster.kubectl("label", "namespace", self.namespace, enforce)
        self.notes = self._helm("install", **(VALUES | images | crd | values)).partition("\nNOTES:\n")[2]
        self.wait_answers()

    def upgrade(self, **values: str) -> None:
        self._helm("upgrade", "--reuse-values", **values)

    def wait_answers(self) -> None:
        """Returns when the API answers: the node's proxy knows of ready pods a moment later."""
        with httpx.Client(base_url=self.api_url(), trust_env=False) as client:
            wait_for(lambda: answers(client), "the API to answer through its Service")

    def uninstall(self) -> None:
        wait = ("--wait", "--timeout", f"{INSTALL_SECONDS:.0f}s")
        self.cluster.run("helm", "uninstall", self.release, "-n", self.namespace, *wait, timeout=INSTALL_SECONDS + 10)

    def _helm(self, command: str, *options: str, **values: str) -> str:
        settings = [part for name, value in values.items() for part in ("--set", f"{name}={value}")]
        wait = ("--wait", "--timeout", f"{INSTALL_SECONDS:.0f}s")
        arguments = (command, self.release, str(CHART), "-n", self.namespace, *options, *wait, *settings)
        return self.cluster.run("helm", *arguments, timeout=INSTALL_SECONDS + 10).stdout

    def helm_test(self) -> str:
        """Runs the release's own test and returns its output. Raises CalledProcessError if it fails."""
        wait = ("--logs", "--timeout", f"{INSTALL_SECONDS:.0f}s")
        done = self.cluster.run("helm", "test", self.release, "-n", self.namespace, *wait, timeout=INSTALL_SECONDS + 10)
        return done.stdout

    def api_url(self, local: int = 0) -> str:
        return self.cluster.forward(self.namespace, f"{self.name}-api", local)

    def api_key(self) -> str:
        return self.cluster.secret(self.namespace, f"{self.name}-api-keys", "api-keys")

    def store(self) -> Minio:
        """Returns a client of the object store."""
        host = self.cluster.forward(self.namespace, f"{self.name}-minio").removeprefix("http://")
        names = ("accessKey", "secretKey")
        access, secret = (self.cluster.secret(self.namespace, f"{self.name}-store", name) for name in names)
        return Minio(host, access_key=access, secret_key=secret, secure=False, region="us-east-1")

    def client(self) -> httpx.Client:
        """Returns a client of the API, through its Service."""
        return httpx.Client(base_url=self.api_url(), headers={"X-API-Key": self.api_key()}, timeout=60, trust_env=False)

    def whisperjob(self, name: str) -> Object:
        return self.cluster.get(f"{self._jobs}/{name}")

    def has_whisperjob(self, name: str) -> bool:
        return self.cluster.exists(f"{self._jobs}/{name}")

    def status(self, name: str) -> Object:
        found: Object = self.whisperjob(name).get("status", {})
        return found

    def pods(self, component: str) -> list[Object]:
        selector = f"app.kubernetes.io/component={component},app.kubernetes.io/instance={self.release}"
        return self.cluster.items(f"{self._core}/pods", selector)

    def workers(self, job: str) -> list[Object]:
        """Returns the pods of a WhisperJob's attempts."""
        return self.cluster.items(f"{self._core}/pods", f"{_WORKERS},whisperjob.dev/job={job}")

    def batch_jobs(self, job: str) -> list[Object]:
        return self.cluster.items(f"/apis/batch/v1/namespaces/{self.namespace}/jobs", f"whisperjob.dev/job={job}")

    def delete_pods(self, component: str, *, grace_seconds: int | None = None) -> None:
        """Deletes a component's pods, without waiting for their end."""
        for pod in self.pods(component):
            self.delete_pod(pod, grace_seconds=grace_seconds)

    def delete_pod(self, pod: Object, *, grace_seconds: int | None = None) -> None:
        options = [] if grace_seconds is None else [f"--grace-period={grace_seconds}"]
        options += ["--force"] if grace_seconds == 0 else []
        self.cluster.kubectl("-n", self.namespace, "delete", "pod", pod["metadata"]["name"], "--wait=false", *options)

    def scale(self, deployment: str, replicas: int) -> None:
        """Scales a deployment; returns when its pods are ready, or gone."""
        name = f"deployment/{self.name}-{deployment}"
        self.cluster.kubectl("-n", self.namespace, "scale", name, f"--replicas={replicas}")
        self.wait_ready(deployment)
        wait_for(lambda: len(self.pods(deployment)) == replicas, f"{replicas} pods of {deployment}")

    def wait_ready(self, deployment: str) -> None:
        self.cluster.kubectl(
            "-n", self.namespace, "rollout", "status", f"deployment/{self.name}-{deployment}", "--timeout=90s"
        )

    def operator_user(self) -> str:
        return f"system:serviceaccount:{self.namespace}:{self.name}-operator"


def answers(client: httpx.Client) -> bool:
    try:
        return client.get("/readyz").is_success
    except httpx.TransportError:
        return False


def submit(client: httpx.Client, file: Path, **fields: str) -> str:
    """Uploads a file; returns the id of the new job."""
    with file.open("rb") as content:
        answer = client.post("/whisper_optimize", files={"file": (file.name, content)}, data=fields)
    assert answer.is_success, answer.text
    job: str = answer.json()["jobId"]
    return job


def finished(client: httpx.Client, job: str, seconds: float = 120) -> Object:
    """Returns the API's answer about a job when it has ended. Its progress must never go back on the way."""
    best = -1.0

    def ended() -> Object | None:
        nonlocal best
        answer = client.get(f"/job/{job}")
        if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:
            return None  # a part that it depends on may be down for a while
        assert answer.is_success, answer.text
        seen: Object = answer.json()
        if "progress" in seen:
            assert seen["progress"] >= best, f"progress went from {best} back to {seen['progress']}"
            best = seen["progress"]
        return seen if seen["status"] in ("completed", "error") else None

    return wait_for(ended, f"job {job} to end", seconds) or {}


def diarized(client: httpx.Client, job: str, seconds: float = 90) -> Object:
    """Returns the API's answer about a job's diarization when that has ended."""

    def ended() -> Object | None:
        seen: Object = client.get(f"/diarize/{job}").raise_for_status().json()
        return seen if seen["status"] != "running" else None

    return wait_for(ended, f"the diarization of {job} to end", seconds) or {}


def download(client: httpx.Client, chunk: Object) -> bytes:
    """Downloads a chunk, whose digest must be the announced one."""
    answer = client.get(chunk["downloadUrl"])
    assert answer.is_success, answer.text
    assert hashlib.sha256(answer.content).hexdigest() == chunk["sha256"]
    return answer.content
