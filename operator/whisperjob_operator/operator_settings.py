"""The settings that the operator alone has; `EngineSettings` and `StoreSettings` are the others it reads.

Each description gives the unit and the reason.
"""

import re
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, Json

from whisperjob.model.settings import CommaSeparated, Duration, EngineSettings, SandboxSettings

_FACTORS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
_QUANTITY = re.compile(r"(\d+(?:\.\d+)?)(k|M|G|T|Ki|Mi|Gi|Ti)?")

SLOWEST_REAL_TIME_FACTOR = 24
"""How many times faster than real time a worker is at least, also on a busy node."""


def _bytes(value: Any) -> Any:
    """Accepts quantities as Kubernetes writes them (512Mi, 2G) beside plain bytes."""
    if isinstance(value, str) and (match := _QUANTITY.fullmatch(value.strip())):
        return int(Decimal(match[1]) * _FACTORS[match[2] or ""])
    return value


Bytes = Annotated[int, BeforeValidator(_bytes)]
StringMap = Json[dict[str, str]] | dict[str, str]


class OperatorSettings(SandboxSettings):
    """The operator. Where it works, and how its worker pods are made."""

    namespace: str = Field(
        min_length=1, description="The one namespace that the operator works in. The chart sets the release's."
    )
    instance: str = Field(default="whisperjob", description="Name of the installation, a label of its workers.")
    kubeconfig: Path | None = Field(default=None, description="Kubeconfig to use; only outside a cluster.")
    pod_name: str = Field(default="operator", max_length=128, description="Name of the operator's own pod, for Events.")

    work_port: int = Field(
        default=8081, ge=0, le=65_535, description="Port where workers claim their work. 0: any free port."
    )
    probe_port: int = Field(default=9090, ge=0, le=65_535, description="Port of probes and metrics. 0: any free port.")
    shutdown_grace: Duration = Field(
        default="5s", validate_default=True, description="How long requests in flight may continue after SIGTERM."
    )
    blind_after: Duration = Field(
        default="60s",
        validate_default=True,
        description="The liveness probe fails when no event has reported a known change for this long. A watch "
        "reconnects in seconds.",
    )

    worker_image: str = Field(min_length=1, description="Image of the optimizer.")
    worker_image_pull_policy: str = Field(
        default="IfNotPresent",
        pattern="^(Always|IfNotPresent|Never)$",
        description="Pull policy of the workers' images.",
    )
    worker_image_pull_secrets: CommaSeparated[str] = Field(
        default=(), description="Comma-separated names of pull secrets."
    )
    worker_server: str = Field(min_length=1, description="URL of the work port as workers reach it, http://host:port.")
    worker_service_account: str = Field(
        default="whisperjob-worker", description="Service account of workers. It needs no permissions at all."
    )
    worker_audience: str = Field(default="whisperjob-operator", description="Audience of the workers' tokens.")
    worker_token_lifetime: Duration = Field(
        default="1h",
        validate_default=True,
        description="Lifetime of the workers' tokens. The kubelet renews them in time.",
    )
    worker_cpu_request: str = Field(default="1", description="CPU requested. ffmpeg uses about one core.")
    worker_cpu_limit: str | None = Field(default=None, description="CPU limit. None: idle cores are used.")
    worker_memory: Bytes = Field(
        default="512Mi", validate_default=True, ge=2**24, description="Memory requested and allowed, bytes or 512Mi."
    )
    worker_memory_factor: float = Field(
        default=2.0,
        ge=1,
        le=16,
        description="After an attempt ran out of memory, the following attempts get this many times the memory. "
        "Raised once.",
    )
    worker_termination_grace: Duration = Field(
        default="5s",
        validate_default=True,
        description="Time from SIGTERM to SIGKILL. The pod of a cancelled job must be gone within 10 s.",
    )
    worker_lost_after: Duration = Field(
        default="30s",
        validate_default=True,
        description="A pod that still exists this long after it should be gone is on a lost node.",
    )
    worker_job_ttl: Duration = Field(
        default="7d",
        validate_default=True,
        description="Jobs that ended and were not removed expire after this time. It must be far longer than any "
        "outage of the operator, which cannot read a Job that is gone.",
    )
    worker_priority_classes: StringMap = Field(
        default={}, description='JSON: least spec.priority to PriorityClass, {"1": "urgent", "-1000": "bulk"}.'
    )
    worker_queue_name: str | None = Field(default=None, description="Kueue's LocalQueue for workers. Empty: none.")
    worker_node_selector: StringMap = Field(default={}, description="JSON: labels that the node of a worker must have.")
    worker_tolerations: Json[list[dict[str, Any]]] | list[dict[str, Any]] = Field(
        default=[], description="JSON: taints that a worker tolerates, as in a pod's spec."
    )
    worker_labels: StringMap = Field(default={}, description="JSON: further labels of workers.")
    worker_annotations: StringMap = Field(default={}, description="JSON: annotations of worker pods.")
    worker_user: int = Field(default=65_532, ge=1, description="User and group id of workers; never root.")

    diarizer_image: str | None = Field(default=None, description="Image of the diarizer. None: there is no diarizer.")
    diarizer_resource: str = Field(
        default="nvidia.com/gpu",
        pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?/[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$",
        description="The diarizer's accelerator, an extended resource: nvidia.com/gpu, amd.com/gpu, "
        "nvidia.com/mig-1g.10gb.",
    )
    diarizer_resource_count: int = Field(
        default=1, ge=0, le=16, description="Number of accelerators. 0: it runs on the CPU."
    )
    diarizer_cpu_request: str = Field(
        default="1", description="CPU requested. Without an accelerator, more CPU makes it faster."
    )
    diarizer_cpu_limit: str | None = Field(default=None, description="CPU limit. None: idle cores are used.")
    diarizer_memory: Bytes = Field(
        default="4Gi",
        validate_default=True,
        ge=2**26,
        description="Memory requested and allowed for any recording: the program, its models, and CUDA itself.",
    )
    diarizer_memory_per_hour: Bytes = Field(
        default="180M", validate_default=True, ge=0, description="Additional memory for each hour of the recording."
    )
    diarizer_scratch: Bytes = Field(
        default="1Gi",
        validate_default=True,
        ge=2**26,
        description="Scratch space besides the audio, for models and caches.",
    )
    diarizer_existing_secret: str | None = Field(
        default=None, description="A Secret whose key hf-token is a token of the model hub. Bundled models need none."
    )
    diarizer_priority_classes: StringMap = Field(
        default={}, description="JSON: least spec.priority to PriorityClass, as for the optimizer."
    )
    diarizer_queue_name: str | None = Field(
        default=None, description="Kueue's LocalQueue for diarizers; the optimizers' is not used for them. Empty: none."
    )
    diarizer_runtime_class_name: str | None = Field(
        default=None, description="RuntimeClass of diarizers, such as nvidia."
    )
    diarizer_node_selector: StringMap = Field(
        default={}, description="JSON: labels that the node of a diarizer must have."
    )
    diarizer_tolerations: Json[list[dict[str, Any]]] | list[dict[str, Any]] = Field(
        default=[], description="JSON: taints that a diarizer tolerates, as in a pod's spec."
    )
    diarizer_supplemental_groups: Json[list[int]] | list[int] = Field(
        default=[],
        description="JSON: supplemental groups, where device files belong to a group (AMD's: render, video).",
    )
    diarizer_extra_volumes: Json[list[dict[str, Any]]] | list[dict[str, Any]] = Field(
        default=[], description="JSON: further volumes, as in a pod's spec, for a folder with a model, for example."
    )
    diarizer_extra_volume_mounts: Json[list[dict[str, Any]]] | list[dict[str, Any]] = Field(
        default=[], description="JSON: where the volumes are mounted, as in a container's spec."
    )


def check_run_deadline(engine: EngineSettings) -> None:
    """Raises ValueError if a worker could not process the longest allowed audio before its run deadline."""
    floor = engine.max_duration / SLOWEST_REAL_TIME_FACTOR
    if engine.run_deadline < floor:
        raise ValueError(
            f"WHISPERJOB_RUN_DEADLINE is {engine.run_deadline}, which is too short for {engine.max_duration} of audio "
            f"(WHISPERJOB_MAX_DURATION): at least {floor} is needed"
        )
