"""What a validator should do about each chain, judged from frozen facts."""

import dataclasses
import datetime
from typing import Any

import pytest

from ics import errors, manifests, model, names
from ics.conditions import Severity
from ics.consumer import desired, observed, participation, signing
from ics.consumer.peers import ports
from ics.keys import derivation
from ics.reconciler import reconcile
from ics.relayer import accounts as relayer_accounts
from tests.unit import scenes

P = model.Phase


def judge(
    snapshot: model.Snapshot, name: str = "alice", memory: model.Memory | None = None, **settings: object
) -> desired.Desired:
    return desired.desired(
        observed.Seen(snapshot, memory or model.Memory()),
        scenes.settings(name, **settings),
        scenes.seed(name),
        [scenes.example()],
    )


def verdict(*args: object, **kwargs: object) -> desired.Verdict:
    found = judge(*args, **kwargs)  # type: ignore[arg-type]
    return found.verdicts[0]


def reasons(found: desired.Verdict) -> list[str]:
    return [condition.reason for condition in found.conditions]


@pytest.mark.parametrize(("name", "joins"), [("alice", True), ("bob", True), ("charlie", False)])
def test_the_top_two_thirds_opt_in_with_their_derived_key(name: str, joins: bool) -> None:
    found = verdict(scenes.snapshot(scenes.consumer()), name)
    key = scenes.consumer_key(name).public_key
    expected = (model.OptIn("0", "consumer1-1", key),) if joins else ()
    assert found.intents == expected
    assert (found.chain is not None) is joins
    assert found.participation is (
        participation.Participation.SELECTED if joins else participation.Participation.DECLINED
    )


def test_a_key_that_is_assigned_already_is_not_sent_again() -> None:
    own = scenes.consumer_key("alice").address
    found = verdict(scenes.snapshot(scenes.consumer(found=scenes.detail(own_consumer_address=own))))
    assert found.intents == (model.OptIn("0", "consumer1-1", None),)


def test_who_opted_in_stays_in_when_out_of_the_top() -> None:
    chain = scenes.consumer(found=scenes.joined("charlie", own="charlie"))
    found = verdict(scenes.snapshot(chain), "charlie")
    assert found.intents == ()
    assert found.participation is participation.Participation.VALIDATING
    assert found.chain is not None


def jailed(snapshot: model.Snapshot) -> model.Snapshot:
    """Alice in jail: not bonded any more, and so in no set."""
    alice = scenes.validator("alice", is_jailed=True, is_bonded=False)
    others = tuple(scenes.validator(name) for name in ("bob", "charlie"))
    return dataclasses.replace(snapshot, validators=(alice, *others))


@pytest.mark.parametrize("policy", ["top66", "all"])
def test_a_jailed_validator_joins_nothing(policy: str) -> None:
    found = judge(jailed(scenes.snapshot(scenes.consumer())), participation={"policy": policy})

    assert [condition.reason for condition in found.conditions] == ["Jailed"]
    assert (found.intents, found.chains, reasons(found.verdicts[0])) == ((), (), ["NotJoined"])


def test_a_validator_that_is_free_has_no_such_condition() -> None:
    assert judge(scenes.snapshot(scenes.consumer())).conditions == ()


@pytest.mark.parametrize("phase", [P.INITIALIZED, P.LAUNCHED])
def test_jail_removes_no_node(phase: model.Phase) -> None:
    own = scenes.consumer_key("alice").address
    left_out = scenes.detail(opted_in=frozenset({scenes.valcons("alice")}), own_consumer_address=own)
    at = scenes.snapshot(scenes.consumer(phase, left_out), launches={"0": scenes.launch("bob")})

    free, held = judge(at, memory=scenes.memory()), judge(jailed(at), memory=scenes.memory())

    assert held.verdicts[0].chain == free.verdicts[0].chain is not None
    assert (held.held, held.ended, held.gateway_ports) == (free.held, free.ended, free.gateway_ports)
    assert held.verdicts[0].participation is participation.Participation.OPTED_IN
    assert "NotInSet" in reasons(held.verdicts[0])


