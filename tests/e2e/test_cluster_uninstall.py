"""A second release beside the first, and what it leaves when it is uninstalled."""

from pathlib import Path

import pytest

from cluster.installation import Installation, finished, submit, wait_for
from cluster.kube import Kube
from cluster.recordings import write_long

pytest_plugins = ["cluster.fixtures"]
pytestmark = pytest.mark.cluster

KINDS = "all,secrets,configmaps,serviceaccounts,roles,rolebindings,networkpolicies,pdb,ingresses,pvc,wj"
OF_EVERY_NAMESPACE = {"configmap/kube-root-ca.crt", "serviceaccount/default"}


def test_uninstalling_leaves_the_whisperjobs_alone(cluster: Kube, installation: Installation, tmp_path: Path) -> None:
    second = Installation(cluster, "second")
    second.install(**{"api.replicas": "1"})
    with second.client() as api:
        job = submit(api, write_long(tmp_path / "short.wav", minutes=1))
        assert finished(api, job)["status"] == "completed"
    second.uninstall()

    def left() -> set[str]:
        return set(cluster.kubectl("-n", second.namespace, "get", KINDS, "-o", "name").split()) - OF_EVERY_NAMESPACE

    wait_for(lambda: not any(name.startswith("pod/") for name in left()), "the pods to end")
    assert left() == {f"whisperjob.whisperjob.dev/{job}"}
    policies = cluster.kubectl("get", "validatingadmissionpolicies,validatingadmissionpolicybindings", "-o", "name")
    assert f"/{second.namespace}-" not in policies
    assert installation.pods("operator")
