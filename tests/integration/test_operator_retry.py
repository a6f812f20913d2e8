"""A job that ended with an error of the service runs again by an annotation, and by the spec; on a real API server."""

from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from support.kubernetes.operator import Cluster, running_operator
from support.kubernetes.server import KubeServer
from support.waiting import until
from whisperjob.model import names
from whisperjob.model.machine_faults import MachineFault
from whisperjob.model.settings import EngineSettings
from whisperjob.stores.folder import FolderStore

Object = dict[str, Any]

pytest_plugins = ["support.kubernetes.fixtures"]

QUICK = EngineSettings(retry_base=timedelta(milliseconds=50), max_failures=1)


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "objects")


@pytest.fixture
def cluster(kube_server: KubeServer, kube_namespace: str) -> Cluster:
    cluster = Cluster(kube_server, kube_namespace)
    cluster.make_account()
    return cluster


def upload(store: FolderStore, cluster: Cluster) -> str:
    key = names.new_upload_key(cluster.namespace, "talk")
    store.put(key, BytesIO(b"x" * 1000))
    cluster.make_whisperjob("talk", key)
    return key


async def failing_pod(cluster: Cluster, exit_code: int, *, after: int = 0) -> None:
    """Waits for the Job of an attempt after this one, and lets its pod fail."""

    def newer() -> list[Object]:
        return [job for job in cluster.jobs() if int(job["metadata"]["labels"]["whisperjob.dev/attempt"]) > after]

    await until(newer, f"a Job after attempt {after}")
    pod = cluster.make_pod(newer()[-1])
    cluster.run_pod(pod)
    cluster.set_pod(pod, "Failed", {"terminated": {"exitCode": exit_code}})


async def test_kubectl_annotate_runs_a_failed_job_again(
    kube_server: KubeServer, cluster: Cluster, store: FolderStore
) -> None:
    key = upload(store, cluster)
    async with running_operator(kube_server, cluster.namespace, store, engine=QUICK):
        await failing_pod(cluster, 1)
        await until(lambda: cluster.status("talk").get("phase") == "Error", "the job to end")
        assert cluster.status("talk")["error"]["code"] == "infrastructure"
        assert store.stat(key) is not None
        annotate = ("-n", cluster.namespace, "annotate", "wj", "talk", "--overwrite")
        kube_server.kubectl(*annotate, "whisperjob.dev/retry=1")
        await until(lambda: cluster.status("talk").get("retry") == "1", "the job to run again")
        assert cluster.status("talk")["failureCount"] == 0
        await failing_pod(cluster, 1, after=1)
        await until(lambda: cluster.status("talk").get("phase") == "Error", "the job to end again")
        cluster.patch_whisperjob("talk", {"retry": "by-patch"})
        await until(lambda: cluster.status("talk").get("phase") == "Queued", "the job to run a third time")
        assert store.stat(key) is not None


async def test_faults_of_the_node_are_no_failures(
    kube_server: KubeServer, cluster: Cluster, store: FolderStore
) -> None:
    upload(store, cluster)
    async with running_operator(kube_server, cluster.namespace, store, engine=QUICK):
        await failing_pod(cluster, int(MachineFault.NO_SPACE))
        await until(lambda: cluster.status("talk").get("machineFaultCount") == 1, "the fault")
        await until(lambda: cluster.status("talk")["attempt"] == 2, "the next attempt")
        status = cluster.status("talk")
        assert (status["failureCount"], status["phase"]) == (0, "Queued")