def test_a_member_without_a_key_of_its_own_assigns_the_derived_one() -> None:
    in_set = (model.ConsumerValidator(scenes.valcons("alice"), scenes.consensus_key("alice"), 300),)
    staged = verdict(scenes.snapshot(scenes.consumer(found=scenes.detail(validators=in_set))))
    launched = scenes.snapshot(scenes.consumer(P.LAUNCHED, scenes.detail(validators=in_set)))
    late, laid = verdict(launched), verdict(launched, memory=scenes.memory())
    due = (model.AssignKey("0", "consumer1-1", scenes.consumer_key("alice").public_key),)
    # On a chain that runs, the memory of the key is laid before the key can be in its set.
    assert (staged.intents, late.intents, laid.intents) == (due, (), due)
    assert "ProviderKeyInSet" not in reasons(staged)
    assert "ProviderKeyInSet" in reasons(late)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"match": {"chain_id": "other-*"}}, "NoDefinition"),
        ({"match": {"owner": scenes.relayer("bob")}}, "NoDefinition"),
        ({"match": {"consumer_id": "7"}}, "NoDefinition"),
    ],
)
def test_no_chain_is_joined_without_a_definition_that_matches(
    changes: dict[str, object], reason: str
) -> None:
    wanted = desired.desired(
        observed.Seen(scenes.snapshot(scenes.consumer())),
        scenes.settings(),
        scenes.seed("alice"),
        [scenes.example(**changes)],
    )
    assert wanted.intents == ()
    assert wanted.chains == ()
    assert reasons(wanted.verdicts[0]) == [reason]


def test_two_definitions_for_one_chain_are_no_definition() -> None:
    both = [scenes.example(), scenes.example(name="other")]
    wanted = desired.desired(
        observed.Seen(scenes.snapshot(scenes.consumer())), scenes.settings(), scenes.seed("alice"), both
    )
    assert wanted.intents == ()
    assert reasons(wanted.verdicts[0]) == ["DefinitionAmbiguous"]


def test_a_base_genesis_with_another_hash_is_not_joined() -> None:
    found = verdict(scenes.snapshot(scenes.consumer(found=scenes.detail(genesis_hash=b"\1" * 32))))
    assert found.intents == ()
    assert found.chain is None
    assert reasons(found) == ["GenesisHashMismatch"]


def test_a_member_assigns_its_key_before_the_launch_whatever_becomes_of_the_genesis() -> None:
    in_set = (model.ConsumerValidator(scenes.valcons("alice"), scenes.consensus_key("alice"), 300),)
    wrong = scenes.detail(validators=in_set, genesis_hash=b"\1" * 32)
    due = (model.AssignKey("0", "consumer1-1", scenes.consumer_key("alice").public_key),)
    staged = verdict(scenes.snapshot(scenes.consumer(found=wrong)))
    launched = verdict(
        scenes.snapshot(scenes.consumer(P.LAUNCHED, wrong), launches={"0": scenes.launch("alice")}),
        memory=scenes.memory(),
    )
    assert (staged.intents, staged.chain is not None, reasons(staged)) == (due, True, ["GenesisHashMismatch"])
    # No node starts from it.
    assert (launched.chain, launched.is_held, reasons(launched)) == (None, True, ["GenesisHashMismatch"])


def test_an_owner_who_states_no_hash_is_reported_and_joined() -> None:
    found = verdict(scenes.snapshot(scenes.consumer(found=scenes.detail(genesis_hash=b"not_used"))))
    assert len(found.intents) == 1
    assert "HashNotStated" in reasons(found)


def with_details(details: str) -> model.Snapshot:
    alice = scenes.validator("alice", details=details)
    others = (scenes.validator("bob"), scenes.validator("charlie"))
    return scenes.snapshot(scenes.consumer(), validators=(alice, *others))


