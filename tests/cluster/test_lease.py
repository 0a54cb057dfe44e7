"""One acting reconciler for each validator, on a real API server: takeovers, hand commands, what was acted upon."""

import asyncio
import datetime
from typing import Any

import pytest

from ics import errors, model, names
from ics.cluster import tx_journal
from ics.cluster.api import kinds, lease, requests
from ics.relayer import budget
from tests.cluster import conftest

pytestmark = pytest.mark.cluster


class Clock:
    """A clock that a test sets; as wall clock it may be wrong by `skew` seconds."""

    def __init__(self, skew: float = 0.0) -> None:
        self.seconds = 1000.0
        self._skew = skew

    def ticks(self) -> float:
        return self.seconds

    def now(self) -> datetime.datetime:
        start = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
        return start + datetime.timedelta(seconds=self.seconds + self._skew)


def block(height: int) -> model.ActedBlock:
    start = datetime.datetime(2026, 11, 22, 12, tzinfo=datetime.UTC)
    return model.ActedBlock(height, start + datetime.timedelta(seconds=height))


def resident(scene: conftest.Scene, name: str, clock: Clock) -> lease.DaemonLease:
    return lease.DaemonLease(scene.kube, scene.validator, scene.gateway, name, 30, clock.now, clock.ticks)


def command(scene: conftest.Scene, name: str, clock: Clock) -> lease.Lease:
    return lease.Lease(scene.kube, scene.validator, scene.gateway, name, 120, clock.now, clock.ticks)


async def live(scene: conftest.Scene) -> dict[str, Any]:
    found = await scene.live(kinds.LEASE, scene.gateway, f"ics-{scene.validator}")
    assert found is not None
    return found


async def holder(scene: conftest.Scene) -> str:
    return str((await live(scene))["spec"]["holderIdentity"])


async def test_a_standby_takes_over_what_was_not_renewed(scene: conftest.Scene) -> None:
    clock = Clock()
    first, standby = resident(scene, "a", clock), resident(scene, "b", clock)
    await first.acquire()
    for _ in range(5):
        clock.seconds += 10
        await first.acquire()
        with pytest.raises(lease.HeldByOther):
            await standby.acquire()
    clock.seconds += 29  # the first has died
    with pytest.raises(lease.HeldByOther):
        await standby.acquire()
    clock.seconds += 1

    await standby.acquire()

    assert await holder(scene) == "b"
    await standby.ensure()
    with pytest.raises(lease.HeldByOther, match="not renewed in time; this reconciler pauses"):
        await first.ensure()
    with pytest.raises(lease.HeldByOther, match="b is acting for this validator"):
        await first.acquire()


async def test_a_standby_whose_clock_is_wrong_takes_nothing_from_a_living_one(scene: conftest.Scene) -> None:
    right, wrong = Clock(), Clock(skew=3600)
    first, standby = resident(scene, "a", right), resident(scene, "b", wrong)
    await first.acquire()

    with pytest.raises(lease.HeldByOther):
        await standby.acquire()

    assert await holder(scene) == "a"


async def test_who_cannot_renew_stops_acting_before_another_may_begin(scene: conftest.Scene) -> None:
    clock = Clock()
    first = resident(scene, "a", clock)
    with pytest.raises(lease.HeldByOther):
        await first.ensure()  # a pass never takes it by itself
    await first.acquire()
    clock.seconds += 19
    await first.ensure()
    clock.seconds += 1
    with pytest.raises(lease.HeldByOther):
        await first.ensure()
    await first.acquire()
    await first.ensure()


async def test_a_stopping_reconciler_begins_no_write_and_leaves_the_place(scene: conftest.Scene) -> None:
    clock = Clock()
    first = resident(scene, "a", clock)
    await first.acquire()
    await first.release()  # as each pass does at its end
    assert await holder(scene) == "a"

    first.stop()
    with pytest.raises(lease.Stopping):
        await first.ensure()
    await first.give_up()

    assert await holder(scene) == ""
    await resident(scene, "b", clock).acquire()
    assert await holder(scene) == "b"


async def test_a_place_is_left_after_a_renewal_whose_answer_was_lost(scene: conftest.Scene) -> None:
    clock = Clock()
    first = resident(scene, "a", clock)
    await first.acquire()
    await resident(
        scene, "a", clock
    ).acquire()  # it has the name, so this is its renewal, of which it knows nothing

    await first.give_up()

    assert await holder(scene) == ""


async def test_a_place_that_another_has_taken_is_left_to_it(scene: conftest.Scene) -> None:
    clock = Clock()
    first, second = resident(scene, "a", clock), command(scene, "b", clock)
    await first.acquire()
    clock.seconds += 31
    await second.acquire()

    await first.give_up()

    assert await holder(scene) == "b"


async def test_a_place_that_was_removed_is_left(scene: conftest.Scene) -> None:
    first = resident(scene, "a", Clock())
    await first.acquire()
    await scene.kube.delete(kinds.LEASE, scene.gateway, f"ics-{scene.validator}", None)

    await first.give_up()

    assert await scene.live(kinds.LEASE, scene.gateway, f"ics-{scene.validator}") is None


