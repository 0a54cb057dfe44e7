"""A chain comes to the same from whatever it was before: what is judged is what is, never what happened."""

import dataclasses
import datetime

import pytest

from ics import manifests, model
from ics.conditions import Severity
from ics.consumer import desired, observed, participation, signing
from ics.consumer.peers import ports
from ics.cosmos import addresses
from tests.unit import scenes

P = model.Phase
SPAWN = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


def judge(
    *consumers: model.Consumer,
    name: str = "alice",
    memory: model.Memory | None = None,
    observations: dict[str, model.Observation] | None = None,
    **settings: object,
) -> desired.Desired:
    snapshot = scenes.snapshot(*consumers)
    facts = observed.Seen(snapshot, memory or model.Memory(), observations or {})
    return desired.desired(facts, scenes.settings(name, **settings), scenes.seed(name), [scenes.example()])


def reasons(wanted: desired.Desired) -> list[str]:
    return [condition.reason for condition in wanted.verdicts[0].conditions]


@pytest.mark.parametrize("days", [-400, -1, 1, 400])
def test_a_spawn_time_that_moves_moves_nothing_that_is_staged(days: int) -> None:
    moved = (SPAWN + datetime.timedelta(days=days)).isoformat()
    before = judge(scenes.consumer(found=scenes.joined("alice", "bob")), memory=scenes.memory())
    after = judge(
        scenes.consumer(found=scenes.joined("alice", "bob", spawn_time=moved)), memory=scenes.memory()
    )
    assert manifests.render(after, "set") == manifests.render(before, "set")
    assert after.intents == before.intents == ()


def test_a_launch_that_failed_leaves_what_is_retained_and_can_be_set_again() -> None:
    staged = judge(scenes.consumer(found=scenes.joined("alice", "bob")), memory=scenes.memory())
    failed = judge(scenes.consumer(P.REGISTERED), memory=scenes.memory())
    again = judge(scenes.consumer(found=scenes.joined("alice", "bob")), memory=scenes.memory())
    # Nothing is wanted and nothing is held, so all that is not retained goes.
    assert (failed.chains, failed.held, dict(failed.gateway_ports)) == ((), frozenset(), {})
    assert manifests.render(again, "set") == manifests.render(staged, "set")
    assert again.chains[0].arming is signing.Arming.ARMED


def test_a_chain_id_that_changes_keeps_namespace_volume_and_key() -> None:
    found = scenes.joined("alice", "bob")
    (before,) = judge(scenes.consumer(found=found), memory=scenes.memory()).chains
    (after,) = judge(scenes.consumer(found=found, chain_id="consumer2-1"), memory=scenes.memory()).chains
    assert (after.namespace, after.key, after.arming) == (before.namespace, before.key, before.arming)
    assert after.ports == ports.at(ports.home_offset("consumer2-1"))


def test_a_chain_id_that_no_definition_knows_stops_and_asks() -> None:
    renamed = scenes.consumer(found=scenes.joined("alice", "bob"), chain_id="something-1")
    wanted = judge(renamed, memory=scenes.memory())
    assert (wanted.chains, wanted.intents, set(wanted.held)) == ((), (), {"0"})
    assert [(c.severity, c.reason) for c in wanted.verdicts[0].conditions] == [
        (Severity.CRITICAL, "NoDefinition")
    ]


@pytest.mark.parametrize("policy", ["top66", "none"])
def test_a_running_chain_is_not_joined_by_a_fresh_install(policy: str) -> None:
    running = scenes.consumer(P.LAUNCHED, scenes.joined("bob"))
    wanted = judge(running, participation={"policy": policy})
    assert (wanted.chains, wanted.intents, reasons(wanted)) == ((), (), ["NotJoined"])


@pytest.mark.parametrize("policy", ["all", "listed"])
def test_a_late_joiner_stages_its_node_before_the_opt_in(policy: str) -> None:
    running = scenes.consumer(P.LAUNCHED, scenes.joined("bob"))
    lists = {"policy": policy, "allow": ["consumer1-1"]}
    record = scenes.memory().chains["0"].records[0]
    ordered = dataclasses.replace(record, is_armed=False)
    steps = [
        judge(running, participation=lists, memory=memory)
        for memory in (None, scenes.memory(records=()), scenes.memory(records=(ordered,)), scenes.memory())
    ]
    assert [one.chains[0].arming for one in steps] == [
        signing.Arming.NO_VOLUME,
        signing.Arming.DUE,
        signing.Arming.ORDERED,
        signing.Arming.ARMED,
    ]
    key = scenes.consumer_key("alice").public_key
    assert [one.intents for one in steps] == [(), (), (), (model.OptIn("0", "consumer1-1", key),)]