def test_the_relayer_is_published_before_the_opt_in() -> None:
    text = "p2p=" + "a" * 40 + "@10.0.0.1"
    found = verdict(with_details(text))
    assert found.intents == (model.PublishDetails(f"{text} relayer={scenes.relayer('alice')}"),)
    assert found.participation is participation.Participation.SELECTED


def test_a_description_without_room_for_the_relayer_keeps_from_joining() -> None:
    found = verdict(with_details("x" * 270))
    assert found.intents == ()
    assert reasons(found) == ["RelayerUnpublished"]


def test_without_an_account_nothing_is_sent() -> None:
    found = verdict(scenes.snapshot(scenes.consumer()), account=None)
    assert found.intents == ()
    assert reasons(found) == ["NoAccount"]


def test_another_key_on_the_provider_stops_the_chain() -> None:
    detail = scenes.joined("alice", "bob")
    wrong = dataclasses.replace(detail, own_consumer_address=b"\2" * 20)
    wanted = judge(scenes.snapshot(scenes.consumer(P.LAUNCHED, wrong)), memory=scenes.memory())
    assert reasons(wanted.verdicts[0]) == ["KeyMismatch"]
    assert wanted.chains == ()
    assert wanted.held == {"0"}
    assert set(wanted.gateway_ports) == {"0"}


def test_a_later_key_generation_on_the_provider_is_found() -> None:
    later = scenes.consumer_key("alice", generation=3)
    detail = dataclasses.replace(scenes.joined("alice"), own_consumer_address=later.address)
    found = verdict(scenes.snapshot(scenes.consumer(found=detail)))
    assert found.chain is not None
    assert (found.chain.key.generation, found.chain.key.key) == (3, later)


def test_the_genesis_of_a_launch_is_the_same_for_every_validator() -> None:
    chain = scenes.consumer(P.LAUNCHED, scenes.joined("alice", "bob"))
    facts = scenes.snapshot(chain, launches={"0": scenes.launch("alice", "bob")})
    bob = dataclasses.replace(chain, detail=dataclasses.replace(scenes.joined("alice", "bob", own="bob")))
    alices = verdict(facts).chain
    bobs = verdict(dataclasses.replace(facts, consumers=(bob,)), "bob").chain
    assert alices is not None
    assert bobs is not None
    assert alices.genesis is not None
    assert alices.genesis == bobs.genesis
    document = scenes.genesis_document(alices.genesis)
    assert document["chain_id"] == "consumer1-1"
    assert document["genesis_time"] == "2026-01-01T00:00:01.123456789Z"
    funded = [balance["address"] for balance in document["app_state"]["bank"]["balances"]]
    assert sorted(funded) == sorted(scenes.funded(name) for name in scenes.NAMES)


def test_a_genesis_in_the_cluster_is_never_made_anew() -> None:
    chain = scenes.consumer(P.LAUNCHED, scenes.joined("alice", "bob"))
    wanted = judge(scenes.snapshot(chain), memory=scenes.memory(genesis=scenes.GENESIS))
    assert wanted.chains[0].genesis == scenes.GENESIS
    assert desired.lacks_genesis(wanted) == {}


def test_a_launched_chain_without_genesis_asks_for_it() -> None:
    chain = scenes.consumer(P.LAUNCHED, scenes.joined("alice", "bob"))
    assert desired.lacks_genesis(judge(scenes.snapshot(chain))) == {"0": True}


def test_nobody_is_asked_for_pruned_state_that_no_relayer_is_funded_from() -> None:
    chain = scenes.consumer(P.LAUNCHED, scenes.joined("alice", "bob"))
    wanted = desired.desired(
        observed.Seen(scenes.snapshot(chain)),
        scenes.settings(),
        scenes.seed("alice"),
        [scenes.example(genesis={"base": {"file": "base.json"}})],
    )
    assert desired.lacks_genesis(wanted) == {"0": False}


