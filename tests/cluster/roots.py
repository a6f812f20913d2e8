"""Makes the two root file systems with debootstrap, once: `base`, on which images are built, and `node`, in which the
cluster's processes run. Nothing is installed on the host except debootstrap itself.

`base` stands in for the public slim Python image of the Dockerfiles: Debian with Python and the host's certificates.
A folder is named after everything it was made from, so that a change makes a new one.
"""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from cluster.paths import CACHE

SUITE: Final = "bookworm"
BASE_PACKAGES: Final = ("ca-certificates", "python3", "python3-venv")
NODE_PACKAGES: Final = (
    *("docker.io", "containerd", "runc", "containernetworking-plugins"),
    *("iptables", "iproute2", "conntrack", "kmod", "procps", "nginx-light"),
)
CERTIFICATES: Final = "/etc/ssl/certs/ca-certificates.crt"
TIMEOUT_SECONDS: Final = 1200.0
PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class NoRootError(Exception):
    """A root file system cannot be made; the message says why."""


def make_base(say: Callable[[str], None]) -> Path:
    """Returns a folder with Debian and Python, for images. Takes about a minute the first time. Raises NoRootError."""

    def build(folder: Path) -> None:
        include = f"--include={','.join(BASE_PACKAGES)}"
        _run(_debootstrap(), "--variant=minbase", include, SUITE, str(folder))
        (folder / "usr/local/bin/python").symlink_to("/usr/bin/python3")
        if Path(CERTIFICATES).is_file():
            shutil.copyfile(CERTIFICATES, folder / CERTIFICATES[1:])
        _drop_downloads(folder)

    return _made("base", [SUITE, *BASE_PACKAGES, _digest(Path(CERTIFICATES))], build, say)


def make_node(base: Path, say: Callable[[str], None]) -> Path:
    """Returns a folder with `base` and what a node and a builder of images need. Raises NoRootError."""

    def build(folder: Path) -> None:
        _run("cp", "-a", "--reflink=auto", f"{base}/.", str(folder))
        if Path("/etc/resolv.conf").is_file():
            shutil.copyfile("/etc/resolv.conf", folder / "etc/resolv.conf")
        never_start = folder / "usr/sbin/policy-rc.d"
        never_start.write_text("#!/bin/sh\nexit 101\n")
        never_start.chmod(0o755)
        _in_root(folder, "apt-get", "update", "-qq")
        _in_root(folder, "apt-get", "install", "-y", "-qq", "--no-install-recommends", *NODE_PACKAGES)
        _drop_downloads(folder)

    return _made("node", [base.name, *NODE_PACKAGES], build, say)


def _made(kind: str, made_from: Sequence[str], build: Callable[[Path], None], say: Callable[[str], None]) -> Path:
    digest = hashlib.sha256("\0".join(made_from).encode()).hexdigest()
    target = CACHE / "roots" / f"{kind}-{digest[:16]}"
    if target.is_dir():
        return target
    say(f"making the root file system {kind!r}, once; this takes a minute or two")
    unfinished = target.with_name(f"unfinished-{kind}-{os.getpid()}")
    unfinished.mkdir(parents=True, mode=0o755)
    try:
        build(unfinished)
        unfinished.rename(target)
    finally:
        if unfinished.exists():
            shutil.rmtree(unfinished)
    return target


def _debootstrap() -> str:
    """Returns the path of debootstrap, which is installed where that is possible. Raises NoRootError."""
    if found := shutil.which("debootstrap"):
        return found
    if shutil.which("apt-get"):
        _run("apt-get", "update", "-qq")
        _run("apt-get", "install", "-y", "-qq", "--no-install-recommends", "debootstrap")
        if found := shutil.which("debootstrap"):
            return found
    raise NoRootError("debootstrap is missing")


def _in_root(root: Path, *command: str) -> None:
    """Runs a command in namespaces of its own, so that nothing stays of what a package mounts or starts."""
    mounted = 'mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" && exec chroot "$0" "$@"'
    _run("unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", mounted, str(root), *command)


def _drop_downloads(root: Path) -> None:
    for folder in ("var/cache/apt/archives", "var/lib/apt/lists"):
        for path in (root / folder).iterdir():
            if path.is_file():
                path.unlink()


def _run(*command: str) -> None:
    environment = {"PATH": PATH, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    try:
        subprocess.run(
            command,
            env=environment,
            check=True,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.CalledProcessError as error:
        last_lines = (error.stderr or error.stdout).strip().splitlines()[-3:]
        raise NoRootError(f"{' '.join(command[:3])} … failed: {' '.join(last_lines)}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoRootError(f"{command[0]} could not be run: {error}") from error


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
