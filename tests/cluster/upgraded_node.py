"""A chain with an upgrade at a height, on a simulated provider and a real API server: passes, and a simulated node.

The node is what the kubelet's and the chain's part would be: its pod follows the StatefulSet, and the two versions of
its program do what those of `devnet/go/chains/second` do at the plan's height.
"""

import contextlib
import dataclasses
import datetime
import http.server
import json
import pathlib
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

from ics import model, names
from ics.cluster import sign_state
from ics.cluster.api import client, connect, kinds, kubeconfig, requests
from ics.config import chain_definition
from ics.consumer.peers import ports
from ics.cosmos import addresses
from ics.engines.applyset import engine as applyset_engine
from ics.provider.rest import relayer_queries
from ics.reconciler import outcome, reconcile, wiring
from tests.cluster import conftest, jobs, recording
from tests.simulator import scene as simulated
from tests.simulator import server as simulator
from tests.unit import factories
from tests.unit.provider import fake

BETWEEN = 40
"""Blocks from one upgrade to the next."""
CONSUMER = "0"


def image(version: int) -> str:
    """The image of a version; the first one is 1."""
    return f"registry.example/chain:v{version}"


def plan_of(version: int) -> dict[str, str]:
    """The plan that a version has a handler for, from the second one on, as the chain answers it."""
    return {
        "name": f"v{version}",
        "time": "0001-01-01T00:00:00Z",
        "height": str(height_of(version)),
        "info": "",
    }


def height_of(version: int) -> int:
    """Height of the first block that a version executes."""
    return BETWEEN * (version - 1)


@dataclasses.dataclass
class Node:
    """The process in the pod, and the volume, by the heights of the block store and of the application."""

    key: bytes = b""
    version: int = 1
    """Of the running program."""
    height: int = BETWEEN - 20
    app: int = BETWEEN - 20
    starts: list[int] = dataclasses.field(default_factory=list)
    """Version of each start."""
    crash: str = ""
    """Why the program has ended by itself."""

    def start(self, version: int, upgrade: Mapping[str, str]) -> None:
        """Start on the volume as it is, as the programs of the local network do.

        Args:
            version: of the program.
            upgrade: variables of its start script that write `upgrade-info.json`.
        """
        self.starts.append(version)
        self.version, self.crash = version, ""
        planned = {"UPGRADE_NAME": f"v{version}", "UPGRADE_HEIGHT": str(height_of(version))}
        if self.app + 1 < height_of(version):
            self.crash = f"v{version} is started before its plan's height, at {self.app}"
        elif self.app + 1 == height_of(version) and upgrade != planned:
            self.crash = f"v{version} has a store that the volume has not, and knows of no plan: {upgrade}"
        elif self.app + 1 >= height_of(version + 1):
            self.crash = f"v{version} has no handler for the plan of the next version"
        else:
            self.app = self.height = max(self.app + 1, self.height) + 5

    def halt(self) -> None:
        """Come to the next plan's height, whose block the running version does not execute."""
        self.height = height_of(self.version + 1)
        self.app = self.height - 1

    def answer(self, target: str) -> Any:
        """The result of a query of the RPC, or the answer of the REST gateway; None: there is none."""
        if self.crash:
            return None
        return {
            "/status": self._status(),
            "/net_info": {"n_peers": "2", "peers": []},
            "/abci_info": {"response": {"version": f"v{self.version}", "last_block_height": str(self.app)}},
            "/validators": {"validators": [self._validator()], "total": "1"},
            "/commit": {
                "signed_header": {
                    "header": {"time": "2026-01-01T00:00:00Z"},
                    "commit": {"signatures": [self._signature()]},
                }
            },
            "/cosmos/upgrade/v1beta1/current_plan": {"plan": plan_of(self.version + 1)},
        }.get(target.partition("?")[0])

    def _status(self) -> dict[str, Any]:
        now = datetime.datetime.now(datetime.UTC).isoformat().replace("+00:00", "Z")
        return {
            "node_info": {"network": "consumer0-1"},
            "sync_info": {
                "latest_block_height": str(self.height),
                "latest_block_time": now,
                "earliest_block_height": "1",
                "catching_up": False,
            },
            "validator_info": {"pub_key": {"type": "tendermint/PubKeyEd25519", "value": fake.text(self.key)}},
        }

    def _validator(self) -> dict[str, Any]:
        return {"address": self._address(), "voting_power": "179"}

    def _signature(self) -> dict[str, Any]:
        return {"block_id_flag": 2, "validator_address": self._address()}

    def _address(self) -> str:
        return addresses.consensus_address(self.key).hex().upper()


