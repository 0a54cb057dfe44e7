"""Reused details: events may be lost, repeated and late, and no decision that counts rests on an earlier answer."""

import dataclasses
import datetime
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies

from ics import errors, model
from ics.conditions import Condition
from ics.consumer import chain_decision, desired, observed
from ics.cosmos import gas_prices
from ics.provider import event_filter
from ics.reconciler import kept_answers, observe, recent_details, world
from tests.unit import factories

P = model.Phase
EPOCH = 7
"""Blocks."""
BLOCK = datetime.timedelta(seconds=10)
LIFETIME = datetime.timedelta(seconds=60)
START = datetime.datetime(2025, 6, 1, tzinfo=datetime.UTC)
CHAINS = ("0", "1", "2", "3")
EXAMPLES = 5 + int(os.environ.get("MODEL_STEPS", "0")) // 100
ELSEWHERE = factories.consumer_key("alice", place=7).address


@dataclasses.dataclass
class Provider:
    """A provider that changes, of which every pass sees the newest block; it records the chains asked about."""

    chains: dict[str, model.Consumer]
    height: int = 100
    asked: list[str] = dataclasses.field(default_factory=list)
    has_epochs: bool = True
    balance: int = 10**9
    accounts_asked: int = 0

    async def open(self, floor: model.ActedBlock | None) -> None:
        return None

    async def check_rpc(self) -> None:
        return None

    def endpoint_states(self) -> tuple[model.EndpointState, ...]:
        return ()

    def conditions(self) -> tuple[Condition, ...]:
        return ()

    async def snapshot(
        self, operator_address: str, interest: Callable[[model.ConsumerSummary, bool], bool]
    ) -> model.Snapshot:
        found = []
        for chain in self.chains.values():
            is_asked = interest(chain.summary, False)
            found.append(chain if is_asked else model.Consumer(chain.summary))
            self.asked += [chain.summary.consumer_id] if is_asked else []
        return factories.snapshot(*found, height=self.height, time=self.time.isoformat())

    @property
    def time(self) -> datetime.datetime:
        return START + self.height * BLOCK

    async def details(
        self, summaries: Sequence[model.ConsumerSummary], *, takes_key_of_set: bool = False
    ) -> tuple[Mapping[str, model.ConsumerDetail], Mapping[str, str]]:
        assert not takes_key_of_set
        self.asked += [summary.consumer_id for summary in summaries]
        found = {one.consumer_id: self.chains[one.consumer_id].detail for one in summaries}
        return {one: detail for one, detail in found.items() if detail is not None}, {}

    async def epoch_end(self) -> int:
        if not self.has_epochs:
            raise errors.Transient("http://a: unreachable")
        return self.height + max(-self.height % EPOCH, 1)

    async def gas_price(self) -> gas_prices.GasPrice:
        return gas_prices.GasPrice()

    async def balances(self, accounts: tuple[str, ...], denom: str) -> Mapping[str, int]:
        self.accounts_asked += len(accounts)
        return dict.fromkeys(accounts, self.balance)

    async def slashing_params(self) -> model.SlashingParams:
        return factories.SLASHING

    async def queued_terms(self, consumer_id: str) -> model.InfractionParameters:
        return model.InfractionParameters()

    async def is_key_used(self, consumer_id: str, consumer_address: str) -> bool:
        return False

    async def launch(self, consumer_id: str, with_details: bool = True) -> model.Launch:
        return factories.launch("alice", "bob")

    async def dissent(self, consumer_id: str, snapshot: model.Snapshot) -> tuple[str, ...]:
        return ()


