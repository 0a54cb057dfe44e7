"""How long it takes from a launch block to the chain's first block, beside the sum of its parts; run by `make bench`.

    python -m tests.bench.first_blocks [--launches 5] [--readme]

It needs root, without which it measures nothing, and the local network, which it brings up if that is not up. Alice
and bob run daemons with events, without relayers. Each round launches one chain and ends it. Then it measures the
parts, in the same minute, on the same machine, and with none of our code:

* `pod start`: a bare pod with the chain's image, from its creation to its running container.
* `nodes, peers, round`: two bare nodes on the machine itself, with the chain's configuration, and with its genesis but
  for the validators' keys, which are new. Both start at once and are each other's peers. To the first block.
"""

import argparse
import contextlib
import dataclasses
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import tempfile
import threading
import time
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import tomli_w

from devnet import commands, network, places
from ics import names
from ics.cluster.api import kinds
from ics.manifests import objects
from tests import free_ports
from tests.bench import readme
from tests.network import chains, launch, launch_times, operators, residents, waiting

LAUNCHES = 5
SOURCE = "tests.bench.first_blocks"
MOST = 1.3
"""Times the sum of its parts that a first block may take."""
_EVERY = 0.1
"""Seconds between two looks at a node."""
_POWERS = ("300", "200")
_BARE = "bare"


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """Seconds of one launch since its launch block, and of its parts."""

    accepted: float
    """Until the API server has taken genesis and StatefulSet."""
    addressed: float
    """Until both pods have an address."""
    routed: float
    """Until both load balancers lead to them."""
    running: float
    """Until both nodes' containers run."""
    block: float
    """Until the first block."""
    pod: float
    """A bare pod, to its running container."""
    nodes: float
    """Two bare nodes, to their first block."""


ROWS = {
    "accepted": "genesis and StatefulSet accepted",
    "addressed": "both pods have an address",
    "routed": "both load balancers lead there",
    "running": "both nodes' containers running",
    "block": "the first block",
    "pod": "part: a bare pod's start",
    "nodes": "part: two bare nodes, to a block",
}


class Pods:
    """When an operator's nodes had an address and ran, by consumer id."""

    def __init__(self, operator: operators.Operator) -> None:
        self.addressed: dict[str, float] = {}
        self.running: dict[str, float] = {}
        self._operator = operator
        threading.Thread(target=self._look, daemon=True).start()

    def _look(self) -> None:
        with contextlib.suppress(httpx.TransportError):  # the network is taken down
            self._stamp()

    def _stamp(self) -> None:
        for event in self._operator.kube.follow(kinds.POD, **{names.COMPONENT: names.NODE}):
            now, pod = time.time(), event["object"]
            consumer_id = pod["metadata"]["labels"][names.CONSUMER]
            if pod["status"].get("podIP"):
                self.addressed.setdefault(consumer_id, now)
            for one in pod["status"].get("containerStatuses") or ():
                if one["name"] == names.NODE_CONTAINER and "running" in one["state"]:
                    self.running.setdefault(consumer_id, now)


def launched(both: Sequence[operators.Operator], stamps: Mapping[str, float]) -> tuple[str, str, float]:
    """Launch a chain, once both have joined and staged it.

    Returns:
        Its consumer id, its namespace at the first operator's, and when it had its first block.
    """
    chain_id = chains.fresh("consumer6")
    consumer_id = chains.create(chain_id, launch.HOUR)
    for operator in both:
        waiting.until(
            f"{operator.name} has joined and staged it",
            lambda operator=operator: launch_times.unstaged(operator, [consumer_id]),  # type: ignore[misc]
            lambda seen: not seen,
            every=1.0,
        )
    home = launch.namespace_of(both[0], consumer_id)
    # What the staging has left to do must not come into the launch.
    chains.move(consumer_id, chain_id, 5.0)
    waiting.until("it is launched", lambda: consumer_id in stamps, every=_EVERY)
    waiting.until("it has a block", lambda: both[0].kube.height(home), lambda seen: seen >= 1, every=_EVERY)
    return consumer_id, home, time.time()


