"""What a pass needs of the world, as narrow protocols, and the two steps that only read it.

The adapters behind the protocols carry no decisions; fakes of them keep state.
"""

import asyncio
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from ics import config, definition, desired, errors, model


class Provider(Protocol):
    """The provider chain, read at one height."""

    async def open(self) -> object:
        """Pick an endpoint and the height of this pass."""
        ...

    async def snapshot(
        self, operator_address: str, interest: Callable[[model.ConsumerSummary, bool], bool]
    ) -> model.Snapshot:
        """Read the provider at that height."""
        ...

    async def launch(self, consumer_id: str) -> model.Launch:
        """Read what a launched chain's genesis is completed with."""
        ...


class Sender(Protocol):
    """Sends transactions."""

    async def send(self, order: model.Intent) -> object:
        """Send one and wait until it is confirmed."""
        ...


class Cluster(Protocol):
    """What of Kubernetes is read and written outside the engines."""

    async def memory(self) -> model.Memory:
        """What the cluster remembers of earlier passes."""
        ...

    async def observe(self, namespaces: Mapping[str, str]) -> Mapping[str, model.Observation]:
        """Look at the nodes of the chains in these namespaces; both by consumer id."""
        ...

    async def ensure_routes(self, pods: Mapping[str, model.PodStatus | None], held: frozenset[str]) -> None:
        """Let the LoadBalancer's slices follow these pods, leaving those of held chains as they are."""
        ...

    async def order_memory(self, namespace: str, generation: int, volume_uid: str) -> None:
        """Record for which volume a key's signing memory is made."""
        ...

    async def ensure_memory_job(self, chain: desired.Chain, volume_uid: str) -> model.JobState:
        """Make the Job that lays the signing memory, and tell how it stands."""
        ...

    async def record_memory(self, namespace: str, generation: int, volume_uid: str) -> None:
        """Record that the memory is laid, and remove the Job."""
        ...

    async def recall_memory(self, namespace: str, generation: int, volume_uid: str) -> None:
        """Record again that the memory is laid, after the record was lost."""
        ...

    async def restart_node(self, namespace: str) -> None:
        """Delete the node's pod; its StatefulSet makes it anew."""
        ...


class Lease(Protocol):
    """One acting reconciler for each validator."""

    async def ensure(self) -> None:
        """Take it, unless this pass has it already; Transient when another holds it."""
        ...

    async def release(self) -> None:
        """Give it back if this pass took it."""
        ...


@dataclass(frozen=True, slots=True)
class World:
    """All that one validator's passes work on."""

    settings: config.Settings
    seed: model.Secret
    definitions: Sequence[definition.Loaded]
    provider: Provider
    cluster: Cluster
    lease: Lease


@dataclass(frozen=True, slots=True)
class Facts:
    """What was observed in one pass: the provider at one height, and the cluster's memory."""

    snapshot: model.Snapshot
    memory: model.Memory


async def observe(world: World) -> Facts:
    """Read the provider at one height, and what the cluster remembers, at the same time.

    Raises:
        Transient: an endpoint is down or lagging, or its answer cannot be trusted.
        SettingsError: an endpoint or the operator address is wrong.
    """
    memory, _ = await asyncio.gather(world.cluster.memory(), world.provider.open())

    def interest(summary: model.ConsumerSummary, must_validate: bool) -> bool:
        return desired.is_of_interest(summary, must_validate, memory, world.definitions)

    snapshot = await world.provider.snapshot(world.settings.operator_address, interest)
    return await _with_launches(world, Facts(snapshot, memory))


async def _with_launches(world: World, facts: Facts) -> Facts:
    """Fetch the facts of launches whose genesis the cluster does not hold; one's trouble is its own."""
    lacking = desired.lacks_genesis(desire(world, facts))
    if not lacking:
        return facts
    found = await asyncio.gather(*(world.provider.launch(one) for one in lacking), return_exceptions=True)
    launches, problems = {}, dict(facts.snapshot.problems)
    for consumer_id, answer in zip(lacking, found, strict=True):
        if isinstance(answer, errors.IcsError):
            problems[consumer_id] = str(answer)
        elif isinstance(answer, BaseException):
            raise answer
        else:
            launches[consumer_id] = answer
    snapshot = dataclasses.replace(facts.snapshot, launches=launches, problems=problems)
    return dataclasses.replace(facts, snapshot=snapshot)


def desire(world: World, facts: Facts) -> desired.Desired:
    """What should be, from what was observed.

    Raises:
        Permanent: this validator is unknown to the provider, or there is no port left.
        Transient: the provider's answer cannot be trusted.
    """
    return desired.desired(facts.snapshot, facts.memory, world.settings, world.seed, world.definitions)
