"""Finds the programs of a cluster: in $WHISPERJOB_CLUSTER_BIN, where the tests' support finds them, or built with Go.

Building takes up to an hour and happens only with WHISPERJOB_BUILD_CLUSTER=1, which `make cluster` and `make e2e` set.
`modules/` pins what is built: a go.mod, its sums and a list of imports for each program.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from cluster.paths import CACHE, MODULES, REPOSITORY
from support.programs.binaries import NoBinaryError, find_binaries
from support.programs.go_building import go_built, kept_build

_VERSION: Final = "v1.34.4"
_KUBERNETES: Final = (
    f"-X k8s.io/component-base/version.gitVersion={_VERSION} "
    "-X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=34"
)

SOURCES: Final = {
    "etcd": (MODULES / "etcd", "go.etcd.io/etcd/server/v3"),
    "coredns": (MODULES / "coredns", "github.com/coredns/coredns"),
    "helm": (MODULES / "helm", "helm.sh/helm/v4/cmd/helm"),
    "minio": (REPOSITORY / "images" / "minio", "github.com/minio/minio"),
} | {
    name: (MODULES / "kubernetes", f"k8s.io/kubernetes/cmd/{name}")
    for name in (
        *("kube-apiserver", "kube-controller-manager", "kube-scheduler"),
        *("kubelet", "kube-proxy", "kubectl"),
    )
}
"""The module of each program and the package with its `main`."""


def cluster_binaries(say: Callable[[str], None]) -> dict[str, Path]:
    """Returns the path of every program; `say` is called before long work. Raises NoBinaryError."""
    given = Path(os.environ.get("WHISPERJOB_CLUSTER_BIN") or CACHE / "none")
    found = {name: given / name for name in SOURCES if (given / name).is_file()}
    missing = [name for name in SOURCES if name not in found]
    try:
        found |= find_binaries(missing)  # together: one pass over the archive
    except NoBinaryError as error:
        found |= {name: _found_or_built(name, str(error), say) for name in missing}
    return {name: path.resolve() for name, path in found.items()}


def _found_or_built(name: str, otherwise: str, say: Callable[[str], None]) -> Path:
    try:
        return find_binaries([name])[name]
    except NoBinaryError:
        return _built(name, otherwise, say)


def _built(name: str, otherwise: str, say: Callable[[str], None]) -> Path:
    module, package = SOURCES[name]
    if os.environ.get("WHISPERJOB_BUILD_CLUSTER") != "1" and not kept_build(name, module).is_file():
        raise NoBinaryError(f"{otherwise}; WHISPERJOB_BUILD_CLUSTER=1 builds what is missing with Go, in up to an hour")
    return go_built(name, module, package, otherwise, say, linking=_KUBERNETES if module.name == "kubernetes" else "")
