"""A burst of events is one wake-up."""

import asyncio

from ics.provider import event_filter
from ics.reconciler.daemon import wakeups


async def test_wakeups_before_wait_are_kept() -> None:
    one = wakeups.WakeupQueue()
    one.put(wakeups.Wakeup("a"))
    one.put(wakeups.Wakeup("b", 7))

    assert await one.wait(60.0) == (wakeups.Wakeup("a"), wakeups.Wakeup("b", 7))
    assert await one.wait(0.0) == ()


async def test_wait_collects_the_rest_of_a_burst() -> None:
    one = wakeups.WakeupQueue()
    one.put(wakeups.Wakeup("a"))
    asyncio.get_running_loop().call_later(0.02, one.put, wakeups.Wakeup("b"))

    assert await one.wait(60.0, settle=0.2) == (wakeups.Wakeup("a"), wakeups.Wakeup("b"))


async def test_launch_ends_the_wait_at_once() -> None:
    one = wakeups.WakeupQueue()
    launch = wakeups.Wakeup("launch", 7, is_urgent=True)
    asyncio.get_running_loop().call_later(0.02, one.put, wakeups.Wakeup("a"))
    asyncio.get_running_loop().call_later(0.04, one.put, launch)

    async with asyncio.timeout(30):
        assert await one.wait(60.0, settle=60.0) == (wakeups.Wakeup("a"), launch)


async def test_each_event_type_is_a_wakeup_a_launch_is_urgent_and_an_address_prompt() -> None:
    queue = wakeups.WakeupQueue()
    queue.put_event(event_filter.ChainEvent(7, ("consumer_client_created", "opt_in")))
    queue.put_event(event_filter.CONNECTED)
    queue.put_pod_change(False)
    queue.put_pod_change(True)

    assert await queue.wait(60.0) == (
        wakeups.Wakeup("consumer_client_created", 7, is_urgent=True),
        wakeups.Wakeup("opt_in", 7, is_urgent=True),
        wakeups.Wakeup("connected"),
        wakeups.Wakeup("pods"),
        wakeups.Wakeup("pods", is_prompt=True),
    )


async def test_address_ends_the_wait_and_aborts_no_pass() -> None:
    queue = wakeups.WakeupQueue()
    asyncio.get_running_loop().call_later(0.02, queue.put_pod_change, False)
    asyncio.get_running_loop().call_later(0.04, queue.put_pod_change, True)
    aborting = asyncio.create_task(queue.take_urgent())

    async with asyncio.timeout(30):
        found = await queue.wait(60.0, settle=60.0)
    assert found == (wakeups.Wakeup("pods"), wakeups.Wakeup("pods", is_prompt=True))
    assert not aborting.done()
    aborting.cancel()
