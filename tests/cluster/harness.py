"""A real cluster of one node: it is started, reached over 127.0.0.1, and ended without a trace."""

import base64
import json
import os
import shutil
import ssl
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import httpx

from cluster.binaries import cluster_binaries
from cluster.dial import Forwarder
from cluster.images import image_store, sizes
from cluster.kube import Kube, Object
from cluster.node_config import kubeconfig
from cluster.paths import REPOSITORY
from cluster.roots import NoRootError, make_base, make_node
from cluster.spaces import Entered, Space, enter, new_folder
from support.programs.binaries import NoBinaryError

START_SECONDS: Final = 90.0
IMPORT_SECONDS: Final = 300.0
_NODE_BINARIES: Final = (
    *("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"),
    *("kubelet", "kube-proxy", "coredns"),
)
_TOOLS: Final = ("unshare", "nsenter", "mount", "pivot_root", "chroot")


class NoClusterError(Exception):
    """There can be no cluster here; the message says why."""


class Parts:
    """The binaries, root file systems and images of a cluster. Making them is slow, and done once per machine."""

    def __init__(self, say: Callable[[str], None]) -> None:
        """Raises NoClusterError; ImagesError where the project's own images cannot be built."""
        if os.name != "posix" or os.uname().sysname != "Linux":
            raise NoClusterError("a cluster of processes needs Linux")
        if os.geteuid() != 0:
            raise NoClusterError("a cluster of processes needs root")
        if missing := [tool for tool in _TOOLS if shutil.which(tool) is None]:
            raise NoClusterError(f"a cluster of processes needs {', '.join(missing)}")
        spaces = [
            "unshare",
            "--mount",
            "--pid",
            "--net",
            "--ipc",
            "--uts",
            "--fork",
            "mount",
            "-t",
            "tmpfs",
            "x",
            "/mnt",
        ]
        if subprocess.run(spaces, capture_output=True).returncode:
            raise NoClusterError("a cluster of processes needs the right to make namespaces and to mount")
        try:
            self.binaries = cluster_binaries(say)
            base = make_base(say)
            self.node = make_node(base, say)
            self.store = image_store(base, self.node, self.binaries["minio"], say)
        except (NoBinaryError, NoRootError) as error:
            raise NoClusterError(str(error)) from error

    def image_sizes(self) -> str:
        return sizes(self.store)


