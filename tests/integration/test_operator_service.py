"""The whole operator on a real API server; the test plays the Job controller, the kubelet and the worker."""

from datetime import timedelta
from io import BytesIO
from pathlib import Path

import httpx
import pytest

from support.builders import a_manifest
from support.kubernetes.operator import Cluster, running_operator
from support.kubernetes.server import KubeServer
from support.waiting import until
from whisperjob.model import names
from whisperjob.model.phase import Stage
from whisperjob.model.settings import EngineSettings
from whisperjob.stores.folder import FolderStore

pytest_plugins = ["support.kubernetes.fixtures"]

QUICK = EngineSettings(retry_base=timedelta(milliseconds=50), progress_interval=timedelta(milliseconds=100))


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "objects")


@pytest.fixture
def cluster(kube_server: KubeServer, kube_namespace: str) -> Cluster:
    cluster = Cluster(kube_server, kube_namespace)
    cluster.make_account()
    return cluster


def upload(store: FolderStore, cluster: Cluster, name: str) -> str:
    key = names.new_upload_key(cluster.namespace, name)
    store.put(key, BytesIO(b"x" * 1000))
    return key


def finish(store: FolderStore, cluster: Cluster, name: str, attempt: int = 1) -> None:
    """What a worker leaves behind."""
    uid = cluster.whisperjob(name)["metadata"]["uid"]
    prefix = names.attempt_prefix(cluster.namespace, uid, Stage.OPTIMIZE, attempt)
    manifest = a_manifest(size_bytes=8000)
    store.put(prefix + manifest.chunks[0].filename, BytesIO(b"m" * 8000))
    store.put(prefix + names.MANIFEST_NAME, BytesIO(manifest.model_dump_json(by_alias=True).encode()))


async def test_job_runs_from_kubectl_to_completed(
    kube_server: KubeServer, cluster: Cluster, store: FolderStore
) -> None:
    key = upload(store, cluster, "talk")
    async with running_operator(kube_server, cluster.namespace, store, engine=QUICK) as running:
        cluster.make_whisperjob("talk", key)
        (job,) = await until(cluster.jobs, "the Job")
        pod = cluster.make_pod(job)
        cluster.run_pod(pod)
        await until(lambda: cluster.status("talk").get("phase") == "Processing", "the status to say so")
        url = f"http://127.0.0.1:{running.operator.work_listener.port}"
        headers = {"Authorization": f"Bearer {cluster.token_for(pod)}"}
        async with httpx.AsyncClient(base_url=url, headers=headers, trust_env=False) as worker:
            claimed = (await worker.post("/work/claim")).raise_for_status().json()
            assert (claimed["jobName"], claimed["attempt"], claimed["inputs"][0]["sizeBytes"]) == ("talk", 1, 1000)
            before = len(running.writes())
            for percent in (20, 30, 41, 50):
                post = {"step": "enhancing", "percent": percent, "durationSeconds": 2.5}
                (await worker.post("/work/progress", json=post)).raise_for_status()
            await until(lambda: cluster.status("talk").get("progress") == 50, "the progress")
            progress_writes = len(running.writes()) - before
        finish(store, cluster, "talk")
        cluster.set_pod(pod, "Succeeded", {"terminated": {"exitCode": 0}})
        await until(lambda: cluster.status("talk").get("phase") == "Completed", "the job to end")
        status = cluster.status("talk")
        assert (status["progress"], status["attempt"], status["output"]["totalChunks"]) == (100, 1, 1)
        await until(lambda: cluster.jobs()[0]["metadata"].get("deletionTimestamp"), "the Job to be removed")
        await until(lambda: store.stat(key) is None, "the upload to go")
        writes = running.writes()
        assert progress_writes <= 2
        assert writes.count("create jobs") == 1
        assert writes.count("patch whisperjobs/status") - progress_writes <= 4
        async with httpx.AsyncClient(trust_env=False) as kubelet:
            probes = f"http://127.0.0.1:{running.operator.probe_listener.port}"
            assert (await kubelet.get(f"{probes}/livez")).text == "ok"
            assert (await kubelet.get(f"{probes}/readyz")).text == "ok"
            metrics = (await kubelet.get(f"{probes}/metrics")).text
            ended = 'whisperjob_worker_attempts_ended_total{outcome="succeeded",reason="",stage="optimize"} 1.0'
            assert {'whisperjob_jobs{phase="Completed"} 1.0', ended} <= set(metrics.splitlines())
            assert "talk" not in metrics
            assert status["output"]["manifestKey"].split("/")[2] not in metrics


