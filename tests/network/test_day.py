"""A day in an hour: chains come, are joined, moved, left and removed at random, while reconcilers stay.

`ICS_DAY_SEED` (a number; default: the day's date) draws the acts, `ICS_DAY_MINUTES` (default 60) is how long
they go on; putting everything in order afterwards takes up to ten minutes more.
"""

import datetime
import os
import pathlib
import re
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import httpx
import pytest

from devnet import owner, plan
from ics import errors
from tests.network import chains, day, fresh, launch, operators, residents, sameness, waiting

pytestmark = pytest.mark.soak

MINUTES = float(os.environ.get("ICS_DAY_MINUTES", "60"))
SEED = int(os.environ.get("ICS_DAY_SEED") or datetime.date.today().strftime("%Y%m%d"))
POLICY_JOINS = ("alice", "bob")
EXPLAINED = {
    "a command by hand, or the killed one, had the Lease": r"Lease provider/ics-\w+: ",
    "one Hermes after the other signs on a chain": r"Job \S+ is still running; \S+ waits for it",
    "the day was over in the midst of a pass": r"this reconciler is stopping; the next one continues from here",
}
"""Complaints that the day itself brings about, by their explanation."""


@dataclass
class Played:
    """The day as it went."""

    ids: dict[int, str] = field(default_factory=dict)
    """Consumer id by number of the chain within the day."""
    names: dict[str, set[str]] = field(default_factory=dict)
    """Chain ids that a chain ever had, by consumer id."""
    strangers: set[str] = field(default_factory=set)
    joins: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Opt-ins by hand, by validator and consumer id."""
    done: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    """Acts whose chain had come another way."""
    troubles: list[str] = field(default_factory=list)
    explained: Counter[str] = field(default_factory=Counter)

    @property
    def renamed(self) -> set[str]:
        """Consumer ids."""
        return {consumer_id for consumer_id, names in self.names.items() if len(names) > 1}


def test_a_day_in_an_hour_leaves_what_a_fresh_reconciler_would_make(
    everybody: Mapping[str, operators.Operator], tmp_path: pathlib.Path
) -> None:
    acts = day.script(SEED, MINUTES)
    print(f"the day of seed {SEED}: {len(acts)} acts in {MINUTES:.0f} minutes")
    before = {name: Counter(one.joined()) for name, one in everybody.items()}
    played = Played()
    began = time.monotonic()
    with residents.Residents(everybody, tmp_path) as staying:
        for act in acts:
            time.sleep(max(0.0, act.at - launch.since(began)))
            at = launch.since(began)
            how = play(act, played, everybody, staying)
            print(f"{at:7.1f} s  {shown(act, played)}: {how} in {launch.since(began) - at:.1f} s", flush=True)
            judge(played, staying.complaints() + staying.dead())
    judge(played, staying.complaints())

    took = launch.since(began)
    found = settled(everybody, played, tmp_path)
    tell(played, staying, found, took)
    waiting.figure("the last act to every cluster as a fresh one", launch.since(began) - took)
    for name, one in everybody.items():
        joined = Counter(one.joined()) - before[name]
        assert unasked(name, joined, played) == {}, f"{name} opted in {joined}"
        assert failed(one) == [], f"{name}: transactions that failed"
        assert (is_jailed(one), one.ics("plan").json["changes"]) == (False, [])
    assert {name: one.differences for name, one in found.items()} == {name: [] for name in everybody}
    assert played.troubles == []
    # An act may have to be left out; a day of which most is left out shows nothing.
    assert played.done.total() >= 2 * played.left_out.total()


def play(
    act: day.Act,
    played: Played,
    everybody: Mapping[str, operators.Operator],
    staying: residents.Residents,
) -> str:
    """Do it, or leave it out; answers how it went."""
    consumer_id = played.ids.get(act.chain, "")
    how = "done"
    if act.kind in (day.Kind.CREATE, day.Kind.STRANGER):
        made = played.ids[act.chain] = chains.create(act.chain_id, act.spawn_in)
        played.names[made] = {act.chain_id}
        if act.kind is day.Kind.STRANGER:
            played.strangers.add(made)
    elif act.kind is day.Kind.CRASH:
        staying.crash(act.who)
    elif act.kind is day.Kind.MOVE:
        how = moved(act, consumer_id, played)
    elif act.kind is day.Kind.REMOVE:
        if is_launched(consumer_id):
            owner.remove_consumer(consumer_id)
        else:
            how = f"left out: it is {chains.phase(consumer_id)}"
    else:
        how = by_hand(act, consumer_id, played, everybody[act.who])
    (played.done if how == "done" else played.left_out)[act.kind] += 1
    return how


def moved(act: day.Act, consumer_id: str, played: Played) -> str:
    """Move a spawn time; one that has just come cannot be moved any more."""
    try:
        owner.update_consumer(consumer_id, chains.spec(act.chain_id, act.spawn_in))
    except errors.Permanent:
        phase = chains.phase(consumer_id)
        if phase == "INITIALIZED":
            raise
        return f"left out: it is {phase}"
    played.names[consumer_id].add(act.chain_id)
    return "done"


def by_hand(act: day.Act, consumer_id: str, played: Played, operator: operators.Operator) -> str:
    """Join or leave, by the validator's own command."""
    if act.kind is day.Kind.LEAVE or chains.phase(consumer_id) != "INITIALIZED":
        if not is_launched(consumer_id):
            return f"left out: it is {chains.phase(consumer_id)}"
        is_in = operator.chain(consumer_id)["participation"] in ("opted-in", "validating")
        if is_in is (act.kind is day.Kind.JOIN):
            return f"left out: {act.who} is {'in' if is_in else 'out'} already"
    done = operator.ics("opt-in" if act.kind is day.Kind.JOIN else "opt-out", consumer_id)
    if done.code != 0:
        played.troubles.append(f"{act}: exit code {done.code}: {done.err}")
        return "failed"
    if act.kind is day.Kind.JOIN and "already opted in" not in done.json["message"]:
        played.joins[act.who, consumer_id] += 1
    return "done"


