"""Diarizations on a real cluster where accelerators are few, have another name, or are none: they wait, and say why.

A stand-in takes the diarizer's place (tests/support/workers/diarizer_stand_in.py); the node's GPU is only advertised,
so that the scheduler decides for real.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

import httpx
import pytest

from cluster.gpus import GPU, advertised_gpu
from cluster.harness import Cluster
from cluster.installation import Installation, diarized, finished, submit, wait_for
from cluster.kube import Object
from cluster.prepare import STAND_IN
from cluster.recordings import write_long

pytest_plugins = ["cluster.fixtures"]
pytestmark = pytest.mark.cluster

MINUTES = 0.25
"""The stand-in works as long as a recording lasts."""
A_KUBELET_S_SECOND = timedelta(seconds=1)
"""Its times are whole seconds."""
MIB = 2**20


@pytest.fixture(scope="module")
def speakers(inner_cluster: Cluster) -> Iterator[Installation]:
    """A release with a diarizer; its GPU is the chart's default."""
    made = Installation(inner_cluster, "speakers")
    stand_in = {"diarizer.enabled": "true", "diarizer.image": STAND_IN, "diarizer.cpuRequest": "100m"}
    with advertised_gpu(inner_cluster):
        made.install(**{"api.replicas": "1", "diarizer.memory": "256Mi", **stand_in})
        yield made


@pytest.fixture(scope="module")
def client(speakers: Installation) -> Iterator[httpx.Client]:
    with speakers.client() as client:
        yield client


@pytest.fixture(scope="module")
def jobs(client: httpx.Client, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Two that have completed."""
    recording = write_long(tmp_path_factory.mktemp("short") / "short.wav", MINUTES)
    made = [submit(client, recording) for _ in range(2)]
    assert [finished(client, job)["status"] for job in made] == ["completed", "completed"]
    return made


def ask(client: httpx.Client, job: str, speakers: int) -> None:
    answer = client.post("/diarize", json={"jobId": job, "numSpeakers": speakers})
    assert answer.status_code == 202, answer.text


def diarization(installation: Installation, job: str) -> Object:
    found: Object = installation.status(job).get("diarization", {})
    return found


def condition(installation: Installation, job: str, kind: str) -> Object:
    return next((c for c in installation.status(job)["conditions"] if c["type"] == kind), {})


def test_two_diarizations_share_one_gpu(
    inner_cluster: Cluster, speakers: Installation, client: httpx.Client, jobs: list[str]
) -> None:
    for job in jobs:
        ask(client, job, 2)

    def unschedulable() -> list[str]:
        return [job for job in jobs if condition(speakers, job, "Scheduled").get("reason") == "Unschedulable"]

    (waiting,) = wait_for(unschedulable, "one to wait for the GPU")
    (running,) = set(jobs) - {waiting}
    wait_for(lambda: diarization(speakers, running).get("phase") == "Processing", "the other to run")
    scheduled = condition(speakers, waiting, "Scheduled")
    assert scheduled["status"] == "False"
    assert f"Insufficient {GPU}" in scheduled["message"]
    get = ("-n", speakers.namespace, "get", "wj", waiting, "--no-headers")
    assert {"Completed", "Queued", "Unschedulable"} <= set(inner_cluster.kubectl(*get).split())
    assert scheduled["message"] in inner_cluster.kubectl(*get, "-o", "wide")
    seen = client.get(f"/diarize/{waiting}").json()
    assert (seen["status"], seen["waitingFor"]) == ("running", scheduled["message"])

    def running_pods() -> list[Object]:  # a worker may report before its kubelet does
        return [pod for pod in speakers.workers(running) if pod["status"]["phase"] == "Running"]

    (pod,) = wait_for(running_pods, "its pod to be reported as running")
    assert pod["spec"]["containers"][0]["resources"]["limits"][GPU] == "1"

    results = [diarized(client, job)["result"] for job in (running, waiting)]
    assert [result["num_speakers"] for result in results] == [2, 2]
    first, second = (diarization(speakers, job) for job in (running, waiting))
    began, began_then = (datetime.fromisoformat(state["startTime"]) for state in (first, second))
    assert began_then - began >= timedelta(minutes=MINUTES) - A_KUBELET_S_SECOND
    assert condition(speakers, waiting, "Diarized")["status"] == "True"
    assert first["attempt"] == second["attempt"] == 1


def test_one_that_can_never_start_ends_in_its_own_code(
    speakers: Installation, client: httpx.Client, jobs: list[str]
) -> None:
    speakers.upgrade(**{"diarizer.resource": "example.com/none", "engine.startDeadline": "8s"})
    ask(client, jobs[0], 3)
    seen = diarized(client, jobs[0])
    assert (seen["status"], seen["errorCode"]) == ("error", "start_deadline")
    assert "Insufficient example.com/none" in seen["error"]
    wait_for(lambda: not speakers.batch_jobs(jobs[0]), "the Job to go")
    assert client.get(f"/job/{jobs[0]}").json()["status"] == "completed"


def test_a_missing_token_is_named_and_waited_for(
    inner_cluster: Cluster, speakers: Installation, client: httpx.Client, jobs: list[str]
) -> None:
    on_the_cpu = {"diarizer.resourceCount": "0", "engine.startDeadline": "24h"}
    speakers.upgrade(**{"diarizer.existingSecret": "hub", **on_the_cpu})
    ask(client, jobs[0], 1)

    def named() -> bool:
        return 'secret "hub" not found' in client.get(f"/diarize/{jobs[0]}").json().get("waitingFor", "")

    wait_for(named, "the Secret to be named")
    secret = ("create", "secret", "generic", "hub", "--from-literal=hf-token=none")
    inner_cluster.kubectl("-n", speakers.namespace, *secret)
    assert diarized(client, jobs[0], 120)["status"] == "completed"


def test_out_of_memory_gets_more_the_next_time(
    inner_cluster: Cluster, speakers: Installation, client: httpx.Client, jobs: list[str]
) -> None:
    """On the CPU, which no scheduler counts as an accelerator; 128 MiB are too little for what it takes, 256 do."""
    memory = {"diarizer.memory": str(128 * MIB), "diarizer.memoryPerHour": "0"}
    speakers.upgrade(**{"diarizer.resourceCount": "0", "engine.startDeadline": "24h", **memory})
    ask(client, jobs[1], 8)
    wait_for(lambda: diarization(speakers, jobs[1]).get("failureCount") == 1, "the first attempt to fail")

    def unfailed() -> list[Object]:  # the first attempt's pod may stay for a moment
        return [pod for pod in speakers.workers(jobs[1]) if pod["status"]["phase"] != "Failed"]

    retried = wait_for(unfailed, "the second attempt's pod")
    assert {p["spec"]["containers"][0]["resources"]["limits"]["memory"] for p in retried} == {str(256 * MIB)}
    seen = diarized(client, jobs[1])
    assert (seen["status"], seen["result"]["num_speakers"]) == ("completed", 8)
    assert diarization(speakers, jobs[1])["outOfMemory"] is True
    described = inner_cluster.kubectl("-n", speakers.namespace, "describe", "wj", jobs[1])
    assert "the worker ran out of memory" in described
