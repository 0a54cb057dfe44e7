from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ics.config import settings
from ics.consumer import selection


def candidate(name: str, tokens: int) -> selection.Candidate:
    return selection.Candidate(f"cosmosvaloper1{name}", tokens)


def test_top66_of_300_200_100_selects_first_two() -> None:
    alice, bob, charlie = candidate("c", 300), candidate("b", 200), candidate("a", 100)
    assert selection.top66([charlie, alice, bob]) == selection.Selection(600, 396, (alice, bob))


def test_top66_orders_equal_tokens_by_operator_address() -> None:
    selected = selection.top66([candidate(name, 10) for name in "dbca"])
    assert [one.operator_address[-1] for one in selected.selected] == ["a", "b", "c"]


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
def test_top66_threshold_is_exact_for_large_and_small_tokens(
    tokens: list[int], threshold: int, count: int
) -> None:
    selected = selection.top66([candidate(str(at), amount) for at, amount in enumerate(tokens)])
    assert (selected.total, selected.threshold, len(selected.selected)) == (sum(tokens), threshold, count)


@given(st.lists(st.integers(0, 10**20), max_size=40), st.randoms(use_true_random=False))
def test_top66_is_smallest_set_covering_66_percent_in_any_order(tokens: list[int], random: Any) -> None:
    candidates = [candidate(f"{at:02}", amount) for at, amount in enumerate(tokens)]
    selected = selection.top66(candidates)
    covered = sum(one.tokens for one in selected.selected)
    assert 100 * covered >= 66 * selected.total
    if selected.selected:
        assert 100 * (covered - selected.selected[-1].tokens) < 66 * selected.total
    random.shuffle(candidates)
    assert selection.top66(candidates) == selected


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
def test_decide_follows_policy_selection_and_lists(policy: str, changes: dict[str, Any], joins: bool) -> None:
    decision = selection.decide(settings.Policy(policy), **(CHAIN | changes))
    assert decision.joins is joins
    assert decision.reason


def test_allow_list_ignores_chain_id_posing_as_consumer_id_or_owner() -> None:
    posing = [
        CHAIN | {"chain_id": "3", "allow": ("3",)},
        CHAIN | {"chain_id": OWNER, "owner": "x", "allow": (OWNER,)},
    ]
    listed = settings.Policy.LISTED
    assert [selection.decide(listed, **facts).joins for facts in posing] == [False, False]


def test_deny_list_matches_chain_id_posing_as_consumer_id() -> None:
    facts = CHAIN | {"chain_id": "3", "deny": ("3",)}
    assert not selection.decide(settings.Policy.ALL, **facts).joins
