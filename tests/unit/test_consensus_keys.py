"""Keys that the settings name for one chain, instead of those from the seed."""

import base64
import dataclasses
import json
from typing import Any

import pytest

from ics import errors, manifests, model
from ics.config import settings
from ics.consumer import desired, observed, signing, status
from ics.consumer import participation as consumer_participation
from ics.keys import derivation
from ics.manifests import node_files
from tests.unit import scenes

P = model.Phase
OTHER = derivation.consensus_key(model.Secret(b"elsewhere".ljust(32)))
OTHER_ADDRESS = OTHER.address.hex().upper()
REMOTE = {
    "remote": {"public_key": base64.b64encode(OTHER.public_key).decode(), "allow_from": ["192.0.2.10/32"]}
}
IMPORTED = {"imported": {"file": "key.json"}}
PROVIDERS = {
    "remote": {
        "public_key": base64.b64encode(scenes.consensus_key("alice")).decode(),
        "allow_from": ["192.0.2.10/32"],
    }
}


def judge(
    named: dict[str, Any],
    consumer: model.Consumer | None = None,
    memory: model.Memory | None = None,
    **changes: Any,
) -> desired.Desired:
    settings = scenes.settings(consensus_keys={"0": named}) if named else scenes.settings()
    facts = observed.Seen(
        scenes.snapshot(consumer or scenes.consumer(), **changes), memory or model.Memory({})
    )
    imported = {"0": OTHER} if "imported" in named else {}
    return desired.desired(facts, settings, scenes.seed("alice"), [scenes.example()], imported)


def assigned(key: bytes | None, **changes: Any) -> model.ConsumerDetail:
    """A chain that alice has joined with this key address assigned."""
    return dataclasses.replace(scenes.joined("alice", "bob"), own_consumer_address=key, **changes)


def objects(wanted: desired.Desired) -> dict[tuple[str, str], model.Manifest]:
    return {(one["kind"], one["metadata"]["name"]): one for one in manifests.render(wanted, "set")}


@pytest.mark.parametrize("named", [REMOTE, IMPORTED], ids=["remote", "imported"])
def test_it_is_assigned_with_the_opt_in(named: dict[str, Any]) -> None:
    assert judge(named).intents == (model.OptIn("0", "consumer1-1", OTHER.public_key),)


@pytest.mark.parametrize("named", [REMOTE, IMPORTED], ids=["remote", "imported"])
@pytest.mark.parametrize(
    ("records", "address"),
    [
        ((), scenes.consumer_key("alice").address),
        ((model.SigningRecord(0, OTHER_ADDRESS, "volume-1", True, True),), OTHER.address),
        ((model.SigningRecord(0, OTHER_ADDRESS, "volume-1", True, True),), None),
    ],
    ids=["another is assigned", "retired", "retired and no longer assigned"],
)
def test_nothing_is_started_or_sent_with_a_key_that_must_not_be_used(
    named: dict[str, Any], records: tuple[model.SigningRecord, ...], address: bytes | None
) -> None:
    wanted = judge(named, scenes.consumer(found=assigned(address)), scenes.memory(records=records))
    [verdict] = wanted.verdicts
    assert [condition.reason for condition in verdict.conditions] == ["KeyMismatch"]
    assert (verdict.is_held, verdict.intents, wanted.chains) == (True, (), ())


def test_a_rejoin_with_the_key_that_was_left_with_is_refused() -> None:
    detail = dataclasses.replace(scenes.joined("bob"), own_consumer_address=OTHER.address)
    settings = scenes.settings(consensus_keys={"0": REMOTE})
    facts = observed.Seen(scenes.snapshot(scenes.consumer(P.LAUNCHED, detail)), wishes=frozenset({"0"}))
    wanted = desired.desired(facts, settings, scenes.seed("alice"), [scenes.example()])
    assert [condition.reason for condition in wanted.verdicts[0].conditions] == ["KeyMismatch"]


LEFT_WITH = model.SigningRecord(0, OTHER_ADDRESS, "volume-1", True, True)
FIRST = model.SigningRecord(0, scenes.consumer_key("alice").address.hex().upper(), "volume-1", True, True)


