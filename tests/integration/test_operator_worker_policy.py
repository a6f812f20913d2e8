"""The chart's policy on a real API server: the operator may create the workers that it makes, and no other Job."""

import copy
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.builders import a_job, a_spec
from support.kubernetes.rights import install_rights, kubeconfig_of
from support.kubernetes.server import KubeServer, helm_template
from support.kubernetes.settings import operator_settings
from support.kubernetes.values import environment, one
from support.waiting import until_sync
from whisperjob.deciding.decision import Policy
from whisperjob.engine.ports import Launch
from whisperjob.model import names
from whisperjob.model.phase import Stage
from whisperjob.model.resource import DiarizationRequest
from whisperjob.model.settings import EngineSettings
from whisperjob_operator.job_manifest import build_job

pytest_plugins = ["support.kubernetes.fixtures"]

Object = dict[str, Any]

VALUES = (
    *("--set", "image.registry=registry.example/whisperjob", "--set", "image.tag=v1", "--set", "image.pullSecrets={a}"),
    *("--set", "minio.enabled=true", "--set", "minio.image=m:1"),
    *("--set", "diarizer.enabled=true", "--set", "diarizer.existingSecret=hub"),
    *("--set", "diarizer.extraVolumes[0].name=models"),
    *("--set", "diarizer.extraVolumes[0].persistentVolumeClaim.claimName=m"),
    *("--set", "diarizer.extraVolumes[0].persistentVolumeClaim.readOnly=true"),
)
SETTINGS: Object = {
    "worker_image": "registry.example/whisperjob/optimizer:v1",
    "instance": "wj",
    "worker_service_account": "wj-whisperjob-worker",
    "worker_image_pull_secrets": "a",
    "diarizer_image": "registry.example/whisperjob/diarizer:v1",
    "diarizer_existing_secret": "hub",
    "diarizer_extra_volumes": '[{"name": "models", "persistentVolumeClaim": {"claimName": "m", "readOnly": true}}]',
    "diarizer_extra_volume_mounts": '[{"name": "models", "mountPath": "/models", "readOnly": true}]',
    "diarizer_supplemental_groups": "[44]",
}


class Installed:
    """A namespace with the chart's accounts and its policy, and the operator's credentials."""

    def __init__(self, server: KubeServer, folder: Path) -> None:
        self.server = server
        self.namespace = server.new_namespace()
        account = install_rights(server, self.namespace)
        self.operator = kubeconfig_of(server, self.namespace, account, folder)
        shown = ("--namespace", self.namespace, "--show-only", "templates/worker-policy.yaml")
        rendered = helm_template(server.binaries["helm"], *VALUES, *shown)
        server.kubectl("create", "-f", "-", stdin=yaml.safe_dump_all(rendered))
        bad = self.worker(Stage.OPTIMIZE)
        container(bad)["image"] = "evil:1"
        until_sync(lambda: self.refusal(bad), "the policy to be in force", 30)

    def worker(self, stage: Stage) -> Object:
        """The Job that the operator makes for an attempt at this stage."""
        job = a_job(spec=a_spec().model_copy(update={"diarization": DiarizationRequest(request_id="r1")}))
        job = job.model_copy(update={"metadata": job.metadata.model_copy(update={"namespace": self.namespace})})
        launch = Launch(job, stage, 1, names.worker_name(job.uid, stage, 1))
        built = build_job(launch, operator_settings(self.namespace, **SETTINGS), EngineSettings(), Policy())
        return dict(built.model_dump(mode="json", by_alias=True, exclude_none=True))

    def refusal(self, job: Object, *, as_administrator: bool = False) -> str:
        """Why the API server refuses to create the Job; empty if it would create it."""
        done = subprocess.run(
            [
                str(self.server.binaries["kubectl"]),
                *("--kubeconfig", str(self.server.kubeconfig if as_administrator else self.operator)),
                *("-n", self.namespace, "create", "--dry-run=server", "-f", "-"),
            ],
            input=json.dumps(job),
            capture_output=True,
            text=True,
            timeout=60,
        )
        return done.stderr if done.returncode else ""


def pod(job: Object) -> Object:
    found: Object = job["spec"]["template"]["spec"]
    return found


def container(job: Object) -> Object:
    found: Object = pod(job)["containers"][0]
    return found


