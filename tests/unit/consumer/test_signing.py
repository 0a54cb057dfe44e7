"""Consensus keys and sign state of one chain, derived from the seed or named in the settings."""

import base64
import dataclasses
import json
from typing import Any

import pytest

from ics import errors, model, names
from ics.config import settings
from ics.consumer import desired, observed, signing, status
from ics.consumer import participation as consumer_participation
from ics.keys import derivation
from tests.unit import factories

P = model.Phase
OTHER = derivation.consensus_key(model.Secret(b"elsewhere".ljust(32)))
OTHER_ADDRESS = OTHER.address.hex().upper()
REMOTE = {
    "remote": {"public_key": base64.b64encode(OTHER.public_key).decode(), "allow_from": ["192.0.2.10/32"]}
}
IMPORTED = {"imported": {"file": "key.json"}}
PROVIDERS = {
    "remote": {
        "public_key": base64.b64encode(factories.consensus_key("alice")).decode(),
        "allow_from": ["192.0.2.10/32"],
    }
}


def judge(
    named: dict[str, Any],
    consumer: model.Consumer | None = None,
    memory: observed.Memory | None = None,
    **changes: Any,
) -> desired.Desired:
    settings = factories.settings(consensus_keys={"0": named}) if named else factories.settings()
    facts = factories.observation(
        snapshot=factories.snapshot(consumer or factories.consumer(), **changes),
        memory=memory or factories.memories(),
    )
    imported = {"0": OTHER} if "imported" in named else {}
    return factories.judge(facts, stack=settings, imported=imported)


def staged(key: derivation.ConsensusKey = OTHER) -> observed.Memory:
    """The memory of a chain whose key is on record, but was not assigned yet."""
    return factories.memory(records=(factories.record(key, volume=None, is_ready=False),))


def assigned(key: bytes | None, **changes: Any) -> model.ConsumerDetail:
    """A chain that alice has joined with this key address assigned."""
    return dataclasses.replace(factories.joined("alice", "bob"), own_consumer_address=key, **changes)


@pytest.mark.parametrize("named", [REMOTE, IMPORTED], ids=["remote", "imported"])
def test_configured_key_is_assigned_with_opt_in(named: dict[str, Any]) -> None:
    opt_in = model.OptIn("0", "consumer1-1", OTHER.public_key, factories.place_id())
    assert judge(named, memory=staged()).intents == (opt_in,)
    # A crash after the transaction would lose which place the key belongs to.
    assert judge(named).intents == ()


@pytest.mark.parametrize("named", [REMOTE, IMPORTED], ids=["remote", "imported"])
@pytest.mark.parametrize(
    ("records", "address"),
    [
        ((), factories.consumer_key("alice").address),
        ((factories.record(OTHER, is_retired=True),), OTHER.address),
        ((factories.record(OTHER, is_retired=True),), None),
    ],
    ids=["another is assigned", "retired", "retired and no longer assigned"],
)
def test_configured_key_that_must_not_be_used_pauses_chain(
    named: dict[str, Any], records: tuple[model.SigningRecord, ...], address: bytes | None
) -> None:
    wanted = judge(named, factories.consumer(found=assigned(address)), factories.memory(records=records))
    [verdict] = wanted.decisions
    assert factories.reasons(verdict) == ["KeyMismatch"]
    assert (verdict.is_paused, verdict.intents, wanted.chains) == (True, (), ())


def test_rejoin_with_configured_key_used_before_is_refused() -> None:
    detail = dataclasses.replace(factories.joined("bob"), own_consumer_address=OTHER.address)
    settings = factories.settings(consensus_keys={"0": REMOTE})
    facts = factories.observation(
        snapshot=factories.snapshot(factories.consumer(P.LAUNCHED, detail)), opt_in_requests=frozenset({"0"})
    )
    wanted = factories.judge(facts, stack=settings)
    assert factories.reasons(wanted.decisions[0]) == ["KeyMismatch"]


