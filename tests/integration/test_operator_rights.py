"""The chart's roles against what an API server saw: nothing is missing, nothing is granted in vain."""

from datetime import timedelta
from io import BytesIO
from pathlib import Path

import httpx

from support.builders import a_job
from support.kubernetes.connection import connected
from support.kubernetes.operator import Cluster, running_operator
from support.kubernetes.rights import granted, install_rights, kubeconfig_of, requested, rights
from support.kubernetes.server import KubeServer
from support.kubernetes.values import one
from support.waiting import until
from whisperjob.deciding.decision import Event
from whisperjob.engine.ports import Launch
from whisperjob.model import names
from whisperjob.model.phase import Reason, Stage
from whisperjob.model.settings import EngineSettings
from whisperjob.records.cache import RecordCache
from whisperjob.stores.folder import FolderStore
from whisperjob_kubernetes.records import KubernetesRecords
from whisperjob_kubernetes.wire import to_record
from whisperjob_operator.event_recorder import KubernetesEventRecorder

pytest_plugins = ["support.kubernetes.fixtures"]

QUICK = EngineSettings(retry_base=timedelta(milliseconds=50))


async def test_operator_uses_every_right_it_has_and_no_other(
    kube_server: KubeServer, kube_namespace: str, tmp_path: Path
) -> None:
    account = install_rights(kube_server, kube_namespace)
    kubeconfig = kubeconfig_of(kube_server, kube_namespace, account, tmp_path)
    cluster = Cluster(kube_server, kube_namespace)
    cluster.make_account()
    store = FolderStore(tmp_path / "objects")
    key = names.new_upload_key(kube_namespace, "talk")
    store.put(key, BytesIO(b"x"))
    async with running_operator(kube_server, kube_namespace, store, kubeconfig=kubeconfig, engine=QUICK) as running:
        cluster.make_whisperjob("talk", key, ttlSecondsAfterFinished=0)
        (first,) = await until(cluster.jobs, "the Job")
        pod = cluster.make_pod(first)
        await presents_the_token_of_a_pod_not_seen_yet(cluster, running.operator.work_listener.port)
        cluster.set_pod(pod, "Failed", {"terminated": {"exitCode": 1}})
        second = (await until(lambda: cluster.jobs()[1:], "the second attempt"))[0]
        await running.operator.launcher.start(
            Launch(to_record(cluster.whisperjob("talk")), Stage.OPTIMIZE, 2, second["metadata"]["name"])
        )
        async with connected(kube_server, kubeconfig) as api:
            event_recorder = KubernetesEventRecorder(api, "operator-1")
            record = to_record(cluster.whisperjob("talk"))
            for _ in range(2):
                await event_recorder.record(record, Event(Reason.RETRYING, "Recorded twice", warning=True))
        notes = [event["note"] for event in cluster.events()]
        assert notes.count("Recorded twice") == 1
        assert [note for note in notes if note.startswith("Attempt 1 failed")] == [
            "Attempt 1 failed: the worker failed (exit code 1)"
        ]
        cluster.patch_whisperjob("talk", {"cancel": True})
        await until(
            lambda: "talk" not in kube_server.kubectl("-n", kube_namespace, "get", "wj", "-o", "name"), "the end"
        )
    answers = list(requested(kube_server, kube_namespace, account))
    assert {right for right, code in answers if code == 403} == set()
    role = one(rights(kube_server, kube_namespace), "Role", "-operator")
    assert {right for right, _ in answers} == granted(role)


async def presents_the_token_of_a_pod_not_seen_yet(cluster: Cluster, port: int) -> None:
    """No watch shows a Job without the operator's labels: it is read, and refused."""
    body = {"spec": {"serviceAccountName": "whisperjob-worker", "containers": [{"name": "c", "image": "i"}]}}
    path = f"/api/v1/namespaces/{cluster.namespace}/pods"
    stranger = cluster.server.request("POST", path, {"metadata": {"name": "stranger"}, **body})
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
        headers = {"Authorization": f"Bearer {cluster.token_for(stranger)}"}
        assert (await client.post("/work/claim", headers=headers)).status_code == 401


async def test_api_can_do_with_its_rights_what_the_port_asks(
    kube_server: KubeServer, kube_namespace: str, tmp_path: Path
) -> None:
    install_rights(kube_server, kube_namespace)
    role = one(rights(kube_server, kube_namespace), "Role", "-api")
    account = role["metadata"]["name"]
    kubeconfig = kubeconfig_of(kube_server, kube_namespace, account, tmp_path)
    async with connected(kube_server, kubeconfig) as api:
        records = KubernetesRecords(api, kube_namespace)
        cache = RecordCache(records)
        created = await records.create("talk", a_job().spec)
        assert (await records.get("talk")) == created
        page = await records.list()
        changed = await records.patch_spec("talk", created.spec.model_copy(update={"priority": 1}))
        assert (await anext(aiter(records.watch(page.version)))).record == changed
        await cache.relist()
        await records.delete("talk")
    answers = list(requested(kube_server, kube_namespace, account))
    assert {code for _, code in answers if code >= 400} == set()
    assert {right for right, _ in answers} == granted(role)


def test_workers_have_no_rights(kube_server: KubeServer, kube_namespace: str) -> None:
    account = one(rights(kube_server, kube_namespace), "ServiceAccount", "-worker")
    assert account["automountServiceAccountToken"] is False
    roles = [o for o in rights(kube_server, kube_namespace) if o["kind"] == "RoleBinding"]
    assert account["metadata"]["name"] not in {s["name"] for role in roles for s in role["subjects"]}
