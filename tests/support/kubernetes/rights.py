"""The chart's accounts and roles on a test's API server, and their requests, from its audit log."""

import json
from collections.abc import Iterator
from pathlib import Path

import yaml

from support.kubernetes.server import KubeServer, Object, helm_template
from support.kubernetes.values import TRYING_OUT, one

Right = tuple[str, str, str]
"""(API group, resource with its subresource, verb)"""


def install_rights(server: KubeServer, namespace: str) -> str:
    """Creates the chart's accounts and roles; returns the operator's account."""
    rendered = rights(server, namespace)
    server.kubectl("-n", namespace, "create", "-f", "-", stdin=yaml.safe_dump_all(rendered))
    name: str = one(rendered, "ServiceAccount", "-operator")["metadata"]["name"]
    return name


def rights(server: KubeServer, namespace: str) -> list[Object]:
    return helm_template(
        server.binaries["helm"], *TRYING_OUT, "--namespace", namespace, "--show-only", "templates/rbac.yaml"
    )


def kubeconfig_of(server: KubeServer, namespace: str, account: str, folder: Path) -> Path:
    token = server.kubectl("-n", namespace, "create", "token", account).strip()
    file = folder / f"{account}.kubeconfig"
    file.write_text(json.dumps(server.kubeconfig_for(token, namespace)))
    return file


def granted(role: Object) -> set[Right]:
    return {
        (group, resource, verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def requested(server: KubeServer, namespace: str, account: str) -> Iterator[tuple[Right, int]]:
    """Yields every request of this account about resources, with the answer's HTTP status."""
    user = f"system:serviceaccount:{namespace}:{account}"
    for line in server.audit_log.read_text().splitlines():
        event = json.loads(line)
        reference = event.get("objectRef")
        if event["user"]["username"] != user or reference is None or "resource" not in reference:
            continue
        resource = "/".join(filter(None, (reference["resource"], reference.get("subresource"))))
        yield (reference.get("apiGroup", ""), resource, event["verb"]), event["responseStatus"]["code"]
