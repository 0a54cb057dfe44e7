"""Participation depends on the current state of a chain only, not on its history."""

import dataclasses
import datetime

import pytest

from ics import manifests, model
from ics.conditions import Severity
from ics.consumer import participation, signing
from ics.consumer.peers import ports
from ics.cosmos import addresses
from tests.unit import factories

P = model.Phase
SPAWN = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


@pytest.mark.parametrize("days", [-400, -1, 1, 400])
def test_changed_spawn_time_leaves_staged_objects_unchanged(days: int) -> None:
    moved = (SPAWN + datetime.timedelta(days=days)).isoformat()
    before = factories.judge(
        factories.consumer(found=factories.joined("alice", "bob")), memory=factories.memory()
    )
    after = factories.judge(
        factories.consumer(found=factories.joined("alice", "bob", spawn_time=moved)),
        memory=factories.memory(),
    )
    assert manifests.render(after, "set") == manifests.render(before, "set")
    assert after.intents == before.intents == ()


def test_failed_launch_can_be_staged_again_with_same_objects() -> None:
    staged = factories.judge(
        factories.consumer(found=factories.joined("alice", "bob")), memory=factories.memory()
    )
    failed = factories.judge(factories.consumer(P.REGISTERED), memory=factories.memory())
    again = factories.judge(
        factories.consumer(found=factories.joined("alice", "bob")), memory=factories.memory()
    )
    # Nothing is wanted and nothing is held, so all that is not retained goes.
    assert (failed.chains, failed.paused, dict(failed.gateway_ports)) == ((), frozenset(), {})
    assert manifests.render(again, "set") == manifests.render(staged, "set")
    assert again.chains[0].sign_state is signing.SignStateStatus.READY


def test_changed_chain_id_keeps_namespace_volume_and_key() -> None:
    found = factories.joined("alice", "bob")
    (before,) = factories.judge(factories.consumer(found=found), memory=factories.memory()).chains
    (after,) = factories.judge(
        factories.consumer(found=found, chain_id="consumer2-1"), memory=factories.memory()
    ).chains
    assert (after.namespace, after.key, after.sign_state) == (before.namespace, before.key, before.sign_state)
    assert after.ports == ports.ports_at(ports.home_offset("consumer2-1"))


def test_changed_chain_id_without_definition_pauses_chain() -> None:
    renamed = factories.consumer(found=factories.joined("alice", "bob"), chain_id="something-1")
    wanted = factories.judge(renamed, memory=factories.memory())
    assert (wanted.chains, wanted.intents, set(wanted.paused)) == ((), (), {"0"})
    assert [(c.severity, c.reason) for c in wanted.decisions[0].conditions] == [
        (Severity.CRITICAL, "NoDefinition")
    ]


@pytest.mark.parametrize("policy", ["top66", "none"])
def test_fresh_install_does_not_join_running_chain(policy: str) -> None:
    running = factories.consumer(P.LAUNCHED, factories.joined("bob"))
    wanted = factories.judge(running, participation={"policy": policy})
    assert (wanted.chains, wanted.intents, factories.reasons(wanted.decisions[0])) == ((), (), ["NotJoined"])


@pytest.mark.parametrize("policy", ["all", "listed"])
def test_late_joiner_prepares_sign_state_before_opt_in(policy: str) -> None:
    running = factories.consumer(P.LAUNCHED, factories.joined("bob"))
    lists = {"policy": policy, "allow": ["consumer1-1"]}
    record = factories.memory().chains["0"].records[0]
    ordered = dataclasses.replace(record, is_ready=False)
    steps = [
        factories.judge(running, participation=lists, memory=memory)
        for memory in (
            None,
            factories.memory(records=()),
            factories.memory(records=(factories.record(volume=None, is_ready=False),)),
            factories.memory(records=(ordered,)),
            factories.memory(),
        )
    ]
    assert [one.chains[0].sign_state for one in steps] == [
        signing.SignStateStatus.NO_VOLUME,
        signing.SignStateStatus.MISSING,
        signing.SignStateStatus.MISSING,
        signing.SignStateStatus.REQUESTED,
        signing.SignStateStatus.READY,
    ]
    key = factories.consumer_key("alice").public_key
    opt_in = model.OptIn("0", "consumer1-1", key, factories.place_id())
    assert [one.intents for one in steps] == [(), (), (), (), (opt_in,)]


@pytest.mark.parametrize("records", [(), factories.staged().chains["0"].records], ids=["none", "another"])
def test_fresh_install_of_member_does_not_sign_unasked(records: tuple[model.SigningRecord, ...]) -> None:
    """This validator lost its cluster while the chain has its key in the set, or a second installation runs."""
    detail = dataclasses.replace(
        factories.joined("alice", "bob"),
        own_consumer_address=factories.consumer_key("alice", place=1).address,
    )
    running = factories.consumer(P.LAUNCHED, detail)
    facts = factories.observation(
        snapshot=factories.snapshot(running, launches={"0": factories.launch("alice", "bob")}),
        memory=factories.memory(records=records),
    )
    wanted = factories.judge(facts)
    [decision] = wanted.decisions
    assert [(one.severity, one.reason) for one in decision.conditions] == [
        (Severity.CRITICAL, "KeyElsewhere")
    ]
    assert (wanted.chains, wanted.intents, wanted.paused) == ((), (), frozenset({"0"}))


