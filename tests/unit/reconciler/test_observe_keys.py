"""A key known to the provider is never assigned again, regardless of local records."""

import dataclasses
from collections.abc import Mapping

from ics import errors, model
from ics.conditions import Condition
from ics.consumer import desired, observed
from ics.cosmos import addresses, gas_prices
from ics.keys import derivation
from ics.reconciler import observe
from tests.unit import factories

FIRST, SECOND = (factories.consumer_key("alice", place=number) for number in range(2))
VALCONS = "cosmosvalcons"


@dataclasses.dataclass
class Provider:
    """A provider with the given validators of each key; it records the queries for them."""

    used: Mapping[str, frozenset[bytes]]
    trouble: str = ""
    asked: list[tuple[str, str]] = dataclasses.field(default_factory=list)

    snapshot_of: model.Snapshot = dataclasses.field(default_factory=factories.snapshot)

    async def open(self, floor: model.ActedBlock | None) -> None:
        return None

    async def check_rpc(self) -> None:
        return None

    def endpoint_states(self) -> tuple[model.EndpointState, ...]:
        return ()

    def conditions(self) -> tuple[Condition, ...]:
        return ()

    async def snapshot(self, operator_address: str, interest: object) -> model.Snapshot:
        return self.snapshot_of

    async def gas_price(self) -> gas_prices.GasPrice:
        return gas_prices.GasPrice()

    async def balances(self, accounts: tuple[str, ...], denom: str) -> Mapping[str, int]:
        return dict.fromkeys(accounts, 10**9)

    async def slashing_params(self) -> model.SlashingParams:
        return factories.SLASHING

    async def is_key_used(self, consumer_id: str, consumer_address: str) -> bool:
        self.asked.append((consumer_id, consumer_address))
        if self.trouble:
            raise errors.Transient(self.trouble)
        return addresses.decode(consumer_address)[1] in self.used.get(consumer_id, frozenset())


@dataclasses.dataclass
class Cluster:
    """A cluster with the records of chain 0, and a Lease."""

    records: tuple[model.SigningRecord, ...]

    async def load(self) -> observed.Memory:
        return factories.memory(records=self.records)

    async def waits(self) -> Mapping[str, str]:
        return {}

    async def observe(self, namespaces: Mapping[str, str]) -> Mapping[str, model.Observation]:
        return {}

    async def acted_block(self, provider_chain_id: str) -> model.ActedBlock | None:
        return None

    async def annotations(self) -> Mapping[str, str]:
        return {}

    def record_block(self, provider_chain_id: str, block: model.ActedBlock) -> None:
        return None


STAGED = tuple(factories.record(at=number, volume=None, is_ready=False) for number in range(2))


async def checked(
    provider: Provider,
    detail: model.ConsumerDetail | None = None,
    records: tuple[model.SigningRecord, ...] = STAGED,
) -> desired.Desired:
    """What is wanted once the provider was asked about the keys."""
    provider.snapshot_of = factories.snapshot(factories.consumer(found=detail))
    cluster = Cluster(records)
    _, found = await observe.read(factories.world(cluster, provider=provider, lease=cluster))
    return found


def shown(key: derivation.ConsensusKey) -> tuple[str, str]:
    return "0", addresses.encode(VALCONS, key.address)


async def test_unused_key_is_checked_once_and_assigned() -> None:
    provider = Provider({"1": frozenset({FIRST.address})})
    wanted = await checked(provider, records=STAGED[:1])
    assert wanted.intents == (model.OptIn("0", "consumer1-1", FIRST.public_key, factories.place_id(0)),)
    assert provider.asked == [shown(FIRST)]


async def test_place_whose_key_the_provider_knows_is_not_used() -> None:
    provider = Provider({"0": frozenset({SECOND.address})})
    wanted = await checked(provider)
    assert wanted.intents == (model.OptIn("0", "consumer1-1", FIRST.public_key, factories.place_id(0)),)
    assert provider.asked == [shown(SECOND), shown(FIRST)]


async def test_new_place_is_staged_if_provider_knows_every_key_on_record() -> None:
    provider = Provider({"0": frozenset({FIRST.address, SECOND.address})})
    wanted = await checked(provider)
    [chain] = wanted.chains
    assert chain.key.place not in {record.place for record in STAGED}
    assert wanted.intents == ()
    assert provider.asked == [shown(SECOND), shown(FIRST)]


async def test_no_opt_in_is_sent_while_key_use_is_unknown() -> None:
    provider = Provider({}, "http://a: no answer in time")
    assert (await checked(provider)).intents == ()
    assert provider.asked == [shown(SECOND)]


async def test_no_key_is_checked_if_none_is_to_be_assigned() -> None:
    provider = Provider({})
    joined = dataclasses.replace(factories.joined("alice", "bob"), own_consumer_address=FIRST.address)
    assert (await checked(provider, joined)).intents == ()
    assert provider.asked == []
