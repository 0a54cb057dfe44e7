"""A key whose mark knows no certificate of this cluster is replaced only once nobody is seen to sign with it."""

import dataclasses
import datetime
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from ics import errors, model
from ics.conditions import Condition
from ics.consumer import chain_decision, missing_key, observed, watchdog
from ics.reconciler import observe
from tests.unit import factories

LAUNCHED = factories.consumer(model.Phase.LAUNCHED, factories.joined("alice", "bob"))
KEY = factories.consumer_key("alice")
ADDRESS = KEY.address.hex().upper()
NOW = factories.snapshot().moment
HEIGHT = 100
SEEN = watchdog.WatchdogRecord(missing_key=ADDRESS, missing_since=70)
BOB = factories.consumer_key("bob").address


@dataclasses.dataclass
class World:
    """A provider with one chain, and a cluster whose node runs without its key."""

    check: str = f"other-cluster {ADDRESS}"
    record: watchdog.WatchdogRecord = SEEN
    node: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    signed: Sequence[int] = ()
    trouble: bool = False
    asked: list[int] = dataclasses.field(default_factory=list)

    async def open(self, floor: model.ActedBlock | None) -> None:
        return None

    async def check_rpc(self) -> None:
        return None

    def endpoint_states(self) -> tuple[model.EndpointState, ...]:
        return ()

    def conditions(self) -> tuple[Condition, ...]:
        return ()

    async def snapshot(
        self, operator_address: str, interest: Callable[[model.ConsumerSummary, bool], bool]
    ) -> model.Snapshot:
        return factories.snapshot(LAUNCHED)

    async def slashing_params(self) -> model.SlashingParams:
        return factories.SLASHING

    async def queued_terms(self, consumer_id: str) -> model.InfractionParameters:
        return model.InfractionParameters()

    async def load(self) -> observed.Memory:
        return factories.memory(
            genesis=factories.GENESIS,
            has_workload=True,
            workload_place=factories.place_id(),
            watchdog=self.record,
        )

    async def observe(self, namespaces: Mapping[str, str]) -> Mapping[str, model.Observation]:
        base = factories.node("bob", consensus_key=b"t" * 32, height=HEIGHT, block_time=NOW)
        node = dataclasses.replace(base, **self.node)
        return {"0": model.Observation(factories.pod(key_check=self.check), node)}

    async def signers(self, namespace: str, height: int) -> frozenset[bytes]:
        self.asked.append(height)
        if self.trouble:
            raise errors.Transient("no answer")
        return frozenset({BOB, *([KEY.address] if height in self.signed else [])})

    async def waits(self) -> Mapping[str, str]:
        return {}

    async def acted_block(self, provider_chain_id: str) -> model.ActedBlock | None:
        return None

    def record_block(self, provider_chain_id: str, block: model.ActedBlock) -> None:
        return None

    async def read(self, **changes: Any) -> tuple[observed.Observed, chain_decision.ChainDecision]:
        settings = factories.settings(relayer={"enabled": False}, **changes)
        world = factories.world(self, provider=self, lease=self, settings=settings)
        seen, wanted = await observe.read(world)
        [decision] = wanted.decisions
        return seen, decision


async def test_silent_key_of_another_cluster_gets_a_successor() -> None:
    """No silence proves that the other cluster will not come back, but the new key is in no other place."""
    world = World()
    seen, decision = await world.read()
    assert world.asked == list(range(HEIGHT - missing_key.SILENT_COMMITS, HEIGHT))
    assert seen.silent_keys == {"0": True}
    assert decision.chain is not None
    assert (decision.chain.key.place.replaces, decision.chain.key.lost) == (
        factories.place_id(),
        factories.record(),
    )
    assert decision.withdraws == ()


@pytest.mark.parametrize(
    "changes", [{"signed": (HEIGHT - 1,)}, {"signed": (HEIGHT - 20,)}, {"trouble": True}]
)
async def test_key_that_signs_or_may_sign_is_not_replaced(changes: dict[str, Any]) -> None:
    world = World(**changes)
    seen, decision = await world.read()
    assert seen.silent_keys == {"0": False}
    assert decision.chain is not None
    assert (decision.chain.key.place, decision.chain.key.is_assigned) == (factories.place(), True)


@pytest.mark.parametrize(
    ("changes", "settings"),
    [
        ({"record": dataclasses.replace(SEEN, missing_since=HEIGHT - 20)}, {}),
        ({"record": dataclasses.replace(SEEN, missing_key="B" * 40)}, {}),
        ({"record": watchdog.WatchdogRecord()}, {}),
        ({"node": {"is_catching_up": True}}, {}),
        ({"node": {"block_time": NOW - datetime.timedelta(hours=1)}}, {}),
        ({"check": f"withheld {ADDRESS}"}, {}),
        ({"check": f"ready {ADDRESS}"}, {}),
        ({}, {"signing": {"lost_volume": "wait"}}),
    ],
    ids=[
        "too few blocks",
        "another key",
        "not seen yet",
        "not synced",
        "the chain stands still",
        "withheld",
        "ready",
        "the operator decides",
    ],
)
async def test_nothing_is_asked_otherwise(changes: dict[str, Any], settings: dict[str, Any]) -> None:
    world = World(**changes)
    _, decision = await world.read(**settings)
    assert world.asked == []
    assert decision.chain is not None
    assert decision.chain.key.place == factories.place()
