"""Configuration and command line of every program of a cluster, as pure values.

The settings suit a machine without Docker, AppArmor and CAP_SYS_RESOURCE.
"""

import json
from pathlib import Path
from typing import Any, Final

from devnet import cgroups, plan
from devnet.plan import Host

_ETCD: Final = "http://127.0.0.1:2379"
_ETCD_PEER: Final = "http://127.0.0.1:2380"
AUDIT_POLICY: Final = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {"level": "None", "userGroups": ["system:nodes", "system:serviceaccounts:kube-system"]},
        {
            "level": "None",
            "users": [
                "cloud",
                "system:apiserver",
                "system:coredns",
                "system:kube-controller-manager",
                "system:kube-proxy",
                "system:kube-scheduler",
            ],
        },
        {"level": "Metadata"},
    ],
}
"""Policy that logs all requests of people and operators, but none of the cluster's own programs."""


def files(host: Host, home: Path) -> dict[str, str]:
    """Return the text of each configuration file by its path below the host's folder."""
    return {
        "etc/audit.json": json.dumps(AUDIT_POLICY, indent=1),
        "etc/cni/10-pods.conflist": json.dumps(_cni(host, home), indent=1),
        "etc/containerd.toml": _containerd(home),
        "etc/Corefile": _corefile(host, home),
        "etc/kubelet.json": json.dumps(_kubelet(host, home), indent=1),
        "etc/kube-proxy.json": json.dumps(_kube_proxy(host, home), indent=1),
        "etc/resolv.conf": "# Pods use the cluster's DNS, not the machine's.\n",
    }


def etcd(host: Host, home: Path) -> list[str]:
    """Return the command line of etcd, which listens inside the host only."""
    return [
        "/usr/bin/etcd",
        f"--name={host.name}",
        f"--data-dir={home}/etcd/data",
        f"--listen-client-urls={_ETCD}",
        f"--advertise-client-urls={_ETCD}",
        f"--listen-peer-urls={_ETCD_PEER}",
        f"--initial-advertise-peer-urls={_ETCD_PEER}",
        f"--initial-cluster={host.name}={_ETCD_PEER}",
        "--logger=zap",
    ]


def api_server(host: Host, home: Path, programs: Path) -> list[str]:
    """Return the command line of the API server."""
    pki = home / "pki"
    return [
        f"{programs}/kube-apiserver",
        f"--advertise-address={host.address}",
        f"--secure-port={plan.API_PORT}",
        f"--etcd-servers={_ETCD}",
        f"--service-cluster-ip-range={host.services}",
        "--authorization-mode=Node,RBAC",
        "--anonymous-auth=false",
        "--allow-privileged=true",
        f"--client-ca-file={pki}/ca.crt",
        f"--tls-cert-file={pki}/apiserver.crt",
        f"--tls-private-key-file={pki}/apiserver.key",
        f"--kubelet-certificate-authority={pki}/ca.crt",
        f"--kubelet-client-certificate={pki}/apiserver-kubelet.crt",
        f"--kubelet-client-key={pki}/apiserver-kubelet.key",
        # The nodes' names are not in any DNS.
        "--kubelet-preferred-address-types=InternalIP",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--service-account-key-file={pki}/service-accounts.pub",
        f"--service-account-signing-key-file={pki}/service-accounts.key",
        f"--audit-policy-file={home}/etc/audit.json",
        f"--audit-log-path={home}/audit.log",
        "--profiling=false",
    ]


def controller_manager(host: Host, home: Path, programs: Path) -> list[str]:
    """Return the command line of the controller manager."""
    return [
        f"{programs}/kube-controller-manager",
        *_kubeconfigs(home / "pki" / "kube-controller-manager.kubeconfig"),
        "--bind-address=127.0.0.1",
        "--leader-elect=false",
        f"--cluster-name={host.name}",
        f"--root-ca-file={home}/pki/ca.crt",
        f"--service-account-private-key-file={home}/pki/service-accounts.key",
        "--use-service-account-credentials=true",
        "--profiling=false",
    ]


def scheduler(home: Path, programs: Path) -> list[str]:
    """Return the command line of the scheduler."""
    return [
        f"{programs}/kube-scheduler",
        *_kubeconfigs(home / "pki" / "kube-scheduler.kubeconfig"),
        "--bind-address=127.0.0.1",
        "--leader-elect=false",
        "--profiling=false",
    ]


