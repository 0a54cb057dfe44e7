"""What protects the keys of a chain, whatever is decided about everything else: copies, and remote signers."""

import base64
import dataclasses
from typing import Any

import pytest

from ics import model, names
from ics.consumer import chain_decision, observed
from tests.unit import factories

LAUNCHED = factories.consumer(model.Phase.LAUNCHED, factories.joined("alice", "bob"))
KEY = factories.consumer_key("alice")
REMOTE = {
    "remote": {"public_key": base64.b64encode(KEY.public_key).decode(), "allow_from": ["192.0.2.10/32"]}
}


def decided(memory: observed.Memory, **changes: Any) -> chain_decision.ChainDecision:
    (decision,) = factories.judge(LAUNCHED, memory=memory, **changes).decisions
    return decision


def running(**changes: Any) -> observed.Memory:
    return factories.memory(
        genesis=factories.GENESIS, has_workload=True, workload_place=factories.place_id(), **changes
    )


def test_copied_namespace_is_named_and_the_original_goes_on() -> None:
    plain, copied = decided(running()), decided(running(copies=("copy-a", "copy-b")))
    (condition,) = [one for one in copied.conditions if one.reason == "TwoNodes"]
    assert (condition.severity.name, condition.consumer_id) == ("CRITICAL", "0")
    assert condition.message == (
        "namespace ns has this validator's node, and copy-a, copy-b has a copy of it, which never votes; its relayer"
        " is stopped, because it has the same accounts, and nothing else is done to it; it has the same node key, too:"
        " delete copy-a, copy-b"
    )
    rest = tuple(one for one in copied.conditions if one is not condition)
    assert dataclasses.replace(copied, conditions=rest) == plain


@pytest.mark.parametrize(
    ("check", "record", "withdrawn"),
    [
        ("missing", factories.record(), True),
        ("below-watermark", factories.record(), True),
        ("withheld", factories.record(), False),
        ("ready", factories.record(), False),
        ("other-cluster", factories.record(), False),
        ("withheld", factories.record(volume="volume-0"), False),
        ("withheld", factories.record(volume=names.WITHDRAWN, is_ready=False), False),
    ],
)
def test_refusal_of_a_key_that_is_not_replaced_goes_on_record(
    check: str, record: model.SigningRecord, withdrawn: bool
) -> None:
    """The pod's next check says only that the key is withheld, which must not give it back."""
    memory = running(records=(record,))
    pod = factories.pod(key_check=f"{check} {KEY.address.hex().upper()}")
    seen = factories.observation(
        factories.snapshot(LAUNCHED), memory=memory, observations={"0": model.Observation(pod)}
    )
    [decision] = factories.judge(seen, signing={"lost_volume": "wait"}).decisions
    assert decision.withdraws == ((factories.place(),) if withdrawn else ())
    is_lost = withdrawn or record != factories.record()
    assert decision.chain is not None
    assert (decision.chain.is_withheld, decision.chain.key.lost is not None) == (is_lost, is_lost)
    [replaced] = factories.judge(seen).decisions
    assert replaced.withdraws == ()


@pytest.mark.parametrize("broken", [{}, {"problem": "edited"}], ids=["in order", "paused"])
def test_relayer_of_a_copy_is_stopped(broken: dict[str, str]) -> None:
    decision = decided(running(relaying_copies=("copy-a",), **broken))
    assert (decision.is_paused, decision.relaying_copies) == (bool(broken), ("copy-a",))


@pytest.mark.parametrize("broken", [{}, {"problem": "edited"}], ids=["in order", "paused"])
def test_remote_signer_withdraws_the_record_of_the_key_that_it_replaces(broken: dict[str, str]) -> None:
    place = factories.place()
    decision = decided(running(**broken), consensus_keys={"0": REMOTE})
    assert decision.withdraws == (place,)
    # The node loses its own key at once, whatever may hold the engine.
    assert (decision.is_paused, decision.withholds) == (
        bool(broken),
        (chain_decision.Withholding("ns", place),),
    )


@pytest.mark.parametrize(
    "record",
    [
        factories.record(volume=names.WITHDRAWN, is_ready=False),
        factories.record(volume=None, is_ready=False),
        factories.record(at=factories.place(cluster_uid="other")),
        factories.record(at=factories.place(namespace="other")),
    ],
    ids=["withdrawn", "never ready", "of another cluster", "of another namespace"],
)
def test_nothing_else_is_withdrawn(record: model.SigningRecord) -> None:
    assert decided(running(records=(record,)), consensus_keys={"0": REMOTE}).withdraws == ()
    assert decided(running()).withdraws == ()


def test_key_returning_from_a_remote_signer_is_replaced_and_never_used_again() -> None:
    """Also if no pod started in between: the record alone decides."""
    withdrawn = factories.record(volume=names.WITHDRAWN, is_ready=False)
    decision = decided(running(records=(withdrawn,)))
    assert decision.chain is not None
    assert decision.chain.key.key.address != KEY.address
    assert decision.chain.key.lost == withdrawn
    assert decision.chain.key.place.replaces == withdrawn.place.place_id


def test_imported_key_returning_from_a_remote_signer_waits_for_its_operator() -> None:
    withdrawn = factories.record(volume=names.WITHDRAWN, is_ready=False)
    imported = {"0": {"imported": {"env": "KEY"}}}
    here = running(records=(withdrawn,))
    (decision,) = factories.judge(
        LAUNCHED, memory=here, consensus_keys=imported, imported={"0": KEY}
    ).decisions
    assert decision.chain is not None
    assert (decision.chain.sign_state.value, decision.chain.is_withheld) == ("unsafe", True)
