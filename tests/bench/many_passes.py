"""Passes of one process over a simulated provider and a real API server, as the daemon makes them, measured.

    python -m tests.bench.many_passes PROVIDER_URL KUBECONFIG PASSES

Each pass sees a new block. Prints one line of JSON: of the passes after the first two, the median and the 95th
percentile of their seconds, the median of their CPU seconds, the most queries and writes of one, and the growth of the
memory (MiB) over the last half.
"""

import asyncio
import dataclasses
import datetime
import gc
import json
import pathlib
import resource
import statistics
import sys
import time
import urllib.request
from typing import Any

from ics.cluster.api import connect
from ics.engines.applyset import engine as applyset_engine
from ics.provider.rest import relayer_queries
from ics.reconciler import kept_answers, recent_details, reconcile, wiring
from tests.bench import one_pass
from tests.simulator import scene
from tests.unit import factories


def _order(url: str, path: str, method: str = "POST") -> bytes:
    with urllib.request.urlopen(urllib.request.Request(url + path, method=method)) as answer:  # noqa: S310
        body: bytes = answer.read()
        return body


async def measured(provider_url: str, kubeconfig: str, passes: int) -> dict[str, Any]:
    """Make the passes."""
    settings = one_pass.stack_of(provider_url, kubeconfig)
    access = connect.access(settings.cluster, pathlib.Path(), {})
    seconds, cpu, queries, writes, memory = [], [], [], [], []
    async with (
        one_pass.Counting(access) as kube,
        relayer_queries.IbcQueries(settings.provider, wiring.now) as provider,
    ):
        adapters = wiring.Adapters(kube, settings, wiring.lease_of(settings, kube, stays=False))
        engine = applyset_engine.ApplyEngine(
            kube, settings.validator, settings.gateway.namespace, adapters.lease.ensure
        )
        lifetime = datetime.timedelta(hours=1)
        details = recent_details.RecentDetails(lifetime)
        world = dataclasses.replace(
            adapters.world(settings, scene.SEED, [factories.example()], provider, {}),
            details=details,
            recent=kept_answers.KeptAnswers(balances=lifetime),
        )
        for _ in range(passes):
            await asyncio.to_thread(_order, provider_url, "/block")
            asked = int(await asyncio.to_thread(_order, provider_url, "/asked", "GET"))
            written = kube.writes
            began, used = time.perf_counter(), time.process_time()
            outcome = await reconcile.run_pass(world, engine, None)
            seconds.append(time.perf_counter() - began)
            cpu.append(time.process_time() - used)
            writes.append(kube.writes - written)
            queries.append(int(await asyncio.to_thread(_order, provider_url, "/asked", "GET")) - asked)
            memory.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
            if outcome.troubles:
                raise outcome.troubles[0].error
    gc.collect()
    warm = slice(2, None)
    return {
        "seconds": statistics.median(seconds[warm]),
        "p95": sorted(seconds[warm])[int(0.95 * (len(seconds[warm]) - 1))],
        "cpu": statistics.median(cpu[warm]),
        "queries": max(queries[warm]),
        "writes": max(writes[warm]),
        "memory": memory[-1],
        "growth": memory[-1] - memory[len(memory) // 2],
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(measured(sys.argv[1], sys.argv[2], int(sys.argv[3])))))
