"""The Job of an attempt, whole, as golden files; and what must hold whatever they say."""

from datetime import timedelta
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from support.builders import SHA, a_job, a_spec
from support.golden import Golden
from support.kubernetes.paths import GOLDEN
from support.kubernetes.settings import operator_settings
from whisperjob.deciding.decision import Policy
from whisperjob.engine.ports import Launch
from whisperjob.model import names
from whisperjob.model.defaults import MAX_SCRATCH_BYTES
from whisperjob.model.phase import Phase, Stage
from whisperjob.model.resource import Deadlines, DiarizationRequest, DiarizationState, Output, Spec
from whisperjob.model.settings import EngineSettings, setting_at_fault
from whisperjob.model.space import estimate_need
from whisperjob_operator.job_manifest import build_job
from whisperjob_operator.operator_settings import OperatorSettings
from whisperjob_operator.pod_profiles import build_pod_profile

EVERYTHING: dict[str, Any] = {
    "worker_image_pull_policy": "Always",
    "worker_image_pull_secrets": "registry-a,registry-b",
    "worker_cpu_limit": "2",
    "worker_memory": "1Gi",
    "worker_priority_classes": '{"-1000": "bulk", "1": "urgent"}',
    "worker_queue_name": "media",
    "worker_node_selector": '{"disk": "fast"}',
    "worker_tolerations": '[{"key": "media", "operator": "Exists", "effect": "NoSchedule"}]',
    "worker_labels": '{"team": "speech"}',
    "worker_annotations": '{"example.com/scrape": "no"}',
}


DIARIZER: dict[str, Any] = {"diarizer_image": "registry.example/whisperjob/diarizer:1"}
EVERYTHING_DIARIZED: dict[str, Any] = {
    **EVERYTHING,
    **DIARIZER,
    "diarizer_resource": "nvidia.com/mig-1g.10gb",
    "diarizer_resource_count": "2",
    "diarizer_cpu_request": "500m",
    "diarizer_cpu_limit": "4",
    "diarizer_memory": "3Gi",
    "diarizer_memory_per_hour": "1Gi",
    "diarizer_scratch": "4Gi",
    "diarizer_existing_secret": "hub",
    "diarizer_priority_classes": '{"-1000": "gpu"}',
    "diarizer_queue_name": "gpus",
    "diarizer_runtime_class_name": "nvidia",
    "diarizer_node_selector": '{"nvidia.com/gpu.product": "NVIDIA-L4"}',
    "diarizer_tolerations": '[{"key": "nvidia.com/gpu", "operator": "Exists"}]',
    "diarizer_supplemental_groups": "[44, 109]",
    "diarizer_extra_volumes": '[{"name": "models", "persistentVolumeClaim": {"claimName": "m", "readOnly": true}}]',
    "diarizer_extra_volume_mounts": '[{"name": "models", "mountPath": "/models", "readOnly": true}]',
}
HOURS = 2
OUTPUT = Output(manifest_key="k", manifest_sha256=SHA, total_chunks=1, size_bytes=10**8)


def launched(launch: Launch, **settings: Any) -> dict[str, Any]:
    wanted: OperatorSettings = operator_settings("default", **settings)
    manifest = build_job(launch, wanted, EngineSettings(), Policy())
    return manifest.model_dump(mode="json", by_alias=True, exclude_none=True)


def built(spec: Spec | None = None, attempt: int = 1, *, more_memory: bool = False, **settings: Any) -> dict[str, Any]:
    job = a_job(spec=spec, out_of_memory=more_memory)
    launch = Launch(job, Stage.OPTIMIZE, attempt, names.worker_name(job.uid, Stage.OPTIMIZE, attempt))
    return launched(launch, **settings)


def diarizing(
    spec: Spec | None = None, attempt: int = 1, *, more_memory: bool = False, hours: float = HOURS, **settings: Any
) -> dict[str, Any]:
    """That the optimizer ran out of memory is not the diarizer's concern."""
    job = a_job(
        spec=(spec or a_spec()).model_copy(update={"diarization": DiarizationRequest(request_id="r1")}),
        phase=Phase.COMPLETED,
        duration_seconds=hours * 3600,
        output=OUTPUT,
        out_of_memory=True,
        diarization=DiarizationState(request_id="r1", out_of_memory=more_memory),
    )
    launch = Launch(job, Stage.DIARIZE, attempt, names.worker_name(job.uid, Stage.DIARIZE, attempt))
    return launched(launch, **(DIARIZER | settings))


@pytest.mark.parametrize(
    ("name", "job"),
    [
        ("defaults", built()),
        (
            "everything",
            built(a_spec(priority=7, deadlines=Deadlines(run_seconds=90)), 2, more_memory=True, **EVERYTHING),
        ),
        ("diarizer-defaults", diarizing()),
        (
            "diarizer-everything",
            diarizing(
                a_spec(priority=7, deadlines=Deadlines(run_seconds=90)), 2, more_memory=True, **EVERYTHING_DIARIZED
            ),
        ),
        ("diarizer-cpu", diarizing(diarizer_resource_count="0")),
    ],
    ids=["defaults", "everything", "diarizer-defaults", "diarizer-everything", "diarizer-cpu"],
)
def test_jobs_are_as_they_were(golden: Golden, name: str, job: dict[str, Any]) -> None:
    golden(GOLDEN / f"job-{name}.yaml", yaml.safe_dump(job, sort_keys=False, width=120))


def container(job: dict[str, Any]) -> dict[str, Any]:
    (only,) = job["spec"]["template"]["spec"]["containers"]
    found: dict[str, Any] = only
    return found


