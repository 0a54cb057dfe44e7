"""What a reconciler that remembers nothing makes of the chain, on a cluster that holds nothing."""

import asyncio
import dataclasses
import os
import pathlib
import ssl
from collections.abc import Collection, Mapping
from typing import Any

import httpx

from devnet import places
from ics import model
from ics.consumer import observed
from ics.reconciler import observe, reconcile, wiring, world
from tests.cluster import apiserver
from tests.network import kube, operators, sameness

ADMIN = "admin"


class Kube(kube.Kube):
    """The administrator of an API server without nodes."""

    def __init__(self, server: apiserver.Server) -> None:
        self._http = httpx.Client(
            base_url=server.url,
            verify=ssl.create_default_context(cafile=str(server.ca)),
            headers={"Authorization": f"Bearer {ADMIN}"},
            timeout=20,
            trust_env=False,
        )


class Forgetful:
    """State of the validator's own cluster as one who knows nothing of earlier passes finds it."""

    def __init__(self, state: world.State, renamed: Collection[str]) -> None:
        self._state = state
        self._renamed = renamed
        self.homes: dict[str, str] = {}
        """The namespaces of the chains, by consumer id, once the state is loaded."""

    async def load(self) -> observed.Memory:
        """Read what is there, and nothing of what was written down."""
        known = await self._state.load()
        self.homes = {consumer_id: chain.namespace for consumer_id, chain in known.chains.items()}
        return sameness.forgotten(known, self._renamed)

    async def cluster_uid(self) -> str:
        """The cluster that is compared."""
        return await self._state.cluster_uid()


class NodesAtHome:
    """Nodes of the validator's own cluster, observed in the namespaces where they are."""

    def __init__(self, nodes: world.Nodes, state: Forgetful) -> None:
        self._nodes = nodes
        self._state = state

    def __getattr__(self, name: str) -> Any:
        return getattr(self._nodes, name)

    async def observe(self, namespaces: Mapping[str, str]) -> Mapping[str, model.Observation]:
        """Observe the nodes, wherever they are."""
        return await self._nodes.observe(
            {consumer_id: self._state.homes[consumer_id] for consumer_id in namespaces}
        )


def compared(
    operator: operators.Operator, folder: pathlib.Path, renamed: Collection[str]
) -> sameness.Comparison:
    """Compare a validator's cluster with what a fresh reconciler makes of the chain on an empty one.

    Args:
        operator: whose.
        folder: an empty one, for the other API server.
        renamed: consumer ids of chains that were renamed before their launch.
    """
    programs = apiserver.programs()
    assert programs is not None, "etcd and the all-in-one kubernetes binary are needed"
    with apiserver.running(folder, *programs, [ADMIN]) as server:
        asyncio.run(_made(operator.name, server, renamed))
        bare = Kube(server)
        try:
            return sameness.compare(operator.kube.members(), bare.members(), operator.name)
        finally:
            bare.close()


async def _made(name: str, server: apiserver.Server, renamed: Collection[str]) -> None:
    environment = {key: text for key, text in os.environ.items() if not key.startswith("ICS_")}
    elsewhere = [f"cluster.kubeconfig={server.kubeconfig(ADMIN)}"]
    async with (
        wiring.open_stack(places.CHECKOUT, name, environment) as own,
        wiring.open_stack(places.CHECKOUT, name, environment, elsewhere) as bare,
    ):
        state = Forgetful(own.world.state, renamed)
        nodes: Any = NodesAtHome(own.world.nodes, state)
        fresh = dataclasses.replace(own.world, state=state, nodes=nodes)
        observed, wanted = await observe.read(fresh)
        for _ in ("the config without channels", "the one with them"):
            observed = dataclasses.replace(observed, memory=sameness.accepted(observed.memory, wanted))
            wanted = observe.compute(fresh, observed)
        assert wanted.intents == (), f"{name}: a fresh reconciler would send {wanted.intents}"
        done = await bare.engine.converge(reconcile.apply_request(bare.world, observed, wanted))
        await bare.world.lease.release()
    assert (done.errors, done.confirmations) == ((), ()), (done.errors, done.confirmations)