@pytest.mark.parametrize(
    ("lists", "joins"),
    [
        ({"policy": "top66", "deny": ["0"]}, False),
        ({"policy": "top66", "deny": ["consumer1-1"]}, False),
        ({"policy": "all", "deny": [factories.OWNER]}, False),
        ({"policy": "none", "allow": ["0"]}, False),
        ({"policy": "listed", "allow": [factories.OWNER]}, True),
        ({"policy": "none", "allow": ["0"], "deny": ["0"]}, False),
        ({"policy": "all"}, True),
        ({"policy": "none"}, False),
    ],
)
def test_opt_in_follows_policy_and_lists(lists: dict[str, object], joins: bool) -> None:
    wanted = factories.judge(factories.consumer(), participation=lists, memory=factories.staged())
    assert bool(wanted.intents) is joins
    assert bool(wanted.chains) is joins


@pytest.mark.parametrize("lists", [{"policy": "none"}, {"policy": "top66", "deny": ["0"]}])
def test_changed_policy_keeps_member_opted_in(lists: dict[str, object]) -> None:
    wanted = factories.judge(
        factories.consumer(found=factories.joined("alice", "bob")),
        participation=lists,
        memory=factories.staged(),
    )
    assert (len(wanted.chains), wanted.intents) == (1, ())


def test_validator_excluded_by_owner_stays_opted_in() -> None:
    """The owner put alice on the chain's own deny list."""
    shaped = dataclasses.replace(
        factories.joined("alice", "bob"), validators=factories.joined("bob").validators
    )
    for phase in (P.INITIALIZED, P.LAUNCHED):
        wanted = factories.judge(factories.consumer(phase, shaped), memory=factories.memory())
        assert wanted.decisions[0].participation is participation.Participation.OPTED_IN
        assert (len(wanted.chains), wanted.intents) == (1, ())


# -- Top-N --------------------------------------------------------------------------------------------


def top_n(name: str = "charlie") -> model.ConsumerDetail:
    """A chain that includes this validator because of its power, with its provider key."""
    member = model.ConsumerValidator(factories.valcons(name), factories.consensus_key(name), 100)
    return factories.detail(validators=(member,))


@pytest.mark.parametrize("lists", [{"policy": "top66"}, {"policy": "none"}, {"deny": ["0"]}])
def test_top_n_member_assigns_key_regardless_of_policy(lists: dict[str, object]) -> None:
    wanted = factories.judge(
        factories.consumer(found=top_n()),
        name="charlie",
        participation=lists,
        memory=factories.staged("charlie"),
    )
    key = factories.consumer_key("charlie").public_key
    assert wanted.intents == (model.AssignKey("0", "consumer1-1", key, factories.place_id()),)
    assert len(wanted.chains) == 1


def test_top_n_member_publishes_relayer_before_launch() -> None:
    silent = factories.validator("charlie", details="p2p=" + "a" * 40 + "@10.0.0.3")
    chain = factories.consumer(found=top_n())
    facts = factories.snapshot(
        chain, validators=(factories.validator("alice"), factories.validator("bob"), silent)
    )
    wanted = factories.judge(facts, "charlie", memory=factories.staged("charlie"))
    relayer = model.PublishDetails(f"{silent.details} relayer={factories.relayer('charlie')}")
    key = factories.consumer_key("charlie").public_key
    assert wanted.intents == (relayer, model.AssignKey("0", "consumer1-1", key, factories.place_id()))


PROVIDER_ADDRESS = addresses.consensus_address(factories.consensus_key("alice"))


@pytest.mark.parametrize(
    ("detail", "on_chain", "is_named"),
    [
        (top_n("alice"), PROVIDER_ADDRESS, True),
        # Assigned: the provider's set follows with the next epoch, the chain's with the packet after it.
        (
            dataclasses.replace(top_n("alice"), own_consumer_address=factories.consumer_key("alice").address),
            None,
            True,
        ),
        (factories.joined("alice"), PROVIDER_ADDRESS, True),
        (factories.joined("alice"), factories.consumer_key("alice").address, False),
    ],
)
def test_provider_key_is_reported_until_consumer_set_drops_it(
    detail: model.ConsumerDetail, on_chain: bytes | None, is_named: bool
) -> None:
    node = factories.node(validators={on_chain: 1} if on_chain else {})
    seen = factories.observation(
        snapshot=factories.snapshot(factories.consumer(P.LAUNCHED, detail)),
        memory=factories.memory(genesis=factories.GENESIS, has_workload=True),
        observations={"0": model.Observation(node=node)},
    )
    (decision,) = factories.judge(seen).decisions
    assert ("ProviderKeyInSet" in factories.reasons(decision)) is is_named
