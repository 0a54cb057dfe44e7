"""A key known to the provider is never assigned again, regardless of local records."""

import dataclasses
from collections.abc import Mapping

import pytest

from ics import errors, model
from ics.conditions import Condition
from ics.consumer import observed, signing
from ics.cosmos import addresses
from ics.keys import derivation
from ics.reconciler import observe
from tests.unit import factories

FIRST, SECOND, THIRD = (factories.consumer_key("alice", generation=number) for number in range(3))
VALCONS = "cosmosvalcons"


@pytest.mark.parametrize(
    ("used", "generation"),
    [((), 0), ((FIRST,), 1), ((SECOND,), 0), ((FIRST, SECOND), 2)],
)
def test_next_unused_key_generation_is_chosen(
    used: tuple[derivation.ConsensusKey, ...], generation: int
) -> None:
    known = frozenset(key.address for key in used)
    found = signing.choose_key(factories.seed("alice"), factories.PROVIDER, "0", (), None, known)
    assert found == signing.SelectedKey(
        key=factories.consumer_key("alice", generation=generation), generation=generation, is_assigned=False
    )


def test_assigned_key_is_kept() -> None:
    known = frozenset({FIRST.address})
    found = signing.choose_key(factories.seed("alice"), factories.PROVIDER, "0", (), FIRST.address, known)
    assert found == signing.SelectedKey(key=FIRST, generation=0, is_assigned=True)


@dataclasses.dataclass
class Provider:
    """A provider with the given validators of each key; it records the queries for them."""

    used: Mapping[str, frozenset[bytes]]
    trouble: str = ""
    asked: list[tuple[str, str]] = dataclasses.field(default_factory=list)

    snapshot_of: model.Snapshot = dataclasses.field(default_factory=factories.snapshot)

    async def open(self, floor: int) -> None:
        return None

    async def check_rpc(self) -> None:
        return None

    def conditions(self) -> tuple[Condition, ...]:
        return ()

    async def snapshot(self, operator_address: str, interest: object) -> model.Snapshot:
        return self.snapshot_of

    async def balances(self, accounts: tuple[str, ...], denom: str) -> Mapping[str, int]:
        return dict.fromkeys(accounts, 10**9)

    async def slashing_params(self) -> model.SlashingParams:
        return factories.SLASHING

    async def is_key_used(self, consumer_id: str, consumer_address: str) -> bool:
        self.asked.append((consumer_id, consumer_address))
        if self.trouble:
            raise errors.Transient(self.trouble)
        return addresses.decode(consumer_address)[1] in self.used.get(consumer_id, frozenset())


class Cluster:
    """A cluster without objects, and a Lease."""

    async def load(self) -> observed.Memory:
        return observed.Memory()

    async def observe(self, namespaces: Mapping[str, str]) -> Mapping[str, model.Observation]:
        return {}

    async def acted_height(self, provider_chain_id: str) -> int:
        return 0

    def record_height(self, provider_chain_id: str, height: int) -> None:
        return None


async def checked(provider: Provider, detail: model.ConsumerDetail | None = None) -> tuple[model.Intent, ...]:
    """What would be sent to join a chain once its key has been asked about."""
    provider.snapshot_of = factories.snapshot(factories.consumer(found=detail))
    cluster = Cluster()
    _, desired = await observe.read(factories.world(cluster, provider=provider, lease=cluster))
    return desired.intents


def shown(key: derivation.ConsensusKey) -> tuple[str, str]:
    return "0", addresses.encode(VALCONS, key.address)


async def test_unused_key_is_checked_once_and_assigned() -> None:
    provider = Provider({"1": frozenset({FIRST.address})})
    assert await checked(provider) == (model.OptIn("0", "consumer1-1", FIRST.public_key),)
    assert provider.asked == [shown(FIRST)]


async def test_known_keys_are_skipped() -> None:
    provider = Provider({"0": frozenset({FIRST.address, SECOND.address})})
    assert await checked(provider) == (model.OptIn("0", "consumer1-1", THIRD.public_key),)
    assert provider.asked == [shown(FIRST), shown(SECOND), shown(THIRD)]


async def test_no_opt_in_is_sent_while_key_use_is_unknown() -> None:
    provider = Provider({}, "http://a: no answer in time")
    assert await checked(provider) == ()
    assert provider.asked == [shown(FIRST)]


async def test_no_key_is_checked_if_none_is_to_be_assigned() -> None:
    provider = Provider({})
    joined = dataclasses.replace(factories.joined("alice", "bob"), own_consumer_address=FIRST.address)
    assert await checked(provider, joined) == ()
    assert provider.asked == []