class Cluster:
    """Alice's cluster with the nodes of launched and the volumes of staged chains, and a Lease."""

    def __init__(self) -> None:
        self.chains = {
            one: observed.ChainMemory(
                namespace=f"ns{one}",
                genesis=factories.GENESIS if one in LAUNCHED else None,
                records=(factories.record(factories.consumer_key("alice", one), at=_place(one)),),
                volume_uid="volume-1",
                has_workload=one in LAUNCHED,
                workload_place=_place(one).place_id,
            )
            for one in CHAINS
        }

    async def load(self) -> observed.Memory:
        return factories.memories(self.chains)

    async def observe(self, namespaces: Mapping[str, str]) -> Mapping[str, model.Observation]:
        return {}

    async def acted_block(self, provider_chain_id: str) -> model.ActedBlock | None:
        return None

    async def annotations(self) -> Mapping[str, str]:
        return {}

    def record_block(self, provider_chain_id: str, block: model.ActedBlock) -> None:
        return None

    async def waits(self) -> Mapping[str, str]:
        return {}

    async def unresolved(self, hosts: Mapping[str, bool]) -> frozenset[str]:
        return frozenset()


LAUNCHED = ("0", "1")


def _place(consumer_id: str) -> model.Place:
    return factories.place(namespace=f"ns{consumer_id}")


def chain(consumer_id: str) -> model.Consumer:
    phase = P.LAUNCHED if consumer_id in LAUNCHED else P.INITIALIZED
    spawn = {} if consumer_id in LAUNCHED else {"spawn_time": "2026-01-01T00:00:00Z"}
    found = factories.joined("alice", "bob", consumer_id=consumer_id, **spawn)
    return factories.consumer(phase, found, consumer_id, f"consumer{consumer_id}-1")


def provider() -> Provider:
    return Provider({one: chain(one) for one in CHAINS})


def worlds(found: Provider) -> tuple[world.World, world.World, recent_details.RecentDetails]:
    """The daemon's world, and that of passes that ask for everything."""
    cluster, details = Cluster(), recent_details.RecentDetails(LIFETIME)
    fresh = factories.world(cluster, provider=found, lease=cluster)
    daemon = dataclasses.replace(fresh, details=details, recent=kept_answers.KeptAnswers(balances=LIFETIME))
    return daemon, fresh, details


def event(found: Provider, *consumer_ids: str, **changes: Any) -> event_filter.ChainEvent:
    return event_filter.ChainEvent(found.height, ("opt_in",), frozenset(consumer_ids), **changes)


async def asked(found: Provider, one: world.World) -> list[str]:
    """Chains about which the next pass asks."""
    found.height += 1
    found.asked.clear()
    await observe.read(one)
    return sorted(found.asked)


async def warm() -> tuple[Provider, world.World, recent_details.RecentDetails]:
    """A daemon that has read everything at the beginning of an epoch."""
    found = provider()
    daemon, _, details = worlds(found)
    found.height = EPOCH * 20
    assert await asked(found, daemon) == list(CHAINS)
    assert await asked(found, daemon) == []
    return found, daemon, details


async def test_unchanged_chains_are_asked_about_once_an_epoch() -> None:
    found, daemon, _ = await warm()
    # At the very block of an update, the provider does not say when the next one comes.
    counts = [len(await asked(found, daemon)) for _ in range(EPOCH)]
    assert counts == [0] * (EPOCH - 3) + 2 * [len(CHAINS)] + [0]


async def test_reused_details_carry_the_height_at_which_they_were_read() -> None:
    found, daemon, _ = await warm()
    seen, _ = await observe.read(daemon)
    assert {one.read_at for one in seen.snapshot.consumers} == {found.height - 1}
    assert [one.detail for one in seen.snapshot.consumers] == [one.detail for one in found.chains.values()]


async def test_event_makes_the_next_pass_ask_about_its_chains_only() -> None:
    found, daemon, details = await warm()
    details.note(event(found, "1", "3"))
    assert await asked(found, daemon) == ["1", "3"]
    assert await asked(found, daemon) == []


async def test_event_of_a_block_that_the_pass_has_not_seen_is_not_answered_by_it() -> None:
    found, daemon, details = await warm()
    details.note(dataclasses.replace(event(found, "1"), height=found.height + 2))
    assert [await asked(found, daemon) for _ in range(3)] == [["1"], ["1"], []]