async def test_a_command_by_hand_asks_the_resident_to_step_aside(scene: conftest.Scene) -> None:
    clock = Clock()
    first, by_hand = resident(scene, "a", clock), command(scene, "hand", clock)
    await first.acquire()
    seen = []

    async def sleep(seconds: float) -> None:
        await first.acquire()  # it renews, and learns of it
        seen.append(first.is_wanted)
        await first.give_up()

    await by_hand.request(10.0, sleep)

    assert (seen, await holder(scene)) == ([True], "hand")
    with pytest.raises(lease.HeldByOther, match="hand is acting"):
        await first.acquire()
    await by_hand.return_to_holder()
    await first.acquire()
    assert (await holder(scene), first.is_wanted) == ("a", False)


async def test_a_command_by_hand_gives_up_in_the_end(scene: conftest.Scene) -> None:
    clock = Clock()
    first, by_hand = resident(scene, "a", clock), command(scene, "hand", clock)
    await first.acquire()

    async def sleep(seconds: float) -> None:
        clock.seconds += seconds
        await first.acquire()

    with pytest.raises(lease.HeldByOther, match="a is acting for this validator"):
        await by_hand.request(3.0, sleep)

    # It asked in vain; the holder goes on.
    assert (await holder(scene), first.is_wanted) == ("a", True)


async def test_to_look_whether_another_acts_writes_nothing(scene: conftest.Scene) -> None:
    clock = Clock()
    first, by_hand = resident(scene, "a", clock), command(scene, "hand", clock)
    assert not await by_hand.is_taken()
    await first.acquire()
    assert (await by_hand.is_taken(), await first.is_taken(), first.is_wanted) == (True, False, False)
    clock.seconds += 1000
    assert not await by_hand.is_taken()
    await first.give_up()
    assert not await by_hand.is_taken()


async def test_a_removed_lease_is_made_again(scene: conftest.Scene) -> None:
    clock = Clock()
    first = resident(scene, "a", clock)
    await first.acquire()
    await scene.kube.delete(kinds.LEASE, scene.gateway, f"ics-{scene.validator}", None)

    await first.acquire()

    assert await holder(scene) == "a"


async def test_the_height_that_was_acted_upon_is_known_to_the_next_process(scene: conftest.Scene) -> None:
    clock = Clock()
    first = command(scene, "a", clock)
    assert await first.acted_block("provider-1") is None
    first.record_block("provider-1", block(41))
    assert await first.acted_block("provider-1") == block(41)  # in this process, without a write
    first.record_block("provider-1", block(42))
    await first.ensure()  # killed here: nothing is given back

    second = command(scene, "b", clock)

    assert await second.acted_block("provider-1") == block(42)
    assert await second.acted_block("provider-2") is None
    clock.seconds += 121
    await second.ensure()
    assert (await live(scene))["metadata"]["annotations"] == {
        names.ACTED_HEIGHT: "provider-1@42@2026-11-22T12:00:42.000000Z"
    }


async def test_a_height_that_was_a_lie_is_replaced_by_a_later_block(scene: conftest.Scene) -> None:
    clock = Clock()
    first = command(scene, "a", clock)
    first.record_block("provider-1", model.ActedBlock(10**15, block(42).moment))
    await first.ensure()
    first.record_block("provider-1", block(43))
    await first.acquire()
    assert await command(scene, "b", clock).acted_block("provider-1") == block(43)


async def test_a_renewal_tells_the_newest_height(scene: conftest.Scene) -> None:
    clock = Clock()
    first = resident(scene, "a", clock)
    first.record_block("provider-1", block(42))
    await first.acquire()
    first.record_block("provider-1", block(43))
    await first.acquire()
    assert await command(scene, "b", clock).acted_block("provider-1") == block(43)


async def test_of_many_that_try_one_has_it(scene: conftest.Scene) -> None:
    clock = Clock()
    found = await live_after_race(scene, clock)
    assert sum(isinstance(outcome, errors.Transient) for outcome in found) == 4


async def live_after_race(scene: conftest.Scene, clock: Clock) -> list[BaseException | None]:
    home = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": scene.gateway}}
    await scene.kube.send(requests.create(home, "test"))
    all_of_them = [resident(scene, f"r{number}", clock) for number in range(5)]
    return list(await asyncio.gather(*(one.acquire() for one in all_of_them), return_exceptions=True))


async def test_journal_of_transactions_outlives_its_holder(scene: conftest.Scene) -> None:
    """One write for a top-up and its budget; whoever has lost the Lease records, and so sends, nothing."""
    clock = Clock()
    first, second = command(scene, "a", clock), command(scene, "b", clock)
    top_up = model.TopUp(
        consumer_id="5", chain_id="c-1", purpose="relayer", address="cosmos1x", amount=9, denom="stake"
    )
    await tx_journal.TxJournal(first, "provider-1", clock.now).begin("AA", 120, top_up)
    await tx_journal.TxJournal(first, "provider-1", clock.now).begin("BB", 130, model.Unjail(), "order")
    with pytest.raises(lease.HeldByOther, match="a is acting for this validator"):
        await tx_journal.TxJournal(second, "provider-1", clock.now).begin("CC", 140, model.Unjail())

    clock.seconds += 121  # the first was killed
    journal = tx_journal.TxJournal(second, "provider-1", clock.now)

    assert (await journal.pending(), await journal.ordered("order")) == (("BB", 130), ("BB", 130))
    record = (await second.annotations())[names.TOP_UPS]
    assert budget.sent(record, "provider-1", "stake", clock.now()) == {"5": 9}
    await journal.finish("order")
    assert await journal.ordered("order") is None
    assert await journal.pending() == ("BB", 130)
