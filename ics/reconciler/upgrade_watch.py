"""What the reconciler sees of coming upgrades: the chains' plans, and nodes that stand at a height.

A plan is asked for once a minute, and of a node that stands in every pass, because it may be newer than the last
answer. The daemon takes its two looks in two passes; a single pass, as from cron, waits between them.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeAlias

from ics import errors, model
from ics.config import upgrades as config_upgrades
from ics.consumer import standing_nodes, upgrades, watchdog

PLAN_SECONDS = 60.0
"""Age from which a chain's plan is asked for again."""
_ASK_SECONDS = 10.0
"""Deadline of the question about one chain's plan."""

Ask = Callable[[str], Awaitable[model.UpgradePlan]]
"""Reads the plan of a chain by its consumer id."""
LookAgain: TypeAlias = Callable[
    [Iterable[standing_nodes.Node]], Awaitable[Mapping[standing_nodes.Node, model.Observation]]
]
"""Observes nodes again."""


@dataclass(slots=True)
class UpgradeWatch(Generic[standing_nodes.Node]):
    """What earlier passes of this process saw."""

    stays: bool = False
    """Whether further passes of this process follow, so that none has to wait."""
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    looks: standing_nodes.Looks[standing_nodes.Node] = field(default_factory=standing_nodes.Looks)
    plans: dict[str, tuple[model.UpgradePlan, float]] = field(default_factory=dict)

    async def read_plans(
        self, observations: Mapping[str, model.Observation], ask: Ask
    ) -> dict[str, model.UpgradePlan]:
        """Return what the chains whose nodes answer say about their next upgrades, by consumer id.

        Args:
            observations: of their nodes.
            ask: asks one of them.
        """
        due = [consumer_id for consumer_id, seen in observations.items() if self._is_due(consumer_id, seen)]
        answers = await asyncio.gather(*(self._read(consumer_id, ask) for consumer_id in due))
        for consumer_id, plan in zip(due, answers, strict=True):
            self.plans[consumer_id] = plan, self.monotonic()
        return {c: plan for c, (plan, _) in self.plans.items() if c in observations}

    def _is_due(self, consumer_id: str, seen: model.Observation) -> bool:
        if seen.node is None:
            return False
        known = self.plans.get(consumer_id)
        is_old = known is None or self.monotonic() - known[1] >= PLAN_SECONDS
        return is_old or upgrades.standing_at(seen.node) is not None

    async def _read(self, consumer_id: str, ask: Ask) -> model.UpgradePlan:
        """Return the answer of one chain; whatever it answers is its own trouble only."""
        try:
            async with asyncio.timeout(_ASK_SECONDS):
                return await ask(consumer_id)
        except TimeoutError:
            return model.UpgradePlan(problem="no answer in time")
        except Exception as error:
            return model.UpgradePlan(problem=str(errors.of_chain(error)))

    async def read_halted(
        self,
        observations: Mapping[standing_nodes.Node, model.Observation],
        plans: Mapping[standing_nodes.Node, model.UpgradePlan],
        listed: Iterable[config_upgrades.Upgrade],
        look_again: LookAgain[standing_nodes.Node],
    ) -> dict[standing_nodes.Node, int]:
        """Return the heights at which nodes were seen to stand twice.

        Args:
            observations: of the nodes.
            plans: of their chains.
            listed: all upgrades of all definitions.
            look_again: takes the second look of a single pass.
        """
        listed = tuple(listed)

        def standing(
            seen: Mapping[standing_nodes.Node, model.Observation],
        ) -> dict[standing_nodes.Node, standing_nodes.Look]:
            found = {}
            for node, one in seen.items():
                height = upgrades.standing_at(one.node)
                interest = upgrades.heights_of_interest(listed, plans.get(node))
                if one.pod is not None and height is not None and height in interest:
                    found[node] = standing_nodes.Look(watchdog.process(one.pod), height)
            return found

        first = standing(observations)
        halted = self.looks.after(first, self.monotonic())
        waiting = first.keys() - halted.keys()
        if not waiting or self.stays:
            return halted
        await self.sleep(standing_nodes.APART.total_seconds())
        again = await look_again(waiting)
        return halted | self.looks.after(standing({**observations, **again}), self.monotonic())
