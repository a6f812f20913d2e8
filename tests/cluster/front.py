"""An nginx in front of the API, configured as an nginx ingress controller is by the chart's Ingress."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import yaml

from cluster.harness import Cluster
from cluster.installation import Installation
from cluster.paths import CHART
from cluster.prepare import REGISTRY

_PORT: Final = 8088
_PREFIX: Final = "nginx.ingress.kubernetes.io/"
_DIRECTIVES: Final = {
    "proxy-body-size": "client_max_body_size {};",
    "proxy-request-buffering": "proxy_request_buffering {};",
    "proxy-buffering": "proxy_buffering {};",
    "proxy-http-version": "proxy_http_version {};",
    "proxy-read-timeout": "proxy_read_timeout {}s;",
    "proxy-send-timeout": "proxy_send_timeout {}s;",
}
"""The directives that a controller makes of the annotations."""


def ingress_directives(cluster: Cluster) -> list[str]:
    """Returns nginx's directives. Raises KeyError for an annotation that is not translated here."""
    settings = f"image.registry={REGISTRY},minio.enabled=true,minio.image=m,api.ingress.enabled=true,api.ingress.host=h"
    rendered = cluster.run("helm", "template", "wj", str(CHART), "--set", settings).stdout
    (ingress,) = (found for found in yaml.safe_load_all(rendered) if found and found["kind"] == "Ingress")
    return [
        _DIRECTIVES[name.removeprefix(_PREFIX)].format(value)
        for name, value in ingress["metadata"]["annotations"].items()
    ]


@contextmanager
def nginx(cluster: Cluster, installation: Installation) -> Iterator[str]:
    """Runs nginx and yields its base URL on this host."""
    service = cluster.get(f"/api/v1/namespaces/{installation.namespace}/services/{installation.name}-api")["spec"]
    config = cluster.put(
        "nginx.conf",
        f"""daemon off; pid /run/nginx.pid; error_log /logs/nginx.log;
events {{}}
http {{
    access_log off;
    server {{
        listen 127.0.0.1:{_PORT};
        {" ".join(ingress_directives(cluster))}
        location / {{ proxy_pass http://{service["clusterIP"]}:{service["ports"][0]["port"]}; }}
    }}
}}
""",
    )
    process = cluster.start_inside("nginx", "-c", config)
    try:
        yield cluster.forward_to("127.0.0.1", _PORT)
    finally:
        process.terminate()
        process.wait(10)