@pytest.mark.parametrize(
    ("records", "generation"),
    [((LEFT_WITH,), 1), ((FIRST, dataclasses.replace(LEFT_WITH, generation=1)), 2)],
)
def test_who_left_with_a_named_key_rejoins_with_the_next_of_the_seed(
    records: tuple[model.SigningRecord, ...], generation: int
) -> None:
    found = signing.choose_key(
        scenes.seed("alice"), scenes.PROVIDER, "0", records, OTHER.address, is_rejoin=True
    )
    key = scenes.consumer_key("alice", generation=generation)
    assert found == signing.Choice(key, generation, is_assigned=False)


def begun(generation: int) -> model.SigningRecord:
    """The key of a rejoin under way, whose memory is laid."""
    address = scenes.consumer_key("alice", generation=generation).address.hex().upper()
    return model.SigningRecord(generation, address, "volume-1", True)


@pytest.mark.parametrize(
    ("records", "left_with"),
    [
        # Its cluster is new, and knows nothing of the first key.
        ((begun(1),), scenes.consumer_key("alice").address),
        # The stack was destroyed before it left: nothing retired the first key.
        ((begun(0), begun(1)), scenes.consumer_key("alice").address),
        ((LEFT_WITH, begun(1)), OTHER.address),
    ],
    ids=["no record", "not retired", "a named key"],
)
def test_a_rejoin_goes_on_with_the_key_that_it_began_with(
    records: tuple[model.SigningRecord, ...], left_with: bytes
) -> None:
    found = signing.choose_key(
        scenes.seed("alice"), scenes.PROVIDER, "0", records, left_with, is_outside=True
    )
    assert found == signing.Choice(scenes.consumer_key("alice", generation=1), 1, is_assigned=False)


def test_a_rejoin_goes_on_with_the_named_key_that_it_began_with() -> None:
    given = signing.Given(OTHER, False, "ics:consensus_keys.0")
    records = (FIRST, model.SigningRecord(1, OTHER_ADDRESS, "volume-1", True))
    left_with = scenes.consumer_key("alice").address
    found = signing.choose_given(given, scenes.consensus_key("alice"), records, left_with, is_outside=True)
    assert found == signing.Choice(OTHER, 1, is_assigned=False)


@pytest.mark.parametrize(
    ("named", "wishes", "expected"),
    [
        # Nothing is on record any more: which of the seed's keys has signed is not known.
        ({}, {"0"}, ["CRITICAL KeyMismatch"]),
        ({}, set(), ["INFO NotJoined"]),
        (REMOTE, {"0"}, ["CRITICAL KeyMismatch"]),
        (REMOTE, set(), ["INFO NotJoined"]),
    ],
)
def test_a_chain_that_was_left_needs_a_mend_only_when_it_is_to_be_joined_again(
    named: dict[str, Any], wishes: set[str], expected: list[str]
) -> None:
    detail = dataclasses.replace(scenes.joined("bob"), own_consumer_address=OTHER.address)
    facts = observed.Seen(scenes.snapshot(scenes.consumer(P.LAUNCHED, detail)), wishes=frozenset(wishes))
    settings = scenes.settings(consensus_keys={"0": named} if named else {})
    [verdict] = desired.desired(facts, settings, scenes.seed("alice"), [scenes.example()]).verdicts
    assert [f"{one.severity.name} {one.reason}" for one in verdict.conditions] == expected
    assert (verdict.intents, verdict.chain) == ((), None)


def test_the_providers_own_key_is_refused_unless_it_is_meant() -> None:
    [refused] = judge(PROVIDERS).verdicts
    assert [condition.reason for condition in refused.conditions] == ["KeyMismatch"]
    assert judge(PROVIDERS | {"provider_key": True}).intents == (model.OptIn("0", "consumer1-1", None),)
    [other] = judge(REMOTE | {"provider_key": True}).verdicts
    assert [condition.reason for condition in other.conditions] == ["KeyMismatch"]


def test_a_member_with_the_providers_own_key_assigns_no_other() -> None:
    wanted = judge(PROVIDERS | {"provider_key": True}, scenes.consumer(P.LAUNCHED, assigned(None)))
    assert wanted.intents == ()
    assert "ProviderKeyInSet" not in {condition.reason for condition in wanted.verdicts[0].conditions}


