"""The desired state of each chain, computed from frozen observations."""

import dataclasses
import datetime
from typing import Any

import pytest

from ics import errors, manifests, model, names
from ics.conditions import Severity
from ics.consumer import desired, observed, participation, questions, signing
from ics.consumer.peers import ports
from ics.cosmos import addresses
from ics.keys import derivation
from ics.reconciler import outcome, reconcile
from ics.relayer import accounts as relayer_accounts
from tests.unit import factories

P = model.Phase
ASSIGNMENT = model.AssignKey(
    "0", "consumer1-1", factories.consumer_key("alice").public_key, factories.place_id()
)


@pytest.mark.parametrize(("name", "joins"), [("alice", True), ("bob", True), ("charlie", False)])
def test_validator_in_top_66_percent_opts_in_with_derived_key(name: str, joins: bool) -> None:
    decision = factories.judge(factories.consumer(), name, memory=factories.staged(name)).decisions[0]
    key = factories.consumer_key(name).public_key
    expected = (model.OptIn("0", "consumer1-1", key, factories.place_id()),) if joins else ()
    assert decision.intents == expected
    assert (decision.chain is not None) is joins
    assert decision.participation is (
        participation.Participation.SELECTED if joins else participation.Participation.DECLINED
    )


def test_first_pass_stages_chain_and_sends_no_opt_in() -> None:
    """A crash between the transaction and the record would lose the place of the assigned key."""
    [decision] = factories.judge(factories.consumer()).decisions
    assert decision.chain is not None
    assert decision.intents == ()
    place = decision.chain.key.place
    assert place == factories.new_place(site=dataclasses.replace(factories.SITE, namespace=place.namespace))
    record = factories.record(at=place, volume=None, is_ready=False)
    chain = observed.ChainMemory(namespace=place.namespace, records=(record,))
    [again] = factories.judge(factories.consumer(), memory=factories.memories({"0": chain})).decisions
    key = factories.key_of(place).public_key
    assert again.intents == (model.OptIn("0", "consumer1-1", key, place.place_id),)


def test_opt_in_omits_key_that_is_already_assigned() -> None:
    own = factories.consumer_key("alice").address
    decision = factories.judge(
        factories.consumer(found=factories.detail(own_consumer_address=own)), memory=factories.staged()
    ).decisions[0]
    assert decision.intents == (model.OptIn("0", "consumer1-1", None),)


def test_opted_in_validator_outside_top_66_percent_stays() -> None:
    chain = factories.consumer(found=factories.joined("charlie", own="charlie"))
    decision = factories.judge(chain, "charlie", memory=factories.staged("charlie")).decisions[0]
    assert decision.intents == ()
    assert decision.participation is participation.Participation.VALIDATING
    assert decision.chain is not None


def jailed(snapshot: model.Snapshot) -> model.Snapshot:
    """Alice in jail: not bonded any more, and so in no set."""
    alice = factories.validator("alice", is_jailed=True, is_bonded=False)
    others = tuple(factories.validator(name) for name in ("bob", "charlie"))
    return dataclasses.replace(snapshot, validators=(alice, *others))


@pytest.mark.parametrize("policy", ["top66", "all"])
def test_jailed_validator_does_not_join(policy: str) -> None:
    found = factories.judge(
        jailed(factories.snapshot(factories.consumer())), participation={"policy": policy}
    )

    assert factories.reasons(found) == ["Jailed"]
    assert (found.intents, found.chains, factories.reasons(found.decisions[0])) == ((), (), ["NotJoined"])


def test_bonded_validator_has_no_stack_condition() -> None:
    assert factories.judge(factories.consumer()).conditions == ()


@pytest.mark.parametrize("phase", [P.INITIALIZED, P.LAUNCHED])
def test_jailed_member_keeps_its_node(phase: model.Phase) -> None:
    own = factories.consumer_key("alice").address
    left_out = factories.detail(opted_in=frozenset({factories.valcons("alice")}), own_consumer_address=own)
    at = factories.snapshot(factories.consumer(phase, left_out), launches={"0": factories.launch("bob")})

    free, held = (
        factories.judge(at, memory=factories.memory()),
        factories.judge(jailed(at), memory=factories.memory()),
    )

    assert held.decisions[0].chain == free.decisions[0].chain is not None
    assert (held.paused, held.ended, held.gateway_ports) == (free.paused, free.ended, free.gateway_ports)
    assert held.decisions[0].participation is participation.Participation.OPTED_IN
    assert "NotInSet" in factories.reasons(held.decisions[0])


