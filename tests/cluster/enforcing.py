"""Runs the pods of a whole stack as network namespaces, and tries who reaches what while its policies are enforced.

    unshare --net python -m tests.cluster.enforcing FOLDER ETCD KUBERNETES PROGRAM

The API server has the policies and the pods; a namespace with an address stands for each pod, and for each address
outside of the cluster; the namespace of this process is their host, and their only router. So what is enforced is
what `devnet.policies` enforces on the local network. Prints two tables as JSON: before and after.
"""

import concurrent.futures
import contextlib
import ctypes
import json
import os
import pathlib
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import httpx

from devnet import policies
from ics import model
from ics.cluster.api import kinds
from tests.cluster import apiserver
from tests.unit.manifests import reaching
from tests.unit.manifests.reachability import End
from tests.unit.manifests.reaching import Question

PODS: Final = "10.232.0.0/24"
ROUTER: Final = "10.232.0.1"
NODE: Final = "host"
PATIENCE: Final = 10.0
"""Seconds within which a connection that is open must be there; all are tried at once."""
_NEW_NETWORK: Final = 0x40000000
"""CLONE_NEWNET."""
_C: Final = ctypes.CDLL(None, use_errno=True)
Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class Place:
    """The network namespace of one end, by the descriptor that holds it."""

    end: End
    namespace: int

    @property
    def path(self) -> str:
        """Its file."""
        return f"/proc/{os.getpid()}/fd/{self.namespace}"

    def socket(self, protocol: str) -> socket.socket:
        """A socket that belongs to the namespace, because a thread makes it there."""

        def make() -> socket.socket:
            _checked(_C.setns(self.namespace, _NEW_NETWORK))
            kind = socket.SOCK_STREAM if protocol == "TCP" else socket.SOCK_DGRAM
            made = socket.socket(socket.AF_INET, kind)
            made.setblocking(False)
            return made

        return _in_thread(make)


def place(number: int, end: End) -> Place:
    """A namespace with the end's address, and with this process's as its router."""

    def new() -> int:
        _checked(_C.unshare(_NEW_NETWORK))
        return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)

    found = Place(end, _in_thread(new))
    link = f"end{number}"
    for command in (
        f"ip link add {link} type veth peer name eth0 netns {found.path}",
        f"ip address add {ROUTER}/32 dev {link}",
        f"ip link set {link} up",
        f"ip route add {end.address}/32 dev {link}",
        f"nsenter --net={found.path} ip address add {end.address}/32 dev eth0",
        f"nsenter --net={found.path} ip link set eth0 up",
        f"nsenter --net={found.path} ip route add {ROUTER}/32 dev eth0",
        f"nsenter --net={found.path} ip route add default via {ROUTER}",
    ):
        subprocess.run(command.split(), check=True)
    return found


def listening(places: Mapping[str, Place], asked: Iterable[Question]) -> dict[tuple[str, int], socket.socket]:
    """A server at every port that is asked for; the kernel accepts the connections."""
    found = {}
    for target, port, protocol in sorted({(one.target, one.port, one.protocol) for one in asked}):
        if target in places:
            server = places[target].socket(protocol)
            server.bind((places[target].end.address, port))
            if protocol == "TCP":
                server.listen(200)
            found[target, port] = server
    return found


def opened(
    places: Mapping[str, Place], servers: Mapping[tuple[str, int], socket.socket], asked: Iterable[Question]
) -> set[Question]:
    """Try all connections at once and answer those that came about."""
    selector, sockets, found = selectors.DefaultSelector(), [], set()
    for one in asked:
        if one.source not in places or one.target not in places:
            continue
        address = (places[one.target].end.address, one.port)
        client = places[one.source].socket(one.protocol)
        sockets.append(client)
        client.connect_ex(address)
        if one.protocol == "TCP":
            selector.register(client, selectors.EVENT_WRITE, one)
        else:
            client.send(b"?")
    deadline = time.monotonic() + PATIENCE
    while selector.get_map() and (left := deadline - time.monotonic()) > 0:
        for key, _ in selector.select(left):
            selector.unregister(key.fileobj)
            if key.fileobj.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0:  # type: ignore[union-attr]
                found.add(key.data)
    for one in asked:
        if one.protocol == "UDP" and one.target in places:
            senders = _senders(servers[one.target, one.port])
            datagrams = (other for other in asked if (other.target, other.port) == (one.target, one.port))
            found |= {other for other in datagrams if places[other.source].end.address in senders}
    for client in sockets:
        client.close()
    return found