def test_a_fresh_install_finds_its_member_again_and_signs_nothing_unasked() -> None:
    """All that this validator had in its cluster is lost; the chain has it in its set."""
    running = scenes.consumer(P.LAUNCHED, scenes.joined("alice", "bob"))
    facts = observed.Seen(
        scenes.snapshot(running, launches={"0": scenes.launch("alice", "bob")}), scenes.memory(records=())
    )
    wanted = desired.desired(facts, scenes.settings(), scenes.seed("alice"), [scenes.example()])
    (chain,) = wanted.chains
    assert chain.genesis is not None
    assert (chain.key.is_assigned, chain.arming, wanted.intents) == (True, signing.Arming.REFUSED, ())


@pytest.mark.parametrize(
    ("lists", "joins"),
    [
        ({"policy": "top66", "deny": ["0"]}, False),
        ({"policy": "top66", "deny": ["consumer1-1"]}, False),
        ({"policy": "all", "deny": [scenes.OWNER]}, False),
        ({"policy": "none", "allow": ["0"]}, False),
        ({"policy": "listed", "allow": [scenes.OWNER]}, True),
        ({"policy": "none", "allow": ["0"], "deny": ["0"]}, False),
        ({"policy": "all"}, True),
        ({"policy": "none"}, False),
    ],
)
def test_lists_and_policies(lists: dict[str, object], joins: bool) -> None:
    wanted = judge(scenes.consumer(), participation=lists)
    assert bool(wanted.intents) is joins
    assert bool(wanted.chains) is joins


@pytest.mark.parametrize("lists", [{"policy": "none"}, {"policy": "top66", "deny": ["0"]}])
def test_a_policy_that_changes_takes_nobody_out(lists: dict[str, object]) -> None:
    wanted = judge(scenes.consumer(found=scenes.joined("alice", "bob")), participation=lists)
    assert (len(wanted.chains), wanted.intents) == (1, ())


def test_who_is_shaped_out_of_the_set_stays_opted_in() -> None:
    """The owner has put alice on the chain's own deny list."""
    shaped = dataclasses.replace(scenes.joined("alice", "bob"), validators=scenes.joined("bob").validators)
    for phase in (P.INITIALIZED, P.LAUNCHED):
        wanted = judge(scenes.consumer(phase, shaped), memory=scenes.memory())
        assert wanted.verdicts[0].participation is participation.Participation.OPTED_IN
        assert (len(wanted.chains), wanted.intents) == (1, ())


# -- Top-N --------------------------------------------------------------------------------------------


def top_n(name: str = "charlie") -> model.ConsumerDetail:
    """The chain takes this validator by its power, with its provider key."""
    member = model.ConsumerValidator(scenes.valcons(name), scenes.consensus_key(name), 100)
    return scenes.detail(validators=(member,))


@pytest.mark.parametrize("lists", [{"policy": "top66"}, {"policy": "none"}, {"deny": ["0"]}])
def test_a_member_by_power_assigns_its_key_whatever_the_policy_says(lists: dict[str, object]) -> None:
    wanted = judge(scenes.consumer(found=top_n()), name="charlie", participation=lists)
    key = scenes.consumer_key("charlie").public_key
    assert wanted.intents == (model.AssignKey("0", "consumer1-1", key),)
    assert len(wanted.chains) == 1


def test_a_member_by_power_publishes_its_relayer_before_the_launch() -> None:
    silent = scenes.validator("charlie", details="p2p=" + "a" * 40 + "@10.0.0.3")
    chain = scenes.consumer(found=top_n())
    facts = scenes.snapshot(chain, validators=(scenes.validator("alice"), scenes.validator("bob"), silent))
    wanted = desired.desired(
        observed.Seen(facts), scenes.settings("charlie"), scenes.seed("charlie"), [scenes.example()]
    )
    relayer = model.PublishDetails(f"{silent.details} relayer={scenes.relayer('charlie')}")
    key = scenes.consumer_key("charlie").public_key
    assert wanted.intents == (relayer, model.AssignKey("0", "consumer1-1", key))


PROVIDER_ADDRESS = addresses.consensus_address(scenes.consensus_key("alice"))


@pytest.mark.parametrize(
    ("detail", "on_chain", "is_named"),
    [
        (top_n("alice"), PROVIDER_ADDRESS, True),
        # Assigned: the provider's set follows with the next epoch, the chain's with the packet after it.
        (
            dataclasses.replace(top_n("alice"), own_consumer_address=scenes.consumer_key("alice").address),
            None,
            True,
        ),
        (scenes.joined("alice"), PROVIDER_ADDRESS, True),
        (scenes.joined("alice"), scenes.consumer_key("alice").address, False),
    ],
)
def test_the_provider_key_is_named_until_the_chain_itself_has_let_it_go(
    detail: model.ConsumerDetail, on_chain: bytes | None, is_named: bool
) -> None:
    node = scenes.node(validators={on_chain: 1} if on_chain else {})
    wanted = judge(
        scenes.consumer(P.LAUNCHED, detail),
        memory=scenes.memory(genesis=scenes.GENESIS, has_workload=True),
        observations={"0": model.Observation(node=node)},
    )
    assert ("ProviderKeyInSet" in reasons(wanted)) is is_named