def test_member_with_provider_key_assigns_derived_key_once_sign_state_is_ready() -> None:
    in_set = (model.ConsumerValidator(factories.valcons("alice"), factories.consensus_key("alice"), 300),)
    staged = factories.judge(
        factories.consumer(found=factories.detail(validators=in_set)), memory=factories.staged()
    ).decisions[0]
    launched = factories.snapshot(factories.consumer(P.LAUNCHED, factories.detail(validators=in_set)))
    late, ready = (
        factories.judge(launched, memory=factories.staged()).decisions[0],
        factories.judge(launched, memory=factories.memory()).decisions[0],
    )
    due = (ASSIGNMENT,)
    # On a running chain the sign state of the key is created before the key can be in its set.
    assert (staged.intents, late.intents, ready.intents) == (due, (), due)
    assert "ProviderKeyInSet" not in factories.reasons(staged)
    assert "ProviderKeyInSet" in factories.reasons(late)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"match": {"chain_id": "other-*", "owner": factories.OWNER}}, "NoDefinition"),
        ({"match": {"owner": factories.relayer("bob")}}, "NoDefinition"),
        ({"match": {"consumer_id": "7", "owner": factories.OWNER}}, "NoDefinition"),
    ],
)
def test_chain_without_matching_definition_is_not_joined(changes: dict[str, object], reason: str) -> None:
    wanted = factories.judge(factories.consumer(), definitions=[factories.example(**changes)])
    assert wanted.intents == ()
    assert wanted.chains == ()
    assert factories.reasons(wanted.decisions[0]) == [reason]


def test_chain_with_two_matching_definitions_is_not_joined() -> None:
    both = [factories.example(), factories.example(name="other")]
    wanted = factories.judge(factories.consumer(), definitions=both)
    assert wanted.intents == ()
    assert factories.reasons(wanted.decisions[0]) == ["DefinitionAmbiguous"]


def test_chain_whose_genesis_hash_differs_is_not_joined() -> None:
    decision = factories.judge(factories.consumer(found=factories.detail(genesis_hash=b"\1" * 32))).decisions[
        0
    ]
    assert decision.intents == ()
    assert decision.chain is None
    assert factories.reasons(decision) == ["GenesisHashMismatch"]


def test_member_with_genesis_hash_mismatch_assigns_key_but_starts_no_node() -> None:
    in_set = (model.ConsumerValidator(factories.valcons("alice"), factories.consensus_key("alice"), 300),)
    wrong = factories.detail(validators=in_set, genesis_hash=b"\1" * 32)
    staged = factories.judge(factories.consumer(found=wrong), memory=factories.staged()).decisions[0]
    launched = factories.judge(
        factories.snapshot(factories.consumer(P.LAUNCHED, wrong), launches={"0": factories.launch("alice")}),
        memory=factories.memory(),
    ).decisions[0]
    assert (staged.intents, staged.chain is not None, factories.reasons(staged)) == (
        (ASSIGNMENT,),
        True,
        ["GenesisHashMismatch"],
    )
    # No node starts from it.
    assert (launched.chain, launched.is_paused, factories.reasons(launched)) == (
        None,
        True,
        ["GenesisHashMismatch"],
    )


def test_chain_without_stated_genesis_hash_is_joined_with_condition() -> None:
    decision = factories.judge(
        factories.consumer(found=factories.detail(genesis_hash=b"not_used")), memory=factories.staged()
    ).decisions[0]
    assert len(decision.intents) == 1
    assert "HashNotStated" in factories.reasons(decision)


def with_details(details: str) -> model.Snapshot:
    alice = factories.validator("alice", details=details)
    others = (factories.validator("bob"), factories.validator("charlie"))
    return factories.snapshot(factories.consumer(), validators=(alice, *others))


def test_relayer_address_is_published_before_opt_in() -> None:
    text = "p2p=" + "a" * 40 + "@10.0.0.1"
    decision = factories.judge(with_details(text)).decisions[0]
    assert decision.intents == (model.PublishDetails(f"{text} relayer={factories.relayer('alice')}"),)
    assert decision.participation is participation.Participation.SELECTED


