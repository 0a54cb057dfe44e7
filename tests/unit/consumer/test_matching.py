"""The definition of a chain: its owner, two chains of one id, and chains that were joined already."""

import dataclasses
from typing import Any

import pytest

from ics import model
from ics.consumer import chain_decision, observed, participation
from tests.unit import factories

P = model.Phase
STRANGER = factories.relayer("bob")
ANYBODY = {"chain_id": "consumer*-1", "owner": "any", "accept_any_owner": True}
NAMES_OTHER_OWNER = {"chain_id": "consumer*-1", "owner": factories.relayer("charlie")}


def shown(decision: chain_decision.ChainDecision) -> list[tuple[str, str, str]]:
    return [(one.severity.name, one.reason.value, one.message) for one in decision.conditions]


def running(**changes: Any) -> observed.Memory:
    return factories.memory(has_workload=True, genesis=factories.GENESIS, **changes)


MISMATCH = (
    f"the owner of consumer1-1 is {factories.OWNER}, not match.owner of definition ics-example; the chain goes on by"
    " this definition; if this owner is right, change match.owner"
)


def test_chain_of_other_owner_is_not_joined() -> None:
    wanted = factories.judge(factories.consumer(), definitions=[factories.example(match=NAMES_OTHER_OWNER)])
    [decision] = wanted.decisions
    assert shown(decision) == [
        (
            "INFO",
            "NoDefinition",
            f"consumer1-1 is not joined: its owner {factories.OWNER} is not match.owner of definition ics-example;"
            " if this owner is right, change match.owner",
        )
    ]
    assert (decision.intents, decision.chain, decision.is_paused) == ((), None, False)


@pytest.mark.parametrize("phase", [P.INITIALIZED, P.LAUNCHED])
def test_member_goes_on_with_changed_owner(phase: model.Phase) -> None:
    chain = factories.consumer(phase, factories.joined("alice", "bob"))
    other = [factories.example(match=NAMES_OTHER_OWNER)]
    before, after = (
        factories.judge(chain, memory=running()),
        factories.judge(chain, memory=running(), definitions=other),
    )
    [kept], [found] = before.decisions, after.decisions
    assert found.chain is not None
    assert kept.chain is not None
    assert dataclasses.replace(found.chain, definition=kept.chain.definition) == kept.chain
    assert (after.paused, found.intents, found.participation) == (
        frozenset(),
        kept.intents,
        kept.participation,
    )
    assert [one for one in shown(found) if one not in shown(kept)] == [
        ("CRITICAL", "OwnerMismatch", f"{MISMATCH}, else leave the chain: ics opt-out 0")
    ]


def test_node_of_chain_with_changed_owner_goes_on_and_is_not_joined_again() -> None:
    seen = observed.Observed(
        spare=factories.SPARE,
        snapshot=factories.snapshot(factories.consumer(P.LAUNCHED, factories.joined("bob"))),
        memory=running(),
        opt_in_requests=frozenset({"0"}),
    )
    wanted = factories.judge(seen, definitions=[factories.example(match=NAMES_OTHER_OWNER)])
    [decision] = wanted.decisions
    assert (decision.intents, decision.participation) == ((), participation.Participation.DECLINED)
    assert (decision.chain is not None, wanted.paused) == (True, frozenset())
    assert ("WARNING", "OwnerMismatch", MISMATCH) in shown(decision)


def test_staged_chain_with_changed_owner_is_left_alone() -> None:
    wanted = factories.judge(
        factories.consumer(),
        memory=factories.memory(),
        definitions=[factories.example(match=NAMES_OTHER_OWNER)],
    )
    assert wanted.intents == ()
    assert wanted.paused == {"0"}
    assert factories.reasons(wanted.decisions[0]) == ["NoDefinition"]


def test_member_is_paused_if_no_definition_or_several_could_be_meant() -> None:
    chain = factories.consumer(P.LAUNCHED, factories.joined("alice", "bob"))
    two = [factories.example(name=name, match=NAMES_OTHER_OWNER) for name in ("a", "b")]
    none, several = (
        factories.judge(chain, memory=running(), definitions=known) for known in (list[Any](), two)
    )
    assert [shown(found.decisions[0]) for found in (none, several)] == [
        [
            (
                "CRITICAL",
                "NoDefinition",
                "consumer1-1 is left as it is: no definition in stacks/chains matches it; write one",
            )
        ],
        [
            (
                "CRITICAL",
                "NoDefinition",
                f"consumer1-1 is left as it is: its owner {factories.OWNER} is match.owner of none of the definitions"
                " a, b, so which of them it is run by is unknown; set match.owner of one of them",
            )
        ],
    ]
    assert none.paused == several.paused == {"0"}


