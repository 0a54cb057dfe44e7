"""What wakes the daemon is kept up, whatever it ends by."""

import pytest

from ics.cli.commands import watch


class Over(Exception):
    """The play is over."""


class Play:
    """A source that ends as it is told, and a clock that only it and the pauses move."""

    def __init__(self, *ends: tuple[float, Exception | None]) -> None:
        self.ends = list(ends)
        self.now = 0.0
        self.said: list[tuple[str, str]] = []
        self.pauses: list[float] = []

    async def source(self) -> None:
        seconds, error = self.ends.pop(0)
        self.now += seconds
        if error is not None:
            raise error

    def say(self, line: str, problem: str) -> None:
        self.said.append((line, problem))

    async def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds
        if not self.ends:
            raise Over

    async def run(self) -> None:
        with pytest.raises(Over):
            await watch.run_forever(
                "the own pods", self.source, self.say, self.pause, lambda: self.now, lambda: 1.0
            )


async def test_a_source_that_ends_is_told_of_and_begun_anew() -> None:
    play = Play((0.0, ValueError("Port could not be\ncast")), (1.0, None))
    await play.run()
    problem = "ValueError: Port could not be cast"
    assert play.said == [
        (f"watch of the own pods failed ({problem}); restarting in 1.0 s", problem),
        ("watch of the own pods failed (it returned); restarting in 2.0 s", "it returned"),
    ]


async def test_one_that_ends_at_once_is_begun_later_and_later_and_one_that_held_long_soon() -> None:
    at_once = (0.0, OSError("gone"))
    play = Play(*[at_once] * 7, (31.0, OSError("gone")), at_once)
    await play.run()
    assert play.pauses == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 1.0, 2.0]