@pytest.mark.parametrize(
    ("wishes", "expected"), [({"0"}, ["CRITICAL KeyMismatch"]), (set(), ["INFO NotJoined"])]
)
def test_left_chain_is_critical_only_if_rejoin_is_requested(wishes: set[str], expected: list[str]) -> None:
    detail = dataclasses.replace(factories.joined("bob"), own_consumer_address=OTHER.address)
    facts = factories.observation(
        snapshot=factories.snapshot(factories.consumer(P.LAUNCHED, detail)), opt_in_requests=frozenset(wishes)
    )
    settings = factories.settings(consensus_keys={"0": REMOTE})
    [verdict] = factories.judge(facts, stack=settings).decisions
    assert [f"{one.severity.name} {one.reason}" for one in verdict.conditions] == expected
    assert (verdict.intents, verdict.chain) == ((), None)


def test_provider_key_is_refused_unless_declared() -> None:
    [refused] = judge(PROVIDERS).decisions
    assert factories.reasons(refused) == ["KeyMismatch"]
    own = derivation.signer_key(base64.b64encode(factories.consensus_key("alice")).decode())
    memory = factories.memory(
        records=(factories.record(address=own.address.hex().upper(), volume=None, is_ready=False),)
    )
    wanted = judge(PROVIDERS | {"provider_key": True}, memory=memory)
    assert wanted.intents == (model.OptIn("0", "consumer1-1", None),)
    [other] = judge(REMOTE | {"provider_key": True}).decisions
    assert factories.reasons(other) == ["KeyMismatch"]


def test_member_with_declared_provider_key_assigns_no_key() -> None:
    wanted = judge(PROVIDERS | {"provider_key": True}, factories.consumer(P.LAUNCHED, assigned(None)))
    assert wanted.intents == ()
    assert "ProviderKeyInSet" not in {condition.reason for condition in wanted.decisions[0].conditions}


TWICE = {"0": REMOTE, "1": REMOTE}
RUNS = observed.ChainMemory(
    namespace="ns1", genesis=factories.GENESIS, records=(), volume_uid="volume", has_workload=True
)
RECORDED = observed.ChainMemory(
    namespace="ns1", records=(factories.record(OTHER, volume=None, is_ready=False),)
)


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
def test_key_configured_twice_signs_for_one_chain_per_chain_id(
    chain_id: str, phase: model.Phase, chains: dict[str, observed.ChainMemory], expected: dict[str, str]
) -> None:
    second = factories.consumer(phase, consumer_id="1", chain_id=chain_id)
    facts = factories.observation(
        snapshot=factories.snapshot(factories.consumer(), second), memory=observed.Memory(chains)
    )
    settings = factories.settings(consensus_keys=TWICE)
    wanted = factories.judge(facts, stack=settings, definitions=factories.named("0", "1"))
    shown = {
        one.consumer_id: one.severity.name
        for verdict in wanted.decisions
        for one in verdict.conditions
        if one.reason == "KeyShared"
    }
    refused = {consumer_id for consumer_id, severity in shown.items() if severity == "CRITICAL"}
    assert (shown, refused <= wanted.paused) == (expected, True)
    assert not refused & {getattr(intent, "consumer_id", "") for intent in wanted.intents}
    assert not refused & {chain.consumer_id for chain in wanted.chains}


def test_provider_key_is_refused_for_chain_with_chain_id_of_provider() -> None:
    named = {"0": PROVIDERS | {"provider_key": True}}
    settings = factories.settings(consensus_keys=named)
    facts = factories.observation(
        snapshot=factories.snapshot(factories.consumer(chain_id=factories.PROVIDER))
    )
    loaded = [factories.example(match={"chain_id": factories.PROVIDER, "owner": factories.OWNER})]
    [verdict] = factories.judge(facts, stack=settings, definitions=loaded).decisions
    assert factories.reasons(verdict) == ["KeyShared"]
    assert (verdict.is_paused, verdict.intents, verdict.chain) == (True, (), None)