@pytest.mark.parametrize(
    ("priority", "expected"), [(-1001, None), (-5, "bulk"), (0, "bulk"), (1, "urgent"), (1000, "urgent")]
)
def test_priority_chooses_a_class(priority: int, expected: str | None) -> None:
    spec = a_spec().model_copy(update={"priority": priority})
    job = built(spec, worker_priority_classes=EVERYTHING["worker_priority_classes"])
    assert job["spec"]["template"]["spec"].get("priorityClassName") == expected


def test_a_pod_gets_the_disk_that_is_expected_and_may_use_what_its_worker_may() -> None:
    requests = []
    for size in (1, 10**8, 10**9, 2 * MAX_SCRATCH_BYTES):
        job = built(a_spec(source=a_spec().source.model_copy(update={"size_bytes": size})))
        request, limit = (
            int(container(job)["resources"][kind]["ephemeral-storage"]) for kind in ("requests", "limits")
        )
        (scratch,) = (v["emptyDir"] for v in job["spec"]["template"]["spec"]["volumes"] if "emptyDir" in v)
        assert request == estimate_need(size).scratch_bytes
        assert request <= limit == int(scratch["sizeLimit"])
        assert limit > max(size, MAX_SCRATCH_BYTES)
        requests.append(request)
    assert requests == sorted(requests)


def test_a_diarizer_s_memory_grows_with_the_recording_and_is_raised_once() -> None:
    def memory(**changes: Any) -> int:
        resources = container(diarizing(diarizer_memory="2Gi", diarizer_memory_per_hour="1Gi", **changes))["resources"]
        assert resources["requests"]["memory"] == resources["limits"]["memory"]
        return int(resources["limits"]["memory"])

    assert [memory(hours=hours) for hours in (0.5, 2, 5)] == [5 * 2**29, 4 * 2**30, 7 * 2**30]
    assert memory(hours=2, more_memory=True) == 8 * 2**30


@pytest.mark.parametrize("resource", ["amd.com/gpu", "nvidia.com/mig-1g.10gb", "nvidia.com/gpu.shared"])
def test_accelerators_of_any_name_are_requested(resource: str) -> None:
    assert container(diarizing(diarizer_resource=resource))["resources"]["limits"][resource] == "1"


def test_both_stages_are_equally_locked_up() -> None:
    """Different in program, resources and place, and in nothing that protects."""
    one, other = built(), diarizing()
    pods = [job["spec"]["template"]["spec"] for job in (one, other)]
    for key in ("securityContext", "serviceAccountName", "automountServiceAccountToken", "restartPolicy"):
        assert pods[0][key] == pods[1][key]
    assert container(one)["securityContext"] == container(other)["securityContext"]
    assert pods[0]["volumes"][1] == pods[1]["volumes"][1]
    assert container(one)["args"] == container(other)["args"]


def test_every_worker_is_told_that_its_sandbox_is_required() -> None:
    for job in (built(sandbox="required"), diarizing(sandbox="required")):
        assert "--require-sandbox" in container(job)["args"]


@pytest.mark.parametrize("stage", Stage)
def test_every_stage_has_its_pod(stage: Stage) -> None:
    job = a_job(spec=a_spec(diarization=DiarizationRequest(request_id="r1")))
    launch = Launch(job, stage, 1, names.worker_name(job.uid, stage, 1))
    modules = {Stage.OPTIMIZE: "whisperjob_optimizer.run", Stage.DIARIZE: "whisperjob_diarizer.run"}
    profile = build_pod_profile(launch, operator_settings("default", **DIARIZER), EngineSettings())
    assert profile.module == modules[stage]


def test_without_a_diarizer_none_is_built() -> None:
    with pytest.raises(ValueError, match="no diarizer"):
        diarizing(diarizer_image=None)


@pytest.mark.parametrize(
    ("settings", "wrong"),
    [
        pytest.param({"diarizer_resource": "gpu"}, "DIARIZER_RESOURCE", id="no domain"),
        pytest.param({"diarizer_resource_count": "-1"}, "DIARIZER_RESOURCE_COUNT", id="a count"),
        pytest.param({"diarizer_extra_volumes": "models"}, "DIARIZER_EXTRA_VOLUMES", id="no JSON"),
    ],
)
def test_wrong_settings_are_named(settings: dict[str, str], wrong: str) -> None:
    with pytest.raises(ValidationError) as refused:
        operator_settings("n", **settings)
    assert f"WHISPERJOB_{wrong}" in setting_at_fault(refused.value)


def test_a_run_has_its_own_deadline_which_waiting_does_not_eat() -> None:
    job = built(a_spec(deadlines=Deadlines(run_seconds=90)))
    assert job["spec"]["template"]["spec"]["activeDeadlineSeconds"] == 90
    assert "activeDeadlineSeconds" not in job["spec"]


def test_a_pod_goes_within_ten_seconds() -> None:
    assert built()["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] < 10


def test_names_differ_by_attempt_alone() -> None:
    first, again, second = built(attempt=1), built(attempt=1), built(attempt=2)
    assert first == again
    assert first["metadata"]["name"] != second["metadata"]["name"]


def test_own_labels_win() -> None:
    job = built(worker_labels={"whisperjob.dev/attempt": "99"})
    assert job["metadata"]["labels"]["whisperjob.dev/attempt"] == "1"


def test_settings_of_time_and_size() -> None:
    settings = operator_settings("n", worker_memory="1.5Gi", worker_job_ttl="2d")
    assert settings.worker_memory == 3 * 2**29
    assert settings.worker_job_ttl == timedelta(days=2)