TWICE = {"0": REMOTE, "1": REMOTE}
RUNS = model.ChainMemory("ns1", scenes.GENESIS, (), "volume", True)
RECORDED = model.ChainMemory("ns1", records=(model.SigningRecord(0, OTHER_ADDRESS, None, False),))


@pytest.mark.parametrize(
    ("chain_id", "phase", "chains", "expected"),
    [
        # The first keeps it.
        ("consumer1-1", P.INITIALIZED, {}, {"0": "WARNING", "1": "CRITICAL"}),
        # The one that runs keeps it, and so does one that is gone and may have signed.
        ("consumer1-1", P.LAUNCHED, {"1": RUNS}, {"0": "CRITICAL", "1": "WARNING"}),
        ("consumer1-1", P.DELETED, {"1": RECORDED}, {"0": "CRITICAL"}),
        ("consumer1-1", P.DELETED, {}, {}),
        ("consumer2-1", P.INITIALIZED, {}, {"0": "WARNING", "1": "WARNING"}),
    ],
)
def test_one_key_signs_for_one_chain_of_a_chain_id(
    chain_id: str, phase: model.Phase, chains: dict[str, model.ChainMemory], expected: dict[str, str]
) -> None:
    second = scenes.consumer(phase, consumer_id="1", chain_id=chain_id)
    facts = observed.Seen(scenes.snapshot(scenes.consumer(), second), model.Memory(chains))
    settings = scenes.settings(consensus_keys=TWICE)
    wanted = desired.desired(facts, settings, scenes.seed("alice"), [scenes.example()])
    told = {
        one.consumer_id: one.severity.name
        for verdict in wanted.verdicts
        for one in verdict.conditions
        if one.reason == "KeyShared"
    }
    refused = {consumer_id for consumer_id, severity in told.items() if severity == "CRITICAL"}
    assert (told, refused <= wanted.held) == (expected, True)
    assert not refused & {getattr(intent, "consumer_id", "") for intent in wanted.intents}
    assert not refused & {chain.consumer_id for chain in wanted.chains}


def test_the_providers_own_key_signs_for_no_chain_with_the_providers_chain_id() -> None:
    named = {"0": PROVIDERS | {"provider_key": True}}
    settings = scenes.settings(consensus_keys=named)
    facts = observed.Seen(scenes.snapshot(scenes.consumer(chain_id=scenes.PROVIDER)))
    loaded = [scenes.example(match={"chain_id": scenes.PROVIDER})]
    [verdict] = desired.desired(facts, settings, scenes.seed("alice"), loaded).verdicts
    assert [one.reason for one in verdict.conditions] == ["KeyShared"]
    assert (verdict.is_held, verdict.intents, verdict.chain) == (True, (), None)


def late(records: tuple[model.SigningRecord, ...], *, is_member: bool) -> desired.Desired:
    """Alice asks by hand to join a running chain with the provider's own key, whose file she imports."""
    own = derivation.consensus_key(model.Secret(b"provider".ljust(32)))
    alice = scenes.validator("alice", consensus_key=own.public_key)
    detail = scenes.joined("alice", "bob") if is_member else scenes.joined("bob")
    facts = observed.Seen(
        scenes.snapshot(
            scenes.consumer(P.LAUNCHED, dataclasses.replace(detail, own_consumer_address=None)),
            validators=(alice, scenes.validator("bob"), scenes.validator("charlie")),
            launches={"0": scenes.launch("bob")},
        ),
        scenes.memory(records=records),
        wishes=frozenset({"0"}),
    )
    settings = scenes.settings(consensus_keys={"0": IMPORTED | {"provider_key": True}})
    return desired.desired(facts, settings, scenes.seed("alice"), [scenes.example()], {"0": own})


def test_a_running_chain_is_joined_late_with_the_providers_own_key() -> None:
    address = derivation.consensus_key(model.Secret(b"provider".ljust(32))).address.hex().upper()
    fresh, laid = late((), is_member=False), model.SigningRecord(0, address, "volume-1", True)
    assert (fresh.chains[0].arming, fresh.intents) == (signing.Arming.DUE, ())
    assert late((laid,), is_member=False).intents == (model.OptIn("0", "consumer1-1", None),)
    # A member's may have signed elsewhere.
    assert late((), is_member=True).chains[0].arming is signing.Arming.REFUSED


