"""Passes from cron: what changes slowly is kept on the Lease, and no decision that counts rests on it."""

import dataclasses
import itertools
import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies

from ics import errors, model, names
from ics.cluster.api import lease
from ics.conditions import Reason
from ics.consumer import desired, observed, watchdog
from ics.cosmos import addresses
from ics.reconciler import kept_answers, observe, outcome, reconcile, world
from tests.unit import factories
from tests.unit.reconciler import test_recent_details as daemon

SCOPE = "provider-1 stake"
NEWER = factories.place(9, namespace="ns0")


@dataclasses.dataclass
class Provider(daemon.Provider):
    """A provider whose chains' sets have the keys of the last epoch; it records what it is asked for."""

    keys_asked: list[str] = dataclasses.field(default_factory=list)
    queues_asked: list[str] = dataclasses.field(default_factory=list)
    slashing_asked: int = 0
    queued: model.InfractionParameters | None = None

    async def details(
        self, summaries: Sequence[model.ConsumerSummary], *, takes_key_of_set: bool = False
    ) -> tuple[Mapping[str, model.ConsumerDetail], Mapping[str, str]]:
        found, problems = await super().details(summaries)
        if not takes_key_of_set:
            self.keys_asked += sorted(found)
            return found, problems
        return {one: self._of_set(one, detail) for one, detail in found.items()}, problems

    def _of_set(self, consumer_id: str, detail: model.ConsumerDetail) -> model.ConsumerDetail:
        if self.chains[consumer_id].summary.phase is not model.Phase.LAUNCHED:
            return detail  # the set is computed with the keys that are assigned now
        mine = [m for m in detail.validators if m.consensus_address == factories.valcons("alice")]
        if not mine:
            self.keys_asked.append(consumer_id)
            return detail
        address = addresses.consensus_address(mine[0].consumer_key)
        return dataclasses.replace(detail, own_consumer_address=address, is_key_of_set=True)

    async def slashing_params(self) -> model.SlashingParams:
        self.slashing_asked += 1
        return await super().slashing_params()

    async def queued_terms(self, consumer_id: str) -> model.InfractionParameters:
        self.queues_asked.append(consumer_id)
        return self.queued or model.InfractionParameters()

    def asked_for(self) -> tuple[list[str], list[str], int]:
        """Return the chains asked for a key and for queues, and the accounts, since the last call."""
        found = sorted(self.keys_asked), sorted(self.queues_asked), self.accounts_asked
        self.keys_asked, self.queues_asked, self.accounts_asked = [], [], 0
        return found