@contextlib.contextmanager
def serving(address: str, node: Node) -> Iterator[None]:
    """The node's RPC and REST ports on an address that the API server may proxy to."""
    with contextlib.ExitStack() as stack:
        for port in (ports.POD_RPC, ports.POD_REST):
            server = stack.enter_context(
                http.server.ThreadingHTTPServer((address, port), _handler(node, port == ports.POD_RPC))
            )
            threading.Thread(target=server.serve_forever, daemon=True).start()
            stack.callback(server.shutdown)
        yield


def _handler(node: Node, is_rpc: bool) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = node.answer(self.path)
            body = json.dumps({"jsonrpc": "2.0", "id": -1, "result": found} if is_rpc else found).encode()
            self.send_response(200 if found is not None else 404)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing is written down."""

    return Handler


@dataclasses.dataclass
class Writes:
    """The writes of several passes, at one of which the process is killed."""

    fault: recording.Fault | None
    done: list[str] = dataclasses.field(default_factory=list)

    def kills(self, is_after: bool) -> bool:
        """Whether the process is killed around the write that was put down last."""
        return self.fault == recording.Fault(len(self.done) - 1, is_after)


class Counting(client.KubeClient):
    """A client that puts its writes down."""

    def __init__(self, access: kubeconfig.Access, writes: Writes) -> None:
        super().__init__(access)
        self._writes = writes

    async def send(self, request: requests.KubeRequest, timeout: float | None = None) -> client.Answer:
        """Send one request."""
        if request.method == "GET" or "dryRun" in request.query:
            return await super().send(request, timeout)
        line = f"{request.verb} {request.kind.name} {request.namespace}/{request.name}"
        self._writes.done.append(line)
        if self._writes.kills(is_after=False):
            raise recording.CrashError(line)
        is_last = self._writes.kills(is_after=True)
        answer = await super().send(request, timeout)
        if is_last:
            raise recording.CrashError(line)
        return answer


@dataclasses.dataclass
class Corner:
    """One validator's chain, which is about to be upgraded."""

    scene: conftest.Scene
    address: str
    provider: simulator.Chain
    url: str
    node: Node
    versions: int
    writes: Writes = dataclasses.field(default_factory=lambda: Writes(None))
    """Of all passes since it was set."""
    _template: Any = None
    """The StatefulSet's, when the pod was created."""

    async def run_pass(self) -> outcome.Outcome | None:
        """Make one pass as cron does; answers what came of it, None if it was killed."""
        self.provider.block()
        settings = factories.settings(
            self.scene.validator,
            operator_address=fake.valoper(simulated.OWN),
            provider={
                **{api: [self.url] for api in ("rest", "rpc", "grpc")},
                "chain_id": fake.CHAIN_ID,
                "min_block_time": 0.001,
            },
            cluster={
                "kubeconfig": str(self.scene.server.kubeconfig("admin")),
                "namespace_prefix": f"{self.scene.validator}-",
            },
            gateway={"namespace": self.scene.gateway, "host": "10.0.0.1"},
            relayer={"enabled": False},
        )
        access = connect.access(settings.cluster, pathlib.Path(), {})
        async with (
            Counting(access, self.writes) as kube,
            relayer_queries.IbcQueries(settings.provider, wiring.now) as provider,
        ):
            adapters = wiring.Adapters(kube, settings, wiring.lease_of(settings, kube, stays=False))
            engine = applyset_engine.ApplyEngine(
                kube, settings.validator, settings.gateway.namespace, adapters.lease.ensure
            )
            world = adapters.world(settings, simulated.SEED, [definition(self.versions)], provider, {})
            try:
                return await reconcile.run_pass(world, engine, None)
            except (recording.CrashError, BaseExceptionGroup):
                return None

    async def settle(self, version: int) -> outcome.Outcome:
        """Make passes until a version runs and one changes nothing, while Jobs end and the pod follows its StatefulSet.

        A pass that the node answers too late, on a busy machine, changes nothing either.
        """
        for _ in range(25):
            before = len(self.writes.done)
            done = await self.run_pass()
            others = [await self._end_jobs(), await self.follow()]
            is_quiet = not any(others) and len(self.writes.done) == before
            if done is not None and is_quiet and self.node.starts[-1:] == [version]:
                return done
            await self._assign()
        raise AssertionError(f"{self.scene.validator} does not settle: {self.writes.done[-10:]}")

    async def follow(self) -> bool:
        """Bring the pod to what the StatefulSet says; answers whether it was another one."""
        found = await self.scene.kube.select(kinds.STATEFUL_SET, self._labels(names.NODE))
        if not found or found[0]["spec"].get("replicas") == 0:
            return False
        template, namespace = found[0]["spec"]["template"], found[0]["metadata"]["namespace"]
        pod = await self.scene.kube.find(kinds.POD, namespace, names.NODE_POD)
        container = _container(template)
        if pod is not None and template == self._template:
            return False
        self._template = template
        if pod is not None:
            await self.scene.kube.delete(kinds.POD, namespace, names.NODE_POD, pod["metadata"]["uid"])
        await self._run_pod(namespace, template, container["image"])
        variables = {one["name"]: one.get("value", "") for one in container.get("env", ())}
        upgrade = {name: text for name, text in variables.items() if name.startswith("UPGRADE_") and text}
        self.node.start(int(container["image"].rpartition(":v")[2]), upgrade)
        return True

    async def state(self) -> dict[str, Any]:
        """What there is of the chain's version."""
        (node,) = await self.scene.kube.select(kinds.STATEFUL_SET, self._labels(names.NODE))
        (claim,) = await self.scene.kube.select(kinds.VOLUME_CLAIM, self._labels(names.VOLUME))
        (pod,) = await self.scene.kube.select(kinds.POD, self._labels(names.NODE))
        return {
            "declared": _container(node["spec"]["template"])["image"],
            "runs": _container(pod)["image"],
            "app height": int(claim["metadata"]["annotations"][names.APP_HEIGHT]),
            "starts": list(self.node.starts),
            "crash": self.node.crash,
        }

    def _labels(self, component: str) -> dict[str, str]:
        return {names.VALIDATOR: self.scene.validator, names.COMPONENT: component}

    async def _run_pod(self, namespace: str, template: Mapping[str, Any], image: str) -> None:
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": names.NODE_POD,
                "namespace": namespace,
                **template["metadata"],
            },
            # Without a kubelet, what has a node's name and time to end would never be gone.
            "spec": {**template["spec"], "nodeName": "n1", "terminationGracePeriodSeconds": 0},
        }
        await self.scene.kube.apply(pod, "test")
        state = {"name": "node", "ready": True, "restartCount": 0, "image": image, "imageID": image}
        state |= {"state": {"running": {"startedAt": jobs.NOW}}, "started": True}
        status = {
            "phase": "Running",
            "podIP": self.address,
            "podIPs": [{"ip": self.address}],
            "conditions": [{"type": "Ready", "status": "True"}],
            "containerStatuses": [state],
        }
        await self.scene.kube.send(
            requests.KubeRequest(
                verb="patch",
                kind=kinds.POD,
                namespace=namespace,
                name=names.NODE_POD,
                query={},
                body=requests.encode({"status": status}),
                content_type="application/merge-patch+json",
                subpath="/status",
            )
        )

    async def _end_jobs(self) -> int:
        found = await self.scene.kube.select(kinds.JOB, {names.VALIDATOR: self.scene.validator})
        running = [job["metadata"] for job in found if sign_state.job_state(job) is model.JobState.RUNNING]
        for job in running:
            await jobs.finish(self.scene.kube, job["namespace"], job["name"], jobs.DONE)
        return len(running)

    async def _assign(self) -> None:
        """Tell the provider which key was staged, since no transaction is sent here."""
        for secret in await self.scene.kube.select(kinds.SECRET, self._labels(names.CONSENSUS_KEY)):
            place_id = secret["metadata"]["annotations"][names.PLACE_ID]
            self.node.key = simulated.own_key(int(CONSUMER), place_id)
            self.provider.assign(int(CONSUMER), place_id)


