"""The workers' Jobs as the golden files have them: a real API server takes them, a restricted namespace their pods."""

from pathlib import Path

import pytest
import yaml

from support.kubernetes.paths import GOLDEN
from support.kubernetes.server import KubeServer

pytest_plugins = ["support.kubernetes.fixtures"]

JOBS = sorted(GOLDEN.glob("job-*.yaml"))
NEEDED = [
    {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": "nvidia"}, "handler": "nvidia"},
    *(
        {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": name}, "value": 1}
        for name in ("urgent", "gpu")
    ),
]


@pytest.fixture(scope="module")
def namespace(kube_server: KubeServer) -> str:
    """Restricted; what the pods name is there."""
    made = kube_server.new_namespace()
    kube_server.kubectl("label", "namespace", made, "pod-security.kubernetes.io/enforce=restricted")
    kube_server.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(NEEDED))
    return made


@pytest.mark.parametrize("file", JOBS, ids=lambda file: file.stem)
def test_jobs_and_their_pods_are_accepted(kube_server: KubeServer, namespace: str, file: Path) -> None:
    job = yaml.safe_load(file.read_text())
    job["metadata"]["namespace"] = namespace
    template = job["spec"]["template"]
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "worker", "namespace": namespace, **template["metadata"]},
        "spec": template["spec"],
    }
    create = ("create", "--dry-run=server", "--validate=strict", "-o", "name", "-f", "-")
    accepted = kube_server.kubectl(*create, stdin=yaml.safe_dump_all([job, pod]))
    assert accepted.split() == [f"job.batch/{job['metadata']['name']}", "pod/worker"]
