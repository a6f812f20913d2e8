"""Sweeps of an operator on a real API server: the marker is the namespace's, and objects of lost records stay."""

import io
from datetime import timedelta
from pathlib import Path

from support.kubernetes.operator import Cluster, running_operator
from support.kubernetes.server import KubeServer
from support.waiting import until
from whisperjob.model import names
from whisperjob.model.phase import Stage
from whisperjob.model.settings import EngineSettings
from whisperjob.stores.folder import FolderStore

pytest_plugins = ["support.kubernetes.fixtures"]

IMPATIENT = EngineSettings(import_prefix="imports/", orphan_age=timedelta(0))


async def test_an_operator_sweeps_what_a_crash_left_and_nothing_of_lost_records(
    kube_server: KubeServer, kube_namespace: str, tmp_path: Path
) -> None:
    cluster, store = Cluster(kube_server, kube_namespace), FolderStore(tmp_path)

    def put_result(uid: str) -> str:
        key = names.attempt_prefix(kube_namespace, uid, Stage.OPTIMIZE, 1) + "output.mp3"
        store.put(key, io.BytesIO(b"sound"))
        return key

    async with running_operator(kube_server, kube_namespace, store, engine=IMPATIENT) as running:
        engine = running.operator.engine
        uid = kube_server.request("GET", f"/api/v1/namespaces/{kube_namespace}")["metadata"]["uid"]
        marker = names.installation_key(kube_namespace, uid)
        assert store.stat(marker) is not None
        cluster.make_whisperjob("kept", "imports/a", suspend=True)
        await until(lambda: running.operator.cache.get("kept"), "the record")

        left = put_result("deleted-while-no-operator-ran")
        for _ in range(2):
            await engine.resync()
        assert store.stat(left) is None

        lost = [put_result(f"lost-{number}") for number in range(3)]
        for _ in range(3):
            await engine.resync()
        assert all(store.stat(key) for key in lost)
        assert engine.sweeper.disputed == 3

        other = names.installation_key(kube_namespace, "the-same-namespace-of-another-cluster")
        store.put(other, io.BytesIO(b"{}"))
        left = put_result("of-the-other-cluster")
        for _ in range(3):
            await engine.resync()
        assert store.stat(left) is not None
        assert other in engine.sweeper.problem
        cluster.delete_whisperjob("kept")
        await until(lambda: running.operator.cache.get("kept") is None, "the deletion")
