"""A second release beside the first, whose workers get too little memory; and what it leaves when it is uninstalled."""

import re
from pathlib import Path

import pytest

from cluster.installation import Installation, finished, submit, wait_for
from cluster.kube import Kube
from cluster.recordings import write_long

pytest_plugins = ["cluster.fixtures"]
pytestmark = pytest.mark.cluster

KINDS = "all,secrets,configmaps,serviceaccounts,roles,rolebindings,networkpolicies,pdb,ingresses,pvc,wj"
OF_EVERY_NAMESPACE = {"configmap/kube-root-ca.crt", "serviceaccount/default"}

MIB = 2**20
TOO_LITTLE = 20 * MIB
"""Python alone takes most of it."""
FACTOR = 16


@pytest.fixture(scope="module")
def second(cluster: Kube, installation: Installation) -> Installation:
    made = Installation(cluster, "second")
    made.install(**{"api.replicas": "1", "worker.memory": str(TOO_LITTLE), "worker.memoryFactor": str(FACTOR)})
    return made


@pytest.fixture(scope="module")
def job(second: Installation, tmp_path_factory: pytest.TempPathFactory) -> str:
    """One that has ended."""
    with second.client() as api:
        name = submit(api, write_long(tmp_path_factory.mktemp("short") / "short.wav", minutes=1))
        seen = finished(api, name)
    assert seen["status"] == "completed", seen
    return name


def test_out_of_memory_is_told_and_tried_again_with_more(cluster: Kube, second: Installation, job: str) -> None:
    status = second.status(job)
    assert (status["attempt"], status["failureCount"]) == (2, 1)
    assert status["outOfMemory"] is True
    described = cluster.kubectl("-n", second.namespace, "describe", "wj", job)
    assert re.search(r"Warning +Retrying .*Attempt 1 failed: the worker ran out of memory \(OOMKilled\)", described)


def test_the_raise_outlives_the_operator_and_is_done_once(cluster: Kube, second: Installation, tmp_path: Path) -> None:
    """The operator goes while the job waits for its second attempt; what it knew stands in the status."""
    second.upgrade(**{"engine.retryBase": "10s"})
    with second.client() as api:
        name = submit(api, write_long(tmp_path / "short.wav", minutes=1))
        wait_for(lambda: second.status(name).get("failureCount") == 1, "the first attempt to fail")
        second.delete_pods("operator", grace_seconds=0)
        seen = finished(api, name)
    assert seen["status"] == "completed", seen
    assert second.status(name)["attempt"] == 2


def test_uninstalling_leaves_the_whisperjobs_alone(
    cluster: Kube, installation: Installation, second: Installation, job: str
) -> None:
    second.uninstall()

    def left() -> set[str]:
        return set(cluster.kubectl("-n", second.namespace, "get", KINDS, "-o", "name").split()) - OF_EVERY_NAMESPACE

    wait_for(lambda: not any(name.startswith("pod/") for name in left()), "the pods to end")
    kept = {name for name in left() if not name.startswith("whisperjob.whisperjob.dev/")}
    assert kept == set()
    assert f"whisperjob.whisperjob.dev/{job}" in left()
    policies = cluster.kubectl("get", "validatingadmissionpolicies,validatingadmissionpolicybindings", "-o", "name")
    assert f"/{second.namespace}-" not in policies
    assert installation.pods("operator")