def bare_pod(operator: operators.Operator, image: str) -> float:
    """Seconds that a pod of this image takes to run."""
    container = {
        "name": _BARE,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["/bin/sh", "-c", "sleep 600"],
        "securityContext": dict(objects.CONTAINER_SECURITY),
    }
    spec = objects.pod_spec([container], [], terminationGracePeriodSeconds=0)
    metadata = {"name": f"{_BARE}-{time.time_ns()}", "namespace": "default"}
    began = time.monotonic()
    operator.kube.create({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
    where = ("default", metadata["name"])
    waiting.until(
        "a bare pod runs",
        lambda: operator.kube.get(kinds.POD, *where)["status"].get("containerStatuses") or [],
        lambda found: [one for one in found if "running" in one["state"]],
        every=_EVERY,
    )
    taken = time.monotonic() - began
    operator.kube.delete(kinds.POD, *where)
    return taken


class BareNode:
    """A node of a chain, on this machine itself."""

    def __init__(self, home: pathlib.Path, chain_id: str) -> None:
        """Create its home, with keys of its own."""
        self._home = home
        self._ports = dict(zip(("rpc", "p2p", "rest", "grpc", "metrics"), free_ports.take(5), strict=True))
        self._program = places.credentials("bin") / "interchain-security-cd"
        commands.run(self._program, "init", home.name, "--chain-id", chain_id, "--home", home)
        key = json.loads((home / "config/priv_validator_key.json").read_text())
        self.public_key = str(key["pub_key"]["value"])
        node_id = commands.run(self._program, "comet", "show-node-id", "--home", home).strip()
        self.address = f"{node_id}@127.0.0.1:{self._ports['p2p']}"

    def prepare(self, files: Mapping[str, str], genesis: Mapping[str, Any], peer: str) -> None:
        """Give it a chain's configuration, genesis and peer."""
        comet, app = tomllib.loads(files["config.toml"]), tomllib.loads(files["app.toml"])
        own = {"priv_validator_key_file": "config/priv_validator_key.json"}
        comet |= own | {"priv_validator_state_file": "data/priv_validator_state.json"}
        comet["rpc"]["laddr"] = self._listening("rpc")
        comet["p2p"] |= {
            "laddr": self._listening("p2p"),
            "external_address": "",
            "persistent_peers": peer,
        }
        comet["instrumentation"]["prometheus_listen_addr"] = f"127.0.0.1:{self._ports['metrics']}"
        app["api"]["address"] = self._listening("rest")
        app["grpc"]["address"] = f"127.0.0.1:{self._ports['grpc']}"
        (self._home / "config/config.toml").write_text(tomli_w.dumps(comet))
        (self._home / "config/app.toml").write_text(tomli_w.dumps(app))
        (self._home / "config/genesis.json").write_text(json.dumps(genesis))

    def _listening(self, name: str) -> str:
        return f"tcp://127.0.0.1:{self._ports[name]}"

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Run it for as long as the context lasts."""
        with (self._home / "log").open("wb") as log:
            process = subprocess.Popen(
                [self._program, "start", "--home", self._home], stdout=log, stderr=subprocess.STDOUT
            )
        try:
            yield
        finally:
            process.kill()
            process.wait()

    def height(self) -> int:
        """Height of its last block; -1 while it does not answer."""
        try:
            url = f"http://127.0.0.1:{self._ports['rpc']}/status"
            answer = httpx.get(url, timeout=5, trust_env=False).json()
        except httpx.TransportError:
            return -1
        return int(answer["result"]["sync_info"]["latest_block_height"])


def bare_nodes(folder: pathlib.Path, files: Mapping[str, str], genesis: Mapping[str, Any]) -> float:
    """Seconds that two nodes of a chain take from their start to its first block.

    Args:
        folder: for their homes.
        files: the chain's config.toml and app.toml.
        genesis: the chain's.
    """
    nodes = [BareNode(folder / str(number), genesis["chain_id"]) for number in range(len(_POWERS))]
    state = json.loads(json.dumps(genesis))
    state["app_state"]["ccvconsumer"]["provider"]["initial_val_set"] = [
        {"pub_key": {"ed25519": node.public_key}, "power": power}
        for node, power in zip(nodes, _POWERS, strict=True)
    ]
    for node, other in zip(nodes, reversed(nodes), strict=True):
        node.prepare(files, state, other.address)
    with contextlib.ExitStack() as stack:
        began = time.monotonic()
        for node in nodes:
            stack.enter_context(node.running())
        waiting.until("bare nodes make a block", nodes[0].height, lambda seen: seen >= 1, every=_EVERY)
        taken = time.monotonic() - began
    shutil.rmtree(folder)
    return taken


def one_round(
    both: Sequence[operators.Operator],
    pods: Sequence[Pods],
    stamps: Mapping[str, float],
    folder: pathlib.Path,
) -> Round:
    """Launch a chain and end it, then measure its parts."""
    consumer_id, home, block = launched(both, stamps)
    cluster, since = both[0].kube, stamps[consumer_id]
    genesis = cluster.ask_node(home, "/genesis")["genesis"]
    files = cluster.get(kinds.CONFIG_MAP, home, names.CONFIG)["data"]
    workload = cluster.get(kinds.STATEFUL_SET, home, names.NODE_NAME)
    containers = workload["spec"]["template"]["spec"]["containers"]
    (image,) = (one["image"] for one in containers if one["name"] == names.NODE_CONTAINER)
    routed = [launch_times.routed(operator, consumer_id) for operator in both]
    accepted = launch_times.accepted(both[0])[consumer_id]
    chains.remove(consumer_id)
    waiting.until(
        "its nodes have ended",
        lambda: [one for one in both if one.kube.pod(launch.namespace_of(one, consumer_id)) is not None],
        lambda left: not left,
    )
    return Round(
        accepted=accepted - since,
        addressed=max(one.addressed[consumer_id] for one in pods) - since,
        routed=max(routed) - since,
        running=max(one.running[consumer_id] for one in pods) - since,
        block=block - since,
        pod=bare_pod(both[0], image),
        nodes=bare_nodes(folder, files, genesis),
    )


def table(rounds: Sequence[Round]) -> str:
    """Return the table."""
    rows = [launch_times.row(title, [getattr(one, name) for one in rounds]) for name, title in ROWS.items()]
    return "\n".join([launch_times.HEADER, *rows])


def goals(rounds: Sequence[Round]) -> Iterator[readme.Goal]:
    """Yield what is to be reached."""
    parts = statistics.median(one.pod for one in rounds) + statistics.median(one.nodes for one in rounds)
    block = statistics.median(one.block for one in rounds)
    yield "launch block to the first block, x the sum of its parts (medians)", block / parts, MOST


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--launches", type=int, default=LAUNCHES)
    parser.add_argument(readme.FLAG, action="store_true")
    args = parser.parse_args()
    if os.geteuid() != 0:
        print("launch block to the first block: not measured, because the local network needs root")
        return
    was_up = network.is_up()
    if not was_up:
        waiting.devnet("up")
    both = [operators.Operator(name) for name in launch.RUNNERS]
    flags = ("--set", "relayer.enabled=false")
    rounds = []
    with (
        tempfile.TemporaryDirectory() as name,
        launch_times.subscribed(both[0].host.rpc) as stamps,
        residents.Residents(launch.RUNNERS, pathlib.Path(name), *flags) as staying,
    ):
        pods = [Pods(operator) for operator in both]
        for number in range(args.launches):
            rounds.append(one_round(both, pods, stamps, pathlib.Path(name, f"nodes{number}")))
            print(dataclasses.asdict(rounds[-1]), f"load {os.getloadavg()[0]:.1f}", flush=True)
        assert staying.dead() == []
    print(f"from the launch block, alice's and bob's nodes\n{table(rounds)}")
    print(f"\nto reach:\n{readme.judged(goals(rounds))}")
    if args.readme:
        path = places.CHECKOUT / "README.md"
        path.write_text(readme.with_table(path.read_text(), table(rounds), SOURCE))
    if not was_up:
        waiting.devnet("down")


if __name__ == "__main__":
    main()
