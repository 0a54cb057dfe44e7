"""Passes of one process over a simulated provider and a real API server, as the daemon makes them, measured.

    python -m tests.bench.many_passes PROVIDER_URL KUBECONFIG PASSES [CONSUMER_ID]...

Each pass sees a new block. Prints one line of JSON: of the passes after the first two, the median and the 95th
percentile of their seconds, the median of their CPU seconds, the most queries and writes of one, and the growth of the
memory (MiB) over the last half. Then the chains with these ids are launched, one in each pass, which is told by an
event, as the daemon is: `launch` has the medians of these passes. No key is on a volume here, so each ends with the
StatefulSet of a node that waits for its sign state.
"""

import array
import asyncio
import dataclasses
import datetime
import json
import pathlib
import statistics
import sys
import time
import urllib.request
from collections.abc import Callable
from typing import Any

import psutil

from ics import engines
from ics.cluster.api import connect
from ics.cluster.nodes import observe
from ics.engines.applyset import engine as applyset_engine
from ics.provider import event_filter
from ics.provider.rest import relayer_queries
from ics.reconciler import kept_answers, recent_details, reconcile, upgrade_watch, wiring, world
from tests.bench import one_pass
from tests.simulator import scene
from tests.unit import factories

_LIFETIME = datetime.timedelta(hours=1)


def _order(url: str, path: str, method: str = "POST") -> bytes:
    with urllib.request.urlopen(urllib.request.Request(url + path, method=method)) as answer:  # noqa: S310
        body: bytes = answer.read()
        return body


class Daemon:
    """Passes of one process, and what each costs."""

    def __init__(
        self,
        url: str,
        kube: one_pass.Counting,
        make: Callable[[recent_details.RecentDetails], tuple[world.World, engines.Engine]],
    ) -> None:
        self._url, self._kube = url, kube
        self.details = recent_details.RecentDetails(_LIFETIME)
        self._world, self._engine = make(self.details)
        self.memory = array.array("d")

    async def run_pass(self, order: str = "/block") -> dict[str, float]:
        """Run a pass over a new block, and return what it cost."""
        await asyncio.to_thread(_order, self._url, order)
        asked, written = await self._asked(), self._kube.writes
        began, used = time.perf_counter(), time.process_time()
        outcome = await reconcile.run_pass(self._world, self._engine, None)
        seconds, cpu = time.perf_counter() - began, time.process_time() - used
        self.memory.append(_resident())
        if outcome.troubles:
            raise outcome.troubles[0].error
        self.height = outcome.report.height
        queries = await self._asked() - asked
        return {"seconds": seconds, "cpu": cpu, "queries": queries, "writes": self._kube.writes - written}

    async def launch(self, consumer_id: str) -> dict[str, float]:
        """Launch a chain, and return what the pass cost that its event has triggered."""
        event = event_filter.ChainEvent(
            self.height + 1, ("consumer_client_created",), frozenset({consumer_id})
        )
        self.details.note(event)
        return await self.run_pass(f"/launch/{consumer_id}")

    async def _asked(self) -> int:
        return int(await asyncio.to_thread(_order, self._url, "/asked", "GET"))


async def measured(provider_url: str, kubeconfig: str, passes: int, launches: list[str]) -> dict[str, Any]:
    """Make the passes."""
    settings = one_pass.stack_of(provider_url, kubeconfig)
    access = connect.access(settings.cluster, pathlib.Path(), {})
    async with (
        one_pass.Counting(access) as kube,
        relayer_queries.IbcQueries(settings.provider, wiring.now) as provider,
    ):

        def make(details: recent_details.RecentDetails) -> tuple[world.World, engines.Engine]:
            own_lease = wiring.lease_of(settings, kube, stays=False)
            adapters = wiring.Adapters(kube, settings, own_lease, observe.AdaptiveTimeouts())
            engine = applyset_engine.ApplyEngine(
                kube, settings.validator, settings.gateway.namespace, adapters.lease.ensure
            )
            place = dataclasses.replace(
                adapters.world(settings, scene.SEED, [factories.example()], provider, {}),
                details=details,
                recent=kept_answers.KeptAnswers(balances=_LIFETIME),
                coming_upgrades=upgrade_watch.UpgradeWatch(stays=True),
            )
            return place, engine

        daemon = Daemon(provider_url, kube, make)
        # Of thousands of passes, objects would themselves be the memory that grows.
        found = {name: array.array("d") for name in ("seconds", "cpu", "queries", "writes")}
        for _ in range(passes):
            for name, figure in (await daemon.run_pass()).items():
                found[name].append(figure)
        launched = [await daemon.launch(consumer_id) for consumer_id in launches]
    found = {name: figures[2:] for name, figures in found.items()}
    seconds, memory = sorted(found["seconds"]), daemon.memory[:passes]
    return {
        "seconds": statistics.median(seconds),
        "p95": seconds[int(0.95 * (len(seconds) - 1))],
        "cpu": statistics.median(found["cpu"]),
        "queries": max(found["queries"]),
        "writes": max(found["writes"]),
        "memory": memory[-1],
        "growth": memory[-1] - memory[passes // 2],
        "launch": {name: statistics.median(one[name] for one in launched) for name in found}
        if launched
        else None,
    }


def _resident() -> float:
    """Resident memory of this process (MiB)."""
    return psutil.Process().memory_info().rss / 2**20


if __name__ == "__main__":
    found = measured(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4:])
    print(json.dumps(asyncio.run(found)))
