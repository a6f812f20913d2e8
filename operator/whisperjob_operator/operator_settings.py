"""The settings that the operator alone has; `EngineSettings` and `StoreSettings` are the others it reads.

Each field says its unit, its default and why.
"""

import re
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, Json

from whisperjob.model.settings import CommaSeparated, Duration, EngineSettings, Settings

_FACTORS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
_QUANTITY = re.compile(r"(\d+(?:\.\d+)?)(k|M|G|T|Ki|Mi|Gi|Ti)?")

SLOWEST_REAL_TIME_FACTOR = 24
"""What a worker must be able to do at least: an hour of audio in so many-th of an hour, on a busy node."""


def _bytes(value: Any) -> Any:
    """Accepts Kubernetes' quantities (512Mi, 2G) beside plain bytes."""
    if isinstance(value, str) and (match := _QUANTITY.fullmatch(value.strip())):
        return int(Decimal(match[1]) * _FACTORS[match[2] or ""])
    return value


Bytes = Annotated[int, BeforeValidator(_bytes)]
StringMap = Json[dict[str, str]] | dict[str, str]


class OperatorSettings(Settings):
    """The operator. Where it works, and what its worker pods look like."""

    namespace: str = Field(min_length=1, description="The one namespace it works in; the chart gives the release's.")
    instance: str = Field(default="whisperjob", description="The installation's name, a label of its workers.")
    kubeconfig: Path | None = Field(default=None, description="Only outside a cluster: the kubeconfig to use.")
    pod_name: str = Field(default="operator", max_length=128, description="Its own pod, named in Events.")

    work_port: int = Field(default=8081, ge=0, le=65_535, description="Where workers claim their work; 0: any free.")
    probe_port: int = Field(default=9090, ge=0, le=65_535, description="Probes and metrics; 0: any free.")
    shutdown_grace: Duration = Field(default="5s", validate_default=True, description="For requests in flight.")
    blind_after: Duration = Field(
        default="60s",
        validate_default=True,
        description="A change that no event told of for so long makes the liveness probe fail. A watch's reconnect "
        "takes seconds.",
    )

    worker_image: str = Field(min_length=1, description="The optimizer's image.")
    worker_image_pull_policy: str = Field(
        default="IfNotPresent", pattern="^(Always|IfNotPresent|Never)$", description="Its pull policy."
    )
    worker_image_pull_secrets: CommaSeparated[str] = Field(
        default=(), description="Comma-separated names of pull secrets."
    )
    worker_server: str = Field(min_length=1, description="The work port as workers reach it, http://host:port.")
    worker_service_account: str = Field(
        default="whisperjob-worker", description="Their service account; it needs no rights at all."
    )
    worker_audience: str = Field(default="whisperjob-operator", description="Audience of their tokens.")
    worker_token_lifetime: Duration = Field(
        default="1h", validate_default=True, description="Lifetime of their tokens; the kubelet renews them in time."
    )
    worker_cpu_request: str = Field(default="1", description="CPU requested; ffmpeg keeps about one core busy.")
    worker_cpu_limit: str | None = Field(default=None, description="CPU limit; none: idle cores are used.")
    worker_memory: Bytes = Field(
        default="512Mi", validate_default=True, ge=2**24, description="Memory requested and allowed, bytes or 512Mi."
    )
    worker_memory_factor: float = Field(
        default=2.0, ge=1, le=16, description="After an attempt ran out of memory the next get so much more, once."
    )
    worker_termination_grace: Duration = Field(
        default="5s",
        validate_default=True,
        description="From SIGTERM to SIGKILL; a cancelled job's pod must go in 10 s.",
    )
    worker_lost_after: Duration = Field(
        default="30s",
        validate_default=True,
        description="A pod still there so long after its end was due is on a lost node.",
    )
    worker_job_ttl: Duration = Field(
        default="7d",
        validate_default=True,
        description="Ended Jobs nobody removed go after this. Far above the operator's worst outage: a Job that is "
        "gone cannot be read.",
    )
    worker_priority_classes: StringMap = Field(
        default={}, description='JSON: the least spec.priority and its PriorityClass, {"1": "urgent", "-1000": "bulk"}.'
    )
    worker_queue_name: str | None = Field(default=None, description="Kueue's LocalQueue for workers, if there is one.")
    worker_node_selector: StringMap = Field(default={}, description="JSON: labels a worker's node must have.")
    worker_tolerations: Json[list[dict[str, Any]]] | list[dict[str, Any]] = Field(
        default=[], description="JSON: taints a worker tolerates, as in a pod's spec."
    )
    worker_labels: StringMap = Field(default={}, description="JSON: further labels of workers.")
    worker_annotations: StringMap = Field(default={}, description="JSON: annotations of worker pods.")
    worker_user: int = Field(default=65_532, ge=1, description="User and group id workers run as; never root.")

    diarizer_image: str | None = Field(default=None, description="The diarizer's image; none: nothing is diarized.")
    diarizer_resource: str = Field(
        default="nvidia.com/gpu",
        pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?/[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$",
        description="Its accelerator as nodes name it: nvidia.com/gpu, amd.com/gpu, nvidia.com/mig-1g.10gb.",
    )
    diarizer_resource_count: int = Field(default=1, ge=0, le=16, description="How many of them; 0: the CPU does it.")
    diarizer_cpu_request: str = Field(default="1", description="CPU requested; without an accelerator more is faster.")
    diarizer_cpu_limit: str | None = Field(default=None, description="CPU limit; none: idle cores are used.")
    diarizer_memory: Bytes = Field(
        default="4Gi",
        validate_default=True,
        ge=2**26,
        description="Memory requested and allowed, whatever the recording: the program, its models, and CUDA's own.",
    )
    diarizer_memory_per_hour: Bytes = Field(
        default="180M", validate_default=True, ge=0, description="And for each hour of the recording."
    )
    diarizer_scratch: Bytes = Field(
        default="1Gi", validate_default=True, ge=2**26, description="Scratch space beside the audio: models, caches."
    )
    diarizer_existing_secret: str | None = Field(
        default=None, description="A Secret whose key hf-token is a token of the model hub; bundled models need none."
    )
    diarizer_priority_classes: StringMap = Field(
        default={}, description="JSON: the least spec.priority and its PriorityClass, as for the optimizer."
    )
    diarizer_queue_name: str | None = Field(
        default=None, description="Kueue's LocalQueue for diarizers, if there is one; the optimizer's does not count."
    )
    diarizer_runtime_class_name: str | None = Field(default=None, description="RuntimeClass, such as nvidia.")
    diarizer_node_selector: StringMap = Field(default={}, description="JSON: labels a diarizer's node must have.")
    diarizer_tolerations: Json[list[dict[str, Any]]] | list[dict[str, Any]] = Field(
        default=[], description="JSON: taints a diarizer tolerates, as in a pod's spec."
    )
    diarizer_supplemental_groups: Json[list[int]] | list[int] = Field(
        default=[], description="JSON: further groups, where device files belong to one (AMD's: render, video)."
    )
    diarizer_extra_volumes: Json[list[dict[str, Any]]] | list[dict[str, Any]] = Field(
        default=[], description="JSON: further volumes, as in a pod's spec: a folder with a model, for one."
    )
    diarizer_extra_volume_mounts: Json[list[dict[str, Any]]] | list[dict[str, Any]] = Field(
        default=[], description="JSON: where a diarizer sees them, as in a container's spec."
    )


def check_run_deadline(engine: EngineSettings) -> None:
    """Raises ValueError where the longest allowed audio could not be done in the time a worker has."""
    floor = engine.max_duration / SLOWEST_REAL_TIME_FACTOR
    if engine.run_deadline < floor:
        raise ValueError(
            f"WHISPERJOB_RUN_DEADLINE is {engine.run_deadline}, which is too short for {engine.max_duration} of audio "
            f"(WHISPERJOB_MAX_DURATION): at least {floor} is needed"
        )
