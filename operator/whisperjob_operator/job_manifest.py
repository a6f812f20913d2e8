"""Builds the batch/v1 Job of an attempt. Pure; its output is compared with golden files."""

from typing import Final

from kubernetes.aio import client

from whisperjob.deciding.decision import Policy
from whisperjob.deciding.rules import run_limit
from whisperjob.engine.ports import Launch
from whisperjob.model.resource import API_VERSION, KIND
from whisperjob.model.settings import EngineSettings
from whisperjob_operator import labels
from whisperjob_operator.operator_settings import OperatorSettings
from whisperjob_operator.pod_profiles import SCRATCH_FOLDER, PodProfile, build_pod_profile
from whisperjob_operator.pod_security import container_security, pod_security
from whisperjob_operator.sizing import find_priority_class

TOKEN_FOLDER: Final = "/var/run/secrets/whisperjob"  # noqa: S105 - the folder of a token, not a token
TOKEN_FILE: Final = "token"  # noqa: S105 - a file's name
_SCRATCH: Final = "scratch"
_TOKEN: Final = "token"  # noqa: S105 - a volume's name


def build_job(launch: Launch, settings: OperatorSettings, engine: EngineSettings, policy: Policy) -> client.V1Job:
    """Builds the Job that runs one attempt. It contains no secret, and nothing that expires while it is pending."""
    worker_labels = _labels(launch, settings)
    profile = build_pod_profile(launch, settings, engine)
    return client.V1Job(
        api_version="batch/v1",
        kind="Job",
        metadata=client.V1ObjectMeta(
            name=launch.name,
            namespace=launch.job.metadata.namespace,
            labels=worker_labels | ({labels.QUEUE: profile.queue_name} if profile.queue_name else {}),
            owner_references=[_owner(launch)],
        ),
        spec=client.V1JobSpec(
            parallelism=1,
            completions=1,
            backoff_limit=0,  # the engine makes the attempts
            pod_replacement_policy="Failed",  # never two pods of one attempt at a time
            ttl_seconds_after_finished=int(settings.worker_job_ttl.total_seconds()),
            template=client.V1PodTemplateSpec(
                metadata=client.V1ObjectMeta(labels=worker_labels, annotations=_annotations(settings)),
                spec=_pod(launch, profile, settings, policy),
            ),
        ),
    )


def _labels(launch: Launch, settings: OperatorSettings) -> dict[str, str]:
    return settings.worker_labels | {
        labels.NAME: "whisperjob",
        labels.INSTANCE: settings.instance,
        labels.COMPONENT: "worker",
        labels.MANAGED_BY: labels.MANAGER,
        labels.JOB: launch.job.name,
        labels.STAGE: launch.stage,
        labels.ATTEMPT: str(launch.attempt),
    }


def _annotations(settings: OperatorSettings) -> dict[str, str]:
    """Keeps a cluster autoscaler from moving the worker, whose work would be lost."""
    return {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false"} | settings.worker_annotations


def _owner(launch: Launch) -> client.V1OwnerReference:
    """Makes Kubernetes remove the worker when the WhisperJob is deleted, with or without an operator."""
    return client.V1OwnerReference(
        api_version=API_VERSION,
        kind=KIND,
        name=launch.job.name,
        uid=launch.job.uid,
        controller=True,
        block_owner_deletion=False,
    )


def _pod(
    launch: Launch,
    profile: PodProfile,
    settings: OperatorSettings,
    policy: Policy,
) -> client.V1PodSpec:
    scratch = client.V1EmptyDirVolumeSource(size_limit=str(profile.scratch_limit_bytes))
    return client.V1PodSpec(
        restart_policy="Never",
        active_deadline_seconds=int(run_limit(launch.job, policy).total_seconds()),
        termination_grace_period_seconds=int(settings.worker_termination_grace.total_seconds()),
        service_account_name=settings.worker_service_account,
        automount_service_account_token=False,
        enable_service_links=False,
        priority_class_name=find_priority_class(launch.job.spec.priority, profile.priority_classes),
        runtime_class_name=profile.runtime_class_name,
        image_pull_secrets=[client.V1LocalObjectReference(name=n) for n in settings.worker_image_pull_secrets] or None,
        node_selector=profile.node_selector or None,
        tolerations=[client.V1Toleration.model_validate(t) for t in profile.tolerations] or None,
        security_context=pod_security(settings.worker_user, profile.supplemental_groups),
        containers=[_container(profile, settings)],
        volumes=[
            client.V1Volume(name=_SCRATCH, empty_dir=scratch),
            client.V1Volume(name=_TOKEN, projected=_token_volume(settings)),
            *profile.volumes,
        ],
    )


def _token_volume(settings: OperatorSettings) -> client.V1ProjectedVolumeSource:
    return client.V1ProjectedVolumeSource(
        default_mode=0o440,
        sources=[
            client.V1VolumeProjection(
                service_account_token=client.V1ServiceAccountTokenProjection(
                    audience=settings.worker_audience,
                    expiration_seconds=int(settings.worker_token_lifetime.total_seconds()),
                    path=TOKEN_FILE,
                )
            )
        ],
    )


def _container(profile: PodProfile, settings: OperatorSettings) -> client.V1Container:
    memory = str(profile.memory_bytes)
    limits = {"memory": memory, "ephemeral-storage": str(profile.scratch_limit_bytes), **profile.accelerators}
    if profile.cpu_limit:
        limits["cpu"] = profile.cpu_limit
    return client.V1Container(
        name=profile.container,
        image=profile.image,
        image_pull_policy=settings.worker_image_pull_policy,
        command=["python", "-m", profile.module],
        args=[
            *("--server", settings.worker_server),
            *("--token-file", f"{TOKEN_FOLDER}/{TOKEN_FILE}"),
            *("--scratch", SCRATCH_FOLDER),
            *(("--require-sandbox",) if settings.sandbox_is_required else ()),
        ],
        env=[
            client.V1EnvVar(name="HOME", value=SCRATCH_FOLDER),
            client.V1EnvVar(name="TMPDIR", value=SCRATCH_FOLDER),
            client.V1EnvVar(name="PYTHONDONTWRITEBYTECODE", value="1"),
            *profile.env,
        ],
        resources=client.V1ResourceRequirements(
            requests={
                "cpu": profile.cpu_request,
                "memory": memory,
                "ephemeral-storage": str(profile.scratch_request_bytes),
            },
            limits=limits,
        ),
        security_context=container_security(),
        termination_message_policy="FallbackToLogsOnError",
        volume_mounts=[
            client.V1VolumeMount(name=_SCRATCH, mount_path=SCRATCH_FOLDER),
            client.V1VolumeMount(name=_TOKEN, mount_path=TOKEN_FOLDER, read_only=True),
            *profile.volume_mounts,
        ],
    )
