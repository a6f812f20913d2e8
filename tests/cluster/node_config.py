"""The configuration of the cluster's parts. Standard library only: the node imports it in its root file system."""

from typing import Any, Final

Object = dict[str, Any]

NODE: Final = "node1"
NODE_IP: Final = "10.200.0.1"
"""Without it the kubelet waits for a name server that does not exist."""
PODS: Final = "10.244.0.0/24"
DNS: Final = "169.254.20.10"
API_URL: Final = "https://127.0.0.1:6443"
API_NAMES: Final = "IP:127.0.0.1,IP:10.96.0.1,DNS:localhost,DNS:kubernetes.default.svc"
CONTAINERD_SOCKET: Final = "/run/containerd/containerd.sock"
PAUSE: Final = "whisperjob.test/pause:a"

NETWORK: Final = (
    ("ip", "link", "set", "lo", "up"),
    ("ip", "address", "add", f"{DNS}/32", "dev", "lo"),
    ("ip", "link", "add", "up0", "type", "veth", "peer", "name", "up1"),
    ("ip", "address", "add", f"{NODE_IP}/24", "dev", "up0"),
    ("ip", "link", "set", "up0", "up"),
    ("ip", "link", "set", "up1", "up"),
    ("ip", "route", "add", "default", "via", "10.200.0.2"),  # the API server needs one, although it leads nowhere
    ("iptables", "-P", "FORWARD", "ACCEPT"),
)

ETCD: Final = (
    *("--data-dir", "/cluster/etcd", "--unsafe-no-fsync", "--log-level", "error"),
    *("--listen-client-urls", "http://127.0.0.1:2379", "--advertise-client-urls", "http://127.0.0.1:2379"),
    *("--listen-peer-urls", "http://127.0.0.1:2380"),
)
APISERVER: Final = (
    *("--etcd-servers", "http://127.0.0.1:2379", "--client-ca-file", "pki/ca.crt"),
    *("--tls-cert-file", "pki/api.crt", "--tls-private-key-file", "pki/api.key"),
    *("--token-auth-file", "tokens.csv", "--authorization-mode", "Node,RBAC"),
    *("--service-account-issuer", "https://kubernetes.default.svc", "--service-cluster-ip-range", "10.96.0.0/16"),
    *("--service-account-key-file", "pki/sa.key", "--service-account-signing-key-file", "pki/sa.key"),
    *("--enable-admission-plugins", "NodeRestriction", "--allow-privileged"),
    *("--kubelet-preferred-address-types", "InternalIP", "--shutdown-delay-duration", "0s"),
    *("--audit-policy-file", "audit.json", "--audit-log-path", "/logs/audit.log"),
)
CONTROLLER_MANAGER: Final = (
    *("--kubeconfig", "admin.json", "--leader-elect=false", "--use-service-account-credentials"),
    *("--service-account-private-key-file", "pki/sa.key", "--root-ca-file", "pki/ca.crt"),
    *("--kube-api-qps", "100", "--kube-api-burst", "200"),
)
SCHEDULER: Final = ("--kubeconfig", "admin.json", "--leader-elect=false")
KUBELET: Final = (
    *("--kubeconfig", "kubelet.json", "--hostname-override", NODE),
    *("--root-dir", "/cluster/kubelet", "--node-ip", NODE_IP),
)

AUDIT: Final[Object] = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived", "ResponseStarted"],
    "rules": [
        {"level": "None", "verbs": ["get", "list", "watch"]},
        {"level": "Request", "resources": [{"group": "whisperjob.dev", "resources": ["whisperjobs/status"]}]},
        {"level": "Metadata"},
    ],
}
"""Writes alone, with bodies only of statuses: the tests count the operator's writes, and those of progress apart."""

CNI: Final[Object] = {
    "cniVersion": "0.4.0",
    "name": "pods",
    "plugins": [
        {
            "type": "bridge",
            "bridge": "cni0",
            "isGateway": True,
            "ipMasq": True,
            "hairpinMode": True,
            "ipam": {"type": "host-local", "ranges": [[{"subnet": PODS}]], "routes": [{"dst": "0.0.0.0/0"}]},
        },
        {"type": "portmap", "capabilities": {"portMappings": True}},
    ],
}

CONTAINERD: Final = f"""
version = 2
root = "/cluster/containerd"
state = "/run/containerd"
[grpc]
address = "{CONTAINERD_SOCKET}"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{PAUSE}"
disable_apparmor = true
# Where the machine's own privileges are limited no process may become less likely to be killed.
restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/usr/lib/cni"
conf_dir = "/cluster/cni"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
"""

COREFILE: Final = f"""
.:53 {{
    bind {DNS}
    errors
    kubernetes cluster.local in-addr.arpa {{
        kubeconfig /cluster/admin.json
    }}
    cache 5
}}
"""


def kubelet(cgroup: str) -> Object:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
        "authorization": {"mode": "AlwaysAllow"},
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{cgroup}",
        "containerRuntimeEndpoint": f"unix://{CONTAINERD_SOCKET}",
        "failSwapOn": False,
        "clusterDNS": [DNS],
        "clusterDomain": "cluster.local",
        "podCIDR": PODS,
        "podLogsDir": "/logs/pods",
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        "imageGCHighThresholdPercent": 100,
        "enforceNodeAllocatable": [],
    }


def kube_proxy() -> Object:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": "/cluster/admin.json"},
        "clusterCIDR": PODS,
        "mode": "iptables",
        "conntrack": {"maxPerCore": 0},
    }


def kubeconfig(url: str, ca: str, token: str) -> Object:
    """Builds a kubeconfig; `ca` is in base64."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": url, "certificate-authority-data": ca}}],
        "users": [{"name": "u", "user": {"token": token}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
