"""`python -m whisperjob_api` as the process it is in its pod, and the end of its parts."""

import asyncio
import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from prometheus_client import CollectorRegistry

from support.kubernetes.server import KubeServer
from support.programs.ports import free_port
from support.waiting import until_sync
from whisperjob.model.settings import ApiSettings
from whisperjob.records.cache import RecordCache
from whisperjob.serving.listener import Listener, bind
from whisperjob.serving.metrics_app import create_metrics_app
from whisperjob.serving.supervisor import TaskEndedError
from whisperjob_api.__main__ import open_keys, serve_until_signal
from whisperjob_api.admission import UploadGate
from whisperjob_api.keys.key_source import KeySource

KEY = "a-key-that-is-long-enough"
pytest_plugins = ["support.kubernetes.fixtures"]


def mount(folder: Path, version: str, key: str) -> None:
    """Puts a Secret's content into a folder as the kubelet does: a new folder, and one link that is renamed to it."""
    (folder / version).mkdir(parents=True)
    (folder / version / "api-keys").write_text(f"team:{key}")
    (folder / "..data_tmp").symlink_to(version)
    (folder / "..data_tmp").rename(folder / "..data")
    if not (folder / "api-keys").is_symlink():
        (folder / "api-keys").symlink_to("..data/api-keys")


def test_it_serves_and_ends_at_sigterm(kube_server: KubeServer, kube_namespace: str, tmp_path: Path) -> None:
    mount(tmp_path, "..2026_1", KEY)
    port, metrics_port = free_port(), free_port()
    inherited = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    settings = {
        "WHISPERJOB_S3_ENDPOINT": "http://127.0.0.1:9",
        "WHISPERJOB_S3_ACCESS_KEY": "a",
        "WHISPERJOB_S3_SECRET_KEY": "b",
        "WHISPERJOB_KEYS_FOLDER": str(tmp_path),
        "WHISPERJOB_NAMESPACE": kube_namespace,
        "WHISPERJOB_KUBECONFIG": str(kube_server.kubeconfig),
        "WHISPERJOB_HOST": "127.0.0.1",
        "WHISPERJOB_PORT": str(port),
        "WHISPERJOB_METRICS_PORT": str(metrics_port),
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "whisperjob_api"], env=inherited | settings, stderr=subprocess.PIPE, text=True
    )

    def listed(key: str = KEY) -> bool:
        assert process.poll() is None
        try:
            answer = httpx.get(f"http://127.0.0.1:{port}/jobs", headers={"X-API-Key": key}, trust_env=False)
        except httpx.TransportError:
            return False
        return answer.status_code == 200

    try:
        until_sync(listed, "the API to serve", 60)
        metrics = httpx.get(f"http://127.0.0.1:{metrics_port}/metrics", trust_env=False).text
        assert 'whisperjob_jobs{phase="Queued"} 0.0' in metrics.splitlines()
        assert "whisperjob_keys_valid 1.0" in metrics.splitlines()
        mount(tmp_path, "..2026_2", "the-key-that-takes-its-place")
        until_sync(lambda: listed("the-key-that-takes-its-place"), "the changed Secret to be read", 20)
        assert not listed()
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=20)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 0, log
    assert "Traceback" not in log


def test_without_any_key_it_does_not_start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("WHISPERJOB_API_KEYS", raising=False)
    for folder in (None, tmp_path):
        with pytest.raises(ValueError, match="neither WHISPERJOB_API_KEYS nor WHISPERJOB_KEYS_FOLDER has a key"):
            open_keys(ApiSettings(keys_folder=folder))


class BrokenCache(RecordCache):
    """Fails as soon as it runs."""

    def __init__(self) -> None:
        """It needs no records."""

    async def run(self) -> None:
        raise ValueError("a bug")


async def test_an_api_without_its_records_ends() -> None:
    front, metrics = (
        Listener(create_metrics_app(CollectorRegistry()), bind("127.0.0.1", 0), grace=timedelta(seconds=1))
        for _ in range(2)
    )
    with pytest.raises(TaskEndedError, match="the record cache ended unexpectedly"):
        async with asyncio.timeout(10):
            await serve_until_signal(UploadGate(), front, metrics, BrokenCache(), KeySource())