def test_a_genesis_is_looked_for_only_where_one_may_be_lacking() -> None:
    launched = scenes.consumer(P.LAUNCHED, scenes.joined("alice", "bob"))
    waiting = scenes.consumer(P.INITIALIZED, scenes.detail())
    others = dataclasses.replace(launched, detail=None)
    here = scenes.memory(genesis=scenes.GENESIS)
    staged = scenes.memory()

    def lacks(chain: model.Consumer, memory: model.Memory) -> bool:
        return desired.may_lack_genesis(observed.Seen(scenes.snapshot(chain), memory))

    assert [lacks(launched, here), lacks(waiting, staged), lacks(others, model.Memory())] == [False] * 3
    assert [lacks(launched, staged), lacks(launched, model.Memory())] == [True] * 2


def test_a_pruned_launch_height_says_so_and_starts_nothing() -> None:
    chain = scenes.consumer(P.LAUNCHED, scenes.joined("alice", "bob"))
    facts = scenes.snapshot(chain, launches={"0": scenes.launch("alice", "bob", details=None)})
    found = verdict(facts)
    assert found.chain is not None
    assert found.chain.genesis is None
    assert "GenesisInvalid" in reasons(found)


def test_a_running_chain_that_cannot_be_read_is_held() -> None:
    chain = scenes.consumer(P.LAUNCHED, scenes.joined("alice", "bob"))
    other = scenes.consumer(consumer_id="1", chain_id="consumer2-1")
    facts = scenes.snapshot(chain, other, problems={"0": "the provider gave nonsense"})
    wanted = judge(facts, memory=scenes.memory(has_workload=True))
    assert wanted.held == {"0"}
    assert [found.consumer_id for found in wanted.chains] == ["1"]
    assert set(wanted.gateway_ports) == {"0", "1"}


def test_the_node_of_a_chain_that_is_held_is_reached_at_its_new_address() -> None:
    pod = model.PodStatus("node-0", "10.0.0.9", "n1", True, 0, "")
    chain = scenes.consumer(P.LAUNCHED, scenes.joined("alice", "bob"))
    facts = scenes.snapshot(chain, problems={"0": "the provider gave nonsense"})
    wanted = judge(facts, memory=scenes.memory(has_workload=True))
    seen_pods = {"0": model.Observation(pod), "7": model.Observation(pod)}
    assert reconcile._routed(wanted, seen_pods) == {"0": pod}


def test_a_chain_whose_record_was_changed_is_held() -> None:
    chain = scenes.consumer(P.LAUNCHED, scenes.joined("alice", "bob"))
    wanted = judge(scenes.snapshot(chain), memory=scenes.memory(problem="Secret ns/x: mend it"))
    assert (wanted.chains, set(wanted.held)) == ((), {"0"})
    assert reasons(wanted.verdicts[0]) == ["RecordBroken"]


def test_a_provider_that_forgot_a_chain_is_not_believed() -> None:
    with pytest.raises(errors.Transient, match="does not list consumer ids 0"):
        judge(scenes.snapshot(), memory=scenes.memory())


def test_a_deleted_chain_leaves_nothing_to_run() -> None:
    wanted = judge(scenes.snapshot(scenes.consumer(P.DELETED)), memory=scenes.memory(has_workload=True))
    assert (wanted.chains, wanted.held, dict(wanted.gateway_ports)) == ((), frozenset(), {})
    assert wanted.ended == {"0"}


def test_a_chain_that_runs_or_whose_definition_is_gone_has_not_ended() -> None:
    running = scenes.snapshot(scenes.consumer(P.LAUNCHED, scenes.joined("alice")))
    memory = scenes.memory(has_workload=True, genesis=scenes.GENESIS)
    undefined = desired.desired(observed.Seen(running, memory), scenes.settings(), scenes.seed("alice"), [])
    assert (set(undefined.ended), set(undefined.held)) == (set(), {"0"})
    assert judge(running, memory=memory).ended == frozenset()


JUST_NOW = datetime.datetime.fromisoformat("2026-01-01T00:00:25Z")
LONG_AGO = datetime.datetime.fromisoformat("2025-12-31T00:00:00Z")


