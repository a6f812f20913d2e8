"""Failures between the operator and the API server: it recovers from them, or its probe fails."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from support.builders import a_spec
from support.kubernetes.connection import connected
from support.kubernetes.operator import Cluster, running_operator
from support.kubernetes.proxy import MisbehavingProxy, misbehaving_proxy
from support.kubernetes.rights import install_rights, kubeconfig_of
from support.kubernetes.server import KubeServer
from support.waiting import until
from whisperjob.model.errors import RecordsUnavailableError, WatchExpiredError
from whisperjob.model.settings import EngineSettings
from whisperjob.records.cache import RecordCache
from whisperjob.stores.folder import FolderStore
from whisperjob_kubernetes.records import KubernetesRecords

pytest_plugins = ["support.kubernetes.fixtures"]

QUICK = EngineSettings(retry_base=timedelta(milliseconds=50), import_prefix="imports/")


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "objects")


@pytest.fixture
async def proxy(kube_server: KubeServer) -> AsyncIterator[MisbehavingProxy]:
    async with misbehaving_proxy(kube_server) as proxy:
        yield proxy


@pytest.mark.parametrize("code", [410, 500])
async def test_cache_lives_through_errors_in_its_watch(
    kube_server: KubeServer, kube_namespace: str, proxy: MisbehavingProxy, tmp_path: Path, code: int
) -> None:
    async with connected(kube_server, proxy.kubeconfig(tmp_path, kube_server.token)) as api:
        cache = RecordCache(KubernetesRecords(api, kube_namespace))
        running = asyncio.create_task(cache.run())
        try:
            await until(lambda: proxy.watching("whisperjobs"), "the watch")
            proxy.end_watches_of("whisperjobs", code)
            Cluster(kube_server, kube_namespace).make_whisperjob("talk", "imports/a")
            await until(lambda: cache.get("talk"), "the record")
        finally:
            running.cancel()
            await asyncio.wait([running])


async def test_a_version_that_is_too_old_has_expired(kube_server: KubeServer, kube_namespace: str) -> None:
    async with connected(kube_server) as api:
        records = KubernetesRecords(api, kube_namespace)
        await records.create("talk", a_spec())
        with pytest.raises(WatchExpiredError):
            await anext(aiter(records.watch("1")))


@pytest.mark.parametrize("code", [410, 500])
async def test_operator_recovers_from_errors_in_its_watch(
    kube_server: KubeServer, kube_namespace: str, proxy: MisbehavingProxy, store: FolderStore, tmp_path: Path, code: int
) -> None:
    """kopf lists again after a 410; any other error ends it, and it is started again."""
    kubeconfig = proxy.kubeconfig(tmp_path, kube_server.token)
    cluster = Cluster(kube_server, kube_namespace)
    async with running_operator(kube_server, kube_namespace, store, kubeconfig=kubeconfig, engine=QUICK):
        await until(lambda: proxy.watching("whisperjobs"), "the watch")
        proxy.end_watches_of("whisperjobs", code)
        cluster.make_whisperjob("talk", "imports/a")
        await until(cluster.jobs, "the Job")


@pytest.mark.parametrize("kind", ["whisperjobs", "jobs", "pods"])
async def test_blind_operator_fails_its_probe(
    kube_server: KubeServer, kube_namespace: str, proxy: MisbehavingProxy, store: FolderStore, tmp_path: Path, kind: str
) -> None:
    kubeconfig = proxy.kubeconfig(tmp_path, kube_server.token)
    cluster = Cluster(kube_server, kube_namespace)
    async with running_operator(
        kube_server, kube_namespace, store, kubeconfig=kubeconfig, engine=QUICK, blind_after="0.5s"
    ) as running:
        await until(lambda: proxy.watching(kind), "the watch")
        proxy.mute(kind)
        cluster.make_whisperjob("talk", "imports/a")
        await running.operator.engine.resync()
        (job,) = await until(cluster.jobs, "the Job")
        cluster.make_pod(job)
        await running.operator.engine.resync()
        await until(running.operator.liveness_problem, "the operator to notice")
        async with httpx.AsyncClient(trust_env=False) as kubelet:
            answer = await kubelet.get(f"http://127.0.0.1:{running.operator.probe_listener.port}/livez")
        assert (answer.status_code, answer.text) == (503, f"no events come of {kind}")


async def test_operator_outlives_the_api_server(own_kube_server: KubeServer, store: FolderStore) -> None:
    cluster = Cluster(own_kube_server, own_kube_server.new_namespace())
    async with running_operator(own_kube_server, cluster.namespace, store, engine=QUICK) as running:
        cluster.make_whisperjob("before", "imports/a")
        await until(cluster.jobs, "the Job")
        await until(lambda: cluster.status("before").get("attempt") == 1, "the status")
        own_kube_server.kill_apiserver()
        with pytest.raises(RecordsUnavailableError):
            await running.operator.records.check()
        own_kube_server.start_apiserver()
        cluster.make_whisperjob("after", "imports/b")
        await until(lambda: len(cluster.jobs()) == 2, "the second Job", 60)
        assert running.operator.liveness_problem() == ""


async def test_operator_outlives_missing_rights(
    kube_server: KubeServer, kube_namespace: str, store: FolderStore, tmp_path: Path
) -> None:
    account = install_rights(kube_server, kube_namespace)
    cluster = Cluster(kube_server, kube_namespace)
    kubeconfig = kubeconfig_of(kube_server, kube_namespace, account, tmp_path)
    binding = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{kube_namespace}/rolebindings"
    async with running_operator(kube_server, kube_namespace, store, kubeconfig=kubeconfig, engine=QUICK):
        (role_binding,) = [b for b in kube_server.request("GET", binding)["items"] if b["metadata"]["name"] == account]
        kube_server.request("DELETE", f"{binding}/{account}")
        cluster.make_whisperjob("talk", "imports/a")
        records = await refused(kube_server, kube_namespace, kubeconfig)
        assert records
        assert cluster.jobs() == []
        role_binding["metadata"] = {"name": account}
        kube_server.request("POST", binding, role_binding)
        await until(cluster.jobs, "the Job", 30)


async def refused(server: KubeServer, namespace: str, kubeconfig: Path) -> bool:
    """Waits until the API server refuses whom the kubeconfig names."""
    async with connected(server, kubeconfig) as api:
        records = KubernetesRecords(api, namespace)
        async with asyncio.timeout(20):
            while True:
                try:
                    await records.check()
                except RecordsUnavailableError:
                    return True
