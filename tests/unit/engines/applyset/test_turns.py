"""Turns to write: a few at a time, in the order of the plan, and none is lost."""

import asyncio

from ics.engines.applyset import members, turns


def place(rank: int, name: str) -> turns.Place:
    return rank, members.Key("ConfigMap", name, "x")


async def test_turns_come_in_the_order_of_the_plan_and_a_few_at_a_time() -> None:
    found, taken = turns.Turns(2), list[tuple[int, str]]()
    under_way, most = 0, 0

    async def write(rank: int, name: str) -> None:
        nonlocal under_way, most
        async with found.take(place(rank, name)):
            taken.append((rank, name))
            under_way += 1
            most = max(most, under_way)
            await asyncio.sleep(0)
            under_way -= 1

    wanted = [(2, "b"), (2, "a"), (1, "d"), (0, "c"), (1, "b"), (1, "b")]
    await asyncio.gather(*(write(*one) for one in wanted))
    # The first two come at once; all others wait for them.
    assert (taken, most) == ([(2, "b"), (2, "a"), (0, "c"), (1, "b"), (1, "b"), (1, "d")], 2)


async def test_turn_of_a_failed_or_cancelled_write_is_passed_on() -> None:
    found, taken = turns.Turns(1), list[str]()

    async def write(name: str, seconds: float = 0.0) -> None:
        async with found.take(place(0, name)):
            taken.append(name)
            await asyncio.sleep(seconds)
            raise ValueError(name)

    first = asyncio.create_task(write("a", 60.0))
    await asyncio.sleep(0)
    others = [asyncio.create_task(write(name)) for name in ("b", "c", "d")]
    await asyncio.sleep(0)
    others[0].cancel()  # while it waits
    first.cancel()  # while it writes: c's turn comes
    await asyncio.sleep(0)
    others[1].cancel()  # in the moment in which its turn comes
    ended = await asyncio.wait_for(asyncio.gather(first, *others, return_exceptions=True), 5)
    assert [type(one) for one in ended] == [*[asyncio.CancelledError] * 3, ValueError]
    assert taken == ["a", "d"]
    async with asyncio.timeout(5), found.take(place(0, "e")):
        pass
