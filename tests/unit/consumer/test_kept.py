"""What is kept from pass to pass: it never differs from what a first pass computes, whatever changes in between."""

import dataclasses
import datetime
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ics import model
from ics.consumer import desired, kept, observed, watchdog
from tests.unit import factories

CHAINS = ("0", "1", "2")
DETAILS = (
    "p2p=" + "a" * 40 + "@one.example",
    "",
    "p2p=four.example",
    "p2p=" + "b" * 40 + "@two.example relayer=" + factories.relayer("bob"),
    "p2p=" + "a" * 40 + "@one.example p2p.0=" + "c" * 40 + "@three.example:7000",
    "relayer=broken",
)
SETTINGS = (
    factories.settings(),
    factories.settings(node_keys="public"),
    factories.settings(pods={"labels": {"team": "a"}}),
)
DEFINITIONS = (
    factories.example(),
    factories.example(pods={"labels": {"tier": "b"}}),
    factories.example(seeds=["d" * 40 + "@seed.example:26656"]),
    factories.example(genesis={"base": {"file": "base.json"}, "fund": {"relayers": ""}}),
)


def _choices() -> dict[str, Sequence[Any]]:
    """Every fact that a pass may find changed, with the values that it may have."""
    found: dict[str, Sequence[Any]] = {
        "settings": SETTINGS,
        "definition": DEFINITIONS,
        "minutes": (1, 2000),
        "height": (100, 101),
        "peers": ("", "a" * 40 + "@one.example:1"),
    }
    for name in factories.NAMES:
        found |= {f"{name} details": DETAILS, f"{name} tokens": (1, 2), f"{name} is_bonded": (True, False)}
        found |= {f"{name} moniker": (name, "same"), f"{name} joins": (True, False)}
    for consumer_id in CHAINS:
        found[f"{consumer_id} phase"] = (None, *model.Phase)
        found[f"{consumer_id} chain_id"] = (f"consumer{consumer_id}-1", "consumer7-1")
        found[f"{consumer_id} is_known"] = (True, False)
    return found


CHOICES = _choices()
FIRST = {name: values[-1 if name.endswith("phase") else 0] for name, values in CHOICES.items()} | {
    "0 phase": model.Phase.LAUNCHED,
    "1 phase": model.Phase.INITIALIZED,
    "2 phase": model.Phase.STOPPED,
    "bob details": "p2p=four.example",
}
CHANGES = st.sampled_from(sorted(CHOICES)).flatmap(
    lambda name: st.tuples(st.just(name), st.sampled_from(CHOICES[name]))
)


def observation(facts: Mapping[str, Any]) -> observed.Observed:
    """What a pass sees of these facts."""
    members = [name for name in factories.NAMES if facts[f"{name} joins"]]
    consumers = [
        factories.consumer(
            facts[f"{one} phase"],
            factories.joined(*members, consumer_id=one),
            one,
            facts[f"{one} chain_id"],
        )
        for one in CHAINS
        if facts[f"{one} phase"] is not None
    ]
    fields = ("details", "tokens", "is_bonded", "moniker")
    validators = tuple(
        factories.validator(name, **{field: facts[f"{name} {field}"] for field in fields})
        for name in factories.NAMES
    )
    moment = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC) + datetime.timedelta(minutes=facts["minutes"])
    recorded = watchdog.ConfiguredPeers(facts["peers"], "", None)
    chains = {
        one.summary.consumer_id: dataclasses.replace(
            factories.on_record(f"of-{one.summary.consumer_id}", consumer_id=one.summary.consumer_id),
            configured_peers=recorded,
        )
        for one in consumers
        if facts[f"{one.summary.consumer_id} is_known"]
    }
    snapshot = factories.snapshot(
        *consumers, validators=validators, height=facts["height"], time=moment.isoformat()
    )
    return factories.observation(snapshot, memory=factories.memories(chains))


@given(st.lists(CHANGES, max_size=8))
def test_passes_of_one_process_compute_what_a_first_pass_computes(changes: list[tuple[str, Any]]) -> None:
    values, facts = kept.Kept(), dict(FIRST)
    for name, value in [("height", 100), *changes, *reversed(changes)]:
        facts[name] = value
        given_facts = (
            observation(facts),
            facts["settings"],
            factories.seed("alice"),
            [facts["definition"]],
        )
        assert desired.compute(*given_facts, kept=values) == desired.compute(*given_facts)


def test_value_is_computed_once_for_equal_facts_and_again_for_others() -> None:
    asked: list[int] = []

    def doubled(number: int) -> tuple[int, ...]:
        asked.append(number)
        return (2 * number,)

    values = kept.Kept()
    assert [values.of("0", doubled, number) for number in (1, 1, 2, 1)] == [(2,), (2,), (4,), (2,)]
    assert asked == [1, 2, 1]
    assert values.of("1", doubled, 1) == (2,)
    assert asked == [1, 2, 1, 1]


def test_equal_value_of_other_facts_stays_the_same_object() -> None:
    def is_even(number: int) -> tuple[bool, ...]:
        return (number % 2 == 0,)

    values = kept.Kept()
    first = values.of(kept.ALL, is_even, 2)
    assert values.of(kept.ALL, is_even, 4) is first
    assert values.of(kept.ALL, is_even, 5) == (False,)


def test_nothing_is_kept_of_a_function_that_fails() -> None:
    def half(number: int) -> float:
        return 1 / number

    values = kept.Kept()
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            values.of("0", half, 0)


def test_other_chains_are_forgotten() -> None:
    asked: list[str] = []

    def named(name: str) -> str:
        asked.append(name)
        return name

    values = kept.Kept()
    for consumer_id in ("0", "1", kept.ALL):
        values.of(consumer_id, named, consumer_id)
    values.forget_others({"1"})
    for consumer_id in ("0", "1", kept.ALL):
        values.of(consumer_id, named, consumer_id)
    assert asked == ["0", "1", kept.ALL, "0"]


def test_stake_of_validators_changes_nothing_that_is_kept() -> None:
    chain = factories.consumer(model.Phase.LAUNCHED, factories.joined("alice", "bob"))
    values = kept.Kept()

    def peers(tokens: int) -> Any:
        validators = tuple(factories.validator(name, tokens=tokens) for name in factories.NAMES)
        memory = factories.memories({"0": factories.on_record()})
        seen = factories.observation(factories.snapshot(chain, validators=validators), memory=memory)
        facts = (seen, factories.settings(), factories.seed("alice"), [factories.example()])
        (plan,) = desired.compute(*facts, kept=values).chains
        return plan.peering

    assert peers(1) is peers(2)
