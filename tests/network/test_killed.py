"""The reconciler is killed with -9 at each write of the pass that joins a chain, and of the one that launches it.

The provider chain and the API server are real; there are no pods, so the Job that lays the signing memory is
ended by hand. The writes are counted in passes that nobody kills, on a chain of their own. Then each write
gets a chain and a stack of its own, which the pass is killed at: before it, and after it. Of a joining pass,
which has four times as many, `make soak` takes them all.
"""

import asyncio
import base64
import contextlib
import datetime
import hashlib
import io
import json
import os
import pathlib
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from ics import model, names
from ics.cli import __main__ as commands
from ics.cluster import sign_state
from ics.cluster.api import client, connect, kinds
from ics.config import settings
from ics.engines.applyset import members
from ics.keys import derivation
from tests import documents
from tests.cluster import jobs
from tests.network import operators, provider_node, stage, waiting

FAR = datetime.timedelta(days=2)
COUNTED = -1
"""Instead of the number of a write: nobody is killed."""


@dataclass(frozen=True)
class Corner:
    """A chain, and a stack that knows of no other one, with a part of the cluster of its own."""

    place: stage.Stage
    name: str
    chain_id: str
    consumer_id: str
    genesis_hash: bytes
    root: pathlib.Path

    def killed(self, at: int, when: str) -> list[str]:
        """Make a pass in a process that kills itself at a write; answers the writes that began."""
        journal = self.root / "journal"
        journal.write_text("")
        command = ["-m", "tests.network.victim", str(journal), str(at), when, "up"]
        code, _, said = operators.PROCESSES.run([*command, *self._stack()], documents.ROOT, os.environ, 120.0)
        assert code == (0 if at == COUNTED else -signal.SIGKILL), said
        return journal.read_text().splitlines()

    def ics(self, *command: str) -> Any:
        """What a command prints as JSON; it must succeed."""
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            code = commands.main([*command, *self._stack()])
        assert code == 0, (command, printed.getvalue())
        return json.loads(printed.getvalue())

    def settle(self) -> None:
        """Make passes until nothing is left to do; the Jobs of the signing memory are done at once."""
        for _ in range(6):
            self.ics("up")
            ended = asyncio.run(self._end_jobs())
            plan = self.ics("plan")
            if not (ended or plan["changes"] or plan["transactions"]):
                return
        raise AssertionError(f"{self.name} does not settle: {plan}")

    def state(self) -> dict[str, Any]:
        """What there is, without what tells one corner from another."""
        return asyncio.run(self._state())

    def _stack(self) -> list[str]:
        return ["--stack", "alice", "--project", str(self.root), "--json"]

    def _connect(self) -> client.KubeClient:
        kubeconfig = str(self.place.server.kubeconfig("admin"))
        return connect.open_client(settings.ClusterSettings(kubeconfig=kubeconfig), pathlib.Path(), {})

    async def _end_jobs(self) -> int:
        async with self._connect() as kube:
            found = await kube.select(kinds.JOB, {names.VALIDATOR: self.name})
            running = [
                job["metadata"] for job in found if sign_state.job_state(job) is model.JobState.RUNNING
            ]
            for job in running:
                await jobs.finish(kube, job["namespace"], job["name"], jobs.DONE)
        return len(running)

    async def _state(self) -> dict[str, Any]:
        part_of = {names.PART_OF_SET: members.set_id(self.name, gateway(self.name))}
        async with self._connect() as kube:
            found = {kind.name: await kube.select(kind, part_of) for kind in kinds.MEMBERS}
        objects = [
            f"{kind} {item['metadata']['labels'][names.COMPONENT]}" for kind in found for item in found[kind]
        ]
        (secret,) = (
            item
            for item in found["Secret"]
            if item["metadata"]["labels"][names.COMPONENT] == names.CONSENSUS_KEY
        )
        place_id = secret["metadata"]["annotations"][names.PLACE_ID]
        private = json.loads(base64.b64decode(secret["data"]["priv_validator_key.json"]))
        expected = derivation.derive_consensus_key(
            self.place.seed, provider_node.CHAIN_ID, self.consumer_id, place_id
        )
        return {
            "objects": sorted(objects),
            "is armed": secret["metadata"]["annotations"].get(names.SIGN_STATE_READY),
            "has the derived key": private["address"] == expected.address.hex().upper(),
            "nodes": [item["spec"]["replicas"] for item in found["StatefulSet"]],
        }


def gateway(name: str) -> str:
    """The namespace of a corner's gateway."""
    return f"gateway-{name}"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[stage.Stage]:
    with stage.running(tmp_path_factory.mktemp("stage")) as found:
        yield found