async def test_event_that_names_no_chain_and_a_new_connection_concern_all() -> None:
    found, daemon, details = await warm()
    details.note(event(found, concerns_all=True))
    assert await asked(found, daemon) == list(CHAINS)
    details.note(event_filter.CONNECTED)
    assert await asked(found, daemon) == list(CHAINS)


async def test_chains_are_asked_about_when_their_answers_are_old() -> None:
    found, daemon, _ = await warm()
    found.has_epochs = False
    found.height = EPOCH * 1000  # no pass has run for long
    assert await asked(found, daemon) == list(CHAINS)


async def test_nothing_is_reused_while_the_end_of_the_epoch_is_unknown() -> None:
    found = provider()
    found.has_epochs = False
    daemon, _, _ = worlds(found)
    assert [await asked(found, daemon) for _ in range(3)] == [list(CHAINS)] * 3


async def test_chain_is_asked_about_in_every_pass_near_its_spawn_time() -> None:
    found, daemon, _ = await warm()
    near = (found.time + recent_details.NEAR).isoformat()
    one = found.chains["2"]
    assert one.detail is not None
    found.chains["2"] = dataclasses.replace(one, detail=dataclasses.replace(one.detail, spawn_time=near))
    daemon.details.note(event(found, "2"))  # type: ignore[union-attr]
    assert [await asked(found, daemon) for _ in range(3)] == [["2"]] * 3


async def test_other_definitions_make_the_next_pass_ask_about_everything() -> None:
    found, daemon, _ = await warm()
    other = dataclasses.replace(daemon, definitions=[factories.example(image="example.org/other:v1")])
    assert await asked(found, other) == list(CHAINS)


async def test_changed_state_of_the_cluster_makes_the_pass_ask_before_it_decides() -> None:
    found, daemon, _ = await warm()
    cluster = daemon.state
    assert isinstance(cluster, Cluster)
    cluster.chains["0"] = dataclasses.replace(cluster.chains["0"], has_workload=False)
    assert await asked(found, daemon) == ["0"]


async def test_balances_are_reused_unless_a_payment_is_due_or_an_account_is_empty() -> None:
    found, daemon, _ = await warm()
    found.accounts_asked = 0
    await asked(found, daemon)
    assert found.accounts_asked == 0
    found.height = EPOCH * 1000
    found.balance = 0
    await asked(found, daemon)
    everything, found.accounts_asked = found.accounts_asked, 0
    await asked(found, daemon)
    assert found.accounts_asked == everything > 0


# -- whatever happens to the events ----------------------------------------------------------------


def _with_detail(found: Provider, consumer_id: str, **changes: Any) -> None:
    one = found.chains[consumer_id]
    if one.detail is not None:
        found.chains[consumer_id] = dataclasses.replace(
            one, detail=dataclasses.replace(one.detail, **changes)
        )


def _with_phase(found: Provider, consumer_id: str, phase: P) -> None:
    before = found.chains[consumer_id]
    found.chains[consumer_id] = factories.consumer(
        phase, before.detail, consumer_id, before.summary.chain_id, f"07-tendermint-{consumer_id}"
    )


