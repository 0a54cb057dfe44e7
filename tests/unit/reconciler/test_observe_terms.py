"""Terms of chains are asked of the provider once in a pass, and an error is that chain's alone."""

import dataclasses
import datetime
from collections.abc import Callable, Mapping
from decimal import Decimal

from ics import errors, model
from ics.conditions import Condition, Reason
from ics.consumer import desired, observed
from ics.reconciler import kept_answers, observe, world
from tests.unit import factories

P = model.Phase
KEYS = {consumer_id: factories.consumer_key("alice", consumer_id).public_key for consumer_id in "012"}
NOTHING = model.InfractionParameters()
UNSERVED = errors.Permanent("http://a: HTTP 501, Not Implemented")
DOWN = errors.Transient("http://a: unreachable")


@dataclasses.dataclass
class Provider:
    """A provider with queued terms, or errors instead of answers; it records the queries."""

    found: model.Snapshot
    slashing: model.SlashingParams | errors.IcsError = factories.SLASHING
    queued: Mapping[str, model.InfractionParameters | Exception] = dataclasses.field(default_factory=dict)
    asked: list[str] = dataclasses.field(default_factory=list)

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
        return self.found

    async def is_key_used(self, consumer_id: str, consumer_address: str) -> bool:
        return False

    async def launch(self, consumer_id: str, with_details: bool = True) -> model.Launch:
        self.asked.append(f"genesis of {consumer_id}")
        return factories.launch("bob")

    async def slashing_params(self) -> model.SlashingParams:
        self.asked.append("slashing")
        if isinstance(self.slashing, errors.IcsError):
            raise self.slashing
        return self.slashing

    async def queued_terms(self, consumer_id: str) -> model.InfractionParameters:
        self.asked.append(consumer_id)
        answer = self.queued.get(consumer_id, NOTHING)
        if isinstance(answer, Exception):
            raise answer
        return answer


class Cluster:
    """A cluster that is ready for alice's late joins, and a Lease."""

    async def load(self) -> observed.Memory:
        (chain,) = factories.memory().chains.values()
        return factories.memories(
            {
                consumer_id: dataclasses.replace(
                    chain, records=(factories.record(factories.consumer_key("alice", consumer_id)),)
                )
                for consumer_id in KEYS
            }
        )

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


CHAINS = (
    factories.consumer(P.LAUNCHED, factories.joined("bob"), "0", "consumer0-1"),
    factories.consumer(P.LAUNCHED, factories.joined("bob"), "1", "consumer1-1"),
    factories.consumer(P.INITIALIZED, factories.detail(), "2", "consumer2-1"),
    factories.consumer(P.LAUNCHED, factories.joined("bob", consumer_id="3"), "3", "foreign-1"),
)


def resident(provider: Provider) -> world.World:
    """The world of a process that runs several passes."""
    cluster = Cluster()
    settings = factories.settings(participation={"policy": "all"}, relayer={"enabled": False})
    return factories.world(cluster, provider=provider, lease=cluster, settings=settings)


async def read(provider: Provider) -> tuple[observed.Observed, desired.Desired]:
    return await observe.read(resident(provider))


def opt_ins(*consumer_ids: str) -> tuple[model.OptIn, ...]:
    return tuple(
        model.OptIn(one, f"consumer{one}-1", KEYS[one], factories.place_id()) for one in consumer_ids
    )


def reasons(wanted: desired.Desired) -> dict[str, list[str]]:
    return {
        decision.summary.consumer_id: factories.reasons(decision)
        for decision in wanted.decisions
        if decision.conditions
    }


async def test_each_term_is_asked_for_once_and_not_of_foreign_chains() -> None:
    provider = Provider(factories.snapshot(*CHAINS))

    seen, wanted = await read(provider)

    assert sorted(provider.asked) == ["0", "1", "genesis of 0", "genesis of 1", "slashing"]
    assert (seen.slashing, seen.slashing_problem) == (factories.SLASHING, "")
    assert (seen.queued_terms, seen.queue_problems) == ({"0": NOTHING, "1": NOTHING}, {})
    assert (wanted.intents, reasons(wanted)) == (opt_ins("0", "1", "2"), {"3": [Reason.NO_DEFINITION]})


