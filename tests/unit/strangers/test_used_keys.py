"""An endpoint that says "used" about every key is not asked without an end."""

import dataclasses

from ics import model
from ics.consumer import chain_decision, desired
from ics.reconciler import observe
from tests.unit import factories
from tests.unit.reconciler import test_observe_keys


class Liar(test_observe_keys.Provider):
    """A provider whose endpoint knows every key."""

    async def is_key_used(self, consumer_id: str, consumer_address: str) -> bool:
        self.asked.append((consumer_id, consumer_address))
        return True


async def one_pass(records: tuple[model.SigningRecord, ...]) -> tuple[desired.Desired, Liar]:
    provider = Liar({}, snapshot_of=factories.snapshot(factories.consumer()))
    cluster = test_observe_keys.Cluster(records)
    _, wanted = await observe.read(factories.world(cluster, provider=provider, lease=cluster))
    return wanted, provider


async def test_after_sixteen_keys_the_chain_is_held() -> None:
    """Pass after pass, until nothing changes any more, as the daemon does."""
    records: tuple[model.SigningRecord, ...] = ()
    asked = 0
    for _ in range(40):
        wanted, provider = await one_pass(records)
        asked += len(provider.asked)
        if wanted.paused:
            break
        assert wanted.intents == ()
        [chain] = wanted.chains
        new = dataclasses.replace(chain.key.place, since=factories.place(len(records)).since)
        records = (*records, factories.record(at=new, volume=None, is_ready=False))

    assert len(records) == chain_decision.MOST_KEYS == 16
    assert [factories.reasons(decision) for decision in wanted.decisions] == [["NoUnusedKey"]]
    assert "ics:provider.rest" in wanted.decisions[0].conditions[0].message
    assert asked <= 16 * 17


async def test_chain_is_joined_as_soon_as_the_endpoint_is_honest() -> None:
    records = tuple(factories.record(at=number, volume=None, is_ready=False) for number in range(16))
    provider = test_observe_keys.Provider({}, snapshot_of=factories.snapshot(factories.consumer()))
    cluster = test_observe_keys.Cluster(records)

    _, wanted = await observe.read(factories.world(cluster, provider=provider, lease=cluster))

    assert [type(intent) for intent in wanted.intents] == [model.OptIn]
