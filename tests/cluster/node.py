"""The whole cluster as the first process of its namespaces: a program that runs inside the node's root file system.

    CLUSTER_CGROUP=… python -I node.py       mounted: /opt/cluster (binaries), /store, /cluster (state), /logs

Writes /cluster/started when every part runs. Ends, and everything with it, when any part ends: a test should not meet a
cluster that works in part. Standard library only.
"""

import base64
import json
import os
import shutil
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, "/repo/tests/cluster")
import dial  # type: ignore[import-not-found,unused-ignore]  # found by the path above, when this runs
import node_config as config  # type: ignore[import-not-found,unused-ignore]  # likewise

BIN = "/opt/cluster"
STATE = Path("/cluster")
START_SECONDS = 60.0


def main() -> int:
    cgroup = os.environ["CLUSTER_CGROUP"]
    make_network()
    make_keys()
    take_over_store(Path("/store"), STATE / "containerd")
    parts = {"etcd": start("etcd", *config.ETCD)}
    parts["kube-apiserver"] = start("kube-apiserver", *config.APISERVER)
    wait_for_apiserver(parts["kube-apiserver"])
    parts["kube-controller-manager"] = start("kube-controller-manager", *config.CONTROLLER_MANAGER)
    parts["kube-scheduler"] = start("kube-scheduler", *config.SCHEDULER)
    parts["coredns"] = start("coredns", "-conf", write("Corefile", config.COREFILE))
    proxy = write("kube-proxy.json", json.dumps(config.kube_proxy()))
    parts["kube-proxy"] = start("kube-proxy", "--config", proxy, "--hostname-override", config.NODE)
    write("cni/10-bridge.conflist", json.dumps(config.CNI))
    parts["containerd"] = start("/usr/bin/containerd", "-c", write("containerd.toml", config.CONTAINERD))
    wait_for(lambda: Path(config.CONTAINERD_SOCKET).exists(), "containerd")
    kubelet = write("kubelet-config.json", json.dumps(config.kubelet(cgroup)))
    parts["kubelet"] = start("kubelet", "--config", kubelet, *config.KUBELET)
    dial.serve_in_background(STATE / "dial.sock")
    write("started", "")
    names = {process.pid: name for name, process in parts.items()}
    while True:
        pid, status = os.waitpid(-1, 0)  # the first process inherits every orphan
        if pid in names:
            print(f"{names[pid]} ended with {os.waitstatus_to_exitcode(status)}", flush=True)
            return 1


def make_network() -> None:
    for command in config.NETWORK:
        run(*command)
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
    for folder in ("/var/lib/cni", "/run/netns"):
        Path(folder).mkdir(parents=True, exist_ok=True)


def take_over_store(store: Path, copy: Path) -> None:
    """Takes over containerd's store without copying the images: layers are only read, so links to them suffice."""
    layers = "io.containerd.snapshotter.v1.overlayfs/snapshots"
    blobs = "io.containerd.content.v1.content/blobs"

    def large(folder: str, names: list[str]) -> list[str]:
        return names if Path(folder).relative_to(store).as_posix() in (layers, blobs) else []

    shutil.copytree(store, copy, ignore=large)
    for name in (layers, blobs):
        for path in (store / name).glob("sha256/*" if name == blobs else "*"):
            link = copy / path.relative_to(store)
            link.parent.mkdir(exist_ok=True)
            link.symlink_to(path)


def make_keys() -> None:
    pki = STATE / "pki"
    pki.mkdir()
    run("openssl", "genrsa", "-out", f"{pki}/sa.key", "2048")
    request = ("openssl", "req", "-newkey", "rsa:2048", "-nodes")
    run(*request, "-x509", "-keyout", f"{pki}/ca.key", "-out", f"{pki}/ca.crt", "-subj", "/CN=ca", "-days", "365")
    run(*request, "-keyout", f"{pki}/api.key", "-out", f"{pki}/api.csr", "-subj", "/CN=kube-apiserver")
    names = write("pki/names", f"subjectAltName={config.API_NAMES}\n")
    signing = ("openssl", "x509", "-req", "-CA", f"{pki}/ca.crt", "-CAkey", f"{pki}/ca.key", "-CAcreateserial")
    run(*signing, "-in", f"{pki}/api.csr", "-out", f"{pki}/api.crt", "-days", "365", "-extfile", names)
    tokens = {name: base64.b16encode(os.urandom(16)).decode() for name in ("admin", "kubelet")}
    lines = [
        f'{tokens["admin"]},admin,1,"system:masters"',
        f'{tokens["kubelet"]},system:node:{config.NODE},2,"system:nodes"',
    ]
    write("tokens.csv", "\n".join(lines) + "\n")
    ca = base64.b64encode((pki / "ca.crt").read_bytes()).decode()
    for name, token in tokens.items():
        write(f"{name}.json", json.dumps(config.kubeconfig(config.API_URL, ca, token)))
    write("audit.json", json.dumps(config.AUDIT))


def wait_for_apiserver(process: "subprocess.Popen[bytes]") -> None:
    token = (STATE / "tokens.csv").read_text().partition(",")[0]
    request = urllib.request.Request(f"{config.API_URL}/readyz", headers={"Authorization": f"Bearer {token}"})
    context = ssl.create_default_context(cafile=f"{STATE}/pki/ca.crt")

    def ready() -> bool:
        if process.poll() is not None:
            raise RuntimeError("kube-apiserver ended, see its log")
        try:
            with urllib.request.urlopen(request, context=context, timeout=5) as answer:
                return bool(answer.read() == b"ok")
        except OSError:
            return False

    wait_for(ready, "kube-apiserver")


def wait_for(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not start")
        time.sleep(0.05)


def write(name: str, text: str) -> str:
    path = STATE / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return str(path)


def run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        print(f"{' '.join(command)}: {done.stderr.strip()}", flush=True)
        os._exit(1)


def start(program: str, *arguments: str) -> "subprocess.Popen[bytes]":
    path = program if program.startswith("/") else f"{BIN}/{program}"
    with Path("/logs", f"{Path(program).name}.log").open("wb") as log:
        return subprocess.Popen([path, *arguments], cwd=STATE, stdin=subprocess.DEVNULL, stdout=log, stderr=log)


if __name__ == "__main__":
    sys.exit(main())
