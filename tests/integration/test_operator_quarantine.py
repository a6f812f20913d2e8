"""A WhisperJob that this version cannot read, on a real API server: it hides no other, and loses nothing."""

import asyncio
import io
from pathlib import Path

from support.kubernetes.connection import connected
from support.kubernetes.operator import Cluster, running_operator
from support.kubernetes.server import KubeServer
from support.waiting import until
from whisperjob.model import names
from whisperjob.model.phase import Stage
from whisperjob.model.settings import EngineSettings
from whisperjob.records.cache import RecordCache
from whisperjob.stores.folder import FolderStore
from whisperjob_kubernetes.records import KubernetesRecords

pytest_plugins = ["support.kubernetes.fixtures"]

CRD = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/whisperjobs.whisperjob.dev"
ENUM = "/spec/versions/0/schema/openAPIV3Schema/properties/status/properties/conditions/items/properties/type/enum/-"
OF_A_NEWER_VERSION = {
    "type": "Archived",
    "status": "True",
    "reason": "Archived",
    "lastTransitionTime": "2026-02-12T10:00:00Z",
}


def upgrade_definition(server: KubeServer) -> None:
    """Lets the API server accept what a newer version of the software writes."""
    patch = [{"op": "add", "path": ENUM, "value": "Archived"}]
    server.request("PATCH", CRD, patch, "application/json-patch+json")


def write_conditions(cluster: Cluster, name: str, *conditions: dict[str, str]) -> bool:
    """Writes a status as another operator does; returns whether the API server has stored it as it is."""
    path = f"/apis/whisperjob.dev/v1alpha1/namespaces/{cluster.namespace}/whisperjobs/{name}/status"
    try:
        body = {"status": {"conditions": list(conditions)}}
        cluster.server.request("PATCH", path, body, "application/merge-patch+json")
    except OSError:  # the new definition is not in force yet
        return False
    return True


async def until_quarantined(names: list[str], *caches: RecordCache) -> None:
    def agreed() -> bool:
        return all([record.name for record in cache.quarantined()] == names for cache in caches)

    await until(agreed, f"{names} to be quarantined")


async def test_a_whisperjob_that_cannot_be_read_is_quarantined(own_kube_server: KubeServer, tmp_path: Path) -> None:
    cluster = Cluster(own_kube_server, own_kube_server.new_namespace())
    store = FolderStore(tmp_path)
    settings = EngineSettings(import_prefix="imports/")
    async with (
        running_operator(own_kube_server, cluster.namespace, store, engine=settings) as running,
        connected(own_kube_server) as api,
    ):
        engine, seen = running.operator.engine, running.operator.cache
        of_the_api = RecordCache(KubernetesRecords(api, cluster.namespace))
        following = asyncio.create_task(of_the_api.run())
        uid = cluster.make_whisperjob("broken", "imports/a", suspend=True)["metadata"]["uid"]
        await until(lambda: seen.get("broken") and of_the_api.get("broken"), "the record")
        result = names.attempt_prefix(cluster.namespace, uid, Stage.OPTIMIZE, 1) + "output.mp3"
        store.put(result, io.BytesIO(b"sound"))
        upgrade_definition(own_kube_server)
        await until(lambda: write_conditions(cluster, "broken", OF_A_NEWER_VERSION), "the definition to be in force")

        await until_quarantined(["broken"], seen, of_the_api)
        assert (seen.get("broken"), of_the_api.get("broken")) == (None, None)
        cluster.make_whisperjob("sound", "imports/b")
        await until(lambda: len(cluster.jobs()) == 1 and of_the_api.get("sound"), "the other job to go on")
        await engine.resync()
        assert store.stat(result) is not None

        write_conditions(cluster, "broken")
        await until_quarantined([], seen, of_the_api)
        await until(lambda: seen.get("broken") and of_the_api.get("broken"), "the release")
        await engine.resync()
        assert store.stat(result) is not None

        write_conditions(cluster, "broken", OF_A_NEWER_VERSION)
        await until_quarantined(["broken"], seen, of_the_api)
        cluster.delete_whisperjob("broken")
        await until_quarantined([], seen, of_the_api)
        following.cancel()
        await asyncio.wait([following])