def test_chain_is_not_joined_if_description_has_no_room_for_relayer() -> None:
    decision = factories.judge(with_details("x" * 270)).decisions[0]
    assert decision.intents == ()
    assert factories.reasons(decision) == ["RelayerUnpublished"]


def test_stack_without_account_sends_no_transactions() -> None:
    decision = factories.judge(factories.consumer(), account=None).decisions[0]
    assert decision.intents == ()
    assert factories.reasons(decision) == ["NoAccount"]


def test_chain_with_key_of_another_seed_on_record_is_paused() -> None:
    foreign = factories.consumer_key("bob")
    detail = dataclasses.replace(factories.joined("alice", "bob"), own_consumer_address=foreign.address)
    memory = factories.memory(records=(factories.record(foreign),))
    wanted = factories.judge(factories.consumer(P.LAUNCHED, detail), memory=memory)
    assert factories.reasons(wanted.decisions[0]) == ["KeyMismatch"]
    assert wanted.chains == ()
    assert wanted.paused == {"0"}
    assert set(wanted.gateway_ports) == {"0"}


def test_assigned_key_of_another_place_on_record_is_recognised() -> None:
    third = factories.consumer_key("alice", place=2)
    detail = dataclasses.replace(factories.joined("alice"), own_consumer_address=third.address)
    memory = factories.memory(records=tuple(factories.record(at=number) for number in range(4)))
    decision = factories.judge(factories.consumer(found=detail), memory=memory).decisions[0]
    assert decision.chain is not None
    assert (decision.chain.key.place, decision.chain.key.key) == (factories.place(2), third)
    assert decision.intents == ()


def test_completed_genesis_is_identical_for_all_validators() -> None:
    chain = factories.consumer(P.LAUNCHED, factories.joined("alice", "bob"))
    facts = factories.snapshot(chain, launches={"0": factories.launch("alice", "bob")})
    bob = dataclasses.replace(chain, detail=dataclasses.replace(factories.joined("alice", "bob", own="bob")))
    alices = factories.judge(facts, memory=factories.staged()).decisions[0].chain
    bobs = (
        factories.judge(dataclasses.replace(facts, consumers=(bob,)), "bob", memory=factories.staged("bob"))
        .decisions[0]
        .chain
    )
    assert alices is not None
    assert bobs is not None
    assert alices.genesis is not None
    assert alices.genesis == bobs.genesis
    document = factories.genesis_document(alices.genesis)
    assert document["chain_id"] == "consumer1-1"
    assert document["genesis_time"] == "2026-01-01T00:00:01.123456789Z"
    funded = [balance["address"] for balance in document["app_state"]["bank"]["balances"]]
    assert sorted(funded) == sorted(factories.funded(name) for name in factories.NAMES)


def test_genesis_stored_in_the_cluster_is_kept() -> None:
    chain = factories.consumer(P.LAUNCHED, factories.joined("alice", "bob"))
    wanted = factories.judge(chain, memory=factories.memory(genesis=factories.GENESIS))
    assert wanted.chains[0].genesis == factories.GENESIS
    assert desired.lacks_genesis(wanted) == {}


def test_launched_chain_without_genesis_asks_for_launch_facts() -> None:
    chain = factories.consumer(P.LAUNCHED, factories.joined("alice", "bob"))
    assert desired.lacks_genesis(factories.judge(chain, memory=factories.staged())) == {"0": True}


def test_launch_facts_are_asked_without_descriptions_if_relayers_are_not_funded() -> None:
    chain = factories.consumer(P.LAUNCHED, factories.joined("alice", "bob"))
    wanted = factories.judge(
        chain,
        memory=factories.staged(),
        definitions=[factories.example(genesis={"base": {"file": "base.json"}})],
    )
    assert desired.lacks_genesis(wanted) == {"0": False}


def test_genesis_is_asked_for_only_of_launched_chain_without_stored_genesis() -> None:
    launched = factories.consumer(P.LAUNCHED, factories.joined("alice", "bob"))
    waiting = factories.consumer(P.INITIALIZED, factories.detail())
    others = dataclasses.replace(launched, detail=None)
    here = factories.memory(genesis=factories.GENESIS)
    staged = factories.memory()

    def lacks(chain: model.Consumer, memory: observed.Memory) -> bool:
        before = factories.observation(snapshot=factories.snapshot(chain), memory=memory)
        asked = questions.open_questions(before, factories.judge(before), factories.seed("alice"))
        return bool(asked.geneses)

    assert [lacks(launched, here), lacks(waiting, staged), lacks(others, factories.memories())] == [False] * 3
    assert [lacks(launched, staged), lacks(launched, factories.staged())] == [True] * 2