def corner(place: stage.Stage, folder: pathlib.Path, name: str) -> Corner:
    """A chain that waits for a spawn time far ahead, and the stack that knows it."""
    chain_id = f"{name}-1"
    root = folder / name
    shutil.copytree(place.root, root)
    definition = root / "stacks" / "chains" / "ics-example.yaml"
    document = yaml.safe_load(definition.read_text())
    match = {"chain_id": chain_id, "owner": "any", "accept_any_owner": True}
    definition.write_text(yaml.safe_dump(document | {"match": match}))
    stack = root / stage.STACK
    document = yaml.safe_load(stack.read_text())
    document["config"] |= {
        "ics:validator": name,
        "ics:gateway": {"namespace": gateway(name), "host": "10.0.0.1"},
        # Its objects come a while after the launch, and must not tell one chain from another here.
        "ics:relayer": document["config"]["ics:relayer"] | {"delay": "2d"},
        "ics:cluster": document["config"]["ics:cluster"] | {"namespace_prefix": f"{name}-"},
    }
    stack.write_text(yaml.safe_dump(document))
    base = (root / "stacks/chains/ics-example.genesis.json").read_bytes()
    digest = hashlib.sha256(base).digest()
    consumer_id = place.node.create_consumer(chain_id, at(FAR), genesis_hash=digest)
    return Corner(place, name, chain_id, consumer_id, digest, root)


def at(ahead: datetime.timedelta) -> str:
    """A time from now on, RFC 3339."""
    return (datetime.datetime.now(datetime.UTC) + ahead).isoformat().replace("+00:00", "Z")


def launch(corners: Sequence[Corner]) -> None:
    """Let the spawn times of these chains come, and wait for their launch."""
    node = corners[0].place.node
    for one in corners:
        node.move_spawn(one.consumer_id, one.chain_id, at(datetime.timedelta(seconds=-1)), one.genesis_hash)
    node.until(lambda: all(node.phase(one.consumer_id) == "LAUNCHED" for one in corners))


@dataclass(frozen=True)
class Measure:
    """What a pass does when nobody kills it."""

    writes: list[str]
    transactions: int
    state: dict[str, Any]


def measured(one: Corner) -> Measure:
    """Count a pass's writes; then let everything settle."""
    before = one.place.transactions()
    writes = one.killed(COUNTED, "before")
    one.settle()
    return Measure(writes, one.place.transactions() - before, one.state())


@pytest.mark.network
def test_killed_at_each_write_that_matters(place: stage.Stage, tmp_path: pathlib.Path) -> None:
    """Nothing is lost, nothing is sent twice, and the next passes come to the same end."""
    kill_everywhere(place, tmp_path, points)


@pytest.mark.soak
def test_killed_before_and_after_every_write(place: stage.Stage, tmp_path: pathlib.Path) -> None:
    """The writes of one pass go side by side, so the moment after one is not always the one before the next."""
    kill_everywhere(place, tmp_path, all_points)


@dataclass(frozen=True)
class Point:
    """Where a pass is killed."""

    write: int
    when: str
    """`before` or `after` it."""


def points(unharmed: Measure) -> list[Point]:
    """Around each transaction and each edge; all of them where nothing is sent."""
    edges = (0, len(unharmed.writes) - 1)
    sends = "broadcast" in unharmed.writes
    return [
        point
        for point in all_points(unharmed)
        if not sends or unharmed.writes[point.write] == "broadcast" or point.write in edges
    ]


def all_points(unharmed: Measure) -> list[Point]:
    """Before and after each write."""
    return [Point(number, when) for number in range(len(unharmed.writes)) for when in ("before", "after")]


def kill_everywhere(
    place: stage.Stage, folder: pathlib.Path, chosen: Callable[[Measure], list[Point]]
) -> None:
    """Kill passes that join and that launch, each on a chain of its own."""
    first, pilot = corner(place, folder, "first"), corner(place, folder, "pilot")
    measured(first)  # it publishes the relayer's address, once for all
    joining = measured(pilot)
    launch([pilot])
    launching = measured(pilot)
    began = time.monotonic()
    count = max(len(chosen(joining)), len(chosen(launching)))
    corners = [corner(place, folder, f"k{number}") for number in range(count)]
    waiting.figure(f"{count} chains created", time.monotonic() - began)

    tell("joining", joining, chosen(joining))
    for number, one in enumerate(corners):
        check(one, chosen(joining)[number] if number < len(chosen(joining)) else None, joining)

    running = corners[: len(chosen(launching))]
    launch(running)
    tell("launching", launching, chosen(launching))
    for one, point in zip(running, chosen(launching), strict=True):
        check(one, point, launching)
    waiting.figure("all kills", time.monotonic() - began)


def check(one: Corner, point: Point | None, unharmed: Measure) -> None:
    """Kill a pass at a point; then nothing may tell this chain from one whose passes were let be."""
    before = one.place.transactions()
    if point is not None:
        writes = one.killed(point.write, point.when)
        assert len(writes) > point.write
    one.settle()
    assert one.state() == unharmed.state, f"killed at {point}"
    assert one.place.transactions() - before == unharmed.transactions, f"killed at {point}"


def tell(what: str, unharmed: Measure, chosen: Sequence[Point]) -> None:
    sent = unharmed.writes.count("broadcast")
    print(
        f"\n{what}: {len(unharmed.writes)} writes, {sent} of them broadcasts; killed at {len(chosen)} points"
    )
