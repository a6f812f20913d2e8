"""The programs of a cluster: from $WHISPERJOB_CLUSTER_BIN, from what the tests' support finds, or built with Go.

Building takes up to an hour, so it must be asked for by WHISPERJOB_BUILD_CLUSTER=1; `make cluster` and `make e2e` do.
`modules/` pins what is built: a go.mod, its sums and a list of imports for each.
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
"""Each program's module and the package its `main` is in."""


def cluster_binaries(say: Callable[[str], None]) -> dict[str, Path]:
    """All of them. Raises NoBinaryError; says what takes long."""
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