class Cluster(daemon.Cluster):
    """A cluster with a Lease that keeps its annotations, and nodes that may be observed."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[str, str] = {}
        self.writes = 0
        self.problem: errors.IcsError | None = None
        self.observations: dict[str, model.Observation] = {}

    async def observe(self, namespaces: Mapping[str, str]) -> Mapping[str, model.Observation]:
        return self.observations

    async def annotations(self) -> Mapping[str, str]:
        return self.kept

    async def annotate(self, changes: Mapping[str, str]) -> None:
        if self.problem is not None:
            raise self.problem
        self.writes += 1
        self.kept |= changes


def scene() -> tuple[Provider, Cluster]:
    found = Provider({one: daemon.chain(one) for one in daemon.CHAINS})
    found.height = 1000
    return found, Cluster()


def stack(found: Provider, cluster: Cluster, **changes: Any) -> world.World:
    """The world of one pass from cron, which is a process of its own."""
    recent = kept_answers.KeptAnswers(kept_answers.ROUTINE, kept_answers.ROUTINE)
    changes = {"recent": recent, "is_routine": True} | changes
    return factories.world(cluster, provider=found, lease=cluster, **changes)


async def routine(found: Provider, cluster: Cluster) -> tuple[observed.Observed, desired.Desired]:
    """One pass from cron, as far as it reads and keeps anything."""
    found.height += 1
    one = stack(found, cluster)
    seen, wanted = await observe.read(one)
    await reconcile.keep_answers(one, outcome.Collector())
    return seen, wanted


async def warm() -> tuple[Provider, Cluster]:
    found, cluster = scene()
    await routine(found, cluster)
    assert found.asked_for() == (["0", "1"], ["0", "1"], 8)
    return found, cluster


async def test_unchanged_passes_ask_for_no_key_queue_or_balance_and_write_nothing() -> None:
    found, cluster = await warm()
    writes = cluster.writes
    passes = [await routine(found, cluster) for _ in range(3)]
    assert found.asked_for() == ([], [], 0)
    assert (writes, cluster.writes) == (1, 1)
    assert found.slashing_asked == 1
    assert {reason for _, wanted in passes for d in wanted.decisions for reason in factories.reasons(d)} == {
        reason for d in (await full(found, cluster)).decisions for reason in factories.reasons(d)
    }


async def full(found: Provider, cluster: Cluster) -> desired.Desired:
    """What a pass that asks for everything decides at the same height."""
    everything = stack(found, cluster, recent=kept_answers.KeptAnswers(), is_routine=False)
    return (await observe.read(everything))[1]


async def test_everything_is_asked_for_once_an_hour() -> None:
    found, cluster = await warm()
    found.height += int(kept_answers.ROUTINE / daemon.BLOCK)
    await routine(found, cluster)
    assert found.asked_for() == (["0", "1"], ["0", "1"], 8)
    assert cluster.writes == 2


async def test_first_pass_of_a_chain_asks_for_everything_about_it() -> None:
    found, cluster = scene()
    later = found.chains.pop("1"), cluster.chains.pop("1")
    await routine(found, cluster)
    found.asked_for()
    found.chains["1"], cluster.chains["1"] = later
    await routine(found, cluster)
    assert found.asked_for() == (["1"], ["1"], 2)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"scope":"provider-1 stake"}', '{"scope":"x","keys":3}', "[" * 9999]
)
async def test_record_that_was_edited_means_that_everything_is_asked_for(text: str) -> None:
    found, cluster = await warm()
    cluster.kept[names.ANSWERS] = text
    await routine(found, cluster)
    assert found.asked_for() == (["0", "1"], ["0", "1"], 8)


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("slashing", [1, "2", "0", 0]),
        ("slashing", [1, "x", "0", 0]),
        ("keys", {"0": 10**30}),
        ("keys", {"0": 10**17}),
        ("queues", {"0": "soon"}),
        ("balances", {"a": [1]}),
        ("keys", ["0"]),
    ],
)
async def test_record_with_one_bad_value_is_not_used_at_all(part: str, value: object) -> None:
    found, cluster = await warm()
    cluster.kept[names.ANSWERS] = json.dumps(json.loads(cluster.kept[names.ANSWERS]) | {part: value})
    await routine(found, cluster)
    assert found.asked_for() == (["0", "1"], ["0", "1"], 8)


async def test_stack_whose_definitions_state_all_penalties_keeps_a_record_without_the_providers() -> None:
    found, cluster = await warm()
    cluster.kept[names.ANSWERS] = json.dumps(json.loads(cluster.kept[names.ANSWERS]) | {"slashing": None})
    await routine(found, cluster)
    assert found.asked_for() == ([], [], 0)
    assert (found.slashing_asked, json.loads(cluster.kept[names.ANSWERS])["slashing"][1]) == (2, "0.05")


async def test_record_of_another_provider_or_of_the_future_is_not_used() -> None:
    found, cluster = await warm()
    record = json.loads(cluster.kept[names.ANSWERS])
    assert record["scope"] == SCOPE
    cluster.kept[names.ANSWERS] = json.dumps(record | {"scope": "provider-2 stake"})
    await routine(found, cluster)
    assert found.asked_for() == (["0", "1"], ["0", "1"], 8)
    found.height -= 100
    await routine(found, cluster)
    assert found.asked_for() == (["0", "1"], ["0", "1"], 8)


async def test_what_an_owner_has_queued_is_asked_for_in_every_pass() -> None:
    found, cluster = scene()
    penalty = model.Penalty(slash_fraction=Decimal(1), jail_duration=0, tombstone=False)
    found.queued = dataclasses.replace(factories.MILD, downtime=penalty)
    for _ in range(3):
        _, wanted = await routine(found, cluster)
        assert found.asked_for()[1] == ["0", "1"]
        assert Reason.TERMS_TOO_HARSH in factories.reasons(wanted.decisions[0])


async def test_chain_that_might_be_joined_is_asked_about_in_every_pass_and_changes_no_record() -> None:
    found, cluster = scene()
    found.chains["7"] = factories.consumer(model.Phase.INITIALIZED, factories.detail(), "7", "consumer7-1")
    await routine(found, cluster)
    kept, asked = cluster.writes, found.slashing_asked
    passes = [await routine(found, cluster) for _ in range(3)]
    assert [len(wanted.announced) for _, wanted in passes] == [1, 1, 1]
    assert (cluster.writes, found.slashing_asked) == (kept, asked + 3)


# -- the key is asked for where it counts ----------------------------------------------------------


def _change(cluster: Cluster, **changes: Any) -> None:
    cluster.chains["0"] = dataclasses.replace(cluster.chains["0"], **changes)


async def test_key_is_asked_for_before_a_node_is_started() -> None:
    found, cluster = await warm()
    _change(cluster, has_workload=False, workload_place="")
    await routine(found, cluster)
    assert found.asked_for()[0] == ["0"]


async def test_key_is_asked_for_while_a_newer_one_is_on_record() -> None:
    """The set has the old key until the next epoch, and the new one is assigned already."""
    found, cluster = await warm()
    key = factories.key_of(NEWER)
    _change(cluster, records=(*cluster.chains["0"].records, factories.record(key, at=NEWER)))
    daemon._with_detail(found, "0", own_consumer_address=key.address)
    _, wanted = await routine(found, cluster)
    assert found.asked_for()[0] == ["0"]
    assert wanted == await full(found, cluster)


async def test_key_is_asked_for_while_it_is_withheld_or_its_sign_state_is_not_ready() -> None:
    for changes in ({"is_withheld": True}, {"volume_uid": "volume-2"}, {"volume_uid": None}):
        found, cluster = await warm()
        _change(cluster, **changes)
        await routine(found, cluster)
        assert found.asked_for()[0] == ["0"], changes


async def test_key_is_asked_for_before_a_restart() -> None:
    found, cluster = await warm()
    pod = factories.pod()
    cluster.observations = {"0": model.Observation(pod=pod)}
    await routine(found, cluster)
    assert found.asked_for()[0] == ["0"]
    cluster.observations = {}
    _change(cluster, watchdog=watchdog.WatchdogRecord(process="x", failures=1))
    await routine(found, cluster)
    assert found.asked_for()[0] == []  # there is no process


@pytest.mark.parametrize("requests", ["move_requests", "rekey_requests", "roll_requests"])
async def test_key_is_asked_for_what_the_operator_orders(requests: str) -> None:
    found, cluster = await warm()
    found.height += 1
    await observe.read(stack(found, cluster, **{requests: frozenset({"0"})}))
    assert found.asked_for()[0] == ["0"]


async def test_another_installation_is_found_with_the_next_set() -> None:
    found, cluster = await warm()
    daemon._with_detail(found, "0", own_consumer_address=daemon.ELSEWHERE)
    _, wanted = await routine(found, cluster)
    assert not any(daemon.kept(wanted, "0"))
    theirs = factories.consumer_key("alice", place=7).public_key
    chain = found.chains["0"].detail
    assert chain is not None
    others = tuple(m for m in chain.validators if m.consensus_address != factories.valcons("alice"))
    mine = model.ConsumerValidator(factories.valcons("alice"), theirs, 1)
    daemon._with_detail(found, "0", validators=(mine, *others))
    found.asked_for()
    _, wanted = await routine(found, cluster)
    assert found.asked_for()[0] == ["0"]
    assert daemon.decisions(wanted)["0"].elsewhere == daemon.ELSEWHERE
    assert wanted == await full(found, cluster)


async def test_another_installation_that_was_found_is_found_in_the_next_pass_too() -> None:
    found, cluster = await warm()
    daemon._with_detail(found, "0", own_consumer_address=daemon.ELSEWHERE)
    found.height += int(kept_answers.ROUTINE / daemon.BLOCK)
    for _ in range(3):
        found.asked_for()
        _, wanted = await routine(found, cluster)
        assert "0" in found.asked_for()[0]
        assert daemon.decisions(wanted)["0"].elsewhere == daemon.ELSEWHERE


async def test_balance_is_asked_for_before_anything_is_paid() -> None:
    found, cluster = await warm()
    record = json.loads(cluster.kept[names.ANSWERS])
    record["balances"] = {one: [read, 1] for one, (read, _) in record["balances"].items()}
    cluster.kept[names.ANSWERS] = json.dumps(record)
    found.height += 1
    _, wanted = await observe.read(stack(found, cluster))
    assert found.asked_for()[2] == 8
    assert not [intent for intent in wanted.intents if isinstance(intent, model.TopUp)]


# -- the record is written by whoever acts ---------------------------------------------------------


async def test_record_is_left_to_whoever_has_the_lease() -> None:
    found, cluster = scene()
    cluster.problem = lease.HeldByOther("another acts", "other")
    one, collector = stack(found, cluster), outcome.Collector()
    await observe.read(one)
    await reconcile.keep_answers(one, collector)
    assert (collector.troubles, cluster.kept) == ((), {})
    cluster.problem = errors.Transient("no answer")
    await reconcile.keep_answers(one, collector)
    assert [str(trouble.error) for trouble in collector.troubles] == ["no answer"]


async def test_passes_by_hand_ask_for_everything_and_keep_nothing() -> None:
    found, cluster = await warm()
    by_hand = stack(found, cluster, recent=kept_answers.KeptAnswers(), is_routine=False)
    await observe.read(by_hand)
    await reconcile.keep_answers(by_hand, outcome.Collector())
    assert found.asked_for()[1:] == (["0", "1"], 8)
    assert cluster.writes == 1


def test_record_of_very_many_chains_fits_into_an_annotation() -> None:
    answers = kept_answers.KeptAnswers(kept_answers.ROUTINE, kept_answers.ROUTINE)
    now = daemon.START
    ids = frozenset(map(str, range(5000)))
    answers.keep_terms(now, factories.SLASHING, dict.fromkeys(ids, model.InfractionParameters()))
    answers.keep_keys(now, ids, ids)
    accounts = frozenset(f"cosmos1{number:038}" for number in range(10000))
    answers.keep_balances(now, accounts, dict.fromkeys(accounts, 10**12))
    text = answers.encode(SCOPE)
    assert 90 * 1024 < len(text) <= 96 * 1024
    again = kept_answers.KeptAnswers(kept_answers.ROUTINE, kept_answers.ROUTINE)
    again.load(text, SCOPE)
    assert again.encode(SCOPE) == text


def test_record_of_five_hundred_chains_has_everything() -> None:
    answers = kept_answers.KeptAnswers(kept_answers.ROUTINE, kept_answers.ROUTINE)
    now, ids = daemon.START, frozenset(map(str, range(500)))
    answers.keep_terms(now, None, dict.fromkeys(ids, model.InfractionParameters()))
    answers.keep_keys(now, ids, ids)
    accounts = frozenset(f"cosmos1{number:038}" for number in range(1000))
    answers.keep_balances(now, accounts, dict.fromkeys(accounts, 10**12))
    record = json.loads(answers.encode(SCOPE))
    assert [len(record[part]) for part in ("keys", "queues", "balances")] == [500, 500, 1000]


# -- whatever happens ------------------------------------------------------------------------------

changes = strategies.lists(
    strategies.tuples(
        strategies.sampled_from(sorted(daemon.CHANGES)),
        strategies.sampled_from(daemon.CHAINS),
        strategies.integers(0, 3),
    ),
    max_size=6,
)


@hypothesis.settings(deadline=None, max_examples=daemon.EXAMPLES)
@hypothesis.given(story=changes)
async def test_no_decision_that_counts_rests_on_the_key_of_a_set(
    story: list[tuple[str, str, int]],
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ics.reconciler.observe.secrets.token_hex", lambda count: factories.SPARE)
        found, cluster = scene()
        for name, consumer_id, passes in [*story, ("opted in", "0", 1)]:
            daemon.CHANGES[name](found, consumer_id)
            for _ in itertools.repeat(None, passes):
                await check(found, cluster)
        found.height += int(kept_answers.ROUTINE / daemon.BLOCK)
        _, wanted = await routine(found, cluster)
        assert wanted == await full(found, cluster)


async def check(found: Provider, cluster: Cluster) -> None:
    """Compare a pass from cron with one that asks for everything at the same height."""
    (seen, wanted), everything = await routine(found, cluster), await full(found, cluster)
    ours, theirs = daemon.decisions(wanted), daemon.decisions(everything)
    assert ours.keys() == theirs.keys()
    for consumer in seen.snapshot.consumers:
        consumer_id, detail = consumer.summary.consumer_id, consumer.detail
        assigned = found.chains[consumer_id].detail
        if detail is None or assigned is None or consumer_id not in ours:
            continue
        if detail.own_consumer_address == assigned.own_consumer_address:
            assert ours[consumer_id] == theirs[consumer_id]
        else:  # another key was assigned since the last epoch: nothing is done about the chain
            assert detail.is_key_of_set
            assert not any(daemon.kept(wanted, consumer_id))
            assert not ours[consumer_id].is_paused
