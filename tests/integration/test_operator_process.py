"""`python -m whisperjob_operator` as the process it is in its pod."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from support.kubernetes.server import KubeServer
from support.programs.ports import free_port
from support.waiting import until_sync

pytest_plugins = ["support.kubernetes.fixtures"]

STORE = {
    "WHISPERJOB_S3_ENDPOINT": "http://127.0.0.1:9",
    "WHISPERJOB_S3_ACCESS_KEY": "a",
    "WHISPERJOB_S3_SECRET_KEY": "b",
}


@contextmanager
def started(**environment: str) -> Iterator[subprocess.Popen[str]]:
    inherited = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    process = subprocess.Popen(
        [sys.executable, "-m", "whisperjob_operator"],
        env=inherited | environment,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def test_it_starts_without_its_store_and_ends_at_sigterm(kube_server: KubeServer, kube_namespace: str) -> None:
    probes = free_port()
    settings = {
        **STORE,
        "WHISPERJOB_NAMESPACE": kube_namespace,
        "WHISPERJOB_KUBECONFIG": str(kube_server.kubeconfig),
        "WHISPERJOB_WORKER_IMAGE": "i:1",
        "WHISPERJOB_WORKER_SERVER": "http://operator:8081",
        "WHISPERJOB_WORK_PORT": "0",
        "WHISPERJOB_PROBE_PORT": str(probes),
    }

    def ready() -> bool:
        assert process.poll() is None, process.stderr.read() if process.stderr else ""
        try:
            return httpx.get(f"http://127.0.0.1:{probes}/readyz", trust_env=False).status_code == 200
        except httpx.TransportError:
            return False

    with started(**settings) as process:
        until_sync(ready, "the operator to be ready", 60)
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=20)
    assert process.returncode == 0, log
    assert "Traceback" not in log


@pytest.mark.parametrize(
    ("environment", "why"),
    [
        pytest.param({}, "WHISPERJOB_S3_ENDPOINT is not set", id="no store"),
        pytest.param(STORE, "The setting WHISPERJOB_NAMESPACE is wrong: Field required", id="no namespace"),
        pytest.param(
            {
                **STORE,
                "WHISPERJOB_NAMESPACE": "n",
                "WHISPERJOB_WORKER_IMAGE": "i",
                "WHISPERJOB_WORKER_SERVER": "s",
                "WHISPERJOB_KUBECONFIG": "/nowhere",
            },
            "the connection to the API server cannot be configured",
            id="no cluster",
        ),
    ],
)
def test_it_says_in_a_sentence_why_it_cannot_work(environment: dict[str, str], why: str) -> None:
    with started(**environment) as process:
        _, log = process.communicate(timeout=60)
    assert process.returncode == 1
    assert why in log
    assert "Traceback" not in log
