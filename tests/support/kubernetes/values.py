"""Values that render the chart: TRYING_OUT needs nothing from outside, EXTERNAL sets everything."""

from typing import Any

Object = dict[str, Any]

TRYING_OUT = ("--set", "image.registry=registry.example/wj", "--set", "minio.enabled=true", "--set", "minio.image=m:1")
EXTERNAL = (
    *("--set", "image.registry=registry.example/wj", "--set", "image.pullSecrets={a,b}"),
    *("--set", f"image.digests.optimizer=sha256:{'ab' * 32}"),
    *("--set", "store.endpoint=https://s3.example", "--set", "store.existingSecret=store"),
    *("--set", "store.secrets.api=store-api,store.secrets.operator=store-operator,store.secrets.grants=store-grants"),
    *("--set", "store.workerEndpoint=http://s3.internal:9000", "--set", "networkPolicy.storeCidrs={10.0.0.0/8}"),
    *("--set", "networkPolicy.apiServerCidrs={10.1.0.0/16}", "--set", "api.existingSecret=keys"),
    *("--set", "networkPolicy.metricsNamespace.kubernetes\\.io/metadata\\.name=monitoring"),
    *(
        "--set",
        "api.ingress.enabled=true",
        "--set",
        "api.ingress.host=wj.example",
        "--set",
        "api.ingress.tlsSecret=tls",
    ),
    *("--set", "api.ingress.className=nginx", "--set", "worker.tolerations[0].key=media"),
    *("--set", "worker.priorityClasses.1=urgent", "--set", "worker.labels.team=speech"),
    *("--set", "diarizer.enabled=true", "--set", "diarizer.existingSecret=hub", "--set", "engine.maxDiarizations=4"),
    *("--set", "diarizer.runtimeClassName=nvidia", "--set", "diarizer.tolerations[0].key=nvidia\\.com/gpu"),
)


def one(objects: list[Object], kind: str, ending: str) -> Object:
    """Returns the object of this kind whose name has this ending."""
    (found,) = [o for o in objects if o["kind"] == kind and o["metadata"]["name"].endswith(ending)]
    return found


def environment(deployment: Object) -> dict[str, str]:
    """Returns the environment of its only container; values from other objects are "from elsewhere"."""
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    return {e["name"]: e.get("value", "from elsewhere") for e in container["env"]}