def late(records: tuple[model.SigningRecord, ...], *, is_member: bool) -> desired.Desired:
    """Alice asks by hand to join a running chain with the provider's own key, whose file she imports."""
    own = derivation.consensus_key(model.Secret(b"provider".ljust(32)))
    alice = factories.validator("alice", consensus_key=own.public_key)
    detail = factories.joined("alice", "bob") if is_member else factories.joined("bob")
    facts = factories.observation(
        snapshot=factories.snapshot(
            factories.consumer(P.LAUNCHED, dataclasses.replace(detail, own_consumer_address=None)),
            validators=(alice, factories.validator("bob"), factories.validator("charlie")),
            launches={"0": factories.launch("bob")},
        ),
        memory=factories.memory(records=records),
        opt_in_requests=frozenset({"0"}),
    )
    settings = factories.settings(consensus_keys={"0": IMPORTED | {"provider_key": True}})
    return factories.judge(facts, stack=settings, imported={"0": own})


def test_late_join_with_provider_key_waits_for_sign_state() -> None:
    own = derivation.consensus_key(model.Secret(b"provider".ljust(32)))
    fresh, ready = late((), is_member=False), factories.record(own)
    assert (fresh.chains[0].sign_state, fresh.intents) == (signing.SignStateStatus.MISSING, ())
    assert late((ready,), is_member=False).intents == (model.OptIn("0", "consumer1-1", None),)
    # A member's may have signed elsewhere.
    assert late((), is_member=True).chains[0].sign_state is signing.SignStateStatus.UNSAFE


@pytest.mark.parametrize(
    ("named", "participation", "reason"),
    [
        (PROVIDERS | {"provider_key": True}, {"policy": "all"}, "policy all"),
        (PROVIDERS | {"provider_key": True}, {"allow": ["0"]}, "'0' is on the allow list"),
        (PROVIDERS | {"provider_key": True}, {"policy": "all", "deny": ["0"]}, ""),
        (PROVIDERS | {"provider_key": True}, {}, ""),
        # A key that stays assigned shows that this validator left.
        (REMOTE, {"policy": "all"}, ""),
    ],
)
def test_leaving_with_provider_key_requires_denying_the_chain(
    named: dict[str, Any], participation: dict[str, Any], reason: str
) -> None:
    settings = factories.settings(consensus_keys={"0": named}, participation=participation)
    chain = factories.consumer(P.LAUNCHED, assigned(None))
    assert consumer_participation.rejoin_reason(settings, chain) == reason


def test_remote_signer_chain_has_public_key_and_signer_service_only() -> None:
    objects = factories.rendered(judge(REMOTE, factories.consumer(found=assigned(OTHER.address)), staged()))
    data = objects[f"Secret/{names.consensus_key_name(factories.place_id())}"]["data"]
    assert set(data) == {"public_key.json"}
    document = json.loads(base64.b64decode(data["public_key.json"]))
    assert base64.b64decode(document["key"]) == OTHER.public_key
    service = objects["Service/remote-signer"]
    assert [(port["port"], port["targetPort"]) for port in service["spec"]["ports"]] == [(26659, "signer")]
    assert "externalTrafficPolicy" not in service["spec"]
    rule = objects["NetworkPolicy/node"]["spec"]["ingress"][-1]
    assert rule == {
        "from": [{"ipBlock": {"cidr": "192.0.2.10/32"}}],
        "ports": [{"port": 26659, "protocol": "TCP"}],
    }
    config_toml = objects["ConfigMap/config"]["data"]["config.toml"]
    assert 'priv_validator_laddr = "tcp://0.0.0.0:26659"' in config_toml


