"""A burst of events is one wake-up."""

import asyncio

from ics.reconciler.daemon import wakeups


async def test_what_rang_before_anybody_listened_is_not_lost() -> None:
    one = wakeups.Bell()
    one.ring(wakeups.Wake("a"))
    one.ring(wakeups.Wake("b", 7))

    assert await one.wait(60.0) == (wakeups.Wake("a"), wakeups.Wake("b", 7))
    assert await one.wait(0.0) == ()


async def test_the_rest_of_a_burst_is_waited_for() -> None:
    one = wakeups.Bell()
    one.ring(wakeups.Wake("a"))
    asyncio.get_running_loop().call_later(0.02, one.ring, wakeups.Wake("b"))

    assert await one.wait(60.0, settle=0.2) == (wakeups.Wake("a"), wakeups.Wake("b"))


async def test_a_launch_is_not_kept_waiting() -> None:
    one = wakeups.Bell()
    launch = wakeups.Wake("launch", 7, is_urgent=True)
    asyncio.get_running_loop().call_later(0.02, one.ring, wakeups.Wake("a"))
    asyncio.get_running_loop().call_later(0.04, one.ring, launch)

    async with asyncio.timeout(30):
        assert await one.wait(60.0, settle=60.0) == (wakeups.Wake("a"), launch)