def test_pruned_launch_height_yields_no_genesis_and_a_condition() -> None:
    chain = factories.consumer(P.LAUNCHED, factories.joined("alice", "bob"))
    facts = factories.snapshot(chain, launches={"0": factories.launch("alice", "bob", details=None)})
    decision = factories.judge(facts, memory=factories.staged()).decisions[0]
    assert decision.chain is not None
    assert decision.chain.genesis is None
    assert "GenesisInvalid" in factories.reasons(decision)


def test_running_chain_that_cannot_be_read_is_paused() -> None:
    chain = factories.consumer(P.LAUNCHED, factories.joined("alice", "bob"))
    other = factories.consumer(consumer_id="1", chain_id="consumer2-1")
    facts = factories.snapshot(chain, other, problems={"0": "the provider gave nonsense"})
    wanted = factories.judge(facts, memory=factories.memory(has_workload=True))
    assert wanted.paused == {"0"}
    assert [found.consumer_id for found in wanted.chains] == ["1"]
    assert set(wanted.gateway_ports) == {"0", "1"}


async def test_gateway_routes_paused_chain_to_new_pod_address() -> None:
    pod = factories.pod(ip="10.0.0.9")
    chain = factories.consumer(P.LAUNCHED, factories.joined("alice", "bob"))
    facts = factories.snapshot(chain, problems={"0": "the provider gave nonsense"})
    memory = factories.memory(has_workload=True)
    wanted = factories.judge(facts, memory=memory)
    pods = {"0": model.Observation(pod), "7": model.Observation(pod)}
    routed: list[object] = []

    class Gateway:
        async def ensure_slices(self, *arguments: object) -> None:
            routed.extend(arguments)

    found = factories.observation(snapshot=facts, memory=memory, observations=pods)
    await reconcile._route(factories.world(Gateway()), wanted, found, outcome.Collector())
    assert routed == [{"0": pod}, frozenset({"0"}), wanted.open_ports]


def test_chain_with_broken_record_is_paused() -> None:
    chain = factories.consumer(P.LAUNCHED, factories.joined("alice", "bob"))
    wanted = factories.judge(chain, memory=factories.memory(problem="Secret ns/x: fix it"))
    assert (wanted.chains, set(wanted.paused)) == ((), {"0"})
    assert factories.reasons(wanted.decisions[0]) == ["RecordBroken"]


def test_snapshot_missing_a_known_chain_is_transient_error() -> None:
    with pytest.raises(errors.Transient, match="does not list consumer ids 0"):
        factories.judge(factories.snapshot(), memory=factories.memory())


def test_deleted_chain_has_ended_and_runs_nothing() -> None:
    wanted = factories.judge(factories.consumer(P.DELETED), memory=factories.memory(has_workload=True))
    assert (wanted.chains, wanted.paused, dict(wanted.gateway_ports)) == ((), frozenset(), {})
    assert wanted.ended == {"0"}


def test_chain_without_definition_is_paused_and_has_not_ended() -> None:
    running = factories.snapshot(factories.consumer(P.LAUNCHED, factories.joined("alice")))
    memory = factories.memory(has_workload=True, genesis=factories.GENESIS)
    undefined = factories.judge(running, memory=memory, definitions=[])
    assert (set(undefined.ended), set(undefined.paused)) == (set(), {"0"})
    assert factories.judge(running, memory=memory).ended == frozenset()


JUST_NOW = datetime.datetime.fromisoformat("2026-01-01T00:00:25Z")
LONG_AGO = datetime.datetime.fromisoformat("2025-12-31T00:00:00Z")


def left(*still_in: str, **node: object) -> desired.Desired:
    """Alice opted out; the consumer's own node has these validators."""
    detail = dataclasses.replace(
        factories.joined("bob"), own_consumer_address=factories.consumer_key("alice").address
    )
    facts = factories.observation(
        snapshot=factories.snapshot(factories.consumer(P.LAUNCHED, detail)),
        memory=factories.memory(has_workload=True, genesis=factories.GENESIS),
        observations={"0": model.Observation(node=factories.node(*still_in, **node))},
    )
    return factories.judge(facts)