def left(*still_in: str, **node: object) -> desired.Desired:
    """Alice opted out; the consumer's own node has these validators."""
    detail = dataclasses.replace(
        scenes.joined("bob"), own_consumer_address=scenes.consumer_key("alice").address
    )
    facts = observed.Seen(
        scenes.snapshot(scenes.consumer(P.LAUNCHED, detail)),
        scenes.memory(has_workload=True, genesis=scenes.GENESIS),
        {"0": model.Observation(node=scenes.node(*still_in, **node))},
    )
    return desired.desired(facts, scenes.settings(), scenes.seed("alice"), [scenes.example()])


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
def test_a_node_runs_on_while_nothing_confirms_the_way_out(
    still_in: tuple[str, ...], node: dict[str, object]
) -> None:
    wanted = left(*still_in, **node)
    assert [found.consumer_id for found in wanted.chains] == ["0"]
    assert "Leaving" in reasons(wanted.verdicts[0])


def test_who_is_out_everywhere_goes_and_the_key_is_retired() -> None:
    wanted = left("bob", block_time=JUST_NOW)
    assert wanted.chains == ()
    assert (wanted.verdicts[0].retires, wanted.verdicts[0].namespace) == (0, "ns")
    assert wanted.ended == {"0"}


def rejoin(**record: Any) -> desired.Desired:
    """Alice left with her first key, and asks by hand to join again."""
    detail = dataclasses.replace(
        scenes.joined("bob"), own_consumer_address=scenes.consumer_key("alice").address
    )
    old = model.SigningRecord(0, scenes.consumer_key("alice").address.hex().upper(), "volume-1", True, True)
    later = scenes.consumer_key("alice", generation=1)
    new = model.SigningRecord(1, later.address.hex().upper(), None, False)
    records = (old, dataclasses.replace(new, **record)) if record else (old,)
    facts = observed.Seen(
        scenes.snapshot(scenes.consumer(P.LAUNCHED, detail), launches={"0": scenes.launch("alice", "bob")}),
        scenes.memory(records=records),
        wishes=frozenset({"0"}),
    )
    return desired.desired(facts, scenes.settings(), scenes.seed("alice"), [scenes.example()])


def test_a_rejoin_first_lays_the_memory_of_the_next_key() -> None:
    wanted = rejoin()
    assert wanted.intents == ()
    assert wanted.chains[0].key.generation == 1
    assert wanted.chains[0].arming is signing.Arming.DUE


def test_a_rejoin_is_sent_once_the_memory_of_the_next_key_is_laid() -> None:
    ordered, laid = rejoin(volume_uid="volume-1"), rejoin(volume_uid="volume-1", is_armed=True)
    key = scenes.consumer_key("alice", generation=1).public_key
    assert (ordered.intents, laid.intents) == ((), (model.OptIn("0", "consumer1-1", key),))


def test_a_policy_never_rejoins_what_was_left() -> None:
    detail = dataclasses.replace(
        scenes.joined("bob"), own_consumer_address=scenes.consumer_key("alice").address
    )
    found = verdict(scenes.snapshot(scenes.consumer(P.LAUNCHED, detail)), participation={"policy": "all"})
    assert (found.intents, found.chain) == ((), None)
    assert reasons(found) == ["NotJoined"]


def test_low_accounts_are_filled_up() -> None:
    facts = scenes.snapshot(scenes.consumer(found=scenes.joined("alice", "bob")))
    accounts = dict(
        relayer_accounts.provider_addresses(scenes.settings(), scenes.seed("alice"), scenes.PROVIDER, "0")
    )
    balances = {accounts["relayer"]: 499_999, accounts["evidence"]: 500_000}
    wanted = desired.desired(
        observed.Seen(facts, balances=balances), scenes.settings(), scenes.seed("alice"), [scenes.example()]
    )
    assert wanted.intents == (
        model.TopUp("0", "consumer1-1", "relayer", accounts["relayer"], 500_001, "stake"),
    )