@pytest.mark.parametrize("audience", ["whisperjob-operator", "another"])
async def test_only_tokens_of_workers_are_taken(
    kube_server: KubeServer, cluster: Cluster, store: FolderStore, audience: str
) -> None:
    key = upload(store, cluster, "talk")
    async with running_operator(kube_server, cluster.namespace, store, engine=QUICK) as running:
        cluster.make_whisperjob("talk", key)
        (job,) = await until(cluster.jobs, "the Job")
        worker, stranger = (
            cluster.make_pod(job),
            cluster.make_pod({**job, "metadata": {**job["metadata"], "name": "x", "uid": "y"}}),
        )
        pod = stranger if audience == "whisperjob-operator" else worker
        url = f"http://127.0.0.1:{running.operator.work_listener.port}"
        async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
            for token in (cluster.token_for(pod, audience), kube_server.token, "a.b.c"):
                answer = await client.post("/work/claim", headers={"Authorization": f"Bearer {token}"})
                assert answer.status_code == 401


async def test_a_source_that_is_another_job_s_is_not_read_and_not_removed(
    kube_server: KubeServer, cluster: Cluster, store: FolderStore
) -> None:
    another = upload(store, cluster, "another")
    async with running_operator(kube_server, cluster.namespace, store, engine=QUICK):
        cluster.make_whisperjob("talk", another)
        await until(lambda: cluster.status("talk").get("phase") == "Error", "the job to end")
        assert cluster.status("talk")["error"]["code"] == "source_refused"
        cluster.delete_whisperjob("talk")
        cluster.make_whisperjob("another", another)
        await until(cluster.jobs, "the other's Job")
        assert [job["metadata"]["labels"]["whisperjob.dev/job"] for job in cluster.jobs()] == ["another"]
        assert store.stat(another) is not None


