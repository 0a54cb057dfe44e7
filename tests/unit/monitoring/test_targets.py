"""Configuration of other monitors has the address of the key that signs on each chain."""

import dataclasses

from ics import model
from ics.consumer.peers import ports
from ics.monitoring import targets
from tests.unit import factories

KEY = factories.consumer_key("alice")
NODE = f"http://node.ns.svc:{ports.ports_at(ports.home_offset('consumer1-1')).rpc}"


def found() -> tuple[targets.Target, ...]:
    """The targets of a launched chain, and of one that waits for its launch."""
    launched = factories.consumer(model.Phase.LAUNCHED, factories.joined("alice", "bob"))
    waiting = factories.consumer(consumer_id="1", chain_id="consumer2-1")
    memory = factories.memory(genesis=factories.GENESIS, has_workload=True)
    seen = factories.observation(factories.snapshot(launched, waiting), memory=memory)
    return targets.of_chains(factories.judge(seen).chains)


def test_launched_chain_has_a_target_with_the_key_of_its_node() -> None:
    [target] = found()
    assert (target.chain_id, target.consumer_id, target.node) == ("consumer1-1", "0", NODE)
    assert target.address == KEY.address.hex().upper()
    assert target.valcons.startswith("consumervalcons1")


def test_watcher_follows_one_chain() -> None:
    assert targets.watcher(found(), "alice") == [
        f"cosmos-validator-watcher --chain-id consumer1-1 --node {NODE} --validator {KEY.address.hex().upper()}:alice"
        " --no-staking --no-commission --no-gov"
    ]


def test_tenderduty_gets_the_valcons_address_and_alerts_on_every_channel() -> None:
    [target] = found()
    chain = targets.tenderduty([target])["chains"]["consumer1-1"]
    alerts = chain.pop("alerts")
    assert chain == {
        "chain_id": "consumer1-1",
        "valoper_address": target.valcons,
        "public_fallback": False,
        "nodes": [{"url": NODE, "alert_if_down": True}],
    }
    kinds = ("stalled", "consecutive", "percentage")
    assert [alerts[f"{kind}_enabled"] for kind in kinds] == [True] * 3
    assert [alerts[name] for name in ("pagerduty", "discord", "telegram", "slack")] == [{"enabled": True}] * 4


def test_two_chains_of_one_chain_id_are_both_watched() -> None:
    [target] = found()
    both = targets.tenderduty([target, dataclasses.replace(target, consumer_id="7", valcons="v7")])["chains"]
    assert {name: one["valoper_address"] for name, one in both.items()} == {
        "consumer1-1 (0)": target.valcons,
        "consumer1-1 (7)": "v7",
    }
    assert {one["chain_id"] for one in both.values()} == {"consumer1-1"}
