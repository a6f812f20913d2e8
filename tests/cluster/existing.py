"""A cluster that exists already: `make e2e KUBECONFIG=…`. The tests leave it as it was."""

import os
import re
import secrets
import subprocess
from pathlib import Path

from cluster.kube import Kube
from support.programs.binaries import find_binaries

VARIABLE = "WHISPERJOB_E2E_KUBECONFIG"
"""Not KUBECONFIG itself: `make test` must not install anything in the cluster that a developer is working with."""


class ExistingCluster(Kube):
    """REGISTRY and TAG name the images that `make images` built, pushed to where the nodes can pull them."""

    def __init__(self, kubeconfig: Path, folder: Path) -> None:
        """Raises NoBinaryError without kubectl and helm, ValueError where REGISTRY is not set."""
        super().__init__(find_binaries(("kubectl", "helm")), folder, kubeconfig.resolve())
        registry = os.environ.get("REGISTRY", "")
        if not registry:
            raise ValueError("REGISTRY is not set: it says where a cluster of your own finds the images")
        tag = os.environ.get("TAG", "0.1.0")
        self.images = (registry, (tag, tag))
        self._suffix = secrets.token_hex(3)
        self._namespaces: list[str] = []
        self._forwards: list[subprocess.Popen[str]] = []

    def namespace(self, name: str) -> str:
        """Returns the name of a new namespace, which is deleted when the tests end."""
        made = f"{name}-{self._suffix}"
        if made not in self._namespaces:
            self._namespaces.append(made)
        return made

    def forward(self, namespace: str, service: str, local: int = 0) -> str:
        """Forwards to one of the Service's pods while that lives; returns the base URL."""
        port = self.get(f"/api/v1/namespaces/{namespace}/services/{service}")["spec"]["ports"][0]["port"]
        process = subprocess.Popen(
            [self.binaries["kubectl"], "-n", namespace, "port-forward", f"service/{service}", f"{local or ''}:{port}"],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._forwards.append(process)
        assert process.stdout is not None
        if found := re.search(r"127\.0\.0\.1:\d+", process.stdout.readline()):
            return f"http://{found[0]}"
        raise RuntimeError(f"kubectl does not forward to service {service}")

    def close(self) -> None:
        """Removes the namespaces, without waiting for their end."""
        for process in self._forwards:
            process.kill()
            process.communicate()
        for namespace in self._namespaces:
            self.run("helm", "uninstall", "wj", "-n", namespace, "--ignore-not-found", check=False)
            self.kubectl("delete", "namespace", namespace, "--ignore-not-found", "--wait=false")