def is_launched(consumer_id: str) -> bool:
    """Whether it is, or will be as soon as its near spawn time has come."""
    spawn = str(owner.consumer(consumer_id)["init_params"]["spawn_time"])
    left = datetime.datetime.fromisoformat(spawn[:19] + "+00:00") - datetime.datetime.now(datetime.UTC)
    if left > datetime.timedelta(seconds=60):
        return False
    phase = waiting.until(
        "its launch is tried",
        lambda: chains.phase(consumer_id),
        lambda phase: phase != "INITIALIZED",
        every=1,
    )
    return phase == "LAUNCHED"


def judge(played: Played, complaints: list[str]) -> None:
    """Sort out what the day itself explains."""
    for complaint in complaints:
        reasons = [reason for reason, words in EXPLAINED.items() if re.search(words, complaint)]
        if reasons:
            played.explained[reasons[0]] += 1
        else:
            print(f"           not explained: {complaint}", flush=True)
            played.troubles.append(complaint)


def settled(
    everybody: Mapping[str, operators.Operator], played: Played, folder: pathlib.Path
) -> dict[str, sameness.Comparison]:
    """Passes until every cluster is as a fresh one, or until the patience is at its end."""
    deadline = time.monotonic() + 600.0
    found: dict[str, sameness.Comparison] = {}
    tries = 0
    while True:
        for one in everybody.values():
            done = one.reconcile("--once")
            judge(played, [f"{one.name}: {line}" for line in done.err.splitlines()])
        waits = [name for name in everybody if name not in found or found[name].differences]
        for name in waits:
            tries += 1
            place = folder / f"fresh-{tries}"
            place.mkdir()
            found[name] = fresh.compared(everybody[name], place, played.renamed)
        if not any(one.differences for one in found.values()) or time.monotonic() > deadline:
            return found
        time.sleep(5)


def unasked(name: str, joined: Counter[str], played: Played) -> dict[str, int]:
    """Opt-ins that nobody wanted, by consumer id: more or fewer than ordered by hand, and one by the policy."""
    found = {}
    for consumer_id, count in joined.items():
        ordered = played.joins[name, consumer_id]
        by_policy = name in POLICY_JOINS and consumer_id not in played.strangers
        if not ordered <= count <= ordered + by_policy:
            found[consumer_id] = count
    return found


def failed(operator: operators.Operator) -> list[str]:
    """Transactions of the validator that are in a block and failed: one sent twice would be among them."""
    found, page, total = [], 1, 1
    while (page - 1) * 100 < total:
        query = {
            "query": f"message.sender='{operator.account}'",
            "page": str(page),
            "limit": "100",
            "order_by": "ORDER_BY_ASC",
        }
        answer = httpx.get(
            f"{plan.HOSTS[0].rest}/cosmos/tx/v1beta1/txs", params=query, timeout=30, trust_env=False
        )
        answer.raise_for_status()
        body = answer.json()
        found += [f"{tx['txhash']}: {tx['raw_log']}" for tx in body["tx_responses"] if tx["code"] != 0]
        page, total = page + 1, int(body["total"])
    return found


def is_jailed(operator: operators.Operator) -> bool:
    """Whether the provider has punished it: tombstoned for two signers with one key, or jailed for downtime."""
    path = f"/cosmos/staking/v1beta1/validators/{operator.validator.operator_address}"
    answer = httpx.get(plan.HOSTS[0].rest + path, timeout=10, trust_env=False)
    answer.raise_for_status()
    return bool(answer.json()["validator"].get("jailed"))


def shown(act: day.Act, played: Played) -> str:
    """One line of the day's log."""
    words = [act.kind.value, act.who, f"chain {played.ids.get(act.chain, '?')}" if act.chain >= 0 else ""]
    words += [act.chain_id, f"spawn in {act.spawn_in:.0f} s" if act.chain_id else ""]
    return " ".join(word for word in words if word)


def tell(
    played: Played,
    staying: residents.Residents,
    found: Mapping[str, sameness.Comparison],
    took: float,
) -> None:
    """The day's figures, for people to quote."""
    print(f"seed {SEED}, {took / 60:.1f} minutes, load {os.getloadavg()}")
    print(f"acts: {dict(played.done)}; left out: {dict(played.left_out)}")
    print(f"passes: {dict(staying.passes)}; explained complaints: {dict(played.explained)}")
    print(
        f"phases: {Counter(chains.phase(one) for one in played.ids.values())}, renamed {len(played.renamed)}"
    )
    for name, one in found.items():
        print(
            f"{name}: {one.same} objects as a fresh reconciler makes them; remembered {dict(one.remembered)}"
        )
        for line in one.differences:
            print(f"  differs: {line}")
