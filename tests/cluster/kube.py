"""A cluster as its administrator uses it: kubectl, helm, and the API behind them, with a kubeconfig."""

import base64
import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from cluster.prepare import REGISTRY, TAGS

COMMAND_SECONDS: Final = 120.0
_NOT_FOUND: Final = "(NotFound)"

Object = dict[str, Any]


class Kube:
    """Any cluster. `binaries` has kubectl and helm, which store their files in `folder`."""

    images = (REGISTRY, TAGS)
    """The registry of the project's images for the nodes, and two tags: the second is for upgrades."""

    def __init__(self, binaries: Mapping[str, Path], folder: Path, kubeconfig: Path) -> None:
        self.binaries = binaries
        self.folder = folder
        self.kubeconfig = kubeconfig

    def namespace(self, name: str) -> str:
        """Returns the cluster's own name for a test's namespace."""
        return name

    def run(
        self, program: str, *arguments: str, check: bool = True, stdin: str = "", timeout: float = COMMAND_SECONDS
    ) -> "subprocess.CompletedProcess[str]":
        """Runs kubectl or helm on the host, as the administrator. Raises CalledProcessError with its output."""
        done = subprocess.run(
            [self.binaries[program], *arguments],
            env=self.environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        if check and done.returncode:
            error = subprocess.CalledProcessError(done.returncode, [program, *arguments], done.stdout, done.stderr)
            error.add_note(done.stderr[-3000:])
            raise error
        return done

    @property
    def environment(self) -> dict[str, str]:
        return {"PATH": os.defpath, "HOME": str(self.folder), "KUBECONFIG": str(self.kubeconfig)}

    def kubectl(self, *arguments: str, stdin: str = "", timeout: float = COMMAND_SECONDS) -> str:
        return self.run("kubectl", *arguments, stdin=stdin, timeout=timeout).stdout

    def find(self, path: str, **query: str) -> Object | None:
        """Returns an object or a list by its path in the API, None if there is none."""
        parameters = "&".join(f"{name}={value}" for name, value in query.items())
        done = self.run("kubectl", "get", "--raw", f"{path}?{parameters}", check=False)
        if done.returncode == 0:
            found: Object = json.loads(done.stdout)
            return found
        if _NOT_FOUND in done.stderr:
            return None
        raise subprocess.CalledProcessError(done.returncode, f"kubectl get --raw {path}", done.stdout, done.stderr)

    def get(self, path: str, **query: str) -> Object:
        """Returns an object or a list. Raises LookupError where there is none."""
        found = self.find(path, **query)
        if found is None:
            raise LookupError(path)
        return found

    def items(self, path: str, selector: str = "") -> list[Object]:
        found: list[Object] = self.get(path, labelSelector=selector)["items"]
        return found

    def exists(self, path: str) -> bool:
        return self.find(path) is not None

    def secret(self, namespace: str, name: str, key: str) -> str:
        data: str = self.get(f"/api/v1/namespaces/{namespace}/secrets/{name}")["data"][key]
        return base64.b64decode(data).decode()

    def forward(self, namespace: str, service: str, local: int = 0) -> str:
        """Returns the base URL on this host of a Service's first port."""
        raise NotImplementedError