@pytest.mark.parametrize(
    ("still_in", "node"),
    [
        (("alice", "bob"), {}),
        (("bob",), {"is_catching_up": True}),
        ((), {"height": 0}),
        (("bob",), {"block_time": LONG_AGO, "blocks_behind": 40}),
        (("bob",), {"block_time": LONG_AGO}),
        (("bob",), {"block_time": JUST_NOW, "blocks_behind": 2}),
    ],
)
def test_node_keeps_running_until_consumer_confirms_removal_from_set(
    still_in: tuple[str, ...], node: dict[str, object]
) -> None:
    wanted = left(*still_in, **node)
    assert [found.consumer_id for found in wanted.chains] == ["0"]
    assert "Leaving" in factories.reasons(wanted.decisions[0])


def test_key_is_retired_once_validator_left_consumer_set() -> None:
    wanted = left("bob", block_time=JUST_NOW)
    assert wanted.chains == ()
    assert wanted.decisions[0].retires == factories.place()
    assert wanted.ended == {"0"}


def rejoin(**record: Any) -> desired.Desired:
    """Alice left with her first key, and asks by hand to join again."""
    detail = dataclasses.replace(
        factories.joined("bob"), own_consumer_address=factories.consumer_key("alice").address
    )
    old = factories.record(is_retired=True)
    new = factories.record(at=1, volume=None, is_ready=False)
    records = (old, dataclasses.replace(new, **record)) if record else (old,)
    facts = factories.observation(
        snapshot=factories.snapshot(
            factories.consumer(P.LAUNCHED, detail), launches={"0": factories.launch("alice", "bob")}
        ),
        memory=factories.memory(records=records),
        opt_in_requests=frozenset({"0"}),
    )
    return factories.judge(facts)


def test_rejoin_requests_sign_state_of_new_place_before_opt_in() -> None:
    wanted = rejoin()
    assert wanted.intents == ()
    assert wanted.chains[0].key.place == factories.new_place()
    assert wanted.chains[0].sign_state is signing.SignStateStatus.MISSING


def test_rejoin_opts_in_once_sign_state_of_new_place_is_ready() -> None:
    requested, ready = rejoin(volume_uid="volume-1"), rejoin(volume_uid="volume-1", is_ready=True)
    key = factories.consumer_key("alice", place=1).public_key
    opt_in = model.OptIn("0", "consumer1-1", key, factories.place_id(1))
    assert (requested.intents, ready.intents) == ((), (opt_in,))


def test_policy_does_not_rejoin_a_chain_that_was_left() -> None:
    detail = dataclasses.replace(
        factories.joined("bob"), own_consumer_address=factories.consumer_key("alice").address
    )
    decision = factories.judge(
        factories.consumer(P.LAUNCHED, detail), participation={"policy": "all"}
    ).decisions[0]
    assert (decision.intents, decision.chain) == ((), None)
    assert factories.reasons(decision) == ["NotJoined"]


def test_account_below_threshold_is_topped_up() -> None:
    facts = factories.snapshot(factories.consumer(found=factories.joined("alice", "bob")))
    accounts = dict(
        relayer_accounts.provider_addresses(
            factories.settings(), factories.seed("alice"), factories.PROVIDER, "0"
        )
    )
    balances = {accounts["relayer"]: 49_999, accounts["evidence"]: 50_000}
    wanted = factories.judge(
        factories.observation(snapshot=facts, memory=factories.staged(), balances=balances)
    )
    assert wanted.intents == (
        model.TopUp(
            consumer_id="0",
            chain_id="consumer1-1",
            purpose="relayer",
            address=accounts["relayer"],
            amount=50_001,
            denom="stake",
        ),
    )


