"""A real etcd and kube-apiserver on loopback, for the tests of what reads and writes Kubernetes.

There is no kubelet, no scheduler and no controller: pods stay as they are made and namespaces stay
Terminating. A garbage collector runs where a test starts one. RBAC is on, and each user is known by a
token, so that missing rights can be tested.
"""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import ssl
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from devnet import pki, plan
from tests import free_ports

READY_WITHIN = 60.0
"""Seconds until the API server must answer."""
_AUDIT = "audit.jsonl"
MEMORY = pathlib.Path("/dev/shm")
"""Where etcd keeps its data, so that no write waits for a disk; beside its log where there is no such folder."""


@dataclass(frozen=True, slots=True)
class Server:
    """A running API server and the files that its clients need."""

    url: str
    folder: pathlib.Path

    @property
    def ca(self) -> pathlib.Path:
        """Certificate of the authority that signed the server's."""
        return self.folder / "ca.crt"

    def kubeconfig(self, user: str) -> pathlib.Path:
        """A kubeconfig whose only context is the user's; the token is the user's name."""
        path = self.folder / f"{user}.kubeconfig"
        cluster = {"server": self.url, "certificate-authority": self.ca.name}
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": user, "user": {"token": user}}],
            "contexts": [{"name": user, "context": {"cluster": "test", "user": user}}],
            "current-context": user,
        }
        path.write_text(json.dumps(content))
        return path

    def audit(self, user: str) -> list[dict[str, Any]]:
        """Events of the audit log about a user's requests, in their order."""
        events = map(json.loads, (self.folder / _AUDIT).read_text().splitlines())
        return [event for event in events if event["user"]["username"] == user]


def programs() -> tuple[pathlib.Path, pathlib.Path] | None:
    """Paths of etcd and of the all-in-one kubernetes binary, None when either is not installed.

    `KUBERNETES_BINARY` names the latter, else it is where the local network's build puts it.
    """
    etcd = shutil.which("etcd")
    named = os.environ.get("KUBERNETES_BINARY")
    cache = pathlib.Path(os.environ.get("ICS_CACHE", pathlib.Path.home() / ".cache" / "ics-operator"))
    built = (path for path in cache.glob("kubernetes-*/kubernetes") if path.parent.suffix != ".unfinished")
    found = [pathlib.Path(named)] if named else sorted(built)
    if etcd is None or not found:
        return None
    return pathlib.Path(etcd), found[-1]


@contextlib.contextmanager
def running(
    folder: pathlib.Path,
    etcd: pathlib.Path,
    kubernetes: pathlib.Path,
    users: list[str],
    has_audit: bool = False,
) -> Iterator[Server]:
    """Start both programs in `folder` and stop them afterwards.

    Args:
        folder: an empty folder for data, certificates and logs.
        etcd: the program.
        kubernetes: the all-in-one program.
        users: names that are also tokens; `admin` may do everything, the others nothing by themselves.
        has_audit: whether it writes an audit log of all requests but `admin`'s.
    """
    authority = pki.Authority(folder, "test-ca")
    authority.issue_server("server", ("127.0.0.1", "test-server"))
    pki.write_service_account_keys(folder)
    authority.issue_client(pki.Identity("client", "cert-admin", pki.MASTERS))
    members = {"admin": pki.MASTERS}
    (folder / "tokens.csv").write_text("".join(f'{u},{u},{u},"{members.get(u, "testers")}"\n' for u in users))
    client, peer, secure = free_ports.take(3)
    with contextlib.ExitStack() as stack:
        at = MEMORY if MEMORY.is_dir() else folder
        data = stack.enter_context(tempfile.TemporaryDirectory(prefix="ics-etcd-", dir=at))
        stack.enter_context(_process(folder, "etcd", [str(etcd), *_etcd_flags(data, client, peer)]))
        stack.enter_context(
            _process(
                folder,
                "apiserver",
                [
                    str(kubernetes),
                    "kube-apiserver",
                    *_api_flags(folder, client, secure),
                    *(_audit_flags(folder) if has_audit else []),
                ],
            )
        )
        server = Server(f"https://127.0.0.1:{secure}", folder)
        _wait_ready(server)
        yield server


@contextlib.contextmanager
def collecting(server: Server, kubernetes: pathlib.Path) -> Iterator[None]:
    """Start the garbage collector: without it, what is deleted in the foreground stays for ever.

    Args:
        server: whose objects it looks after.
        kubernetes: the all-in-one program.
    """
    flags = [
        f"--kubeconfig={server.kubeconfig('admin')}",
        "--controllers=garbage-collector-controller",
        "--leader-elect=false",
        "--secure-port=0",
    ]
    with _process(server.folder, "garbage-collector", [str(kubernetes), "kube-controller-manager", *flags]):
        yield


def _etcd_flags(data: str, client: int, peer: int) -> list[str]:
    return [
        f"--data-dir={data}",
        f"--listen-client-urls=http://127.0.0.1:{client}",
        f"--advertise-client-urls=http://127.0.0.1:{client}",
        f"--listen-peer-urls=http://127.0.0.1:{peer}",
        f"--initial-advertise-peer-urls=http://127.0.0.1:{peer}",
        f"--initial-cluster=default=http://127.0.0.1:{peer}",
    ]


def _api_flags(folder: pathlib.Path, etcd: int, port: int) -> list[str]:
    return [
        f"--etcd-servers=http://127.0.0.1:{etcd}",
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        "--endpoint-reconciler-type=none",
        f"--secure-port={port}",
        "--service-cluster-ip-range=10.0.0.0/16",
        "--authorization-mode=RBAC",
        # Without the controller that makes service accounts, this plugin would refuse every pod.
        "--disable-admission-plugins=ServiceAccount",
        f"--client-ca-file={folder / 'ca.crt'}",
        f"--tls-cert-file={folder / 'server.crt'}",
        f"--tls-private-key-file={folder / 'server.key'}",
        f"--token-auth-file={folder / 'tokens.csv'}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={folder / 'service-accounts.pub'}",
        f"--service-account-signing-key-file={folder / 'service-accounts.key'}",
        "--allow-privileged=true",
        "--v=1",
    ]


def _audit_flags(folder: pathlib.Path) -> list[str]:
    policy = {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [
            {"level": "None", "userGroups": [pki.MASTERS]},
            {"level": "None", "nonResourceURLs": ["*"]},
            {"level": "Metadata"},
        ],
    }
    path = folder / "audit-policy.json"
    path.write_text(json.dumps(policy))
    return [f"--audit-policy-file={path}", f"--audit-log-path={folder / _AUDIT}"]


@contextlib.contextmanager
def _process(folder: pathlib.Path, name: str, argv: list[str]) -> Iterator[None]:
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            argv, cwd=folder, env={**os.environ, **plan.GO_SETTINGS}, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_ready(server: Server) -> None:
    context = ssl.create_default_context(cafile=str(server.ca))
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
    )
    request = urllib.request.Request(f"{server.url}/readyz", headers={"Authorization": "Bearer admin"})  # noqa: S310
    deadline = time.monotonic() + READY_WITHIN
    while time.monotonic() < deadline:
        with contextlib.suppress(urllib.error.URLError, OSError), opener.open(request, timeout=2):
            return
        time.sleep(0.1)
    raise TimeoutError((server.folder / "apiserver.log").read_text()[-2000:])
