"""A day of a provider as a script: chains created, joined, moved, left and removed, drawn by a seed; pure.

The same seed and length give the same acts. Their times and preconditions are those of a model of the day:
the chain itself may be slower, and an act whose chain has come another way by then is left out when played.
"""

import enum
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

VALIDATORS = ("alice", "bob", "charlie")
AT_ONCE = 2
"""Chains that wait for their launch or run, apart from those that are being stopped: what 2 cores carry."""
ENDING = 75.0
"""Seconds for which a removed chain still counts, since its node and relayers go on for a while."""
SETTLING = 40.0
"""Seconds after the spawn time by which a chain surely runs."""
JOINED_IN = 45.0
"""Seconds that the validators of the 66 % rule are given to join before a launch is brought forward."""
BETWEEN = (12.0, 40.0)
"""Seconds from one act to the next."""
QUIET = 2.0
"""Weight of nothing, beside those of the acts."""


class Kind(enum.StrEnum):
    """What somebody does."""

    CREATE = "create"
    """An owner creates a chain of which everybody has the definition; alice and bob join by themselves."""
    STRANGER = "stranger"
    """Somebody creates a chain of which nobody has a definition."""
    MOVE = "move"
    """The owner moves the spawn time, also into the past, and may rename the chain."""
    JOIN = "join"
    """A validator joins by hand, before the launch or late."""
    LEAVE = "leave"
    REMOVE = "remove"
    CRASH = "crash"
    """A validator's resident reconciler is killed, and another one started."""


@dataclass(frozen=True, slots=True)
class Act:
    """One of them."""

    at: float
    """Seconds since the beginning of the day."""
    kind: Kind
    chain: int = -1
    """Number of the chain within the day; -1: of none."""
    chain_id: str = ""
    """Of a chain that is created, or whose spawn time is moved."""
    spawn_in: float = 0.0
    """Seconds from the act to the launch; negative: it is past already."""
    who: str = ""


@dataclass(slots=True)
class _Chain:
    """A chain as the model has it."""

    number: int
    chain_id: str
    created: float
    spawn: float
    members: set[str] = field(default_factory=lambda: {"alice", "bob"})
    removed: float | None = None

    def waits(self, now: float) -> bool:
        return self.removed is None and now < self.spawn - 15

    def runs(self, now: float, since: float = 0.0) -> bool:
        return self.removed is None and now > self.spawn + SETTLING + since

    def counts(self, now: float) -> bool:
        return self.removed is None or now < self.removed + ENDING


@dataclass(slots=True)
class _Day:
    draw: random.Random
    now: float = 5.0
    made: int = 0
    chains: list[_Chain] = field(default_factory=list)

    def next_number(self) -> int:
        self.made += 1
        return self.made - 1


_Option = tuple[float, Callable[[], Act] | None]


def script(seed: int, minutes: float) -> tuple[Act, ...]:
    """The acts of a day, in their order.

    Args:
        seed: draws them.
        minutes: how long it is; the last act is before its end.
    """
    day = _Day(random.Random(seed))  # noqa: S311 - a play, no secret
    acts = []
    while day.now < 60 * minutes:
        options = [*_options(day), (QUIET, None)]
        ((_, act),) = day.draw.choices(options, [weight for weight, _ in options])
        if act is not None:
            acts.append(act())
        day.now = round(day.now + day.draw.uniform(*BETWEEN), 1)
    return tuple(acts)


def _options(day: _Day) -> Iterator[_Option]:
    """What may happen now, each with its weight."""
    now = day.now
    if sum(chain.counts(now) for chain in day.chains) < AT_ONCE:
        yield 12, lambda: _create(day)
    if day.made and now > 60:
        yield 0.5, lambda: Act(now, Kind.STRANGER, day.next_number(), f"stranger-{day.made}", 90.0)
        yield 0.7, lambda: Act(now, Kind.CRASH, who=day.draw.choice(VALIDATORS))
    for chain in day.chains:
        outside = sorted(set(VALIDATORS) - chain.members)
        if chain.waits(now):
            if now > chain.created + JOINED_IN:
                yield 6, lambda chain=chain: _move(day, chain)  # type: ignore[misc]
            if "charlie" in outside:
                yield 2, lambda chain=chain: _join(day, chain, "charlie")  # type: ignore[misc]
        if chain.runs(now):
            for who in outside:
                yield 3, lambda chain=chain, who=who: _join(day, chain, who)  # type: ignore[misc]
        if chain.runs(now, 60) and len(chain.members) > 1:
            yield 1.5, lambda chain=chain: _leave(day, chain)  # type: ignore[misc]
        if chain.runs(now, 90):
            yield 2, lambda chain=chain: _remove(day, chain)  # type: ignore[misc]


def _create(day: _Day) -> Act:
    number = day.next_number()
    # Not one that a chain has already: of two chains with one id neither is joined.
    chain_id = f"consumer-day{number}-1"
    is_far = day.draw.random() < 0.35
    spawn_in = day.draw.uniform(240, 420) if is_far else day.draw.uniform(60, 90)
    day.chains.append(_Chain(number, chain_id, day.now, day.now + spawn_in))
    return Act(day.now, Kind.CREATE, number, chain_id, round(spawn_in, 1))


def _move(day: _Day, chain: _Chain) -> Act:
    spawn_in = day.draw.choice((-3600.0, 10.0, 30.0, 120.0))
    if day.draw.random() < 0.4:
        chain.chain_id = f"consumer-day{chain.number}-{day.draw.randrange(10, 100)}-1"
    chain.spawn = day.now + max(spawn_in, 0.0)
    return Act(day.now, Kind.MOVE, chain.number, chain.chain_id, spawn_in)


def _join(day: _Day, chain: _Chain, who: str) -> Act:
    chain.members.add(who)
    return Act(day.now, Kind.JOIN, chain.number, who=who)


def _leave(day: _Day, chain: _Chain) -> Act:
    who = day.draw.choice(sorted(chain.members))
    chain.members.remove(who)
    return Act(day.now, Kind.LEAVE, chain.number, who=who)


def _remove(day: _Day, chain: _Chain) -> Act:
    chain.removed = day.now
    return Act(day.now, Kind.REMOVE, chain.number)