@pytest.mark.parametrize(
    ("changes", "severity", "remedy"),
    [
        ({}, Severity.WARNING, "the next pass tops it up"),
        ({"account": None}, Severity.CRITICAL, "send it stake, or set ics:account"),
        ({"relayer": {"fund_gas": 0}}, Severity.CRITICAL, "send it stake, or set ics:account"),
    ],
)
def test_empty_provider_account_is_reported_with_remedy(
    changes: dict[str, Any], severity: Severity, remedy: str
) -> None:
    settings = factories.settings(**changes)
    accounts = dict(
        relayer_accounts.provider_addresses(settings, factories.seed("alice"), factories.PROVIDER, "0")
    )
    balances = {accounts["relayer"]: 0, accounts["evidence"]: 1}
    chain = factories.consumer(P.LAUNCHED, factories.joined("alice", "bob"))
    facts = factories.observation(
        snapshot=factories.snapshot(chain, time="2026-01-01T00:01:00Z"),
        memory=factories.memory(has_workload=True, genesis=factories.GENESIS),
        balances=balances,
    )
    wanted = factories.judge(facts, stack=settings)
    (found,) = [c for c in wanted.decisions[0].conditions if c.reason == "WalletEmpty"]
    assert found.severity is severity
    assert accounts["relayer"] in found.message
    assert remedy in found.message


def test_chain_with_preset_connection_is_not_joined() -> None:
    chain = factories.consumer(found=factories.detail(connection_id="connection-0"))
    wanted = factories.judge(chain)
    assert (wanted.intents, wanted.chains) == ((), ())
    assert factories.reasons(wanted.decisions[0]) == ["Changeover"]


def test_chains_with_same_chain_id_get_different_namespaces_keys_and_ports() -> None:
    facts = factories.snapshot(factories.consumer(), factories.consumer(consumer_id="1"))
    first, second = factories.judge(facts, definitions=factories.named("0", "1")).chains
    assert first.namespace != second.namespace
    assert first.key.key != second.key.key
    assert second.ports.offset == (first.ports.offset + 1) % 1000


def test_port_order_follows_launch_order_and_skips_deleted_chains() -> None:
    later = factories.consumer(P.LAUNCHED, consumer_id="0", client="07-tendermint-9")
    earlier = factories.consumer(P.LAUNCHED, consumer_id="5", client="07-tendermint-2")
    waiting = factories.consumer(consumer_id="1")
    gone = factories.consumer(P.DELETED, consumer_id="2")
    order = [consumer_id for consumer_id, _ in desired.port_order([later, earlier, waiting, gone])]
    assert order == ["5", "0", "1"]


def test_port_order_survives_a_client_id_that_no_chain_gives() -> None:
    odd = [f"07-tendermint-{'9' * 5000}", "07-tendermint-٣", "-"]
    chains = [factories.consumer(P.LAUNCHED, consumer_id=str(n), client=id_) for n, id_ in enumerate(odd)]
    assert [consumer_id for consumer_id, _ in desired.port_order(chains)] == ["0", "1", "2"]


@pytest.mark.parametrize("phase", [P.REGISTERED, P.INITIALIZED])
def test_chains_of_strangers_take_no_port_and_stop_no_opt_in(phase: P) -> None:
    """Anybody can create a thousand chains, also of an id that a definition matches."""
    found = factories.detail(owner=addresses.encode("cosmos", b"s" * 20))
    strangers = [
        factories.consumer(phase, found, consumer_id=str(number), chain_id=f"consumer{number}-1")
        for number in range(1, ports.CAPACITY + 1)
    ]
    ours = factories.consumer(consumer_id="5000", chain_id="consumer5000-1")

    wanted = factories.judge(factories.snapshot(*strangers, ours), memory=factories.staged("alice", "5000"))

    assert wanted.ports == {"5000": ports.ports_at(ports.home_offset("consumer5000-1"))}
    assert [intent.consumer_id for intent in wanted.intents if isinstance(intent, model.OptIn)] == ["5000"]


def test_chain_without_a_free_port_is_joined_with_the_ports_of_another() -> None:
    launched = [
        factories.consumer(P.LAUNCHED, consumer_id=str(number), chain_id=f"other{number}-1")
        for number in range(1, ports.CAPACITY + 1)
    ]
    ours = factories.consumer(consumer_id="5000", chain_id="consumer5000-1")

    wanted = factories.judge(factories.snapshot(*launched, ours), memory=factories.staged("alice", "5000"))

    [decision] = [one for one in wanted.decisions if one.summary.consumer_id == "5000"]
    assert [intent.consumer_id for intent in wanted.intents if isinstance(intent, model.OptIn)] == ["5000"]
    assert "NoPort" in factories.reasons(decision)
    assert (decision.is_paused, decision.chain is None) == (False, False)