def kubelet(host: Host, home: Path, programs: Path) -> list[str]:
    """Return the command line of the kubelet."""
    return [
        f"{programs}/kubelet",
        f"--config={home}/etc/kubelet.json",
        f"--kubeconfig={home}/pki/kubelet.kubeconfig",
        f"--hostname-override={host.name}",
        f"--node-ip={host.address}",
        f"--root-dir={home}/kubelet",
        f"--cert-dir={home}/kubelet-pki",
    ]


def kube_proxy(home: Path, programs: Path) -> list[str]:
    """Return the command line of kube-proxy."""
    return [f"{programs}/kube-proxy", f"--config={home}/etc/kube-proxy.json"]


def containerd(home: Path) -> list[str]:
    """Return the command line of containerd."""
    return ["/usr/bin/containerd", f"--config={home}/etc/containerd.toml"]


def containerd_socket(home: Path) -> Path:
    """Return the path of containerd's socket."""
    return home / "containerd" / "containerd.sock"


def _kubeconfigs(path: Path) -> list[str]:
    options = ("kubeconfig", "authentication-kubeconfig", "authorization-kubeconfig")
    return [f"--{option}={path}" for option in options]


def _kubelet(host: Host, home: Path) -> dict[str, Any]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": host.address,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": False},
            "x509": {"clientCAFile": f"{home}/pki/ca.crt"},
        },
        "authorization": {"mode": "AlwaysAllow"},
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": cgroups.kubelet_root(host.name),
        "clusterDNS": [host.address],
        "clusterDomain": "cluster.local",
        "containerRuntimeEndpoint": f"unix://{containerd_socket(home)}",
        # Disks of developers are rarely empty, so pods are evicted only if a disk is almost full.
        "evictionHard": {"memory.available": "50Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        "failCgroupV1": False,
        "failSwapOn": False,
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "oomScoreAdj": 0,
        "podLogsDir": f"{home}/pod-logs",
        "readOnlyPort": 0,
        "resolvConf": f"{home}/etc/resolv.conf",
        "tlsCertFile": f"{home}/pki/kubelet-server.crt",
        "tlsPrivateKeyFile": f"{home}/pki/kubelet-server.key",
        "volumePluginDir": f"{home}/kubelet-plugins",
    }


def _kube_proxy(host: Host, home: Path) -> dict[str, Any]:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "iptables",
        "clientConnection": {"kubeconfig": f"{home}/pki/kube-proxy.kubeconfig"},
        "clusterCIDR": host.pods,
        # Zeros leave the machine's connection tracking unchanged.
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
        "healthzBindAddress": "127.0.0.1:10256",
        "hostnameOverride": host.name,
        "iptables": {"localhostNodePorts": False},
        "metricsBindAddress": "127.0.0.1:10249",
        "nodePortAddresses": ["primary"],
        "oomScoreAdj": 0,
    }


def _cni(host: Host, home: Path) -> dict[str, Any]:
    # Point-to-point links: with a bridge, answers from a neighbour behind a Service would bypass the address
    # translation.
    return {
        "cniVersion": "1.0.0",
        "name": "pods",
        "plugins": [
            {
                "type": "ptp",
                "ipMasq": True,
                "ipam": {
                    "type": "host-local",
                    "dataDir": f"{home}/cni",
                    "ranges": [[{"subnet": host.pods}]],
                    "routes": [{"dst": "0.0.0.0/0"}],
                },
            }
        ],
    }


def _corefile(host: Host, home: Path) -> str:
    return f"""
.:53 {{
    bind {host.address}
    errors
    ready 127.0.0.1:8181
    kubernetes cluster.local in-addr.arpa ip6.arpa {{
        kubeconfig {home}/pki/coredns.kubeconfig
        ttl 5
    }}
}}
"""


def _containerd(home: Path) -> str:
    return f"""
version = 2
root = "{home}/containerd/root"
state = "{home}/containerd/state"
disabled_plugins = [
  "io.containerd.internal.v1.opt", "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs",
]
[grpc]
  address = "{containerd_socket(home)}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{plan.SANDBOX_IMAGE}"
  disable_apparmor = true
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  stream_server_address = "127.0.0.1"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{home}/etc/cni"
"""
