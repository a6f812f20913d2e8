"""The way between the operator and the API server loses a write, or is slow, reset, silent or cut."""

import asyncio
import urllib.error
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from chaos.scenario import NotRunError
from chaos.toxiproxy import TOXICS, toxic_link
from support.builders import a_manifest
from support.kubernetes.operator import Cluster, running_operator
from support.kubernetes.proxy import misbehaving_proxy
from support.kubernetes.server import KubeServer, install_crd
from support.programs.binaries import NoBinaryError, find_binaries
from support.waiting import until
from whisperjob.model import names
from whisperjob.model.phase import Stage
from whisperjob.model.settings import EngineSettings
from whisperjob.stores.folder import FolderStore

MOST_WRITES = 30
FULL_SECONDS = 20.0
QUICK_SECONDS = 3.0
_QUICK_TROUBLES = ("reset", "cut in the middle")
_ENGINE = EngineSettings(retry_base=timedelta(milliseconds=50), progress_interval=timedelta(milliseconds=100))
_PROGRAMS = ("etcd", "kube-apiserver", "kubectl", "helm")


def lost_writes(folder: Path, full: bool) -> str:
    """For every n, a job completes although the n-th write of the operator is lost, or its answer."""
    return asyncio.run(_lost_writes(folder, full))


async def _lost_writes(folder: Path, full: bool) -> str:
    tried = 0
    with _kube_server(folder) as server:
        async with misbehaving_proxy(server) as proxy:
            kubeconfig = proxy.kubeconfig(folder, server.token)
            for done in (False, True) if full else (True,):
                for number in range(1, MOST_WRITES):
                    cluster = _new_cluster(server)
                    store = FolderStore(folder / cluster.namespace)
                    async with (
                        running_operator(server, cluster.namespace, store, kubeconfig=kubeconfig, engine=_ENGINE),
                        _kubelet(cluster, store) as started,
                    ):
                        proxy.lose_write(number, done=done)
                        await _completes(cluster, store, "talk")
                        assert started == {"talk": 1}, f"write {number}: {started['talk']} workers for a job"
                    if proxy.writes < number:
                        break
                    tried += 1
    what = "of each write the request, then the answer" if full else "the answer of each write"
    return f"{tried} runs, in each one loss ({what}): every job completed with one worker"


def bad_network(folder: Path, full: bool) -> str:
    """Jobs complete when the way to the API server is good again; none is worked on twice."""
    return asyncio.run(_bad_network(folder, full))


async def _bad_network(folder: Path, full: bool) -> str:
    troubles = [*TOXICS, "cut off"] if full else list(_QUICK_TROUBLES)
    with _kube_server(folder) as server, toxic_link(urlsplit(server.url).netloc) as link:
        cluster = _new_cluster(server)
        store = FolderStore(folder / "objects")
        content: dict[str, Any] = server.kubeconfig_for(server.token)
        content["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{link.port}"
        kubeconfig = folder / "linked.kubeconfig"
        kubeconfig.write_text(yaml.safe_dump(content))
        async with (
            running_operator(server, cluster.namespace, store, kubeconfig=kubeconfig, engine=_ENGINE),
            _kubelet(cluster, store) as started,
        ):
            for number, trouble in enumerate(troubles):
                bad = link.cut() if trouble == "cut off" else link.poisoned(TOXICS[trouble])
                with bad:
                    key = _make(cluster, store, f"talk-{number}")
                    await asyncio.sleep(FULL_SECONDS if full else QUICK_SECONDS)  # the trouble lasts that long
                await _ends(cluster, store, f"talk-{number}", key)
            assert set(started.values()) == {1}, started
    return f"{', '.join(troubles)}: {len(troubles)} of {len(troubles)} jobs completed, with one worker each"


@contextmanager
def _kube_server(folder: Path) -> Iterator[KubeServer]:
    try:
        server = KubeServer(find_binaries(_PROGRAMS), folder / "kube")
    except NoBinaryError as error:
        raise NotRunError(str(error)) from error
    server.start()
    try:
        install_crd(server)
        yield server
    finally:
        server.stop()


def _new_cluster(server: KubeServer) -> Cluster:
    cluster = Cluster(server, server.new_namespace())
    cluster.make_account()
    return cluster


def _make(cluster: Cluster, store: FolderStore, name: str) -> str:
    key = names.new_upload_key(cluster.namespace, name)
    store.put(key, BytesIO(b"x" * 1000))
    cluster.make_whisperjob(name, key)
    return key


async def _completes(cluster: Cluster, store: FolderStore, name: str) -> None:
    await _ends(cluster, store, name, _make(cluster, store, name))


async def _ends(cluster: Cluster, store: FolderStore, name: str, key: str) -> None:
    """Waits until the job is completed, its Job removed and its upload deleted."""
    await until(lambda: cluster.status(name).get("phase") == "Completed", f"{name} to complete", 120)
    await until(lambda: store.stat(key) is None, "the upload to go", 60)
    await until(lambda: _jobs_of(cluster, name, living=True) == [], "the Job to be removed", 60)


def _jobs_of(cluster: Cluster, name: str, *, living: bool) -> list[dict[str, Any]]:
    uid = cluster.whisperjob(name)["metadata"]["uid"]
    jobs = [job for job in cluster.jobs() if job["metadata"]["ownerReferences"][0]["uid"] == uid]
    return [job for job in jobs if not (living and "deletionTimestamp" in job["metadata"])]


@asynccontextmanager
async def _kubelet(cluster: Cluster, store: FolderStore) -> AsyncIterator[dict[str, int]]:
    """Runs a pod for every new Job, whose worker is done at once; yields how many ran for each WhisperJob."""
    started: dict[str, int] = {}

    async def run() -> None:
        seen: set[str] = set()
        while True:
            for job in cluster.jobs():
                uid = job["metadata"]["uid"]
                if uid in seen or "deletionTimestamp" in job["metadata"]:
                    continue
                seen.add(uid)
                owner = job["metadata"]["ownerReferences"][0]
                started[owner["name"]] = started.get(owner["name"], 0) + 1
                try:
                    pod = cluster.make_pod(job)
                    cluster.run_pod(pod)
                    _leave_result(
                        cluster, store, owner["uid"], int(job["metadata"]["labels"]["whisperjob.dev/attempt"])
                    )
                    cluster.set_pod(pod, "Succeeded", {"terminated": {"exitCode": 0}})
                except urllib.error.HTTPError:
                    continue  # the pod was deleted meanwhile
            await asyncio.sleep(0.1)

    task = asyncio.create_task(run())
    try:
        yield started
    finally:
        task.cancel()
        await asyncio.wait([task])


def _leave_result(cluster: Cluster, store: FolderStore, uid: str, attempt: int) -> None:
    prefix = names.attempt_prefix(cluster.namespace, uid, Stage.OPTIMIZE, attempt)
    manifest = a_manifest(size_bytes=8000)
    store.put(prefix + manifest.chunks[0].filename, BytesIO(b"m" * 8000))
    store.put(prefix + names.MANIFEST_NAME, BytesIO(manifest.model_dump_json(by_alias=True).encode()))
