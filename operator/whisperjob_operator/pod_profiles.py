"""Describes the pods of each stage, as far as they differ, for job_manifest.py. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from kubernetes.aio import client

from whisperjob.engine.ports import Launch
from whisperjob.model.phase import Stage
from whisperjob.model.settings import EngineSettings
from whisperjob_operator.operator_settings import OperatorSettings
from whisperjob_operator.sizing import (
    diarizer_memory_bytes,
    memory_bytes,
    scratch_limit_bytes,
    scratch_request_bytes,
)

SCRATCH_FOLDER: Final = "/scratch"
TOKEN_SECRET_KEY: Final = "hf-token"  # noqa: S105 - a key's name, which the chart's values name, too


@dataclass(frozen=True, slots=True)
class PodProfile:
    """The pod of one stage's worker: its program, its resources, and the nodes it may run on."""

    container: str
    image: str
    module: str
    """The Python module to run; the modules of all stages take the same options."""
    cpu_request: str
    cpu_limit: str | None
    memory_bytes: int
    scratch_request_bytes: int
    scratch_limit_bytes: int
    priority_classes: dict[str, str]
    queue_name: str | None
    node_selector: dict[str, str]
    tolerations: list[dict[str, Any]]
    accelerators: dict[str, str] = field(default_factory=dict)
    """How many of each extended resource it needs."""
    runtime_class_name: str | None = None
    supplemental_groups: list[int] = field(default_factory=list)
    env: tuple[client.V1EnvVar, ...] = ()
    volumes: tuple[client.V1Volume, ...] = ()
    volume_mounts: tuple[client.V1VolumeMount, ...] = ()


def build_pod_profile(launch: Launch, settings: OperatorSettings, engine: EngineSettings) -> PodProfile:
    """Returns the profile of the worker that makes this attempt. Raises ValueError where there is no diarizer."""
    return _PROFILES[launch.stage](launch, settings, engine)


def _build_optimizer_profile(launch: Launch, settings: OperatorSettings, engine: EngineSettings) -> PodProfile:
    spec, max_scratch = launch.job.spec, engine.max_scratch_bytes
    size = spec.source.size_bytes
    return PodProfile(
        container="optimizer",
        image=settings.worker_image,
        module="whisperjob_optimizer.run",
        cpu_request=settings.worker_cpu_request,
        cpu_limit=settings.worker_cpu_limit,
        memory_bytes=memory_bytes(settings.worker_memory, settings.worker_memory_factor, raised=launch.more_memory),
        scratch_request_bytes=scratch_request_bytes(size, spec.audio_options, engine.max_duration, max_scratch),
        scratch_limit_bytes=scratch_limit_bytes(size, max_scratch),
        priority_classes=settings.worker_priority_classes,
        queue_name=settings.worker_queue_name,
        node_selector=settings.worker_node_selector,
        tolerations=settings.worker_tolerations,
    )


def _build_diarizer_profile(launch: Launch, settings: OperatorSettings, engine: EngineSettings) -> PodProfile:
    if settings.diarizer_image is None:  # the engine knows it and does not launch one
        raise ValueError("there is no diarizer")
    status = launch.job.status
    seconds = engine.max_duration.total_seconds() if status.duration_seconds is None else status.duration_seconds
    usual = diarizer_memory_bytes(settings.diarizer_memory, settings.diarizer_memory_per_hour, seconds)
    scratch = settings.diarizer_scratch + (status.output.size_bytes if status.output else 0)
    return PodProfile(
        container="diarizer",
        image=settings.diarizer_image,
        module="whisperjob_diarizer.run",
        cpu_request=settings.diarizer_cpu_request,
        cpu_limit=settings.diarizer_cpu_limit,
        memory_bytes=memory_bytes(usual, settings.worker_memory_factor, raised=launch.more_memory),
        scratch_request_bytes=scratch,
        scratch_limit_bytes=scratch,
        priority_classes=settings.diarizer_priority_classes,
        queue_name=settings.diarizer_queue_name,
        node_selector=settings.diarizer_node_selector,
        tolerations=settings.diarizer_tolerations,
        accelerators=_accelerators(settings),
        runtime_class_name=settings.diarizer_runtime_class_name,
        supplemental_groups=settings.diarizer_supplemental_groups,
        env=_diarizer_env(settings),
        volumes=tuple(client.V1Volume.model_validate(v) for v in settings.diarizer_extra_volumes),
        volume_mounts=tuple(client.V1VolumeMount.model_validate(m) for m in settings.diarizer_extra_volume_mounts),
    )


def _accelerators(settings: OperatorSettings) -> dict[str, str]:
    count = settings.diarizer_resource_count
    return {settings.diarizer_resource: str(count)} if count else {}


def _diarizer_env(settings: OperatorSettings) -> tuple[client.V1EnvVar, ...]:
    folders = {"HF_HOME": f"{SCRATCH_FOLDER}/huggingface", "MPLCONFIGDIR": f"{SCRATCH_FOLDER}/matplotlib"}
    env = [client.V1EnvVar(name=name, value=folder) for name, folder in folders.items()]
    if not settings.diarizer_resource_count:
        # Where NVIDIA's is the default runtime of a node, an image made for GPUs would get all GPUs of the node.
        env.append(client.V1EnvVar(name="NVIDIA_VISIBLE_DEVICES", value="void"))
    if settings.diarizer_existing_secret:
        key = client.V1SecretKeySelector(name=settings.diarizer_existing_secret, key=TOKEN_SECRET_KEY)
        env.append(client.V1EnvVar(name="HF_TOKEN", value_from=client.V1EnvVarSource(secret_key_ref=key)))
    return tuple(env)


_PROFILES: Final[Mapping[Stage, Callable[[Launch, OperatorSettings, EngineSettings], PodProfile]]] = {
    Stage.OPTIMIZE: _build_optimizer_profile,
    Stage.DIARIZE: _build_diarizer_profile,
}