class Cluster(Kube):
    """One cluster. `start` it once, and `stop` it in any case. It also ends when this process dies."""

    def __init__(self, parts: Parts) -> None:
        folder = new_folder()
        super().__init__(parts.binaries, folder, folder / "kubeconfig")
        self.parts = parts
        self.logs = self.folder / "logs"
        self._state = self.folder / "state"
        self._entered: Entered | None = None
        self._forwarder: Forwarder | None = None
        self._api: httpx.Client | None = None

    def start(self) -> None:
        """Returns when pods can be scheduled. Raises NoClusterError with the end of the log."""
        self._state.mkdir()
        binaries = tuple((self.parts.binaries[name], f"/opt/cluster/{name}", True) for name in _NODE_BINARIES)
        mounts = (*binaries, (self.parts.store / "root", "/store", True), (self._state, "/cluster", False))
        mounts = (*mounts, (REPOSITORY / "tests", "/repo/tests", True))
        command = ["python3", "-I", "/repo/tests/cluster/node.py"]
        self._entered = enter(Space(self.parts.node, "own", mounts), self.folder, command)
        self._until(lambda: (self._state / "started").exists(), "the cluster's processes")
        self._forwarder = Forwarder(self._state / "dial.sock")
        inner: Object = json.loads((self._state / "admin.json").read_text())
        ca = inner["clusters"][0]["cluster"]["certificate-authority-data"]
        url = f"https://127.0.0.1:{self._forwarder.open('127.0.0.1', 6443)}"
        token = inner["users"][0]["user"]["token"]
        self.kubeconfig.touch(0o600)
        self.kubeconfig.write_text(json.dumps(kubeconfig(url, ca, token)))
        trust = ssl.create_default_context(cadata=base64.b64decode(ca).decode())
        authorization = {"Authorization": f"Bearer {token}"}
        self._api = httpx.Client(base_url=url, headers=authorization, verify=trust, timeout=30, trust_env=False)
        self._until(self._node_ready, "the node")

    def _node_ready(self) -> bool:
        return any(
            condition["type"] == "Ready" and condition["status"] == "True"
            for node in self.items("/api/v1/nodes")
            for condition in node["status"]["conditions"]
        )

    def _until(self, condition: Callable[[], bool], what: str) -> None:
        assert self._entered is not None
        deadline = time.monotonic() + START_SECONDS
        while not condition():
            if self._entered.process.poll() is not None or time.monotonic() > deadline:
                log_end = (self.logs / "out.log").read_text(errors="replace")[-1500:].strip()
                raise NoClusterError(f"{what} did not start, see {self.logs}: {log_end}")
            time.sleep(0.05)

    @property
    def guard(self) -> int:
        """The process id of the guard, which ends everything with it."""
        assert self._entered is not None
        return self._entered.process.pid

    @property
    def alive(self) -> bool:
        return self._entered is not None and self._entered.process.poll() is None

    def find(self, path: str, **query: str) -> Object | None:
        """Requests the object without a kubectl process, which is quicker. Raises HTTPStatusError."""
        assert self._api is not None
        answer = self._api.get(path, params=query)
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        answer.raise_for_status()
        found: Object = answer.json()
        return found

    def forward(self, namespace: str, service: str, local: int = 0) -> str:
        """Forwards to the Service's cluster address, as pods use it; returns the base URL."""
        assert self._forwarder is not None
        spec = self.get(f"/api/v1/namespaces/{namespace}/services/{service}")["spec"]
        return f"http://127.0.0.1:{self._forwarder.open(spec['clusterIP'], spec['ports'][0]['port'], local)}"

    def forward_to(self, host: str, port: int) -> str:
        assert self._forwarder is not None
        return f"http://127.0.0.1:{self._forwarder.open(host, port)}"

    def put(self, name: str, text: str) -> str:
        """Writes a file; returns its path for processes inside."""
        (self._state / name).write_text(text)
        return f"/cluster/{name}"

    def start_inside(self, *command: str) -> "subprocess.Popen[bytes]":
        """Starts a process in the cluster's namespaces and root file system; it ends with the cluster."""
        target = ("--target", str(self._first_process()))
        return subprocess.Popen(
            ["nsenter", *target, "--mount", "--net", "--pid", "--ipc", "--root", "--wd", *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def _first_process(self) -> int:
        """Returns the host's id of the namespaces' process 1, which is the guard's only grandchild."""
        pid = self.guard
        for _ in range(2):
            pid = int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])
        return pid

    def kill_container(self, container_id: str) -> None:
        """Kills the container's first process with SIGKILL; the kubelet starts it again in the same pod."""
        done = self.start_inside("ctr", "-n", "k8s.io", "task", "kill", "-s", "SIGKILL", container_id).wait(30)
        if done:
            raise RuntimeError(f"container {container_id} could not be killed")

    def import_image(self, archive: Path) -> None:
        """Imports an archive of `docker save` on the node. Takes as long as copying it."""
        inside = self._state / archive.name
        inside.hardlink_to(archive)
        ctr = ("ctr", "-n", "k8s.io", "images", "import", f"/cluster/{archive.name}")
        done = self.start_inside(*ctr).wait(IMPORT_SECONDS)
        inside.unlink()
        if done:
            raise RuntimeError(f"{archive} could not be imported")

    def audit(self) -> list[Object]:
        """Returns every write that the API server has answered so far, oldest first."""
        lines = (self.logs / "audit.log").read_text().splitlines()
        return [json.loads(line) for line in lines if line.endswith("}")]

    def wait(self) -> None:
        """Returns when the cluster ends by itself, which it should not."""
        assert self._entered is not None
        self._entered.process.wait()

    def stop(self) -> None:
        """Ends the cluster and leaves its logs; idempotent."""
        if self._api is not None:
            self._api.close()
            self._api = None
        if self._forwarder is not None:
            self._forwarder.close()
            self._forwarder = None
        if self._entered is not None:
            self._entered.close()
            self._entered = None

    def remove_logs(self) -> None:
        """Removes what `stop` has left."""
        shutil.rmtree(self.folder, ignore_errors=True)
