"""Parts of a real cluster are taken away while jobs are worked on: every job ends well, and none goes back."""

import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from cluster.harness import Cluster
from cluster.installation import Installation, download, finished, submit, wait_for
from cluster.kube import Kube
from cluster.recordings import write_long

pytest_plugins = ["cluster.fixtures"]
pytestmark = pytest.mark.cluster

MINUTES = 45


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keeps a worker busy for ten seconds and more."""
    return write_long(tmp_path_factory.mktemp("long") / "long.wav", MINUTES)


@pytest.fixture
def running(api: httpx.Client, installation: Installation, long: Path) -> str:
    """A job whose worker has begun."""
    name = submit(api, long)
    wait_for(lambda: installation.status(name).get("phase") == "Processing", "the job to run")
    return name


def completed(api: httpx.Client, job: str) -> None:
    seen = finished(api, job, 200)
    assert seen["status"] == "completed", seen
    assert seen["duration"] == pytest.approx(MINUTES * 60, abs=1)
    assert all(download(api, chunk) for chunk in seen["chunks"])


def test_the_worker_s_pod_is_deleted(api: httpx.Client, installation: Installation, running: str) -> None:
    (pod,) = installation.workers(running)
    installation.delete_pod(pod)
    completed(api, running)
    assert installation.status(running)["attempt"] == 2


def test_the_operator_s_pod_is_deleted(api: httpx.Client, installation: Installation, running: str) -> None:
    installation.delete_pods("operator", grace_seconds=0)
    completed(api, running)
    assert installation.status(running)["attempt"] == 1


def test_the_whisperjob_is_deleted_while_the_operator_is_down(
    api: httpx.Client, cluster: Kube, installation: Installation, running: str
) -> None:
    installation.scale("operator", 0)
    try:
        cluster.kubectl("-n", installation.namespace, "delete", "wj", running, "--timeout=20s")
        wait_for(lambda: not installation.workers(running), "the pod to go")
        assert api.get(f"/job/{running}").status_code == 404
    finally:
        installation.scale("operator", 1)
    wait_for(lambda: not installation.batch_jobs(running), "the Job to go")


def test_the_store_is_killed(
    api: httpx.Client, inner_cluster: Cluster, installation: Installation, running: str
) -> None:
    (pod,) = installation.pods("minio")
    inner_cluster.kill_container(pod["status"]["containerStatuses"][0]["containerID"].removeprefix("containerd://"))
    completed(api, running)


def test_an_api_pod_is_replaced_during_an_upload(
    api: httpx.Client, inner_cluster: Cluster, installation: Installation, long: Path
) -> None:
    content = long.read_bytes()
    half, rest = threading.Event(), threading.Event()

    def slowly() -> Iterator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="long.wav"\r\n\r\n'
        yield content[: len(content) // 2]
        half.set()
        rest.wait(60)
        yield content[len(content) // 2 :]
        yield b"\r\n--x--\r\n"

    answers: list[httpx.Response] = []

    def upload() -> None:
        header = {"Content-Type": "multipart/form-data; boundary=x"}
        answers.append(api.post("/whisper_optimize", content=slowly(), headers=header))

    thread = threading.Thread(target=upload)
    thread.start()
    try:
        assert half.wait(60)
        old = {pod["metadata"]["name"] for pod in installation.pods("api")}
        installation.delete_pods("api")
        wait_for(lambda: {pod["metadata"]["name"] for pod in installation.pods("api")} - old, "a new API pod")
    finally:
        rest.set()
        thread.join(90)
    assert answers
    assert answers[0].is_success, answers[0].text
    wait_for(lambda: not old & {pod["metadata"]["name"] for pod in installation.pods("api")}, "the old pods to go")
    installation.wait_ready("api")
    installation.wait_answers()
    completed(api, answers[0].json()["jobId"])


def test_a_new_release_while_jobs_run(
    api: httpx.Client, inner_cluster: Cluster, installation: Installation, running: str
) -> None:
    _, (_, following) = inner_cluster.images
    installation.upgrade(**{"image.tag": following})
    completed(api, running)
    assert installation.status(running)["attempt"] == 1
    staying = [pod for pod in installation.pods("api") if "deletionTimestamp" not in pod["metadata"]]
    images = {pod["spec"]["containers"][0]["image"] for pod in staying + installation.pods("operator")}
    assert {image.rpartition(":")[2] for image in images} == {following}
