"""The Job of an attempt, whole, as golden files; and what must hold whatever they say."""

from datetime import timedelta
from typing import Any

import pytest
import yaml

from support.builders import a_job, a_spec
from support.golden import Golden
from support.kube_paths import GOLDEN
from support.kube_settings import operator_settings
from whisperjob.engine.ports import Launch
from whisperjob.model import names
from whisperjob.model.decision import Policy
from whisperjob.model.phase import Stage
from whisperjob.model.resource import Deadlines, Spec
from whisperjob.model.settings import EngineSettings
from whisperjob_operator.manifests import build_job
from whisperjob_operator.settings import OperatorSettings

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


def built(spec: Spec | None = None, attempt: int = 1, *, more_memory: bool = False, **settings: Any) -> dict[str, Any]:
    job = a_job(spec=spec, out_of_memory=more_memory)
    launch = Launch(job, Stage.OPTIMIZE, attempt, names.child_name(job.uid, Stage.OPTIMIZE, attempt))
    wanted: OperatorSettings = operator_settings("default", **settings)
    manifest = build_job(launch, wanted, EngineSettings(), Policy())
    return manifest.model_dump(mode="json", by_alias=True, exclude_none=True)


@pytest.mark.parametrize(
    ("name", "job"),
    [
        ("defaults", built()),
        (
            "everything",
            built(a_spec(priority=7, deadlines=Deadlines(run_seconds=90)), 2, more_memory=True, **EVERYTHING),
        ),
    ],
    ids=["defaults", "everything"],
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


def test_large_inputs_get_more_room() -> None:
    small, large = (
        container(built(a_spec(source=a_spec().source.model_copy(update={"size_bytes": size}))))["resources"]
        for size in (1, 1 + 10**10)
    )
    for kind in ("requests", "limits"):
        assert int(large[kind]["ephemeral-storage"]) - int(small[kind]["ephemeral-storage"]) == 10**10


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