def test_peers_are_other_members_at_the_port_of_the_chain() -> None:
    chain = factories.consumer(found=factories.joined("alice", "bob"))
    found = factories.judge(chain, memory=factories.staged()).decisions[0].chain
    assert found is not None
    node_id = derivation.derive_node_key(factories.seed("bob")).node_id
    assert found.peering.persistent_peers == f"{node_id}@10.231.0.112:{found.ports.p2p}"
    assert found.peering.external_address == f"10.231.0.111:{found.ports.p2p}"


def two_chains(details: str) -> tuple[desired.Desired, list[int]]:
    """Alice on two chains with this description, and the computed ports of them."""
    chains = (
        factories.consumer(found=factories.joined("alice")),
        factories.consumer(
            found=factories.joined("alice", consumer_id="1"), consumer_id="1", chain_id="consumer2-1"
        ),
    )
    alice = factories.validator("alice", details=details)
    wanted = factories.judge(
        factories.snapshot(*chains, validators=(alice, factories.validator("bob"))),
        memory=factories.staged("alice", "0", "1"),
    )
    return wanted, [wanted.ports[one].p2p for one in ("0", "1")]


def on_gateway(desired: desired.Desired) -> tuple[dict[str, int], list[str], list[int | None]]:
    endpoints = [chain.peering.endpoint for chain in desired.chains]
    troubled = [i for i, found in enumerate(desired.decisions) if "PortTaken" in factories.reasons(found)]
    return dict(desired.gateway_ports), endpoints, list(troubled)


def test_published_port_collision_leaves_port_to_one_chain() -> None:
    _, (first, second) = two_chains("p2p=10.0.0.1")
    same, _ = two_chains("p2p=10.0.0.1 p2p.0=10.0.0.2:26656 p2p.1=10.0.0.3:26656")
    assert on_gateway(same) == ({"0": 26656, "1": second}, ["10.0.0.2:26656", f"10.0.0.3:{second}"], [1])
    on_other, _ = two_chains(f"p2p=10.0.0.1 p2p.0=10.0.0.2:{second}")
    assert on_gateway(on_other) == ({"0": second}, [f"10.0.0.2:{second}", ""], [1])
    on_earlier, _ = two_chains(f"p2p=10.0.0.1 p2p.1=10.0.0.3:{first}")
    assert on_gateway(on_earlier) == (
        {"0": first, "1": second},
        [f"10.0.0.1:{first}", f"10.0.0.3:{second}"],
        [1],
    )
    apart, _ = two_chains("p2p=10.0.0.1 p2p.0=10.0.0.2:1 p2p.1=10.0.0.3:2")
    assert on_gateway(apart) == ({"0": 1, "1": 2}, ["10.0.0.2:1", "10.0.0.3:2"], [])
    for wanted in (same, on_other, on_earlier):
        [service] = [
            m
            for m in manifests.render(wanted, "set")
            if m["metadata"]["name"] == names.GATEWAY_SERVICE and m["kind"] == "Service"
        ]
        numbers = [port["port"] for port in service["spec"]["ports"]]
        assert len(numbers) == len(set(numbers))


@pytest.mark.parametrize(
    ("host", "is_told"), [("10.0.0.1", True), ("[2001:db8::1]", True), ("p2p.example.org", False)]
)
def test_external_address_is_set_for_ip_but_not_for_host_name(host: str, is_told: bool) -> None:
    wanted, (port, _) = two_chains(f"p2p={host}")
    found = wanted.chains[0].peering
    assert found.endpoint == f"{host}:{port}"
    assert found.external_address == (found.endpoint if is_told else "")
    assert "EndpointUnpublished" not in factories.reasons(wanted.decisions[0])


def test_peer_without_endpoint_is_left_out_with_condition() -> None:
    chain = factories.consumer(found=factories.joined("alice", "bob"))
    silent = factories.validator("bob", details="hello")
    facts = factories.snapshot(
        chain, validators=(factories.validator("alice"), silent, factories.validator("charlie"))
    )
    decision = factories.judge(facts, memory=factories.staged()).decisions[0]
    assert decision.chain is not None
    assert decision.chain.peering.persistent_peers == ""
    assert factories.reasons(decision) == ["PeerLeftOut"]