async def test_harsh_queue_and_unread_queue_stop_only_their_chains() -> None:
    harsh = dataclasses.replace(
        factories.MILD,
        downtime=model.Penalty(
            slash_fraction=factories.SLASHING.slash_fraction_double_sign, jail_duration=0, tombstone=False
        ),
    )
    for error in (UNSERVED, DOWN, KeyError("value")):
        provider = Provider(factories.snapshot(*CHAINS), queued={"0": harsh, "1": error})

        seen, wanted = await read(provider)

        assert sorted(provider.asked) == ["0", "1", "slashing"]
        assert (seen.queued_terms, seen.queue_problems) == ({"0": harsh}, {"1": str(errors.of_chain(error))})
        assert (wanted.intents, wanted.paused) == (opt_ins("2"), frozenset())
        assert reasons(wanted) == {
            "0": [Reason.TERMS_TOO_HARSH],
            "1": [Reason.QUEUE_UNREAD],
            "3": [Reason.NO_DEFINITION],
        }


async def test_unreadable_slashing_params_stop_no_pass() -> None:
    for error in (UNSERVED, DOWN):
        seen, wanted = await read(Provider(factories.snapshot(*CHAINS), slashing=error))

        assert (seen.slashing, seen.slashing_problem) == (None, str(error))
        assert (wanted.intents, wanted.paused) == ((), frozenset())
        assert {key: value for key, value in reasons(wanted).items() if key != "3"} == {
            consumer_id: [Reason.TERMS_UNREADABLE] for consumer_id in "012"
        }


MEMBERS = tuple(
    factories.consumer(P.LAUNCHED, factories.joined("alice", "bob", consumer_id=one), one, f"consumer{one}-1")
    for one in "01"
)


def at(seconds: float, *chains: model.Consumer) -> model.Snapshot:
    """The provider some time later; chain 2 is not ready to be joined unless it is among these."""
    moment = factories.snapshot().moment + datetime.timedelta(seconds=seconds)
    known = {chain.summary.consumer_id: chain for chain in chains}
    registered = factories.consumer(P.REGISTERED, consumer_id="2", chain_id="consumer2-1")
    return factories.snapshot(
        *({"2": registered} | known).values(),
        time=moment.isoformat(),
        launches={one: factories.launch("alice", "bob") for one in KEYS},
    )


async def test_idle_pass_of_a_resident_asks_nothing_about_terms() -> None:
    """Its first pass asks one query and one more per joined chain; the next passes ask none, as before terms."""
    provider = Provider(at(0, *MEMBERS))
    place = resident(provider)
    first, wanted = await observe.read(place)
    assert sorted(provider.asked) == ["0", "1", "slashing"]

    provider.asked.clear()
    lifetime = kept_answers.LIFETIME.total_seconds()
    for seconds in (5, lifetime - 1):
        provider.found = at(seconds, *MEMBERS)
        seen, again = await observe.read(place)
        assert provider.asked == []
        assert (seen.slashing, seen.queued_terms) == (None, {})
        assert [factories.reasons(one) for one in again.decisions] == [
            factories.reasons(one) for one in wanted.decisions
        ]
    assert first.slashing is not None

    provider.found = at(lifetime, *MEMBERS)
    await observe.read(place)
    assert sorted(provider.asked) == ["0", "1", "slashing"]


async def test_worse_terms_of_a_joined_chain_are_seen_when_the_answers_are_old() -> None:
    provider = Provider(at(0, *MEMBERS))
    place = resident(provider)
    await observe.read(place)
    penalty = model.Penalty(slash_fraction=Decimal(1), jail_duration=0, tombstone=False)
    provider.queued = {"0": dataclasses.replace(factories.MILD, downtime=penalty)}
    provider.found = at(kept_answers.LIFETIME.total_seconds(), *MEMBERS)
    _, wanted = await observe.read(place)
    assert Reason.TERMS_TOO_HARSH in factories.reasons(wanted.decisions[0])


async def test_chain_is_joined_by_fresh_answers_only() -> None:
    provider = Provider(at(0, *MEMBERS))
    place = resident(provider)
    await observe.read(place)
    provider.asked.clear()
    new = factories.consumer(P.INITIALIZED, factories.detail(), "2", "consumer2-1")
    provider.found = at(5, *MEMBERS, new)
    _, wanted = await observe.read(place)
    assert provider.asked == ["slashing"]
    assert wanted.intents == opt_ins("2")
    # A late join needs the queue, too.
    provider.asked.clear()
    late = factories.consumer(P.LAUNCHED, factories.joined("bob", consumer_id="2"), "2", "consumer2-1")
    provider.found = at(10, *MEMBERS, late)
    await observe.read(place)
    assert sorted(provider.asked) == ["2", "slashing"]


async def test_failed_answer_is_asked_for_again() -> None:
    provider = Provider(at(0, *MEMBERS), queued={"0": DOWN})
    place = resident(provider)
    await observe.read(place)
    provider.asked.clear()
    provider.found = at(5, *MEMBERS)
    await observe.read(place)
    assert provider.asked == ["0"]