def test_imported_key_chain_has_no_signer_service() -> None:
    objects = factories.rendered(judge(IMPORTED, factories.consumer(found=assigned(OTHER.address)), staged()))
    assert "Service/remote-signer" not in objects
    assert "priv_validator_laddr" not in objects["ConfigMap/config"]["data"]["config.toml"]
    data = objects[f"Secret/{names.consensus_key_name(factories.place_id())}"]["data"]
    stored = base64.b64decode(data["priv_validator_key.json"]).decode()
    assert stored == OTHER.priv_validator_key_json().reveal_text()


def launched(named: dict[str, Any], **changes: Any) -> desired.Desired:
    consumer = factories.consumer(P.LAUNCHED, assigned(OTHER.address))
    memory = factories.memory(records=(), **changes)
    return judge(named, consumer, memory, launches={"0": factories.launch("alice", "bob")})


def test_imported_key_of_launched_member_is_unsafe() -> None:
    assert launched(IMPORTED).chains[0].sign_state is signing.SignStateStatus.UNSAFE


@pytest.mark.parametrize(
    ("node", "reasons"),
    [
        (None, {"SignerAwaited"}),
        (factories.node("alice"), {"SignerKeyMismatch"}),
        (factories.node("alice", consensus_key=OTHER.public_key), set()),
    ],
    ids=["it has not come", "it has another key", "well"],
)
def test_remote_signer_conditions_depend_on_key_of_the_node(
    node: model.NodeStatus | None, reasons: set[str]
) -> None:
    wanted = launched(REMOTE)
    assert wanted.chains[0].sign_state is signing.SignStateStatus.REMOTE
    pod = factories.pod(is_ready=False)
    report = status.report(wanted, {"0": model.Observation(pod, node)})
    shown = {one.reason for one in report.chains[0].conditions}
    assert {reason for reason in shown if reason.startswith("Sign")} == reasons


def test_place_of_another_key_is_not_used_for_derived_key() -> None:
    [chain] = judge({}, memory=staged()).chains
    assert (chain.key.place, chain.key.key) == (
        factories.new_place(),
        factories.key_of(factories.new_place()),
    )


def test_configured_key_after_derived_key_gets_its_own_place() -> None:
    memory = factories.memory()  # of the derived key
    [chain] = judge(REMOTE, factories.consumer(found=assigned(OTHER.address)), memory).chains
    assert chain.key.place == factories.new_place()


@pytest.mark.parametrize(
    ("named", "says"),
    [
        ({}, "set exactly one of imported or remote"),
        (REMOTE | IMPORTED, "set exactly one of imported or remote"),
        ({"imported": {"keystore": "alice"}}, "the keystore contains accounts and seeds only"),
        ({"remote": REMOTE["remote"] | {"public_key": "AAAA"}}, "not an ed25519 consensus key"),
        ({"remote": REMOTE["remote"] | {"allow_from": []}}, "at least 1 item"),
        ({"remote": REMOTE["remote"] | {"allow_from": ["signer"]}}, "'signer' is not a valid CIDR"),
    ],
)
def test_invalid_consensus_key_setting_is_refused(named: dict[str, Any], says: str) -> None:
    with pytest.raises(errors.SettingsError, match=says):
        factories.settings(consensus_keys={"0": named})


def test_consensus_keys_by_chain_id_are_refused() -> None:
    with pytest.raises(errors.SettingsError, match=r"ics:consensus_keys: .*'consumer1-1'"):
        factories.settings(consensus_keys={"consumer1-1": REMOTE})


def test_imported_key_with_in_cluster_reconciler_must_be_a_secret() -> None:
    place = {"namespace": "ics", "name": "alice", "key": "seed"}
    reconciler = {"enabled": True, "image": "ics:1", "seed": place, "account": place}
    with pytest.raises(
        errors.SettingsError, match=r"consensus_keys\.0\.imported: .* must come from a Secret"
    ):
        factories.settings(consensus_keys={"0": IMPORTED}, reconciler=reconciler)
    key = {"imported": {"secret": place}}
    parsed: settings.Settings = factories.settings(consensus_keys={"0": key}, reconciler=reconciler)
    assert parsed.consensus_keys["0"].imported is not None


