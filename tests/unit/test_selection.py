from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ics import errors
from ics.cli.commands import show
from ics.config import settings
from ics.consumer import selection


def candidate(name: str, tokens: int) -> selection.Candidate:
    return selection.Candidate(f"cosmosvaloper1{name}", tokens)


def test_three_validators_of_300_200_100() -> None:
    alice, bob, charlie = candidate("c", 300), candidate("b", 200), candidate("a", 100)
    assert selection.top66([charlie, alice, bob]) == selection.Selection(600, 396, (alice, bob))


def test_equal_tokens_are_ordered_by_operator_address() -> None:
    found = selection.top66([candidate(name, 10) for name in "dbca"])
    assert [one.operator_address[-1] for one in found.selected] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("tokens", "threshold", "count"),
    [
        ([66, 34], 66, 1),  # exactly 66 %
        ([65, 35], 66, 2),
        ([1], 1, 1),
        ([1, 1], 2, 2),  # 50 % is not enough
        ([66 * 10**30, 34 * 10**30], 66 * 10**30, 1),  # floats would not tell these apart
        ([66 * 10**30 - 1, 34 * 10**30 + 1], 66 * 10**30, 2),
        ([101, 52], 101, 1),  # 100.98 rounds up
        ([], 0, 0),
        ([0, 0], 0, 0),
    ],
)
def test_threshold_is_exact(tokens: list[int], threshold: int, count: int) -> None:
    found = selection.top66([candidate(str(at), amount) for at, amount in enumerate(tokens)])
    assert (found.total, found.threshold, len(found.selected)) == (sum(tokens), threshold, count)


@given(st.lists(st.integers(0, 10**20), max_size=40), st.randoms(use_true_random=False))
def test_selection_is_the_least_that_covers_66_percent_in_any_order(tokens: list[int], random: Any) -> None:
    candidates = [candidate(f"{at:02}", amount) for at, amount in enumerate(tokens)]
    found = selection.top66(candidates)
    covered = sum(one.tokens for one in found.selected)
    assert 100 * covered >= 66 * found.total
    if found.selected:
        assert 100 * (covered - found.selected[-1].tokens) < 66 * found.total
    random.shuffle(candidates)
    assert selection.top66(candidates) == found


def entry(**changes: Any) -> dict[str, Any]:
    usual = {
        "operator_address": "cosmosvaloper1a",
        "tokens": "5",
        "status": "BOND_STATUS_BONDED",
        "jailed": False,
    }
    return usual | changes


def test_only_bonded_validators_of_an_answer_count() -> None:
    answer = {
        "validators": [
            entry(),
            entry(operator_address="cosmosvaloper1b", status="BOND_STATUS_UNBONDING"),
            entry(operator_address="cosmosvaloper1c", status="BOND_STATUS_UNBONDED"),
        ],
        "pagination": {"next_key": None, "total": "3"},
    }
    assert show.from_staking_answer(answer) == [selection.Candidate("cosmosvaloper1a", 5)]


@pytest.mark.parametrize(
    ("answer", "named"),
    [
        ({}, "validators"),
        ({"validators": {}}, "validators"),
        ({"validators": [5]}, r"validators\[0\]"),
        ({"validators": [entry(), entry(operator_address=None)]}, r"validators\[1\].operator_address"),
        ({"validators": [entry(tokens=5)]}, r"validators\[0\].tokens"),
        ({"validators": [entry(tokens="-5")]}, r"validators\[0\].tokens"),
        ({"validators": [entry(tokens="5.0")]}, r"validators\[0\].tokens"),
        ({"validators": [entry(status=3)]}, r"validators\[0\].status"),
        ({"validators": [entry(), entry()]}, "twice"),
        ({"validators": [entry()], "pagination": {"next_key": "AA=="}}, "next_key"),
    ],
)
def test_a_malformed_answer_is_named(answer: dict[str, Any], named: str) -> None:
    with pytest.raises(errors.SettingsError, match=named):
        show.from_staking_answer(answer)


OWNER = "cosmos19rl4cm2hmr8afy4kldpxz3fka4jguq0auqdal4"
CHAIN: dict[str, Any] = {
    "allow": (),
    "deny": (),
    "chain_id": "consumer-1",
    "consumer_id": "7",
    "owner": OWNER,
    "is_selected": False,
    "is_launched": False,
}


@pytest.mark.parametrize(
    ("policy", "changes", "joins"),
    [
        ("top66", {}, False),
        ("top66", {"is_selected": True}, True),
        ("top66", {"is_selected": True, "is_launched": True}, False),
        ("top66", {"allow": ("consumer-1",)}, True),
        ("top66", {"allow": ("7",), "is_launched": True}, True),
        ("top66", {"is_selected": True, "deny": (OWNER,)}, False),
        ("all", {}, True),
        ("all", {"is_launched": True}, True),
        ("all", {"deny": ("7",)}, False),
        ("all", {"deny": ("consumer-1",), "allow": ("consumer-1",)}, False),
        ("listed", {"is_selected": True}, False),
        ("listed", {"allow": (OWNER,)}, True),
        ("listed", {"allow": ("consumer-1",), "is_launched": True}, True),
        ("listed", {"allow": ("consumer-1",), "deny": ("7",)}, False),
        ("none", {"is_selected": True, "allow": ("7", "consumer-1", OWNER)}, False),
    ],
)
def test_policies(policy: str, changes: dict[str, Any], joins: bool) -> None:
    decision = selection.decide(settings.Policy(policy), **(CHAIN | changes))
    assert decision.joins is joins
    assert decision.reason


def test_a_chain_id_that_looks_like_another_identity_opens_no_door() -> None:
    posing = [
        CHAIN | {"chain_id": "3", "allow": ("3",)},
        CHAIN | {"chain_id": OWNER, "owner": "x", "allow": (OWNER,)},
    ]
    listed = settings.Policy.LISTED
    assert [selection.decide(listed, **facts).joins for facts in posing] == [False, False]


def test_the_deny_list_takes_such_a_chain_id_at_its_word() -> None:
    facts = CHAIN | {"chain_id": "3", "deny": ("3",)}
    assert not selection.decide(settings.Policy.ALL, **facts).joins
