"""The CRD against the models it repeats; its rules, on a real API server, against cases of model/immutability.py."""

import json
import subprocess
from collections.abc import Callable
from typing import Any

import pytest
from kubernetes.aio import client

from support.builders import T0, a_spec
from support.kubernetes.schema import crd_schema, without_extensions
from support.kubernetes.server import KubeServer
from support.kubernetes.values import TRYING_OUT
from unit import test_model_immutability as cases
from whisperjob.model.base import Model
from whisperjob.model.errors import RecordInvalidError
from whisperjob.model.phase import ConditionType
from whisperjob.model.resource import (
    MUTABLE_SPEC_FIELDS,
    Condition,
    Deadlines,
    DiarizationRequest,
    DiarizationState,
    Spec,
    Status,
)
from whisperjob_kubernetes.records import KubernetesRecords

pytest_plugins = ["support.kubernetes.fixtures"]

Object = dict[str, Any]


def rows(test: Callable[..., None]) -> Any:
    """The parameters that another module's test runs with."""
    marks: list[pytest.Mark] = getattr(test, "pytestmark")  # noqa: B009 - pytest's, unknown to the type of a function
    return marks[0].args[1]


@pytest.fixture(scope="module")
def crd(kube_server: KubeServer) -> Object:
    (found,) = kube_server.helm_template("--show-only", "templates/crd.yaml", *TRYING_OUT)
    return found


@pytest.fixture(scope="module")
def properties(crd: Object) -> Object:
    found: Object = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
    return found


@pytest.fixture
def records(kube_api: client.ApiClient, kube_namespace: str) -> KubernetesRecords:
    return KubernetesRecords(kube_api, kube_namespace)


def as_the_model_describes(schema: Object, model: Object) -> Object:
    """The CRD's schema, without the descriptions that only the CRD has."""
    out = {key: value for key, value in schema.items() if key != "description" or "description" in model}
    for name, field in schema.get("properties", {}).items():
        out["properties"] = {
            **out["properties"],
            name: as_the_model_describes(field, model.get("properties", {}).get(name, {})),
        }
    if "items" in schema:
        out["items"] = as_the_model_describes(schema["items"], model.get("items", {}))
    return out


@pytest.mark.parametrize(("part", "model"), [("spec", Spec), ("status", Status)])
def test_schema_is_that_of_the_model(properties: Object, part: str, model: type[Model]) -> None:
    wanted = crd_schema(model)
    assert as_the_model_describes(without_extensions(properties[part]), wanted) == wanted


@pytest.mark.parametrize("part", ["spec", "status"])
def test_every_field_is_described(properties: Object, part: str) -> None:
    def undescribed(schema: Object, path: str) -> list[str]:
        workers = {**schema.get("properties", {}), **({"[]": schema["items"]} if "items" in schema else {})}
        missing = [] if schema.get("description") else [path]
        return missing + [bad for name, worker in workers.items() for bad in undescribed(worker, f"{path}.{name}")]

    assert undescribed(properties[part], part) == []


def test_every_fixed_field_has_its_rule(properties: Object) -> None:
    messages = {rule["message"] for rule in properties["spec"]["x-kubernetes-validations"]}
    aliases = {name: field.alias for name, field in Spec.model_fields.items()}
    assert messages >= {f"spec.{aliases[name]} is immutable" for name in set(Spec.model_fields) - MUTABLE_SPEC_FIELDS}


@pytest.mark.parametrize("change", [*rows(cases.test_the_spec_is_immutable), {"deadlines": Deadlines(run_seconds=9)}])
async def test_the_spec_is_immutable(records: KubernetesRecords, change: Object) -> None:
    await records.create("a", a_spec())
    with pytest.raises(RecordInvalidError, match="is immutable"):
        await records.patch_spec("a", a_spec(**change))


@pytest.mark.parametrize("change", rows(cases.test_a_few_fields_of_the_spec_may_change))
async def test_a_few_fields_of_the_spec_may_change(records: KubernetesRecords, change: Object) -> None:
    await records.create("a", a_spec())
    assert (await records.patch_spec("a", a_spec(**change))).spec == a_spec(**change)