def after(version: int) -> dict[str, Any]:
    """What is to be when a chain has come to a version: each was started once, at its height."""
    return {
        "declared": image(version),
        "runs": image(version),
        "app height": height_of(version) - 1,
        "starts": list(range(1, version + 1)),
        "crash": "",
    }


def _container(pod: Mapping[str, Any]) -> dict[str, Any]:
    return next(one for one in pod["spec"]["containers"] if one["name"] == names.NODE_CONTAINER)


def definition(versions: int) -> chain_definition.LoadedDefinition:
    """Return the chain's definition with all of its upgrades, up to a version."""
    listed = [
        {"name": f"v{number}", "height": height_of(number), "image": image(number)}
        for number in range(2, versions + 1)
    ]
    match = {"chain_id": "consumer*-1", "owner": "any", "accept_any_owner": True}
    return factories.example(match=match, image=image(1), upgrades=listed)


@contextlib.asynccontextmanager
async def corner(scene: conftest.Scene, address: str, versions: int) -> AsyncIterator[Corner]:
    """A chain that runs its first version, some blocks before the plan of the second, up to so many versions."""
    provider, node = simulator.Chain(1), Node()
    with (
        http.server.ThreadingHTTPServer(("127.0.0.1", 0), simulator.handler(provider)) as server,
        serving(address, node),
    ):
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            found = Corner(
                scene, address, provider, f"http://127.0.0.1:{server.server_address[1]}", node, versions
            )
            await found.settle(1)
            yield found
        finally:
            server.shutdown()