async def test_out_of_memory_gets_more_the_next_time(
    kube_server: KubeServer, cluster: Cluster, store: FolderStore
) -> None:
    key = upload(store, cluster, "talk")
    async with running_operator(kube_server, cluster.namespace, store, engine=QUICK) as running:
        cluster.make_whisperjob("talk", key)
        (first,) = await until(cluster.jobs, "the Job")
        cluster.make_pod(first, "Failed", state={"terminated": {"exitCode": 137, "reason": "OOMKilled"}})
        second = (await until(lambda: cluster.jobs()[1:], "the next attempt"))[0]

        def memory(job: dict[str, object]) -> int:
            return int(job["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["memory"])  # type: ignore[index]  # JSON

        assert memory(second) == 2 * memory(first)
        await until(lambda: cluster.status("talk").get("attempt") == 2, "attempt 2 to be known")
        assert cluster.status("talk")["failureCount"] == 1
        assert first["metadata"]["name"] != second["metadata"]["name"]
        async with httpx.AsyncClient(trust_env=False) as prometheus:
            metrics = (await prometheus.get(f"http://127.0.0.1:{running.operator.probe_listener.port}/metrics")).text
        assert 'outcome="failed",reason="OutOfMemory",stage="optimize"} 1.0' in metrics
        assert 'whisperjob_job_events_total{reason="Retrying"} 1.0' in metrics


async def test_job_that_vanished_is_started_again(
    kube_server: KubeServer, cluster: Cluster, store: FolderStore
) -> None:
    key = upload(store, cluster, "talk")
    async with running_operator(kube_server, cluster.namespace, store, engine=QUICK):
        cluster.make_whisperjob("talk", key)
        (first,) = await until(cluster.jobs, "the Job")
        await until(lambda: cluster.status("talk").get("attempt") == 1, "the attempt to be known")
        cluster.delete_job(first)
        await until(lambda: cluster.status("talk").get("attempt") == 2, "the next attempt")
        assert cluster.status("talk")["failureCount"] == 0


async def test_restarted_operator_finds_its_workers(
    kube_server: KubeServer, cluster: Cluster, store: FolderStore
) -> None:
    key = upload(store, cluster, "talk")
    async with running_operator(kube_server, cluster.namespace, store, engine=QUICK):
        cluster.make_whisperjob("talk", key)
        (job,) = await until(cluster.jobs, "the Job")
        cluster.run_pod(cluster.make_pod(job))
        await until(lambda: cluster.status("talk").get("phase") == "Processing", "the worker")
    async with running_operator(kube_server, cluster.namespace, store, engine=QUICK) as second:
        cluster.patch_whisperjob("talk", {"priority": 5})
        await until(lambda: second.operator.watch_health.event_counts()["whisperjobs"] >= 2, "the event of the change")
        finish(store, cluster, "talk")
        job = cluster.jobs()[0]
        cluster.set_pod(
            {"metadata": {"name": f"{job['metadata']['name']}-pod"}}, "Succeeded", {"terminated": {"exitCode": 0}}
        )
        await until(lambda: cluster.status("talk").get("phase") == "Completed", "the job to end")
        assert cluster.status("talk")["attempt"] == 1


@pytest.mark.parametrize(("spec", "phase"), [({"cancel": True}, "Error"), ({"suspend": True}, "Queued")])
async def test_worker_is_stopped(
    kube_server: KubeServer, cluster: Cluster, store: FolderStore, spec: dict[str, bool], phase: str
) -> None:
    key = upload(store, cluster, "talk")
    async with running_operator(kube_server, cluster.namespace, store, engine=QUICK):
        cluster.make_whisperjob("talk", key)
        (job,) = await until(cluster.jobs, "the Job")
        cluster.run_pod(cluster.make_pod(job))
        await until(lambda: cluster.status("talk").get("phase") == "Processing", "the worker")
        cluster.patch_whisperjob("talk", spec)
        await until(lambda: cluster.jobs()[0]["metadata"].get("deletionTimestamp"), "the deletion of the Job")
        await until(lambda: cluster.status("talk").get("phase") == phase, "the status")


async def test_deleted_job_leaves_no_objects(kube_server: KubeServer, cluster: Cluster, store: FolderStore) -> None:
    key = upload(store, cluster, "talk")
    async with running_operator(kube_server, cluster.namespace, store, engine=QUICK):
        cluster.make_whisperjob("talk", key)
        await until(cluster.jobs, "the Job")
        cluster.delete_whisperjob("talk")
        await until(lambda: cluster.jobs()[0]["metadata"].get("deletionTimestamp"), "the deletion of the Job")
        await until(lambda: store.stat(key) is None, "the upload to go")


@pytest.mark.parametrize("force", [True, False], ids=["by force", "on a lost node"])
async def test_deleted_pod_costs_an_attempt_and_is_no_failure(
    kube_server: KubeServer, cluster: Cluster, store: FolderStore, force: bool
) -> None:
    key = upload(store, cluster, "talk")
    async with running_operator(kube_server, cluster.namespace, store, engine=QUICK, worker_lost_after="0.2s"):
        cluster.make_whisperjob("talk", key)
        (job,) = await until(cluster.jobs, "the Job")
        pod = cluster.make_pod(job, node="node-1")
        cluster.run_pod(pod)
        await until(lambda: cluster.status("talk").get("phase") == "Processing", "the worker")
        if force:
            cluster.set_pod(pod, "Failed", {"terminated": {"exitCode": 137}})
        cluster.delete_pod(pod, 0 if force else 1)
        await until(lambda: cluster.status("talk").get("attempt") == 2, "the next attempt", 20)
        status = cluster.status("talk")
        assert (status["failureCount"], status["machineFaultCount"]) == (0, 1)


async def test_two_operators_do_no_harm(kube_server: KubeServer, cluster: Cluster, store: FolderStore) -> None:
    talks = [f"talk-{number}" for number in range(5)]
    async with (
        running_operator(kube_server, cluster.namespace, store, engine=QUICK),
        running_operator(kube_server, cluster.namespace, store, engine=QUICK),
    ):
        for name in talks:
            cluster.make_whisperjob(name, upload(store, cluster, name))
        jobs = await until(lambda: len(found := cluster.jobs()) == len(talks) and found, "a Job for each")
        for job in jobs or []:
            cluster.run_pod(cluster.make_pod(job))
        await until(lambda: all(cluster.status(t).get("phase") == "Processing" for t in talks), "the workers")
        for name in talks:
            finish(store, cluster, name)
        for job in jobs or []:
            pod = {"metadata": {"name": f"{job['metadata']['name']}-pod"}}
            cluster.set_pod(pod, "Succeeded", {"terminated": {"exitCode": 0}})
        await until(lambda: all(cluster.status(t).get("phase") == "Completed" for t in talks), "the jobs to end")
        assert [cluster.status(t)["attempt"] for t in talks] == [1] * len(talks)
        assert len(cluster.jobs()) == len(talks)
