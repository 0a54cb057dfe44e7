"""The first convergence of many chains: ours beside bare server-side apply and kubectl; run by `make bench`.

Half of the chains run, half are staged, and the objects are those that are rendered then. The contestants take turns,
each on an API server of its own that has just started:

* `floor`: concurrent server-side apply of the same bodies, serialised before the clock starts, the namespaces first, on
  16 connections; no client could be much faster.
* `kubectl`: `kubectl apply --server-side` of one file, where there is a kubectl or the all-in-one kubernetes program.
* `pulumi`: the other engine, where there is a Pulumi CLI; once, and of few chains, for it takes long.
* `ours`: the embedded engine, which also reads what is there, asks whether a namespace is another validator's, and
  keeps its record.
"""

import asyncio
import json
import pathlib
import resource
import shutil
import ssl
import subprocess
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import h11

from ics import engines
from ics.cluster.api import connect, kinds, requests
from tests.cluster import apiserver
from tests.pulumi import stage

CONNECTIONS = 16
_FEW = 30
"""Chains with which Pulumi takes part."""


@dataclass(frozen=True, slots=True)
class Figure:
    """What one convergence took."""

    seconds: float
    cpu: float
    """Of the client."""


def bare(server: apiserver.Server, place: stage.Stage, request: engines.ApplyRequest) -> Figure:
    """Apply the bodies as fast as the server takes them."""
    built = [(kinds.of(m), requests.apply(m, "ics-operator", only_metadata=True)) for m in request.manifests]
    first = [_bytes(server, one) for kind, one in built if kind == kinds.NAMESPACE]
    rest = [_bytes(server, one) for kind, one in built if kind != kinds.NAMESPACE]

    async def run() -> None:
        context = ssl.create_default_context(cafile=str(server.ca))
        host, port = server.url.removeprefix("https://").split(":")
        streams = [await asyncio.open_connection(host, int(port), ssl=context) for _ in range(CONNECTIONS)]
        for bodies in (first, rest):
            left = iter(bodies)
            await asyncio.gather(*(_send_all(left, *stream) for stream in streams))
        for _, writer in streams:
            writer.close()

    return measured(lambda: asyncio.run(run()))


def _bytes(server: apiserver.Server, request: requests.KubeRequest) -> bytes:
    query = "&".join(f"{name}={value}" for name, value in request.query.items())
    lines = [
        f"PATCH {request.path}?{query} HTTP/1.1",
        f"Host: {server.url.removeprefix('https://')}",
        "Authorization: Bearer admin",
        f"Content-Type: {request.content_type}",
        f"Accept: {request.accept}",
        f"Content-Length: {len(request.body or b'')}",
    ]
    return "\r\n".join([*lines, "", ""]).encode() + (request.body or b"")


async def _send_all(
    left: Iterator[bytes], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    for raw in left:  # shared by all connections
        writer.write(raw)
        http = h11.Connection(h11.CLIENT)
        http.send(h11.Request(method="GET", target="/", headers=[("host", "x")]))
        http.send(h11.EndOfMessage())
        while not isinstance(event := http.next_event(), h11.EndOfMessage):
            if event is h11.NEED_DATA:
                http.receive_data(await reader.read(65536))
            elif isinstance(event, h11.Response) and event.status_code >= 300:
                raise SystemExit(f"bare: {event.status_code} {raw[:200]!r}")


def kubectl(server: apiserver.Server, place: stage.Stage, request: engines.ApplyRequest) -> Figure:
    """Apply one file."""
    path = server.folder / "all.json"
    items = sorted(request.manifests, key=lambda manifest: kinds.of(manifest).rank)
    path.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    argv = [*kubectl_command(), "--kubeconfig", str(server.kubeconfig("admin")), "apply", "--server-side"]
    argv += ["--field-manager=ics-operator", "-f", str(path)]
    return measured(lambda: subprocess.run(argv, check=True, stdout=subprocess.DEVNULL))


def kubectl_command() -> list[str]:
    """The kubectl of the machine, or that in the all-in-one program; empty without either."""
    found = shutil.which("kubectl")
    if found is not None:
        return [found]
    programs = apiserver.programs()
    return [] if programs is None else [str(programs[1]), "kubectl"]


def ours(server: apiserver.Server, place: stage.Stage, request: engines.ApplyRequest) -> Figure:
    """Converge with the embedded engine and the product's own client."""
    return _converged(place, request, engines.APPLY)


def pulumi(server: apiserver.Server, place: stage.Stage, request: engines.ApplyRequest) -> Figure:
    """Converge with Pulumi."""
    return _converged(place, request, engines.PULUMI)


def _converged(place: stage.Stage, request: engines.ApplyRequest, name: str) -> Figure:
    async def run() -> None:
        async with connect.open_client(place.settings.cluster, place.root, {}) as kube:
            done = await place.engine(kube, name).converge(request)
            if done.errors or done.confirmations:
                raise SystemExit(f"{name}: {done.errors} {done.confirmations}")

    return measured(lambda: asyncio.run(run()))


def measured(work: Callable[[], object]) -> Figure:
    """Seconds and CPU seconds of this process and the processes that it starts."""
    began, used = time.perf_counter(), _cpu()
    work()
    return Figure(time.perf_counter() - began, _cpu() - used)


def _cpu() -> float:
    both = (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in both)


def contest(chains: int, rounds: int) -> tuple[dict[str, list[Figure]], int]:
    """Return the figures of the contestants in each round, by name, and the number of objects."""
    programs = apiserver.programs()
    if programs is None:
        raise SystemExit("etcd and kube-apiserver are not there: run `python -m devnet build` first")
    contestants = {"floor": bare, "ours": ours} | ({"kubectl": kubectl} if kubectl_command() else {})
    if shutil.which("pulumi") and chains <= _FEW:
        contestants["pulumi"] = pulumi
    found: dict[str, list[Figure]] = defaultdict(list)
    count = 0
    for turn in range(rounds):
        for name, apply in sorted(contestants.items(), reverse=bool(turn % 2)):
            if name == "pulumi" and turn:
                continue
            with tempfile.TemporaryDirectory(prefix="ics-bench-") as folder:
                root = pathlib.Path(folder)
                with apiserver.running(root, *programs, ["admin"]) as server:
                    place = stage.make(root, server, "bench")
                    facts = place.facts(range(0, chains, 2), staged=range(1, chains, 2))
                    request = place.order(facts)
                    count = len(request.manifests)
                    found[name].append(apply(server, place, request))
    return dict(found), count