def test_public_key_written_as_json_survives_dump_of_settings() -> None:
    written = {"@type": "/cosmos.crypto.ed25519.PubKey", "key": REMOTE["remote"]["public_key"]}
    parsed = factories.settings(consensus_keys={"0": {"remote": REMOTE["remote"] | {"public_key": written}}})
    dumped = parsed.model_dump(mode="json", exclude_defaults=True)["consensus_keys"]
    again = factories.settings(consensus_keys=dumped)
    remote = again.consensus_keys["0"].remote
    assert remote is not None
    assert derivation.signer_key(remote.public_key).public_key == OTHER.public_key


U, V = "volume-1", "volume-2"
RECORD = factories.record(address="AA", volume=U)
ORDERED = factories.record(address="AA", volume=U, is_ready=False)
BLANK = factories.record(address="AA", volume=None, is_ready=False)


@pytest.mark.parametrize(
    ("record", "volume", "risky", "given", "expected"),
    [
        (None, None, False, False, signing.SignStateStatus.NO_VOLUME),
        (RECORD, None, True, True, signing.SignStateStatus.NO_VOLUME),
        (RECORD, None, True, False, signing.SignStateStatus.UNSAFE),
        (None, U, False, False, signing.SignStateStatus.MISSING),
        (None, U, True, False, signing.SignStateStatus.UNSAFE),
        (None, U, True, True, signing.SignStateStatus.UNRECORDED),
        (BLANK, U, False, True, signing.SignStateStatus.MISSING),
        (BLANK, U, True, False, signing.SignStateStatus.UNSAFE),
        (BLANK, U, True, True, signing.SignStateStatus.UNRECORDED),
        (ORDERED, U, True, True, signing.SignStateStatus.REQUESTED),
        (RECORD, U, True, True, signing.SignStateStatus.READY),
        (RECORD, V, True, True, signing.SignStateStatus.UNSAFE),
        (ORDERED, V, True, True, signing.SignStateStatus.UNSAFE),
        (RECORD, V, False, True, signing.SignStateStatus.MISSING),
    ],
)
def test_sign_state_status_depends_on_record_volume_and_risk(
    record: model.SigningRecord | None,
    volume: str | None,
    risky: bool,
    given: bool,
    expected: signing.SignStateStatus,
) -> None:
    assert signing.sign_state_status(record, volume, risky, given) is expected


def test_withheld_key_is_returned_only_if_sign_state_is_recorded() -> None:
    every = list(signing.SignStateStatus)
    given = {signing.SignStateStatus.READY, signing.SignStateStatus.REMOTE}
    assert [one for one in every if signing.must_withhold_key(one, False)] == [signing.SignStateStatus.UNSAFE]
    assert {one for one in every if not signing.must_withhold_key(one, True)} == given


@pytest.mark.parametrize(
    ("launched", "assigned", "in_set", "overdue", "record", "expected"),
    [
        (False, True, True, False, None, False),
        (False, True, True, False, BLANK, False),
        (False, True, False, True, BLANK, True),
        (False, False, False, True, BLANK, False),
        (False, False, False, False, RECORD, True),
        (True, False, False, False, None, False),
        (True, False, False, False, BLANK, False),
        (True, True, False, False, None, True),
        (True, False, True, False, None, True),
        (True, False, False, False, RECORD, True),
    ],
)
def test_key_may_have_signed_unless_never_used_anywhere(
    launched: bool,
    assigned: bool,
    in_set: bool,
    overdue: bool,
    record: model.SigningRecord | None,
    expected: bool,
) -> None:
    found = signing.may_have_signed(
        is_launched=launched,
        is_assigned=assigned,
        is_in_set=in_set,
        is_overdue=overdue,
        record=record,
    )
    assert found is expected