@pytest.mark.parametrize(
    ("changes", "severity", "mend"),
    [
        ({}, Severity.WARNING, "the next pass fills it up"),
        ({"account": None}, Severity.CRITICAL, "send it stake, or set ics:account"),
        ({"relayer": {"fund": 0}}, Severity.CRITICAL, "send it stake, or set ics:account"),
    ],
)
def test_an_empty_account_on_the_provider_is_named(
    changes: dict[str, Any], severity: Severity, mend: str
) -> None:
    settings = scenes.settings(**changes)
    accounts = dict(relayer_accounts.provider_addresses(settings, scenes.seed("alice"), scenes.PROVIDER, "0"))
    balances = {accounts["relayer"]: 0, accounts["evidence"]: 1}
    chain = scenes.consumer(P.LAUNCHED, scenes.joined("alice", "bob"))
    facts = observed.Seen(
        scenes.snapshot(chain, time="2026-01-01T00:01:00Z"),
        scenes.memory(has_workload=True, genesis=scenes.GENESIS),
        balances=balances,
    )
    wanted = desired.desired(facts, settings, scenes.seed("alice"), [scenes.example()])
    (found,) = [c for c in wanted.verdicts[0].conditions if c.reason == "WalletEmpty"]
    assert found.severity is severity
    assert accounts["relayer"] in found.message
    assert mend in found.message


def test_a_changeover_is_left_alone() -> None:
    chain = scenes.consumer(found=scenes.detail(connection_id="connection-0"))
    wanted = judge(scenes.snapshot(chain))
    assert (wanted.intents, wanted.chains) == ((), ())
    assert reasons(wanted.verdicts[0]) == ["Changeover"]


def test_two_chains_with_one_chain_id_have_places_and_keys_of_their_own() -> None:
    facts = scenes.snapshot(scenes.consumer(), scenes.consumer(consumer_id="1"))
    first, second = judge(facts).chains
    assert first.namespace != second.namespace
    assert first.key.key != second.key.key
    assert second.ports.offset == (first.ports.offset + 1) % 1000


def test_ports_go_first_to_who_launched_first() -> None:
    later = scenes.consumer(P.LAUNCHED, consumer_id="0", client="07-tendermint-9")
    earlier = scenes.consumer(P.LAUNCHED, consumer_id="5", client="07-tendermint-2")
    waiting = scenes.consumer(consumer_id="1")
    gone = scenes.consumer(P.DELETED, consumer_id="2")
    order = [consumer_id for consumer_id, _ in desired.port_order([later, earlier, waiting, gone])]
    assert order == ["5", "0", "1"]


def test_a_chain_too_many_has_no_port_and_takes_none_from_the_others() -> None:
    chains = [scenes.consumer(consumer_id=str(number)) for number in range(ports.CAPACITY + 1)]
    wanted = judge(scenes.snapshot(*chains), participation={"policy": "none"})
    assert len(wanted.ports) == ports.CAPACITY
    assert reasons(wanted.verdicts[-1]) == ["NoPort"]
    assert reasons(wanted.verdicts[-2]) == ["NotJoined"]


def test_peers_are_the_other_members_at_the_chains_port() -> None:
    chain = scenes.consumer(found=scenes.joined("alice", "bob"))
    found = verdict(scenes.snapshot(chain)).chain
    assert found is not None
    node_id = derivation.derive_node_key(scenes.seed("bob")).node_id
    assert found.peering.persistent_peers == f"{node_id}@10.231.0.112:{found.ports.p2p}"
    assert found.peering.external_address == f"10.231.0.111:{found.ports.p2p}"


def two_chains(details: str) -> tuple[desired.Desired, list[int]]:
    """Alice on two chains with this description, and the computed ports of them."""
    chains = (
        scenes.consumer(found=scenes.joined("alice")),
        scenes.consumer(
            found=scenes.joined("alice", consumer_id="1"), consumer_id="1", chain_id="consumer2-1"
        ),
    )
    alice = scenes.validator("alice", details=details)
    wanted = judge(scenes.snapshot(*chains, validators=(alice, scenes.validator("bob"))))
    return wanted, [wanted.ports[one].p2p for one in ("0", "1")]


