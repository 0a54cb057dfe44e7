"""The random script of a day in an hour: valid for every seed and within the capacity of 2 cores."""

from collections import Counter, defaultdict

import pytest

from ics.config import chain_definition
from tests.network import day
from tests.unit import factories

SEEDS = range(40)


def test_script_is_determined_by_seed() -> None:
    assert day.script(7, 30) == day.script(7, 30)
    assert day.script(7, 30) != day.script(8, 30)
    assert day.script(7, 60)[: len(day.script(7, 30))] == day.script(7, 30)


@pytest.mark.parametrize("seed", SEEDS)
def test_script_of_one_hour_has_acts_of_every_kind(seed: int) -> None:
    acts = day.script(seed, 60)
    kinds = Counter(act.kind for act in acts)
    assert set(kinds) == set(day.Kind)
    assert kinds[day.Kind.CREATE] >= 6
    assert len(acts) >= 60
    assert [act.at for act in acts] == sorted(act.at for act in acts)
    assert acts[-1].at < 3600


def test_script_of_ten_minutes_has_launch_and_membership_change() -> None:
    for seed in SEEDS:
        kinds = {act.kind for act in day.script(seed, 10)}
        assert day.Kind.CREATE in kinds
        assert kinds & {day.Kind.JOIN, day.Kind.LEAVE, day.Kind.REMOVE}


@pytest.mark.parametrize("seed", SEEDS)
def test_script_never_exceeds_number_of_concurrent_chains(seed: int) -> None:
    alive: dict[int, float] = {}
    for act in day.script(seed, 60):
        alive = {chain: until for chain, until in alive.items() if act.at < until}
        if act.kind is day.Kind.CREATE:
            alive[act.chain] = float("inf")
        if act.kind is day.Kind.REMOVE:
            alive[act.chain] = act.at + day.ENDING
        assert len(alive) <= day.AT_ONCE


@pytest.mark.parametrize("seed", SEEDS)
def test_script_acts_are_valid_for_current_members(seed: int) -> None:
    members: dict[int, set[str]] = defaultdict(lambda: {"alice", "bob"})
    spawn: dict[int, float] = {}
    removed = set()
    for act in day.script(seed, 60):
        assert act.chain not in removed
        if act.kind in (day.Kind.CREATE, day.Kind.MOVE):
            spawn[act.chain] = act.at + max(act.spawn_in, 0)
            assert chain_definition.may_match(
                chain_definition.Match(chain_id="consumer*-1", owner=factories.OWNER),
                str(act.chain),
                act.chain_id,
            ), act
        if act.kind is day.Kind.JOIN:
            assert act.who not in members[act.chain]
            members[act.chain].add(act.who)
        if act.kind is day.Kind.LEAVE:
            assert act.at > spawn[act.chain]
            members[act.chain].remove(act.who)
            assert members[act.chain]
        if act.kind is day.Kind.REMOVE:
            assert act.at > spawn[act.chain]
            removed.add(act.chain)
