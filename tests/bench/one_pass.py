"""One pass of a process of its own over a simulated provider and a real API server, measured.

    python -m tests.bench.one_pass PROVIDER_URL KUBECONFIG

Prints one line of JSON: seconds of the pass, CPU seconds and peak memory (MiB) of the whole process, and how
many requests and writes the API server got.
"""

import asyncio
import dataclasses
import json
import pathlib
import resource
import sys
import time
from typing import Any

from ics.cluster.api import client, connect, requests
from ics.config import settings as config_settings
from ics.engines.applyset import engine as applyset_engine
from ics.provider.rest import relayer_queries
from ics.reconciler import kept_answers, reconcile, wiring
from tests.simulator import scene
from tests.unit import factories
from tests.unit.provider import fake


class Counting(client.KubeClient):
    """A client that counts what it sends."""

    sent = 0
    writes = 0

    async def send(self, request: requests.KubeRequest, timeout: float | None = None) -> client.Answer:
        """Send one request."""
        self.sent += 1
        self.writes += request.method != "GET" and "dryRun" not in request.query
        return await super().send(request, timeout)


def stack_of(provider_url: str, kubeconfig: str) -> config_settings.Settings:
    """Return the settings of a stack at a simulated provider and a real API server."""
    urls = [provider_url]
    return factories.settings(
        operator_address=fake.valoper(scene.OWN),
        provider={
            "chain_id": fake.CHAIN_ID,
            "rest": urls,
            "rpc": urls,
            "grpc": urls,
            "min_block_time": 0.001,
        },
        cluster={"kubeconfig": kubeconfig},
    )


async def measured(provider_url: str, kubeconfig: str) -> dict[str, Any]:
    """Make the pass."""
    settings = stack_of(provider_url, kubeconfig)
    access = connect.access(settings.cluster, pathlib.Path(), {})
    async with (
        Counting(access) as kube,
        relayer_queries.IbcQueries(settings.provider, wiring.now) as provider,
    ):
        adapters = wiring.Adapters(kube, settings, wiring.lease_of(settings, kube, stays=False))
        engine = applyset_engine.ApplyEngine(
            kube, settings.validator, settings.gateway.namespace, adapters.lease.ensure
        )
        recent = kept_answers.KeptAnswers(kept_answers.ROUTINE, kept_answers.ROUTINE)
        world = dataclasses.replace(
            adapters.world(settings, scene.SEED, [factories.example()], provider, {}),
            recent=recent,
            is_routine=True,
        )
        began = time.perf_counter()
        outcome = await reconcile.run_pass(world, engine, None)
        seconds = time.perf_counter() - began
    if outcome.troubles:
        raise outcome.troubles[0].error
    return {
        "seconds": seconds,
        "cpu": time.process_time(),
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "requests": kube.sent,
        "writes": kube.writes,
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(measured(sys.argv[1], sys.argv[2]))))