@pytest.mark.parametrize(
    ("named", "participation", "reason"),
    [
        (PROVIDERS | {"provider_key": True}, {"policy": "all"}, "policy all"),
        (PROVIDERS | {"provider_key": True}, {"allow": ["0"]}, "the allow list names '0'"),
        (PROVIDERS | {"provider_key": True}, {"policy": "all", "deny": ["0"]}, ""),
        (PROVIDERS | {"provider_key": True}, {}, ""),
        # A key that stays assigned tells that this validator left.
        (REMOTE, {"policy": "all"}, ""),
    ],
)
def test_who_leaves_with_the_providers_own_key_must_deny_the_chain_first(
    named: dict[str, Any], participation: dict[str, Any], reason: str
) -> None:
    settings = scenes.settings(consensus_keys={"0": named}, participation=participation)
    chain = scenes.consumer(P.LAUNCHED, assigned(None))
    assert consumer_participation.returns(settings, chain) == reason


def test_a_remote_signers_key_is_not_in_the_cluster() -> None:
    found = objects(judge(REMOTE, scenes.consumer(found=assigned(OTHER.address))))
    assert set(found["Secret", "consensus-key-0"]["data"]) == {"public_key.json"}
    document = json.loads(base64.b64decode(found["Secret", "consensus-key-0"]["data"]["public_key.json"]))
    assert base64.b64decode(document["key"]) == OTHER.public_key
    service = found["Service", "remote-signer"]
    assert [(port["port"], port["targetPort"]) for port in service["spec"]["ports"]] == [(26659, "signer")]
    assert "externalTrafficPolicy" not in service["spec"]
    rule = found["NetworkPolicy", "node"]["spec"]["ingress"][-1]
    assert rule == {
        "from": [{"ipBlock": {"cidr": "192.0.2.10/32"}}],
        "ports": [{"port": 26659, "protocol": "TCP"}],
    }
    config_toml = found["ConfigMap", "config"]["data"]["config.toml"]
    assert 'priv_validator_laddr = "tcp://0.0.0.0:26659"' in config_toml


def test_without_a_remote_signer_nothing_listens_for_one() -> None:
    found = objects(judge(IMPORTED, scenes.consumer(found=assigned(OTHER.address))))
    assert ("Service", "remote-signer") not in found
    assert "priv_validator_laddr" not in found["ConfigMap", "config"]["data"]["config.toml"]
    assert base64.b64decode(
        found["Secret", "consensus-key-0"]["data"]["priv_validator_key.json"]
    ).decode() == (OTHER.priv_validator_key_json().reveal_text())


def launched(named: dict[str, Any], **changes: Any) -> desired.Desired:
    consumer = scenes.consumer(P.LAUNCHED, assigned(OTHER.address))
    memory = scenes.memory(records=(), **changes)
    return judge(named, consumer, memory, launches={"0": scenes.launch("alice", "bob")})


def test_an_imported_key_that_may_have_signed_elsewhere_is_armed_by_name_only() -> None:
    assert launched(IMPORTED).chains[0].arming is signing.Arming.REFUSED


@pytest.mark.parametrize(
    ("node", "reasons"),
    [
        (None, {"SignerAwaited"}),
        (scenes.node("alice"), {"SignerKeyMismatch"}),
        (scenes.node("alice", consensus_key=OTHER.public_key), set()),
    ],
    ids=["it has not come", "it has another key", "well"],
)
def test_what_is_told_of_a_remote_signer(node: model.NodeStatus | None, reasons: set[str]) -> None:
    wanted = launched(REMOTE)
    assert wanted.chains[0].arming is signing.Arming.REMOTE
    pod = model.PodStatus("uid", "10.0.0.1", node_name="node-1", is_ready=False, restarts=0, waiting="")
    report = status.report(wanted, {"0": model.Observation(pod, node)})
    told = {one.reason for one in report.chains[0].conditions}
    assert {reason for reason in told if reason.startswith("Sign")} == reasons


def test_a_number_under_which_another_key_was_used_is_not_the_seeds_any_more() -> None:
    record = model.SigningRecord(0, OTHER_ADDRESS, None, False)
    wanted = judge({}, memory=scenes.memory(records=(record,)))
    key = scenes.consumer_key("alice", generation=1).public_key
    assert wanted.intents == (model.OptIn("0", "consumer1-1", key),)