def twins(first: model.Phase, second: model.Phase, owner: str = STRANGER) -> model.Snapshot:
    return factories.snapshot(
        factories.consumer(first), factories.consumer(second, factories.detail(owner=owner), consumer_id="1")
    )


TWINS = (
    "consumer1-1 is not joined: definition ics-example matches several chains of this id, consumers"
    f" 0 (owner {factories.OWNER}) and 1 (owner {STRANGER}); name the right one by match.consumer_id"
)


@pytest.mark.parametrize("second", [P.INITIALIZED, P.LAUNCHED])
def test_neither_of_two_chains_of_one_id_is_joined(second: model.Phase) -> None:
    wanted = factories.judge(twins(P.INITIALIZED, second), definitions=[factories.example(match=ANYBODY)])
    assert (wanted.intents, wanted.chains, wanted.paused) == ((), (), frozenset())
    by_id = {decision.summary.consumer_id: shown(decision) for decision in wanted.decisions}
    assert by_id == {key: [("WARNING", "TwoOfOneName", TWINS)] for key in ("0", "1")}


def test_twins_of_the_named_owner_are_not_joined_either() -> None:
    wanted = factories.judge(twins(P.INITIALIZED, P.INITIALIZED, factories.OWNER))
    assert (wanted.intents, [factories.reasons(one) for one in wanted.decisions]) == (
        (),
        [["TwoOfOneName"], ["TwoOfOneName"]],
    )


@pytest.mark.parametrize(
    ("second", "definition"),
    [
        (P.STOPPED, ANYBODY),
        (P.DELETED, ANYBODY),
        (P.REGISTERED, ANYBODY),
        # A stranger's chain of the same id does not match, so it stops nothing.
        (P.INITIALIZED, {"chain_id": "consumer*-1", "owner": factories.OWNER}),
        (P.INITIALIZED, {"chain_id": "consumer*-1", "owner": factories.OWNER, "consumer_id": "0"}),
    ],
)
def test_chain_is_joined_beside_one_that_cannot_be_meant(
    second: model.Phase, definition: dict[str, Any]
) -> None:
    wanted = factories.judge(
        twins(P.INITIALIZED, second),
        memory=factories.staged(),
        definitions=[factories.example(match=definition)],
    )
    assert [intent.consumer_id for intent in wanted.intents if isinstance(intent, model.OptIn)] == ["0"]


def test_named_chain_is_joined_beside_a_pattern() -> None:
    known = [factories.example(match=ANYBODY), *factories.named("0")]
    wanted = factories.judge(
        twins(P.INITIALIZED, P.INITIALIZED), memory=factories.staged(), definitions=known
    )
    assert [intent.consumer_id for intent in wanted.intents if isinstance(intent, model.OptIn)] == ["0"]
    assert shown(wanted.decisions[1]) == [
        (
            "INFO",
            "NoDefinition",
            "consumer1-1 is not joined: definition ics-example-0 names consumer 0 of this chain id",
        )
    ]


def test_joined_chain_goes_on_beside_its_twin() -> None:
    snapshot = factories.snapshot(
        factories.consumer(P.LAUNCHED, factories.joined("alice", "bob")),
        factories.consumer(found=factories.detail(owner=STRANGER), consumer_id="1"),
    )
    wanted = factories.judge(snapshot, memory=running(), definitions=[factories.example(match=ANYBODY)])
    assert ([chain.consumer_id for chain in wanted.chains], wanted.paused, wanted.intents) == (
        ["0"],
        frozenset(),
        (),
    )
    first, second = wanted.decisions
    assert "TwoOfOneName" not in factories.reasons(first)
    assert shown(second) == [("WARNING", "TwoOfOneName", TWINS)]


def test_message_names_only_the_first_of_many_twins() -> None:
    chains = [factories.consumer(consumer_id=str(number)) for number in range(7)]
    wanted = factories.judge(factories.snapshot(*chains))
    owners = " and ".join(f"{number} (owner {factories.OWNER})" for number in range(4))
    assert {one.message for decision in wanted.decisions for one in decision.conditions} == {
        "consumer1-1 is not joined: definition ics-example matches several chains of this id, consumers"
        f" {owners} and 3 more; name the right one by match.consumer_id"
    }
