"""Terms of chains are asked of the provider once in a pass, and an error is that chain's alone."""

import dataclasses
from collections.abc import Callable, Mapping

from ics import errors, model
from ics.conditions import Condition, Reason
from ics.consumer import desired, observed
from ics.reconciler import observe
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
    queued: Mapping[str, model.InfractionParameters | errors.IcsError] = dataclasses.field(
        default_factory=dict
    )
    asked: list[str] = dataclasses.field(default_factory=list)

    async def open(self, floor: model.ActedBlock | None) -> None:
        return None

    async def check_rpc(self) -> None:
        return None

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
        if isinstance(answer, errors.IcsError):
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


async def read(provider: Provider) -> tuple[observed.Observed, desired.Desired]:
    cluster = Cluster()
    settings = factories.settings(participation={"policy": "all"}, relayer={"enabled": False})
    return await observe.read(factories.world(cluster, provider=provider, lease=cluster, settings=settings))


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
    for error in (UNSERVED, DOWN):
        provider = Provider(factories.snapshot(*CHAINS), queued={"0": harsh, "1": error})

        seen, wanted = await read(provider)

        assert sorted(provider.asked) == ["0", "1", "slashing"]
        assert (seen.queued_terms, seen.queue_problems) == ({"0": harsh}, {"1": str(error)})
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