def test_a_key_after_a_derived_one_has_the_next_number() -> None:
    memory = scenes.memory()  # of the derived key
    wanted = judge(REMOTE, scenes.consumer(found=assigned(OTHER.address)), memory)
    assert wanted.chains[0].key.generation == 1


@pytest.mark.parametrize(
    ("named", "says"),
    [
        ({}, "just one of imported or remote"),
        (REMOTE | IMPORTED, "just one of imported or remote"),
        ({"imported": {"keystore": "alice"}}, "the keystore holds accounts and seeds"),
        ({"remote": REMOTE["remote"] | {"public_key": "AAAA"}}, "is not an ed25519 consensus key"),
        ({"remote": REMOTE["remote"] | {"allow_from": []}}, "at least 1 item"),
        ({"remote": REMOTE["remote"] | {"allow_from": ["signer"]}}, "'signer' is no CIDR"),
    ],
)
def test_settings_that_are_none(named: dict[str, Any], says: str) -> None:
    with pytest.raises(errors.SettingsError, match=says):
        scenes.settings(consensus_keys={"0": named})


def test_a_chain_is_named_by_its_consumer_id() -> None:
    with pytest.raises(errors.SettingsError, match=r"ics:consensus_keys: .*'consumer1-1'"):
        scenes.settings(consensus_keys={"consumer1-1": REMOTE})


def test_in_the_cluster_an_imported_key_lies_in_a_secret() -> None:
    place = {"namespace": "ics", "name": "alice", "key": "seed"}
    reconciler = {"enabled": True, "image": "ics:1", "seed": place, "account": place}
    with pytest.raises(errors.SettingsError, match=r"consensus_keys\.0\.imported: .* a Secret only"):
        scenes.settings(consensus_keys={"0": IMPORTED}, reconciler=reconciler)
    key = {"imported": {"secret": place}}
    found: settings.Settings = scenes.settings(consensus_keys={"0": key}, reconciler=reconciler)
    assert found.consensus_keys["0"].imported is not None


def test_the_settings_keep_a_public_key_that_is_written_as_json() -> None:
    written = {"@type": "/cosmos.crypto.ed25519.PubKey", "key": REMOTE["remote"]["public_key"]}
    found = scenes.settings(consensus_keys={"0": {"remote": REMOTE["remote"] | {"public_key": written}}})
    dumped = found.model_dump(mode="json", exclude_defaults=True)["consensus_keys"]
    again = scenes.settings(consensus_keys=dumped)
    remote = again.consensus_keys["0"].remote
    assert remote is not None
    assert derivation.signer_key(remote.public_key).public_key == OTHER.public_key


def test_a_key_file_is_read_as_the_node_wrote_it() -> None:
    assert derivation.parse_priv_validator_key(OTHER.priv_validator_key_json(), "here") == OTHER


def spoiled(**changes: Any) -> model.Secret:
    document = json.loads(OTHER.priv_validator_key_json().reveal())
    return model.Secret(json.dumps(document | changes))


SECRET = base64.b64encode(b"elsewhere".ljust(32) + OTHER.public_key).decode()
FOREIGN = base64.b64encode(b"x" * 32).decode()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (model.Secret("words"), "is no priv_validator_key.json"),
        (spoiled(priv_key={"type": "tendermint/PrivKeySecp256k1", "value": SECRET}), "other kinds of keys"),
        (spoiled(priv_key={"type": "tendermint/PrivKeyEd25519", "value": FOREIGN}), "other kinds of keys"),
        (spoiled(pub_key={"type": "tendermint/PubKeyEd25519", "value": FOREIGN}), "do not belong together"),
    ],
)
def test_a_key_file_that_is_none_is_refused_and_never_shown(text: model.Secret, says: str) -> None:
    with pytest.raises(errors.SettingsError, match=says) as caught:
        derivation.parse_priv_validator_key(text, "ics:consensus_keys.0.imported")
    assert SECRET not in str(caught.value)


def test_the_nodes_file_says_where_it_listens_for_a_signer_only_if_there_is_one() -> None:
    known = scenes.example().definition
    assert "priv_validator_laddr" not in node_files.config_toml(known, "alice")
    assert "priv_validator_laddr" in node_files.config_toml(known, "alice", is_signed_elsewhere=True)
