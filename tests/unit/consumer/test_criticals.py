"""What keeps a member's node from signing is critical: a paused chain, a node that is not started, a withheld key.

A chain that waits for others (`WaitingForQuorum`, `ChainHalted`), a node that catches up, and one that does not answer
a query are not among them: such a node runs with its key.
"""

import ast
import base64
import dataclasses
import hashlib
import inspect
from typing import Any

import pytest

from ics import model
from ics.conditions import Severity
from ics.consumer import chain_decision, observed, status
from ics.keys import derivation
from tests.unit import factories

P = model.Phase
MEMBER = factories.joined("alice", "bob")
LAUNCHED = factories.consumer(P.LAUNCHED, MEMBER)
OTHER_KEY = derivation.derive_consensus_key(
    factories.seed("bob"), factories.PROVIDER, "9", factories.place_id()
)
REMOTE = {
    "remote": {
        "public_key": base64.b64encode(OTHER_KEY.public_key).decode(),
        "allow_from": ["192.0.2.10/32"],
    }
}


def alone(**changes: Any) -> model.Snapshot:
    """Only a part of the provider's answers."""
    return factories.snapshot(LAUNCHED, **changes)


def changed(**changes: Any) -> model.Snapshot:
    """The launched chain with another detail."""
    return factories.snapshot(factories.consumer(P.LAUNCHED, dataclasses.replace(MEMBER, **changes)))


def running(**changes: Any) -> observed.Memory:
    return factories.memory(has_workload=True, genesis=factories.GENESIS, **changes)


def with_definition(**changes: Any) -> dict[str, Any]:
    return {"definitions": [factories.example(**changes)]}


REFUSED = tuple(
    factories.record(at=number, is_ready=False, volume=None) for number in range(chain_decision.MOST_KEYS)
)
"""Records of keys that were never assigned."""
PAUSED: dict[str, tuple[model.Snapshot | observed.Observed, observed.Memory, dict[str, Any]]] = {
    "ChainUnreadable": (
        alone(problems={"0": "down"}, must_validate=frozenset({"0"})),
        factories.memories(),
        {},
    ),
    "ChainIdInvalid": (
        factories.snapshot(factories.consumer(P.LAUNCHED, MEMBER, chain_id="consumer 1-1")),
        running(),
        {},
    ),
    "NoUnusedKey": (
        factories.observation(
            changed(own_consumer_address=None),
            memory=running(records=REFUSED),
            used_keys=frozenset(bytes.fromhex(one.consensus_address) for one in REFUSED),
        ),
        factories.memories(),
        {},
    ),
    "RecordBroken": (alone(), running(problem="Secret x: fix it"), {}),
    "Changeover": (changed(connection_id="connection-1"), running(), {}),
    "NoDefinition": (alone(), running(), {"definitions": []}),
    "DefinitionAmbiguous": (
        alone(),
        running(),
        {"definitions": [factories.example(), factories.example(name="other")]},
    ),
    "KeyMismatch": (
        changed(own_consumer_address=OTHER_KEY.address),
        running(records=(factories.record(OTHER_KEY),)),
        {},
    ),
    "KeyElsewhere": (changed(own_consumer_address=b"\2" * 20), factories.memory(), {}),
    "GenesisHashMismatch": (changed(genesis_hash=b"\1" * 32), factories.memory(), {}),
    "GenesisUnavailable": (
        changed(genesis_hash=b""),
        factories.memory(),
        {
            "definitions": [
                dataclasses.replace(
                    factories.example(genesis={"final": {"file": "final.json"}}),
                    genesis=None,
                    problem="final.json is missing",
                )
            ]
        },
    ),
    "BinaryHashMismatch": (
        changed(binary_hash=hashlib.sha256(b"x").digest()),
        factories.memory(),
        with_definition(binary_hash="ab" * 32),
    ),
    "GenesisInvalid": (
        alone(launches={"0": factories.launch("alice", "bob", details=None)}),
        factories.memory(has_workload=True),
        {},
    ),
    "KeyShared": (
        factories.snapshot(
            factories.consumer(
                P.LAUNCHED, dataclasses.replace(MEMBER, own_consumer_address=OTHER_KEY.address)
            ),
            factories.consumer(P.LAUNCHED, consumer_id="1"),
        ),
        factories.memories(
            {
                "1": observed.ChainMemory(
                    namespace="ns1", genesis=factories.GENESIS, has_workload=True, volume_uid="v"
                )
            }
        ),
        {
            "definitions": factories.named("0", "1"),
            "imported": {"0": OTHER_KEY, "1": OTHER_KEY},
            "consensus_keys": {key: {"imported": {"env": "KEY"}} for key in ("0", "1")},
        },
    ),
}


@pytest.mark.parametrize("reason", PAUSED)
def test_paused_chain_of_member_has_critical_condition(reason: str) -> None:
    snapshot, memory, options = PAUSED[reason]
    known = None if isinstance(snapshot, observed.Observed) else memory
    wanted = factories.judge(snapshot, memory=known, **options)
    [decision] = [one for one in wanted.decisions if one.summary.consumer_id == "0"]
    assert (decision.is_paused, decision.chain is None or reason == "GenesisInvalid") == (True, True)
    assert [one.reason for one in decision.conditions if one.severity is Severity.CRITICAL] == [reason]