CHANGES: Mapping[str, Callable[[Provider, str], None]] = {
    "the key of another installation": lambda p, c: _with_detail(p, c, own_consumer_address=ELSEWHERE),
    "no key": lambda p, c: _with_detail(p, c, own_consumer_address=None),
    "the key of this place": lambda p, c: _with_detail(
        p, c, own_consumer_address=factories.consumer_key("alice", c).address
    ),
    "opted out": lambda p, c: _with_detail(p, c, opted_in=frozenset({factories.valcons("bob")})),
    "opted in": lambda p, c: _with_detail(
        p, c, opted_in=frozenset({factories.valcons("alice"), factories.valcons("bob")})
    ),
    "out of the set": lambda p, c: _with_detail(
        p, c, validators=factories.joined("bob", consumer_id=c).validators
    ),
    "another owner": lambda p, c: _with_detail(p, c, owner="cosmos1other"),
    "a changeover": lambda p, c: _with_detail(p, c, connection_id="connection-0"),
    "another base": lambda p, c: _with_detail(p, c, genesis_hash=b"other"),
    "stopped": lambda p, c: _with_phase(p, c, P.STOPPED),
    "deleted": lambda p, c: _with_phase(p, c, P.DELETED),
    "launched": lambda p, c: _with_phase(p, c, P.LAUNCHED),
}
DELIVERIES = ("now", "later", "twice", "never")


@dataclasses.dataclass(frozen=True)
class Step:
    """Something happens to a chain, its event arrives or not, and passes run."""

    change: str
    consumer_id: str
    delivery: str
    blocks: int
    is_connected_again: bool


steps = strategies.lists(
    strategies.builds(
        Step,
        change=strategies.sampled_from(sorted(CHANGES)),
        consumer_id=strategies.sampled_from(CHAINS),
        delivery=strategies.sampled_from(DELIVERIES),
        blocks=strategies.integers(0, 2),
        is_connected_again=strategies.booleans(),
    ),
    max_size=6,
)


def decisions(wanted: desired.Desired) -> dict[str, chain_decision.ChainDecision]:
    return {decision.summary.consumer_id: decision for decision in wanted.decisions}


def kept(wanted: desired.Desired, consumer_id: str) -> Iterator[object]:
    """What must be the same for every chain, whatever was lost: nothing is sent, removed or withheld in error."""
    decision = decisions(wanted)[consumer_id]
    yield from (decision.intents, decision.awaited, decision.withholds, decision.withdraws, decision.retires)
    yield from (decision.has_left, decision.ends_for, decision.relaying_copies, decision.elsewhere)
    yield consumer_id in wanted.ended


@hypothesis.settings(deadline=None, max_examples=EXAMPLES)
@hypothesis.given(story=steps)
async def test_no_decision_that_counts_rests_on_an_earlier_answer(story: list[Step]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ics.reconciler.observe.secrets.token_hex", lambda count: factories.SPARE)
        found = provider()
        daemon, fresh, details = worlds(found)
        late: list[event_filter.ChainEvent] = []
        for step in [*story, None]:
            if step is not None:
                CHANGES[step.change](found, step.consumer_id)
                found.height += 1
                told = event(found, step.consumer_id)
                if step.delivery in ("now", "twice"):
                    details.note(told)
                late += [told] if step.delivery in ("later", "twice") else []
                if step.is_connected_again:
                    details.note(event_filter.CONNECTED)
            for _ in range(step.blocks if step is not None else 1):
                found.height += 1
                await check(daemon, fresh)
            if len(late) > 2:
                details.note(late.pop())  # the newest first
        # Whatever was lost: once the answers are old, both see the same.
        found.height += int(LIFETIME / BLOCK)
        seen, wanted = await observe.read(daemon)
        assert all(one.read_at is None for one in seen.snapshot.consumers)
        assert wanted == (await observe.read(fresh))[1]


async def check(daemon: world.World, fresh: world.World) -> None:
    """Compare a pass of the daemon with one that asks for everything at the same height."""
    (seen, wanted), (_, full) = await observe.read(daemon), await observe.read(fresh)
    ours, theirs = decisions(wanted), decisions(full)
    assert ours.keys() == theirs.keys()
    for consumer in seen.snapshot.consumers:
        consumer_id = consumer.summary.consumer_id
        if consumer_id not in ours:
            continue
        if consumer.read_at is None:
            assert ours[consumer_id] == theirs[consumer_id]
        else:  # nothing is done about it, and its objects are those of the pass that asked
            assert not any(kept(wanted, consumer_id))
            assert not ours[consumer_id].is_paused