def _senders(server: socket.socket) -> set[str]:
    found = set()
    with contextlib.suppress(BlockingIOError):
        while True:
            found.add(server.recvfrom(100)[1][0])
    return found


def fill(http: httpx.Client, rendered: Iterable[model.Manifest], ends: Mapping[str, End]) -> None:
    """Give the API server the namespaces, the policies, and the pods with their addresses."""
    namespaces = {end.namespace: end for end in ends.values() if end.namespace}
    for name in sorted(namespaces):
        create(http, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    for one in rendered:
        if one["kind"] == "NetworkPolicy":
            create(http, one)
    for number, end in enumerate(ends.values()):
        if not end.namespace:
            continue
        name = f"pod{number}"
        metadata = {"name": name, "namespace": end.namespace, "labels": dict(end.labels)}
        spec = {"nodeName": NODE, "containers": [{"name": "none", "image": "none"}]}
        pod = create(http, {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
        pod["status"] |= {"phase": "Running", "podIP": end.address, "podIPs": [{"ip": end.address}]}
        path = kinds.POD.path(end.namespace, name)
        http.put(f"{path}/status", json=pod).raise_for_status()


def create(http: httpx.Client, item: Mapping[str, Any]) -> dict[str, Any]:
    """Make an object."""
    answer = http.post(kinds.of(item).path(item["metadata"].get("namespace", "")), json=item)
    # The API server itself makes the namespaces default and kube-system.
    assert answer.is_success or answer.status_code == httpx.codes.CONFLICT, answer.text
    found: dict[str, Any] = answer.json()
    return found


@contextlib.contextmanager
def enforced(server: apiserver.Server, program: pathlib.Path) -> Iterator[None]:
    """The policies are enforced for the pods of this process's namespace."""
    command = policies.command(program, server.kubeconfig("admin"), NODE)
    log = server.folder / "network-policies.log"
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:
        try:
            deadline = time.monotonic() + 60
            while not policies.is_served(_output(policies.READING)):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise AssertionError(log.read_text()[-2000:])
                time.sleep(0.1)
            for rule in policies.rules(PODS):
                subprocess.run(rule, check=True)
            yield
        finally:
            process.terminate()


def main() -> int:
    """Print both tables."""
    folder, etcd, kubernetes, program = map(pathlib.Path, sys.argv[1:])
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    pathlib.Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
    rendered, ends = reaching.scene()
    places = {name: place(n, end) for n, (name, end) in enumerate(ends.items()) if ":" not in end.address}
    asked = reaching.questions(ends)
    servers = listening(places, asked)

    def tried() -> str:
        found = opened(places, servers, asked)
        return reaching.table(asked, lambda one: one in found)

    with apiserver.running(folder, etcd, kubernetes, ["admin"]) as server:
        http = httpx.Client(
            base_url=server.url,
            verify=str(server.ca),
            headers={"authorization": "Bearer admin"},
            trust_env=False,
        )
        with http:
            fill(http, rendered, ends)
        before = tried()
        with enforced(server, program):
            print(json.dumps({"before": before, "enforced": tried()}))
    return 0


def _in_thread(make: Callable[[], Made]) -> Made:
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        return pool.submit(make).result()


def _output(argv: list[str]) -> str:
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


def _checked(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


if __name__ == "__main__":
    sys.exit(main())