async def test_a_cancel_stands(records: KubernetesRecords) -> None:
    await records.create("a", a_spec(cancel=True))
    with pytest.raises(RecordInvalidError, match="cannot be taken back"):
        await records.patch_spec("a", a_spec())


@pytest.mark.parametrize(("old", "new"), rows(cases.test_what_is_final))
async def test_what_is_final(records: KubernetesRecords, old: Status, new: Status) -> None:
    created = await records.create("a", a_spec())
    before = await records.patch_status("a", old, created.version)
    with pytest.raises(RecordInvalidError):
        await records.patch_status("a", new, before.version)


@pytest.mark.parametrize(("old", "new"), rows(cases.test_what_may_happen))
async def test_what_may_happen(records: KubernetesRecords, old: Status, new: Status) -> None:
    created = await records.create("a", a_spec())
    before = await records.patch_status("a", old, created.version)
    assert (await records.patch_status("a", new, before.version)).status == new


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ({"source": {"key": "k", "sizeBytes": 0}}, "spec.source.sizeBytes"),
        ({"source": {"sizeBytes": 1}}, "spec.source.key"),
        ({"source": {"key": "k", "sizeBytes": 1, "sha256": "ab"}}, "spec.source.sha256"),
        ({"profile": "loud"}, "spec.profile"),
        ({"maxChunkSeconds": 5}, "spec.maxChunkSeconds"),
        ({"multichannel": True, "diarization": {"requestId": "r"}}, "the channels of a multichannel job are its"),
        ({"track": "x" * 65}, "spec.track"),
        ({"diarization": {"requestId": "r", "minSpeakers": 3, "maxSpeakers": 2}}, "minSpeakers must not be above"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_kubectl_says_what_is_wrong(kube_server: KubeServer, kube_namespace: str, spec: Object, why: str) -> None:
    body = {
        "apiVersion": "whisperjob.dev/v1alpha1",
        "kind": "WhisperJob",
        "metadata": {"name": "a", "namespace": kube_namespace},
        "spec": {"source": {"key": "k", "sizeBytes": 1}, **spec},
    }
    with pytest.raises(subprocess.CalledProcessError) as refused:
        kube_server.kubectl("create", "-f", "-", stdin=json.dumps(body))
    assert why in refused.value.stderr


async def test_kubectl_shows_where_a_job_stands(kube_server: KubeServer, records: KubernetesRecords) -> None:
    created = await records.create("a", a_spec())
    await records.patch_status("a", cases.COMPLETED.model_copy(update={"duration_seconds": 1.5}), created.version)
    shown = kube_server.kubectl("-n", records.namespace, "get", "wj", "-o", "wide").splitlines()
    columns = "NAME STATUS STEP PROGRESS DURATION CHUNKS DIARIZATION SPEAKERS WHY AGE FILE SIZE ATTEMPT REASON MESSAGE"
    assert " ".join(shown[0].split()) == columns
    assert shown[1].split()[:6] == ["a", "Completed", "uploaded", "0", "1.5", "1"]
    assert "whisperjob.whisperjob.dev/a" in kube_server.kubectl("-n", records.namespace, "get", "all", "-o", "name")


async def test_kubectl_shows_what_a_diarization_waits_for(kube_server: KubeServer, records: KubernetesRecords) -> None:
    """The scheduler's own word, and with -o wide its own sentence."""
    sentence = "0/1 nodes are available: 1 Insufficient nvidia.com/gpu."
    ready = Condition(type=ConditionType.COMPLETE, status="True", reason="Succeeded", last_transition_time=T0)
    waiting = Condition(
        type=ConditionType.SCHEDULED,
        status="False",
        reason="Unschedulable",
        message=sentence,
        last_transition_time=T0,
    )
    changes = {"conditions": (ready, waiting), "diarization": DiarizationState(request_id="r1")}
    created = await records.create("a", a_spec(diarization=DiarizationRequest(request_id="r1")))
    await records.patch_status("a", cases.COMPLETED.model_copy(update=changes), created.version)
    get = ("-n", records.namespace, "get", "wj", "a", "--no-headers")
    assert kube_server.kubectl(*get).split()[4:7] == ["1", "Queued", "Unschedulable"]
    assert sentence in kube_server.kubectl(*get, "-o", "wide")
