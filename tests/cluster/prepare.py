"""Builds the images and puts them into a containerd's store: a program that runs inside the node's root file system.

    CLUSTER_CGROUP=… python -I prepare.py BASE_TAG      mounted: /repo, /base, /docker, /store, /opt/minio-server

dockerd runs without a bridge and without a firewall of its own. It shares the host's network to fetch packages.
Standard library only.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

REGISTRY = "whisperjob.test"
TAGS = ("a", "b")
"""The same images twice, for upgrades from one to the other."""
NAMES = ("api", "operator", "optimizer", "minio")
STAND_IN = f"{REGISTRY}/stand-in:{TAGS[0]}"
"""A diarizer for tests of everything except diarization."""
DIARIZER = f"{REGISTRY}/diarizer:{TAGS[0]}"
"""The real diarizer; prepare_diarizer.py builds it."""
DIARIZER_BASES = "local/diarizer-"
"""The beginning of its bases' names; only the newest is stored."""
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
START_SECONDS = 60.0
SOCKET = "/run/images-containerd.sock"


def start_docker() -> list[str]:
    """Returns the client's command once it answers."""
    cgroup = os.environ["CLUSTER_CGROUP"]
    docker = ["docker", "-H", "unix:///run/docker.sock"]
    start(
        *("dockerd", "--data-root", "/docker", "--exec-root", "/run/docker", "-H", "unix:///run/docker.sock"),
        *(
            "--iptables=false",
            "--ip-masq=false",
            "--ip-forward=false",
            "--bridge=none",
            f"--cgroup-parent=/{cgroup}",
        ),
    )
    until(lambda: works(*docker, "info"), "dockerd")
    return docker


def import_base(docker: list[str], folder: str, tag: str, options: Sequence[str] = ()) -> None:
    """Imports an image of a root file system, for Dockerfiles that do not know this machine; `options` are tar's."""
    environment = [f"ENV {name}={CERTIFICATES}" for name in ("PIP_CERT", "SSL_CERT_FILE")]
    changes = [part for change in (f"ENV PATH={PATH}", *environment) for part in ("-c", change)]
    pipe(["tar", "-C", folder, *options, "-c", "."], [*docker, "import", *changes, "-", tag])


def main(base: str) -> None:
    docker = start_docker()
    if not works(*docker, "image", "inspect", base):
        import_base(docker, "/base", base)
    build = ["/repo/images/build", "--registry", REGISTRY, "--tag", TAGS[0], "--base", base, "--go", base]
    subprocess.run(
        [*build, "--network", "host", "--minio", "/opt/minio-server", *NAMES],
        env={**os.environ, "DOCKER": " ".join(docker)},
        check=True,
    )
    pause = f'FROM {base}\nCMD ["sleep", "infinity"]\n'
    subprocess.run([*docker, "build", "-q", "-t", f"{REGISTRY}/pause:{TAGS[0]}", "-"], input=pause.encode(), check=True)
    standing_in = [
        "--build-arg",
        f"BASE={REGISTRY}/optimizer:{TAGS[0]}",
        "-f",
        "/repo/tests/cluster/stand_in.Dockerfile",
    ]
    subprocess.run([*docker, "build", "-q", "-t", STAND_IN, *standing_in, "/repo/tests/support/workers"], check=True)
    for name in NAMES:
        subprocess.run([*docker, "tag", f"{REGISTRY}/{name}:{TAGS[0]}", f"{REGISTRY}/{name}:{TAGS[1]}"], check=True)
    subprocess.run([*docker, "image", "prune", "-f"], check=True)  # what these images replaced
    images = [f"{REGISTRY}/{name}:{tag}" for name in NAMES for tag in TAGS] + [STAND_IN, f"{REGISTRY}/pause:{TAGS[0]}"]
    fill_store(docker, images)


def fill_store(docker: list[str], images: list[str]) -> None:
    """Ends containerd before it returns: its store is copied afterwards."""
    config = Path("/run/images-containerd.toml")
    config.write_text(
        "version = 2\nroot = '/store'\nstate = '/run/images-containerd'\n"
        f"disabled_plugins = ['io.containerd.grpc.v1.cri']\n[grpc]\naddress = '{SOCKET}'\n"
    )
    containerd = start("containerd", "-c", str(config))
    ctr = ["ctr", "-a", SOCKET, "-n", "k8s.io"]
    until(lambda: works(*ctr, "version"), "containerd")
    pipe([*docker, "save", *images], [*ctr, "images", "import", "-"])
    containerd.terminate()
    containerd.wait(START_SECONDS)


def start(*command: str) -> "subprocess.Popen[bytes]":
    with Path("/logs", f"{Path(command[0]).name}-images.log").open("wb") as log:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)


def works(*command: str) -> bool:
    return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0


def pipe(source: list[str], sink: list[str]) -> None:
    with subprocess.Popen(source, stdout=subprocess.PIPE) as process:
        subprocess.run(sink, stdin=process.stdout, stdout=subprocess.DEVNULL, check=True)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, source)


def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} does not answer")
        time.sleep(0.2)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except subprocess.CalledProcessError as error:
        sys.exit(f"{' '.join(map(str, error.cmd))} failed")  # it has said why itself