def on_gateway(wanted: desired.Desired) -> tuple[dict[str, int], list[str], list[int | None]]:
    endpoints = [chain.peering.endpoint for chain in wanted.chains]
    troubled = [i for i, found in enumerate(wanted.verdicts) if "PortTaken" in reasons(found)]
    return dict(wanted.gateway_ports), endpoints, list(troubled)


def test_two_chains_never_share_a_port_of_the_load_balancer() -> None:
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
def test_a_node_tells_its_peers_an_address_and_never_a_name(host: str, is_told: bool) -> None:
    wanted, (port, _) = two_chains(f"p2p={host}")
    found = wanted.chains[0].peering
    assert found.endpoint == f"{host}:{port}"
    assert found.external_address == (found.endpoint if is_told else "")
    assert "EndpointUnpublished" not in reasons(wanted.verdicts[0])


def test_a_peer_without_endpoint_is_left_out_and_named() -> None:
    chain = scenes.consumer(found=scenes.joined("alice", "bob"))
    silent = scenes.validator("bob", details="hello")
    facts = scenes.snapshot(
        chain, validators=(scenes.validator("alice"), silent, scenes.validator("charlie"))
    )
    found = verdict(facts)
    assert found.chain is not None
    assert found.chain.peering.persistent_peers == ""
    assert reasons(found) == ["PeerLeftOut"]


U, V = "volume-1", "volume-2"
RECORD = model.SigningRecord(0, "AA", U, True)
ORDERED = model.SigningRecord(0, "AA", U, False)
BLANK = model.SigningRecord(0, "AA", None, False)


@pytest.mark.parametrize(
    ("record", "volume", "risky", "given", "expected"),
    [
        (None, None, False, False, signing.Arming.NO_VOLUME),
        (RECORD, None, True, True, signing.Arming.NO_VOLUME),
        (RECORD, None, True, False, signing.Arming.REFUSED),
        (None, U, False, False, signing.Arming.DUE),
        (None, U, True, False, signing.Arming.REFUSED),
        (None, U, True, True, signing.Arming.UNRECORDED),
        (BLANK, U, False, True, signing.Arming.DUE),
        (BLANK, U, True, False, signing.Arming.REFUSED),
        (BLANK, U, True, True, signing.Arming.UNRECORDED),
        (ORDERED, U, True, True, signing.Arming.ORDERED),
        (RECORD, U, True, True, signing.Arming.ARMED),
        (RECORD, V, True, True, signing.Arming.REFUSED),
        (ORDERED, V, True, True, signing.Arming.REFUSED),
        (RECORD, V, False, True, signing.Arming.DUE),
    ],
)
def test_a_volume_is_armed_once_and_only_for_a_key_that_signed_nowhere(
    record: model.SigningRecord | None,
    volume: str | None,
    risky: bool,
    given: bool,
    expected: signing.Arming,
) -> None:
    assert signing.arming(record, volume, risky, given) is expected


def test_a_key_that_is_withheld_is_given_again_only_once_its_memory_is_on_record() -> None:
    every = list(signing.Arming)
    given = {signing.Arming.ARMED, signing.Arming.REMOTE}
    assert [one for one in every if signing.withholds(one, False)] == [signing.Arming.REFUSED]
    assert {one for one in every if not signing.withholds(one, True)} == given


@pytest.mark.parametrize(
    ("launched", "assigned", "in_set", "record", "expected"),
    [
        (False, True, True, RECORD, False),
        (True, False, False, None, False),
        (True, False, False, BLANK, False),
        (True, True, False, None, True),
        (True, False, True, None, True),
        (True, False, False, RECORD, True),
    ],
)
def test_a_key_is_clean_only_if_it_was_never_anywhere(
    launched: bool, assigned: bool, in_set: bool, record: model.SigningRecord | None, expected: bool
) -> None:
    found = signing.may_have_signed(
        is_launched=launched, is_assigned=assigned, is_in_set=in_set, record=record
    )
    assert found is expected
