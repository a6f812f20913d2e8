"""Builders of workers' Jobs and Pods: every field has a sensible default; name those that matter."""

from datetime import datetime
from typing import Any

from support.builders import T0, UID
from whisperjob.model import names
from whisperjob.model.phase import Stage
from whisperjob_operator import labels
from whisperjob_operator.kube_objects import KubeJob, KubePod

JOB_UID = "22222222-3333-4444-8555-666666666666"

Object = dict[str, Any]


def rfc3339(time: datetime) -> str:
    return time.isoformat().replace("+00:00", "Z")


def job_body(attempt: int = 1, **changes: Any) -> Object:
    """Builds a Job; `conditions` go into its status, `suspend` into its spec, all else into its metadata."""
    status: Object = {"conditions": changes.pop("conditions", [])}
    metadata: Object = {
        "name": names.worker_name(UID, Stage.OPTIMIZE, attempt),
        "namespace": "default",
        "uid": JOB_UID,
        "resourceVersion": "10",
        "creationTimestamp": rfc3339(T0),
        "labels": {labels.STAGE: "optimize", labels.ATTEMPT: str(attempt), labels.JOB: "talk"},
        "ownerReferences": [{"kind": "WhisperJob", "name": "talk", "uid": UID, "controller": True, "apiVersion": "x"}],
    }
    spec = {"suspend": changes.pop("suspend", False)}
    return {"metadata": {**metadata, **changes}, "spec": spec, "status": status}


def pod_body(phase: str = "Pending", state: Object | None = None, **changes: Any) -> Object:
    """Builds a Pod. `state` is the container's, `metadata` is merged into its own; all else goes into its status."""
    metadata: Object = {
        "name": "pod-1",
        "namespace": "default",
        "uid": "33333333-4444-4555-8666-777777777777",
        "resourceVersion": "11",
        "creationTimestamp": rfc3339(T0),
        "ownerReferences": [{"kind": "Job", "name": "j", "uid": JOB_UID, "controller": True, "apiVersion": "batch/v1"}],
        **changes.pop("metadata", {}),
    }
    status: Object = {"phase": phase, **changes}
    if state is not None:
        status["containerStatuses"] = [{"name": "optimizer", "image": "registry.example/o:1", "state": state}]
    return {"metadata": metadata, "status": status}


def a_kube_job(**changes: Any) -> KubeJob:
    return KubeJob.model_validate(job_body(**changes))


def a_pod(phase: str = "Pending", state: Object | None = None, **changes: Any) -> KubePod:
    return KubePod.model_validate(pod_body(phase, state, **changes))
