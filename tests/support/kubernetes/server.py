"""A real kube-apiserver over a real etcd, as plain processes on free loopback ports: no nodes, no controllers.

Nothing creates pods or collects garbage here; tests play those parts by writing what a kubelet or a controller would.
"""

import json
import os
import secrets
import signal
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import yaml

from support.kubernetes.paths import CHART
from support.kubernetes.values import TRYING_OUT
from support.programs.ports import free_port
from support.programs.processes import end_group

START_SECONDS = 60.0

_AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived", "ResponseStarted"],
    "rules": [{"level": "Metadata"}],
}

Object = dict[str, Any]


class KubeServer:
    """The two processes; ports, keys and data stay the same when they are stopped and started again."""

    def __init__(self, binaries: dict[str, Path], folder: Path) -> None:
        self.binaries = binaries
        self.folder = folder
        self.port, self._etcd_port, self._peer_port = free_port(), free_port(), free_port()
        self.url = f"https://127.0.0.1:{self.port}"
        self.ca = folder / "pki" / "apiserver.crt"
        self.token = secrets.token_hex(16)
        self.kubeconfig = folder / "kubeconfig"
        self.audit_log = folder / "audit.log"
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        """Returns when the API server answers."""
        self._write_files()
        self.start_etcd()
        self.start_apiserver()

    def _write_files(self) -> None:
        pki = self.folder / "pki"
        pki.mkdir(parents=True, exist_ok=True)
        if not (pki / "sa.key").exists():
            subprocess.run(["openssl", "genrsa", "-out", pki / "sa.key", "2048"], check=True, capture_output=True)
        (self.folder / "tokens.csv").write_text(f'{self.token},admin,1,"system:masters"\n')
        (self.folder / "audit.yaml").write_text(yaml.safe_dump(_AUDIT_POLICY))
        self.kubeconfig.write_text(yaml.safe_dump(self.kubeconfig_for(self.token)))

    def kubeconfig_for(self, token: str, namespace: str = "default") -> Object:
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "c", "cluster": {"server": self.url, "certificate-authority": str(self.ca)}}],
            "users": [{"name": "u", "user": {"token": token}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u", "namespace": namespace}}],
            "current-context": "x",
        }

    def start_etcd(self) -> None:
        client, peer = f"http://127.0.0.1:{self._etcd_port}", f"http://127.0.0.1:{self._peer_port}"
        self._spawn(
            "etcd",
            *("--data-dir", str(self.folder / "etcd"), "--unsafe-no-fsync", "--log-level", "error"),
            *("--listen-client-urls", client, "--advertise-client-urls", client),
            *(
                "--listen-peer-urls",
                peer,
                "--initial-advertise-peer-urls",
                peer,
                "--initial-cluster",
                f"default={peer}",
            ),
        )

    def start_apiserver(self, *options: str) -> None:
        sa = str(self.folder / "pki" / "sa.key")
        self._spawn(
            "kube-apiserver",
            *("--etcd-servers", f"http://127.0.0.1:{self._etcd_port}", "--cert-dir", str(self.ca.parent)),
            *("--bind-address", "127.0.0.1", "--advertise-address", "127.0.0.1", "--secure-port", str(self.port)),
            *("--endpoint-reconciler-type", "none", "--service-cluster-ip-range", "10.96.0.0/16"),
            *("--token-auth-file", str(self.folder / "tokens.csv"), "--authorization-mode", "RBAC"),
            *("--service-account-issuer", "https://kubernetes.default.svc"),
            *("--service-account-key-file", sa, "--service-account-signing-key-file", sa),
            *("--disable-admission-plugins", "ServiceAccount", "--shutdown-delay-duration", "0s"),
            *("--audit-policy-file", str(self.folder / "audit.yaml"), "--audit-log-path", str(self.audit_log)),
            *options,
        )
        deadline = time.monotonic() + START_SECONDS
        while not self._ready():
            if self._running["kube-apiserver"].poll() is not None or time.monotonic() > deadline:
                log = (self.folder / "kube-apiserver.log").read_text()[-3000:]
                self.stop()
                raise RuntimeError(f"kube-apiserver did not start:\n{log}")
            time.sleep(0.05)

    def _ready(self) -> bool:
        try:
            self.request("GET", "/readyz")
        except (OSError, urllib.error.URLError):
            return False
        return True

    def request(self, method: str, path: str, body: object = None, content_type: str = "application/json") -> Any:
        """Sends a request as the administrator; returns the JSON, or the text of another answer. Raises HTTPError."""
        request = urllib.request.Request(
            self.url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": content_type},
        )
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}),
            urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=str(self.ca))),
        )
        try:
            with opener.open(request, timeout=30) as response:
                data = response.read()
        except urllib.error.HTTPError as error:
            error.add_note(error.read().decode()[:2000])
            raise
        return json.loads(data) if data[:1] == b"{" else data.decode()

    def new_namespace(self) -> str:
        name = f"test-{secrets.token_hex(4)}"
        self.request("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
        return name

    def kubectl(self, *arguments: str, stdin: str = "") -> str:
        """Runs kubectl and returns its output. Raises CalledProcessError with its `stderr`."""
        done = subprocess.run(
            [self.binaries["kubectl"], "--kubeconfig", self.kubeconfig, *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        return done.stdout

    def helm_template(self, *arguments: str) -> list[Object]:
        return helm_template(self.binaries["helm"], *arguments)

    def stop(self, *names: str) -> None:
        """Ends these processes, all if none is given, the API server first; idempotent."""
        for name in names or ("kube-apiserver", "etcd"):
            if process := self._running.pop(name, None):
                end_group(process)

    def kill_apiserver(self) -> None:
        """Kills the API server, as when its machine dies: an orderly end waits for open watches."""
        process = self._running.pop("kube-apiserver")
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def _spawn(self, name: str, *arguments: str) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(
                [self.binaries[name], *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )


def helm_template(helm: Path, *arguments: str) -> list[Object]:
    """Renders the chart; returns the parsed objects. Raises CalledProcessError."""
    done = subprocess.run(
        [helm, "template", "wj", CHART, "--namespace", "media", *arguments],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return [document for document in yaml.safe_load_all(done.stdout) if document]


def install_crd(server: KubeServer) -> None:
    """Returns when WhisperJobs can be listed."""
    rendered = server.helm_template("--show-only", "templates/crd.yaml", *TRYING_OUT)
    for crd in rendered:
        server.request("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", crd)
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            server.request("GET", "/apis/whisperjob.dev/v1alpha1/whisperjobs")
        except urllib.error.HTTPError:
            assert time.monotonic() < deadline, "the CRD was not established"
            time.sleep(0.05)
        else:
            return