def test_every_place_that_pauses_a_chain_has_a_case_above() -> None:
    tree = ast.parse(inspect.getsource(chain_decision))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    pausing = [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "_paused"]
    setting = [call for call in calls if any(keyword.arg == "is_paused" for keyword in call.keywords)]
    # `_paused` itself is one of the latter, one is of chains that are over, and one keeps a running node whose end is
    # not confirmed. Whoever adds one adds a case.
    assert (len(pausing), len(setting)) == (8, 7)


def test_unexpected_error_about_chain_of_member_is_critical(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object) -> None:
        raise ValueError("unexpected")

    monkeypatch.setattr(chain_decision, "_judge", fail)
    [decision] = factories.judge(alone(), memory=running()).decisions
    assert [(one.severity, one.reason) for one in decision.conditions] == [
        (Severity.CRITICAL, "UnexpectedError")
    ]
    assert decision.is_paused


def test_changed_connection_is_critical_only_after_the_opt_in() -> None:
    before, after = (
        factories.judge(factories.consumer(found=dataclasses.replace(found, connection_id="connection-1")))
        for found in (factories.detail(), MEMBER)
    )
    assert [
        (one.severity.name, one.reason, one.message)
        for found in (before, after)
        for one in found.decisions[0].conditions
    ] == [
        (
            "INFO",
            "Changeover",
            "sovereign chain in a changeover: the operator runs its node; none is created here",
        ),
        (
            "CRITICAL",
            "Changeover",
            "its owner has made it a sovereign chain in a changeover, for which no node is run here, but this validator"
            " has joined it and is jailed if it does not sign: run its node yourself with the key of ics keys export 0"
            " --stack, or leave as soon as it is launched: ics opt-out 0",
        ),
    ]


@pytest.mark.parametrize(
    ("phase", "memory", "severity"),
    [
        # Its node runs on, and nothing is due before the launch.
        (P.LAUNCHED, running(), Severity.WARNING),
        (P.INITIALIZED, factories.memory(), Severity.WARNING),
        (P.LAUNCHED, factories.memory(), Severity.CRITICAL),
        (P.LAUNCHED, factories.memories(), Severity.WARNING),
    ],
)
def test_unreadable_chain_is_critical_if_its_node_is_due(
    phase: model.Phase, memory: observed.Memory, severity: Severity
) -> None:
    snapshot = factories.snapshot(factories.consumer(phase, MEMBER), problems={"0": "down"})
    [decision] = factories.judge(snapshot, memory=memory).decisions
    assert [one.severity for one in decision.conditions] == [severity]


def test_member_without_key_of_its_own_and_without_account_has_critical_condition() -> None:
    in_set = (model.ConsumerValidator(factories.valcons("alice"), factories.consensus_key("alice"), 300),)
    [decision] = factories.judge(
        factories.consumer(found=factories.detail(validators=in_set)),
        memory=factories.staged(),
        account=None,
    ).decisions
    assert [(one.severity.name, one.reason) for one in decision.conditions] == [("CRITICAL", "NoAccount")]


@pytest.mark.parametrize(
    ("observation", "memory", "reason"),
    [
        (None, running(), "PodMissing"),
        (model.Observation(factories.pod(waiting="ImagePullBackOff")), running(), "PodWaiting"),
        (
            model.Observation(factories.pod(), factories.node("alice", "bob", consensus_key=b"t" * 32)),
            running(records=(factories.record(is_ready=False),)),
            "SignStatePending",
        ),
        (
            model.Observation(factories.pod(), factories.node("alice", "bob", consensus_key=b"t" * 32)),
            running(records=(factories.record(volume="elsewhere"),)),
            "Rekeying",
        ),
    ],
)
def test_node_of_member_that_is_not_started_or_has_no_key_is_critical(
    observation: model.Observation | None,
    memory: observed.Memory,
    reason: str,
) -> None:
    wanted = factories.judge(LAUNCHED, memory=memory)
    seen = {} if observation is None else {"0": observation}
    [chain] = status.report(wanted, seen).chains
    assert [one.severity for one in chain.conditions if one.reason == reason] == [Severity.CRITICAL]


def test_node_of_member_that_waits_for_its_remote_signer_is_critical() -> None:
    detail = dataclasses.replace(MEMBER, own_consumer_address=OTHER_KEY.address)
    wanted = factories.judge(
        factories.consumer(P.LAUNCHED, detail), memory=running(), consensus_keys={"0": REMOTE}
    )
    [chain] = status.report(wanted, {"0": model.Observation(factories.pod())}).chains
    assert [(one.severity.name, one.reason) for one in chain.conditions if "Signer" in one.reason] == [
        ("CRITICAL", "SignerAwaited")
    ]


def test_node_that_this_validator_left_is_not_critical() -> None:
    wanted = factories.judge(factories.consumer(P.LAUNCHED, factories.joined("bob")), memory=running())
    [chain] = status.report(wanted, {}).chains
    assert [(one.severity.name, one.reason) for one in chain.conditions if "Pod" in one.reason] == [
        ("WARNING", "PodMissing")
    ]
