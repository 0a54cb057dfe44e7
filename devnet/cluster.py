"""One host's Kubernetes cluster: certificates, programs and readiness."""

from pathlib import Path

from devnet import api, commands, configs, hosts, pki, places, processes, volumes
from devnet.api import Api
from devnet.plan import Host
from devnet.progress import Progress
from devnet.toolchain import Tools

CREDENTIALS = {"kubeconfig": "operator", "kubeconfig-admin": "admin", "kubeconfig-powerless": "powerless"}
"""Kubeconfigs for operators, with the user of each."""
_PROGRAMS_THAT_NEED_THE_API = ("kube-controller-manager", "kube-scheduler", "kube-proxy", "coredns")


def ensure(host: Host, tools: Tools, progress: Progress) -> None:
    """Start the missing programs of the host's cluster and wait until its node is ready.

    Raises:
        Permanent: a program ended; the message contains the last line of its log.
        Transient: it takes too long.
    """
    home = places.host_state(host.name)
    with progress.step(f"{host.name}: API server", 6):
        _write_files(host, home)
        # containerd depends on no other program, so it starts early and is ready before the kubelet.
        _start_runtime(host, home)
        _start(host, "etcd", configs.etcd(host, home))
        _start(host, "kube-apiserver", configs.api_server(host, home, tools.kubernetes))
        admin = Api(host, "admin")
        needs = [(host.name, "etcd"), (host.name, "kube-apiserver")]
        processes.await_true(admin.is_ready, f"the API server of {host.name}", timeout=120, needs=needs)
    with progress.step(f"{host.name}: node", 10):
        _start_rest(host, home, tools)
        for item in api.load(Path(__file__).with_name("rbac.yaml")):
            admin.apply(_for_host(item, host))
        _add_snapshots(admin, tools)
        _import_images(host, home, tools)
        needs = [(host.name, program) for program in ("kubelet", "containerd", *_PROGRAMS_THAT_NEED_THE_API)]
        processes.await_true(
            lambda: is_node_ready(admin, host), f"node {host.name}", timeout=180, needs=needs, every=0.3
        )
        processes.await_true(
            lambda: has_account(admin), f"the default account of {host.name}", timeout=60, needs=needs
        )


def _add_snapshots(admin: Api, tools: Tools) -> None:
    """Add the kinds of VolumeSnapshots, and a class of them."""
    for path in sorted(tools.snapshot_kinds.glob("*.yaml")):
        for item in api.load(path):
            admin.apply(item)
    processes.await_true(
        lambda: admin.get(volumes.SNAPSHOTS) is not None, "the kinds of VolumeSnapshots", timeout=30
    )
    admin.apply(
        {
            "apiVersion": "snapshot.storage.k8s.io/v1",
            "kind": "VolumeSnapshotClass",
            "metadata": {"name": volumes.SNAPSHOT_CLASS},
            "driver": volumes.PROVISIONER,
            "deletionPolicy": "Delete",
        }
    )


def is_node_ready(client: Api, host: Host) -> bool:
    """Return whether the host's node is ready."""
    node = client.get(f"/api/v1/nodes/{host.name}")
    conditions = node.get("status", {}).get("conditions", []) if node else []
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def has_account(client: Api) -> bool:
    """Return whether pods can be created, which requires the service account that the controllers create."""
    return client.get("/api/v1/namespaces/default/serviceaccounts/default") is not None


def kubeconfig(host: Host, user: str) -> str:
    """Return a kubeconfig of the running cluster for `admin`, `operator` or `powerless`."""
    return pki.kubeconfig(host, places.host_state(host.name) / "pki", user)


def _start(host: Host, program: str, argv: list[str]) -> None:
    processes.start(host.name, program, hosts.inside(host, argv))


def _start_runtime(host: Host, home: Path) -> None:
    _start(host, "containerd", configs.containerd(home))


def _start_rest(host: Host, home: Path, tools: Tools) -> None:
    programs = tools.kubernetes
    _start(host, "kubelet", configs.kubelet(host, home, programs))
    _start(host, "kube-controller-manager", configs.controller_manager(host, home, programs))
    _start(host, "kube-scheduler", configs.scheduler(home, programs))
    _start(host, "kube-proxy", configs.kube_proxy(home, programs))
    _start(host, "coredns", [str(tools.coredns), "-conf", f"{home}/etc/Corefile"])


def _write_files(host: Host, home: Path) -> None:
    for name, text in configs.files(host, home).items():
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    folder = home / "pki"
    if not (folder / "whole").exists():
        _issue(host, folder)
        (folder / "whole").touch()


def _issue(host: Host, folder: Path) -> None:
    authority = pki.Authority(folder, f"{host.name} cluster")
    service = "kubernetes.default.svc.cluster.local"
    parts = service.split(".")
    names = [".".join(parts[:count]) for count in range(1, len(parts) + 1)]
    authority.issue_server("apiserver", [host.address, host.kubernetes_service, "127.0.0.1", *names])
    authority.issue_server("kubelet-server", [host.address, host.name])
    pki.write_service_account_keys(folder)
    for identity in pki.users(host):
        authority.issue_client(identity)
        text = pki.kubeconfig(host, folder, identity.file)
        pki.write_private(folder / f"{identity.file}.kubeconfig", text.encode())


def _import_images(host: Host, home: Path, tools: Tools) -> None:
    socket = configs.containerd_socket(home)
    control: list[str | Path] = ["ctr", "--address", socket, "--namespace", "k8s.io", "images", "import"]
    done = home / "images"
    done.mkdir(exist_ok=True)
    for archive in tools.images:
        mark = done / archive.parent.name
        if not mark.exists():
            commands.run(*hosts.inside(host, [*control, archive]), timeout=300)
            mark.touch()


def _for_host(item: api.Object, host: Host) -> api.Object:
    subjects = [
        {**subject, "name": subject["name"].replace("HOST", host.name)}
        for subject in item.get("subjects", [])
    ]
    return {**item, "subjects": subjects} if subjects else item
