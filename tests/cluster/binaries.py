"""The programs of a cluster: from $WHISPERJOB_CLUSTER_BIN, from what the tests' support finds, or built with Go.

Building takes up to an hour, so it must be asked for by WHISPERJOB_BUILD_CLUSTER=1; `make cluster` and `make e2e` do.
`modules/` pins what is built: a go.mod, its sums and a list of imports for each.
"""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Final

from cluster.paths import CACHE, MODULES, REPOSITORY
from support.kube_binaries import NoBinaryError, find_binaries

_VERSION: Final = "v1.34.4"
_KUBERNETES: Final = (
    f"-X k8s.io/component-base/version.gitVersion={_VERSION} "
    "-X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=34"
)
BUILD_SECONDS: Final = 5400.0

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
    """Named after what it is built from. Takes minutes, and a module proxy."""
    module, package = SOURCES[name]
    digest = hashlib.sha256(b"".join((module / part).read_bytes() for part in ("go.mod", "go.sum")))
    target = CACHE / "built" / digest.hexdigest()[:16] / name
    if target.is_file():
        return target
    if os.environ.get("WHISPERJOB_BUILD_CLUSTER") != "1":
        raise NoBinaryError(f"{otherwise}; WHISPERJOB_BUILD_CLUSTER=1 builds what is missing with Go, in up to an hour")
    go = shutil.which("go")
    if go is None:
        raise NoBinaryError(f"{otherwise}, and no Go to build {name} with")
    say(f"building {name}, once; this takes some minutes")
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(f"building-{name}-{os.getpid()}")
    flags = f"-s -w {_KUBERNETES if module.name == 'kubernetes' else ''}"
    nice = [found, "-n", "10"] if (found := shutil.which("nice")) else []
    try:
        subprocess.run(
            [*nice, go, "build", "-trimpath", "-ldflags", flags, "-o", str(unfinished), package],
            cwd=module,
            env={**os.environ, "CGO_ENABLED": "0"},
            check=True,
            capture_output=True,
            timeout=BUILD_SECONDS,
        )
    except subprocess.CalledProcessError as error:
        raise NoBinaryError(f"building {name} failed: {error.stderr.decode()[-400:].strip()}") from error
    except subprocess.TimeoutExpired as error:
        raise NoBinaryError(f"building {name} took too long") from error
    unfinished.rename(target)
    return target
