"""Share of metrics, status page, Events and `ConsumerChain` objects in an unchanged pass; run by `make bench`.

    python -m tests.bench.observability [PAIRS]

Passes of one process over 10 chains, as the daemon makes them, each over a new block: in pairs, one with everything and
one with nothing of it, which comes first by turns. With everything, the metrics are scraped once for each pass through
the daemon's own port; then the same pairs again, in which somebody also looks at the page once for each pass. The
provider is simulated, the API server is real. What counts is the ratio of processor seconds of this process. The writes
are printed, too: an idle pass has none, with or without.
"""

import asyncio
import contextlib
import dataclasses
import datetime
import gc
import pathlib
import statistics
import sys
import time
from collections.abc import AsyncIterator, Sequence

from ics.cli import metrics_file, status_page
from ics.cluster.api import connect, lease
from ics.cluster.nodes import observe
from ics.engines.applyset import engine as applyset_engine
from ics.provider.rest import relayer_queries
from ics.reconciler import (
    chain_reports,
    event_log,
    missed_blocks,
    outcome,
    recent_details,
    reconcile,
    wiring,
    world,
)
from ics.reconciler.daemon import health
from tests import free_ports
from tests.bench import one_pass, passes
from tests.simulator import scene
from tests.unit import factories

CHAINS = 10
PAIRS = 20
BAR = 5.0
"""Per cent that may be added."""
_READER = """
import http.client, sys
connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]))
def size(path):
    connection.request("GET", path)
    return len(connection.getresponse().read())
for line in sys.stdin:
    print(sum(size(path) for path in line.split()), flush=True)
"""
"""Fetches the paths of each line over one connection, as Prometheus does; a process of its own, whose processor seconds
do not count."""


@dataclasses.dataclass(frozen=True, slots=True)
class Figure:
    """What one pass took."""

    cpu: float
    writes: int


@contextlib.asynccontextmanager
async def reading(port: int) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run what fetches the pages of this port."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _READER, str(port), stdin=pipe, stdout=pipe
    )
    try:
        yield process
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()


class Passes:
    """Passes of a daemon, with and without what is observed of them."""

    def __init__(
        self,
        quiet: world.World,
        engine: applyset_engine.ApplyEngine,
        kube: one_pass.Counting,
        adapters: wiring.Adapters,
        held: lease.Lease,
    ) -> None:
        self._quiet = quiet
        self._loud = dataclasses.replace(quiet, missed=missed_blocks.RecentlyMissed())
        self._engine, self._kube = engine, kube
        self._events = event_log.EventLog(adapters.events, held, _refuse)
        self._reports = chain_reports.ChainReports(adapters.chain_objects, held, wiring.now, _refuse)
        name = status_page.StackName(pathlib.Path(), quiet.settings.validator, {}, ())
        self.page = status_page.DaemonPage(name, quiet.settings)
        self.health = health.DaemonHealth(
            is_acting=True, trouble="", identity=metrics_file.identity(quiet.settings)
        )

    async def run(self, process: asyncio.subprocess.Process | None, pages: Sequence[str]) -> Figure:
        """Make one pass; without a process that fetches the pages, with nothing of what is observed."""
        gc.collect()  # each pass pays for its own garbage only
        written, began = self._kube.writes, time.process_time()
        self.page.start()
        done = await reconcile.run_pass(self._loud if process else self._quiet, self._engine, None)
        if done.troubles:
            raise done.troubles[0].error
        if process is not None:
            await self._observe(done, process, pages)
        return Figure(time.process_time() - began, self._kube.writes - written)

    async def _observe(
        self, done: outcome.Outcome, process: asyncio.subprocess.Process, pages: Sequence[str]
    ) -> None:
        await self._events.after_pass(done)
        await self._reports.after_pass(done)
        self.page.put(done, ())
        self.health = dataclasses.replace(self.health, judged_at=time.monotonic(), samples=done.samples)
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{' '.join(pages)}\n".encode())
        size = int(await process.stdout.readline())
        assert size > 0


def _refuse(problem: str) -> None:
    raise AssertionError(problem)


Pair = tuple[Figure, Figure]
"""With nothing, and with everything."""


async def pairs(url: str, kubeconfig: pathlib.Path, number: int) -> tuple[list[Pair], list[Pair]]:
    """Return the pairs without and with looks at the page."""
    settings = one_pass.stack_of(url, str(kubeconfig))
    access = connect.access(settings.cluster, pathlib.Path(), {})
    [port] = free_ports.take(1)
    async with (
        reading(port) as process,
        one_pass.Counting(access) as kube,
        relayer_queries.IbcQueries(settings.provider, wiring.now) as provider,
    ):
        held = wiring.lease_of(settings, kube, stays=False)
        adapters = wiring.Adapters(kube, settings, held, observe.AdaptiveTimeouts())
        engine = applyset_engine.ApplyEngine(
            kube, settings.validator, settings.gateway.namespace, held.ensure
        )
        details = recent_details.RecentDetails(datetime.timedelta(hours=1))
        quiet = dataclasses.replace(
            adapters.world(settings, scene.SEED, [factories.example()], provider, {}), details=details
        )
        made = Passes(quiet, engine, kube, adapters, held)

        async def take(pages: Sequence[str], first: int, count: int) -> list[Pair]:
            found = []
            for turn in range(first, first + count):
                figures = {}
                for reads in (None, process) if turn % 2 else (process, None):
                    await asyncio.to_thread(passes.order, url, "/block")
                    figures[reads is not None] = await made.run(reads, pages)
                found.append((figures[False], figures[True]))
            return found

        scrape, view = "/metrics", "/"
        async with made.page.served(port, lambda: made.health, _refuse):
            await take([scrape, view], 0, 3)  # creates the objects, and fills what is kept
            return await take([scrape], 0, number), await take([scrape, view], 0, number)


def main() -> None:
    """Print the ratios."""
    number = int(sys.argv[1]) if len(sys.argv) > 1 else PAIRS
    with passes.scene(CHAINS) as (url, kubeconfig):
        passes.one_pass(url, kubeconfig)
        passes.settle(url, kubeconfig)
        scraped, viewed = asyncio.run(pairs(url, kubeconfig, number))
    print(f"{CHAINS} chains, medians of {number} pairs of unchanged passes, processor milliseconds")
    _print("metrics with one scrape, Events, objects, page kept", scraped)
    _print("the same and one look at the page", viewed)


def _print(name: str, found: Sequence[Pair]) -> None:
    without, everything = (1000 * statistics.median(pair[side].cpu for pair in found) for side in range(2))
    added = statistics.median(100 * (loud.cpu / quiet.cpu - 1) for quiet, loud in found)
    writes = [sum(pair[side].writes for pair in found) for side in range(2)]
    print(
        f"{name}: without {without:.1f}, with {everything:.1f}; added {added:.1f} % (median of the pairs; less than"
        f" {BAR:g} % wanted); writes without {writes[0]}, with {writes[1]}"
    )


if __name__ == "__main__":
    main()
