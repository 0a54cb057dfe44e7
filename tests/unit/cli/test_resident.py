"""Sources of wake-ups are restarted after any failure."""

import pytest

from ics.cli import resident


class Over(Exception):
    """The play is over."""


class Play:
    """A source that ends as given, and a clock that only it and the pauses move."""

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
            await resident.run_forever(
                "the own pods", self.source, self.say, self.pause, lambda: self.now, lambda: 1.0
            )


async def test_failed_source_is_reported_and_restarted() -> None:
    play = Play((0.0, ValueError("Port could not be\ncast")), (1.0, None))
    await play.run()
    problem = "ValueError: Port could not be cast"
    assert play.said == [
        (f"watch of the own pods failed ({problem}); restarting in 1.0 s", problem),
        ("watch of the own pods failed (it returned); restarting in 2.0 s", "it returned"),
    ]


async def test_source_restart_backs_off_until_it_runs_long() -> None:
    at_once = (0.0, OSError("gone"))
    play = Play(*[at_once] * 7, (31.0, OSError("gone")), at_once)
    await play.run()
    assert play.pauses == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 1.0, 2.0]
