"""The chart as helm renders it: complete, accepted by a real API server, and quick to refuse what is wrong."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.golden import Golden
from support.kubernetes.paths import CHART, GOLDEN, REPOSITORY
from support.kubernetes.server import KubeServer, Object, helm_template
from support.kubernetes.values import EXTERNAL, TRYING_OUT, environment, one
from support.waiting import until_sync
from whisperjob.model.settings import ApiSettings, EngineSettings, StoreSettings
from whisperjob.model.tenants import TenantLimits
from whisperjob_operator.operator_settings import OperatorSettings

pytest_plugins = ["support.kubernetes.fixtures"]

Binaries = dict[str, Path]

NOT_VALUES = {
    "namespace": "downward API",
    "pod_name": "downward API",
    "kubeconfig": "in-cluster",
    "instance": "the release",
    "work_port": "fixed",
    "probe_port": "fixed",
    "worker_image": "image.*",
    "worker_image_pull_policy": "image.*",
    "worker_image_pull_secrets": "image.*",
    "worker_server": "a Service of the chart",
    "worker_service_account": "an account of the chart",
    "worker_audience": "fixed",
    "diarizer_image": "diarizer.enabled",
}

PARTS = ("engine", "worker", "diarizer", "api")
EMPTY: dict[str, object] = {  # for each value that is empty by default, one that the schema takes
    "maxDiarizations": 1,
    "cpuLimit": "2",
    "queueName": "queue",
    "runtimeClassName": "nvidia",
    "trustedProxies": "10.0.0.1",
    "corsOrigins": "https://app.example",
    "priorityClasses": {"10": "high"},
    "nodeSelector": {"zone": "a"},
    "tolerations": [{"operator": "Exists"}],
    "labels": {"team": "a"},
    "annotations": {"team": "a"},
    "supplementalGroups": [44],
    "extraVolumes": [{"name": "cache", "emptyDir": {}}],
    "existingSecret": "secret",
    "extraVolumeMounts": [{"name": "cache", "mountPath": "/cache"}],
}


@pytest.fixture(scope="module", params=[TRYING_OUT, EXTERNAL], ids=["trying out", "external"])
def rendered(request: pytest.FixtureRequest, kube_binaries: Binaries) -> list[Object]:
    return helm_template(kube_binaries["helm"], *request.param)


@pytest.fixture(scope="module")
def defaults(kube_binaries: Binaries) -> list[Object]:
    return helm_template(kube_binaries["helm"], *TRYING_OUT)


@pytest.mark.parametrize(("name", "values"), [("trying-out", TRYING_OUT), ("external", EXTERNAL)])
def test_charts_are_as_they_were(golden: Golden, kube_binaries: Binaries, name: str, values: tuple[str, ...]) -> None:
    """The definition has a test of its own; what is random has none."""
    rendered = helm_template(kube_binaries["helm"], *values, "--set", "crds.install=false")
    for secret in (o for o in rendered if o["kind"] == "Secret"):
        secret["data"] = dict.fromkeys(secret["data"], "random")
    golden(GOLDEN / f"chart-{name}.yaml", yaml.safe_dump_all(rendered, width=120))


def test_the_guide_s_values_are_taken(kube_binaries: Binaries, tmp_path: Path) -> None:
    guide = (REPOSITORY / "docs" / "how-to" / "install-helm.md").read_text()
    (values,) = re.findall(r"^```yaml\n(.*?)^```$", guide, re.MULTILINE | re.DOTALL)
    file = tmp_path / "values.yaml"
    file.write_text(values)
    objects = helm_template(kube_binaries["helm"], "--values", str(file))
    (ingress,) = (o for o in objects if o["kind"] == "Ingress")
    assert ingress["spec"]["rules"][0]["host"] == "whisperjob.example.com"
    assert [o["metadata"]["name"] for o in objects if o["kind"] == "Secret"] == []  # brought, not made


@pytest.mark.parametrize("values", [TRYING_OUT, EXTERNAL], ids=["trying out", "external"])
def test_lint(kube_binaries: Binaries, values: tuple[str, ...]) -> None:
    done = subprocess.run(
        [kube_binaries["helm"], "lint", "--strict", CHART, *values], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("values", "why"),
    [
        pytest.param(("minio.enabled=true", "minio.image=m"), "image.registry is required", id="no registry"),
        pytest.param(("image.registry=r.example",), "store.endpoint is required", id="no store"),
        pytest.param(
            ("image.registry=r.example", "store.endpoint=https://s3"),
            "store.existingSecret is required",
            id="no secret",
        ),
        pytest.param(
            ("image.registry=r.example", "minio.enabled=true"), "minio.image is required", id="no minio image"
        ),
        pytest.param(("engine.retention=soon",), "/engine/retention", id="a time"),
        pytest.param(("engine.maxFailures=0",), "/engine/maxFailures", id="a count"),
        pytest.param(("engine.maxFailure=3",), "additional properties 'maxFailure'", id="a misspelt name"),
        pytest.param(("store.endpoint=s3.example",), "/store/endpoint", id="no URL"),
        pytest.param(("worker.memory=lots",), "/worker/memory", id="a quantity"),
        pytest.param(("worker.terminationGrace=60s",), "/worker/terminationGrace", id="too long a grace"),
        pytest.param(("api.clientAddress=some",), "/api/clientAddress", id="a choice"),
        pytest.param(("diarizer.resource=gpu",), "/diarizer/resource", id="no resource's name"),
        pytest.param(("diarizer.extraVolumes[0].name=scratch",), "/diarizer/extraVolumes/0/name", id="a name in use"),
        pytest.param(("engine.maxDiarizations=0",), "/engine/maxDiarizations", id="no diarization at all"),
        pytest.param(("worker.priorityClasses.high=x",), "invalid propertyName 'high'", id="a threshold"),
    ],
)
def test_wrong_values_are_refused_with_a_sentence(kube_binaries: Binaries, values: tuple[str, ...], why: str) -> None:
    with pytest.raises(subprocess.CalledProcessError) as refused:
        helm_template(kube_binaries["helm"], *(part for value in values for part in ("--set", value)))
    assert why in refused.value.stderr


def test_api_server_accepts_every_object(kube_server: KubeServer, rendered: list[Object]) -> None:
    namespace = kube_server.new_namespace()
    text = yaml.safe_dump_all(rendered).replace("namespace: media", f"namespace: {namespace}")
    kinds = [o["kind"] for o in rendered if o["kind"] != "CustomResourceDefinition"]
    accepted = kube_server.kubectl(
        "-n",
        namespace,
        "create",
        "--dry-run=server",
        "--validate=strict",
        "-f",
        "-",
        "-o",
        "name",
        stdin=without_crd(text),
    )
    assert len(accepted.splitlines()) == len(kinds)


def without_crd(text: str) -> str:
    """It is there already."""
    objects = [o for o in yaml.safe_load_all(text) if o["kind"] != "CustomResourceDefinition"]
    return yaml.safe_dump_all(objects)


def test_every_pod_keeps_to_the_restricted_standard(kube_server: KubeServer, rendered: list[Object]) -> None:
    namespace = kube_server.new_namespace()
    kube_server.kubectl("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
    pods = [
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": o["metadata"]["name"]}, "spec": spec}
        for o in rendered
        if (spec := o["spec"] if o["kind"] == "Pod" else o.get("spec", {}).get("template", {}).get("spec"))
    ]
    assert len(pods) >= 3
    kube_server.kubectl("-n", namespace, "create", "--dry-run=server", "-f", "-", stdin=yaml.safe_dump_all(pods))


@pytest.fixture(scope="module")
def diarizing(kube_binaries: Binaries) -> list[Object]:
    return helm_template(kube_binaries["helm"], *TRYING_OUT, "--set", "diarizer.enabled=true")


def test_a_diarizer_is_there_when_it_is_asked_for(defaults: list[Object], diarizing: list[Object]) -> None:
    """Operator and API agree."""
    for objects, image, diarizes in ((defaults, None, "false"), (diarizing, "registry.example/wj/diarizer:", "true")):
        given = environment(one(objects, "Deployment", "-operator")).get("WHISPERJOB_DIARIZER_IMAGE")
        assert given is image is None or (given and image and given.startswith(image))
        assert environment(one(objects, "Deployment", "-api"))["WHISPERJOB_DIARIZES"] == diarizes


def test_only_a_token_opens_the_way_to_the_hub(kube_binaries: Binaries, diarizing: list[Object]) -> None:
    def ports(objects: list[Object]) -> list[int]:
        policies = [o["spec"] for o in objects if o["kind"] == "NetworkPolicy"]
        diarizer_policies = [
            p for p in policies if p["podSelector"]["matchLabels"].get("whisperjob.dev/stage") == "diarize"
        ]
        return [port["port"] for policy in diarizer_policies for rule in policy["egress"] for port in rule["ports"]]

    token = ("--set", "diarizer.enabled=true", "--set", "diarizer.existingSecret=hub")
    assert ports(diarizing) == []
    assert ports(helm_template(kube_binaries["helm"], *TRYING_OUT, *token)) == [443]


@pytest.mark.parametrize("rendered_with", ["defaults", "diarizing"])
def test_values_stand_for_the_models_defaults(rendered_with: str, request: pytest.FixtureRequest) -> None:
    defaults: list[Object] = request.getfixturevalue(rendered_with)
    operator = environment(one(defaults, "Deployment", "-operator"))
    api = environment(one(defaults, "Deployment", "-api"))

    def parsed(settings: type[Any], given: dict[str, str]) -> dict[str, Any]:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in given.items():
                patch.setenv(name, value)
            found: dict[str, Any] = settings().model_dump()
        return found

    assert (
        parsed(EngineSettings, operator) == EngineSettings(import_prefix="imports/").model_dump()
    )  # as admission has it
    keys = {"api_keys", "keys_folder"}
    assert {k: v for k, v in parsed(ApiSettings, api).items() if k not in keys} == ApiSettings().model_dump(
        exclude=keys
    )
    required: dict[str, Any] = {"namespace": "n", "worker_image": "i", "worker_server": "s"}
    usual = OperatorSettings(**required).model_dump(exclude=set(NOT_VALUES))
    assert {k: v for k, v in parsed(OperatorSettings, operator).items() if k not in NOT_VALUES} == usual


def test_every_setting_is_a_value_that_reaches_its_pod(kube_binaries: Binaries, tmp_path: Path) -> None:
    """Each is set by a value of the chart, except those above, which the chart sets by itself."""
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    given_by_a_user = tmp_path / "values.yaml"  # an empty value is not passed on, so each gets something
    given_by_a_user.write_text(
        yaml.safe_dump(
            {part: {k: EMPTY[k] for k, v in values[part].items() if v in ("", {}, []) and k in EMPTY} for part in PARTS}
        )
    )
    objects = helm_template(
        kube_binaries["helm"], *TRYING_OUT, "--set", "diarizer.enabled=true", "--values", str(given_by_a_user)
    )
    operator = environment(one(objects, "Deployment", "-operator"))
    api = environment(one(objects, "Deployment", "-api"))
    schema = json.loads((CHART / "values.schema.json").read_text())["properties"]

    def check(
        settings: type[Any],
        part: str,
        given: dict[str, str],
        prefix: str = "",
        skipped: frozenset[str] = frozenset(),
    ) -> None:
        for name, field in settings.model_fields.items():
            if name in skipped or not name.startswith(prefix):
                continue
            first, *rest = name.removeprefix(prefix).split("_")
            value = first + "".join(word.title() for word in rest)
            assert value in values[part], f"{part}.{value} is missing"
            assert schema[part]["properties"][value]["description"] == field.description
            assert f"WHISPERJOB_{name.upper()}" in given, f"{part}.{value} does not reach the pod"

    check(EngineSettings, "engine", operator, skipped=frozenset({"import_prefix", "tenants"}))  # a value of the store
    check(ApiSettings, "api", api, skipped=frozenset({"api_keys", "keys_folder", "tenants"}))
    check(OperatorSettings, "worker", operator, "worker_", skipped=frozenset(NOT_VALUES))
    check(OperatorSettings, "diarizer", operator, "diarizer_", skipped=frozenset(NOT_VALUES))


def test_limits_of_tenants_reach_both_parts(kube_binaries: Binaries, tmp_path: Path) -> None:
    limits = {
        "alice": {"weight": 2.5, "runningJobs": 4, "bytesPerDay": 50_000_000_000},
        "*": {"requestsPerSecond": 0.5, "audioHoursPerDay": 12},
    }
    given = tmp_path / "values.yaml"
    given.write_text(yaml.safe_dump({"tenants": limits}))
    objects = helm_template(kube_binaries["helm"], *TRYING_OUT, "--values", str(given))
    for part, settings in (("-operator", EngineSettings), ("-api", ApiSettings)):
        text = environment(one(objects, "Deployment", part))["WHISPERJOB_TENANTS"]
        found = settings(tenants=json.loads(text))
        assert found.limits_of("alice").bytes_per_day == 50_000_000_000
        assert (found.weight_of("alice"), found.limits_of("bob").requests_per_second) == (2.5, 0.5)
    properties = json.loads((CHART / "values.schema.json").read_text())["properties"]["tenants"]["additionalProperties"]
    fields = {field.alias: field.description for field in TenantLimits.model_fields.values()}
    assert {name: field["description"] for name, field in properties["properties"].items()} == fields


def test_every_value_has_its_schema() -> None:
    def missing(values: Object, schema: Object, path: str) -> list[str]:
        found = []
        for name, value in values.items():
            field = schema.get("properties", {}).get(name)
            if field is None or not field.get("description"):
                found.append(f"{path}{name}")
            elif isinstance(value, dict) and "properties" in field:
                found += missing(value, field, f"{path}{name}.")
        return found

    schema = json.loads((CHART / "values.schema.json").read_text())
    assert missing(yaml.safe_load((CHART / "values.yaml").read_text()), schema, "") == []


def test_store_settings_are_given_to_both(rendered: list[Object]) -> None:
    wanted = {f"WHISPERJOB_{name.upper()}" for name in StoreSettings.model_fields}
    wanted -= {"WHISPERJOB_S3_WORKER_ENDPOINT", "WHISPERJOB_S3_PUBLIC_ENDPOINT"}  # empty unless they are set
    for part in ("-operator", "-api"):
        assert wanted <= set(environment(one(rendered, "Deployment", part)))


def test_with_a_secret_for_each_purpose_no_common_one_is_needed(kube_binaries: Binaries) -> None:
    secrets = ",".join(f"store.secrets.{purpose}=store-{purpose}" for purpose in ("api", "operator", "grants"))
    objects = helm_template(kube_binaries["helm"], *EXTERNAL, "--set", f"store.existingSecret=,{secrets}")
    assert one(objects, "Deployment", "-operator")


def test_workers_reach_only_what_they_need(rendered: list[Object]) -> None:
    policy = one(rendered, "NetworkPolicy", "-worker")["spec"]
    assert policy["ingress"] == []
    assert all(rule.get("to") for rule in policy["egress"])
    ports = {port["port"] for rule in policy["egress"] for port in rule["ports"]}
    assert ports in ({8081, 53, 9000}, {8081, 53, 9000, 443})


def test_the_definition_stays(defaults: list[Object]) -> None:
    crd = one(defaults, "CustomResourceDefinition", "whisperjobs.whisperjob.dev")
    assert crd["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"


def test_the_definition_can_be_left_out(kube_binaries: Binaries) -> None:
    objects = helm_template(kube_binaries["helm"], *TRYING_OUT, "--set", "crds.install=false")
    assert "CustomResourceDefinition" not in {o["kind"] for o in objects}


@pytest.mark.parametrize(
    ("key", "refused"),
    [
        ("uploads/{namespace}/talk/0011", False),
        ("imports/talk.mp4", False),
        ("uploads/{namespace}/other/0011", True),
        ("uploads/elsewhere/talk/0011", True),
        ("jobs/{namespace}/u/optimize/1/output.mp3", True),
        ("secret.mp4", True),
    ],
)
def test_foreign_sources_are_refused(kube_server: KubeServer, source_namespace: str, key: str, refused: bool) -> None:
    body = {
        "apiVersion": "whisperjob.dev/v1alpha1",
        "kind": "WhisperJob",
        "metadata": {"name": "talk", "namespace": source_namespace},
        "spec": {"source": {"key": key.format(namespace=source_namespace), "sizeBytes": 1}},
    }
    create = ("create", "--dry-run=server", "-f", "-")
    if not refused:
        kube_server.kubectl(*create, stdin=json.dumps(body))
        return
    with pytest.raises(subprocess.CalledProcessError) as error:
        kube_server.kubectl(*create, stdin=json.dumps(body))
    assert f"must lie below uploads/{source_namespace}/talk/ or imports/" in error.value.stderr


@pytest.fixture(scope="module")
def source_namespace(kube_server: KubeServer) -> str:
    """Where the chart's policy about sources is in force."""
    namespace = kube_server.new_namespace()
    rendered = helm_template(
        kube_server.binaries["helm"],
        *TRYING_OUT,
        "--namespace",
        namespace,
        "--show-only",
        "templates/source-policy.yaml",
    )
    kube_server.kubectl("create", "-f", "-", stdin=yaml.safe_dump_all(rendered))
    probe = {
        "apiVersion": "whisperjob.dev/v1alpha1",
        "kind": "WhisperJob",
        "metadata": {"name": "probe", "namespace": namespace},
        "spec": {"source": {"key": "foreign", "sizeBytes": 1}},
    }

    def in_force() -> bool:
        try:
            kube_server.kubectl("create", "--dry-run=server", "-f", "-", stdin=json.dumps(probe))
        except subprocess.CalledProcessError:
            return True
        return False

    until_sync(in_force, "the policy to be in force", 30)
    return namespace


@pytest.mark.parametrize(
    "sample", sorted((REPOSITORY / "deploy" / "samples").glob("*.yaml")), ids=lambda path: path.name
)
def test_samples_are_accepted(kube_server: KubeServer, source_namespace: str, sample: Path) -> None:
    kube_server.kubectl("-n", source_namespace, "create", "--dry-run=server", "--validate=strict", "-f", str(sample))