@pytest.fixture(scope="module")
def installed(kube_server: KubeServer, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return Installed(kube_server, tmp_path_factory.mktemp("policy"))


@pytest.mark.parametrize("stage", Stage)
def test_workers_are_created(installed: Installed, stage: Stage) -> None:
    assert installed.refusal(installed.worker(stage)) == ""


def change(path: str, value: object) -> Callable[[Object], None]:
    """Sets a field of the pod; the path's numbers are positions in lists, and "+" appends to one."""

    def apply(job: Object) -> None:
        *parents, last = path.split(".")
        at: Any = pod(job)
        for parent in parents:
            at = at[int(parent)] if parent.isdecimal() else at.setdefault(parent, {})
        if last == "+":
            at.append(value)
        else:
            at[int(last) if last.isdecimal() else last] = value

    return apply


HOST_PATH = {"name": "host", "hostPath": {"path": "/"}}
DENIED: dict[str, tuple[str, object]] = {
    "another image": ("containers.0.image", "registry.example/whisperjob/optimizer:v1@sha256:" + "0" * 64),
    "another program": ("containers.0.command", ["sh", "-c", "id"]),
    "another module": ("containers.0.command", ["python", "-m", "http.server"]),
    "no command of its own": ("containers.0.command", None),
    "a second container": ("containers.+", {"name": "x", "image": "registry.example/whisperjob/optimizer:v1"}),
    "an init container": ("initContainers", [{"name": "x", "image": "registry.example/whisperjob/optimizer:v1"}]),
    "a hook": ("containers.0.lifecycle", {"preStop": {"exec": {"command": ["id"]}}}),
    "a probe that runs a program": ("containers.0.livenessProbe", {"exec": {"command": ["id"]}}),
    "the operator's account": ("serviceAccountName", "wj-whisperjob-operator"),
    "a token for the API server": ("automountServiceAccountToken", True),
    "the node's network": ("hostNetwork", True),
    "the node's processes": ("hostPID", True),
    "the node's shared memory": ("hostIPC", True),
    "a port of the node": ("containers.0.ports", [{"containerPort": 80, "hostPort": 80}]),
    "a node of its choice": ("nodeName", "control-plane"),
    "root": ("securityContext.runAsNonRoot", False),
    "root in the container": ("containers.0.securityContext.runAsUser", 0),
    "more privileges later": ("containers.0.securityContext.allowPrivilegeEscalation", True),
    "a capability": ("containers.0.securityContext.capabilities.add", ["SYS_ADMIN"]),
    "all system calls": ("securityContext.seccompProfile", {"type": "Unconfined"}),
    "all system calls in the container": ("containers.0.securityContext.seccompProfile", {"type": "Unconfined"}),
    "a root file system that can be written": ("containers.0.securityContext.readOnlyRootFilesystem", False),
    "the node's files": ("volumes.+", HOST_PATH),
    "the node's files under a volume's name": ("volumes.2", {**HOST_PATH, "name": "models"}),
    "another claim": ("volumes.2", {"name": "models", "persistentVolumeClaim": {"claimName": "other"}}),
    "a Secret as a volume": ("volumes.+", {"name": "keys", "secret": {"secretName": "store"}}),
    "a Secret in a projected volume": (
        "volumes.+",
        {"name": "keys", "projected": {"sources": [{"secret": {"name": "store"}}]}},
    ),
    "a token for the API server in a volume": (
        "volumes.+",
        {"name": "t", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}},
    ),
    "a Secret in the environment": (
        "containers.0.env.+",
        {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "store", "key": "secretKey"}}},
    ),
    "all of a Secret in the environment": ("containers.0.envFrom", [{"secretRef": {"name": "store"}}]),
    "a ConfigMap in the environment": (
        "containers.0.env.+",
        {"name": "MAP", "valueFrom": {"configMapKeyRef": {"name": "map", "key": "k"}}},
    ),
    "another pull secret": ("imagePullSecrets", [{"name": "other"}]),
    "no end": ("activeDeadlineSeconds", None),
}


@pytest.mark.parametrize("what", DENIED)
def test_nothing_else_is_created(installed: Installed, what: str) -> None:
    job = installed.worker(Stage.DIARIZE)
    path, value = DENIED[what]
    change(path, copy.deepcopy(value))(job)
    assert "denied request" in installed.refusal(job)


@pytest.mark.parametrize("missing", ["app.kubernetes.io/component", "app.kubernetes.io/instance"])
def test_a_worker_without_its_labels_is_refused(installed: Installed, missing: str) -> None:
    """The network policies select workers by them."""
    job = installed.worker(Stage.OPTIMIZE)
    del job["spec"]["template"]["metadata"]["labels"][missing]
    assert "the network policy applies to it" in installed.refusal(job)


def test_many_pods_at_once_are_refused(installed: Installed) -> None:
    job = installed.worker(Stage.OPTIMIZE)
    job["spec"]["parallelism"] = 1000
    assert "denied request" in installed.refusal(job)


def test_a_job_that_belongs_to_nothing_is_refused(installed: Installed) -> None:
    job = installed.worker(Stage.OPTIMIZE)
    del job["metadata"]["ownerReferences"]
    assert "a worker belongs to a WhisperJob" in installed.refusal(job)


def test_others_in_the_namespace_are_not_bound(installed: Installed) -> None:
    job = installed.worker(Stage.OPTIMIZE)
    container(job)["image"] = "mine:1"
    assert installed.refusal(job, as_administrator=True) == ""


def test_a_digest_replaces_the_tag_everywhere(kube_server: KubeServer) -> None:
    """The operator is given the image that the policy lets it run."""
    digest = f"sha256:{'cd' * 32}"
    rendered = kube_server.helm_template(*VALUES, "--set", f"image.digests.optimizer={digest}")
    image = f"registry.example/whisperjob/optimizer@{digest}"
    assert environment(one(rendered, "Deployment", "-operator"))["WHISPERJOB_WORKER_IMAGE"] == image
    policy = one(rendered, "ValidatingAdmissionPolicy", "-worker")
    assert any(image in validation["expression"] for validation in policy["spec"]["validations"])
    assert "optimizer:" not in yaml.safe_dump_all(rendered)


@pytest.mark.parametrize("digest", ["sha256:short", "latest", f"md5:{'ab' * 16}"])
def test_what_is_no_digest_is_refused(kube_server: KubeServer, digest: str) -> None:
    with pytest.raises(subprocess.CalledProcessError) as refused:
        kube_server.helm_template(*VALUES, "--set", f"image.digests.optimizer={digest}")
    assert "/image/digests/optimizer" in refused.value.stderr
