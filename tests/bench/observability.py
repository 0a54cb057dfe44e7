"""Share of metrics, status page, Events and `ConsumerChain` objects in an unchanged pass; run by `make bench`.

    python -m tests.bench.observability [PAIRS]

Passes of one process over 10 chains, as the daemon makes them, each over a new block: in pairs, one with everything and
one with nothing of it, which comes first by turns. With everything, metrics and page are fetched once for each pass,
through the daemon's own port. The provider is simulated, the API server is real. What counts is the ratio of
processor seconds of this process; both writes of a pass are printed, and none of them may be of what is observed.
"""

import asyncio
import contextlib
import dataclasses
import datetime
import pathlib
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator

from ics.cli import metrics_file, status_page
from ics.cluster.api import connect, lease
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
import sys, urllib.request
for line in sys.stdin:
    print(sum(len(urllib.request.urlopen(url).read()) for url in line.split()), flush=True)
"""
"""Fetches the pages of each line, as a process of its own, whose processor seconds do not count."""


@dataclasses.dataclass(frozen=True, slots=True)
class Figure:
    """What one pass took."""

    cpu: float
    writes: int


@contextlib.contextmanager
def reader() -> Iterator["subprocess.Popen[str]"]:
    """Run what fetches the pages."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", _READER], text=True, **pipes) as process:  # type: ignore[call-overload]
        yield process
        process.stdin.close()


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

    async def run(self, process: "subprocess.Popen[str] | None", port: int) -> Figure:
        """Make one pass; without a process that fetches the pages, with nothing of what is observed."""
        written, began = self._kube.writes, time.process_time()
        self.page.start()
        done = await reconcile.run_pass(self._loud if process else self._quiet, self._engine, None)
        if done.troubles:
            raise done.troubles[0].error
        if process is not None:
            await self._observe(done, process, port)
        return Figure(time.process_time() - began, self._kube.writes - written)

    async def _observe(self, done: outcome.Outcome, process: "subprocess.Popen[str]", port: int) -> None:
        await self._events.after_pass(done)
        await self._reports.after_pass(done)
        self.page.put(done, ())
        self.health = dataclasses.replace(self.health, judged_at=time.monotonic(), samples=done.samples)
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"http://127.0.0.1:{port}/metrics http://127.0.0.1:{port}/\n")
        process.stdin.flush()
        size = int(await asyncio.to_thread(process.stdout.readline))
        assert size > 0


def _refuse(problem: str) -> None:
    raise AssertionError(problem)


async def pairs(
    url: str, kubeconfig: pathlib.Path, number: int, process: "subprocess.Popen[str]"
) -> list[tuple[Figure, Figure]]:
    """Return the figures of each pair: with nothing, and with everything."""
    settings = one_pass.stack_of(url, str(kubeconfig))
    access = connect.access(settings.cluster, pathlib.Path(), {})
    async with (
        one_pass.Counting(access) as kube,
        relayer_queries.IbcQueries(settings.provider, wiring.now) as provider,
    ):
        held = wiring.lease_of(settings, kube, stays=False)
        adapters = wiring.Adapters(kube, settings, held)
        engine = applyset_engine.ApplyEngine(
            kube, settings.validator, settings.gateway.namespace, held.ensure
        )
        details = recent_details.RecentDetails(datetime.timedelta(hours=1))
        quiet = dataclasses.replace(
            adapters.world(settings, scene.SEED, [factories.example()], provider, {}), details=details
        )
        made = Passes(quiet, engine, kube, adapters, held)
        [port] = free_ports.take(1)
        async with made.page.served(port, lambda: made.health, _refuse):
            found = []
            for turn in range(number + 2):
                figures = {}
                for reads in (None, process) if turn % 2 else (process, None):
                    await asyncio.to_thread(passes.order, url, "/block")
                    figures[reads is not None] = await made.run(reads, port)
                found.append((figures[False], figures[True]))
    return found[2:]  # the first ones create the objects, and fill what is kept


def main() -> None:
    """Print the ratio."""
    number = int(sys.argv[1]) if len(sys.argv) > 1 else PAIRS
    with passes.scene(CHAINS) as (url, kubeconfig), reader() as process:
        passes.one_pass(url, kubeconfig)
        passes.settle(url, kubeconfig)
        found = asyncio.run(pairs(url, kubeconfig, number, process))
    without, everything = (statistics.median(pair[side].cpu for pair in found) for side in range(2))
    added = statistics.median(100 * (loud.cpu / quiet.cpu - 1) for quiet, loud in found)
    print(f"{CHAINS} chains, medians of {number} pairs of unchanged passes, processor seconds")
    print(f"without {without:.4f}, with metrics, page, Events and objects {everything:.4f}")
    print(f"added: {added:.1f} % (median of the pairs' ratios; {BAR:g} % wanted)")
    print(f"writes: without {_writes(found, 0)}, with {_writes(found, 1)}")


def _writes(found: list[tuple[Figure, Figure]], side: int) -> int:
    return sum(pair[side].writes for pair in found)


if __name__ == "__main__":
    main()
