"""What a pass needs of the world, as narrow protocols.

The adapters behind the protocols carry no decisions; fakes of them keep state.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ics import model
from ics.cluster.nodes import chain_queries
from ics.conditions import Condition
from ics.config import chain_definition, settings
from ics.consumer import chain
from ics.keys import derivation
from ics.manifests import hermes_jobs
from ics.provider.rest import relayer_queries
from ics.relayer import queries


class Provider(Protocol):
    """The provider chain, read at one height."""

    async def open(self, floor: int) -> object:
        """Pick an endpoint and the height of this pass, never one below the floor."""
        ...

    async def check_rpc(self) -> None:
        """Make sure that the RPC addresses, of which the relayers are told, are not those of another chain."""
        ...

    def conditions(self) -> tuple[Condition, ...]:
        """What is wrong with endpoints that others stand in for."""
        ...

    async def snapshot(
        self, operator_address: str, interest: Callable[[model.ConsumerSummary, bool], bool]
    ) -> model.Snapshot:
        """Read the provider at that height."""
        ...

    async def is_key_used(self, consumer_id: str, consumer_address: str) -> bool:
        """Tell whether a consumer key is anybody's on a chain, or was lately."""
        ...

    async def launch(self, consumer_id: str, with_details: bool = True) -> model.Launch:
        """Read what a launched chain's genesis is completed with, the validators' descriptions if asked."""
        ...

    async def terms(self) -> relayer_queries.Terms:
        """Read the parameters that are the same for the relaying to all chains."""
        ...

    async def relay_ends(self, client_id: str) -> queries.Told:
        """Read the client, connections and channels of one consumer chain."""
        ...

    async def sent(self, channel_id: str) -> relayer_queries.Sent:
        """Read the provider's side of an open CCV channel."""
        ...

    async def balances(self, addresses: Iterable[str], denom: str) -> Mapping[str, int]:
        """Read what accounts hold."""
        ...


class Sender(Protocol):
    """Sends transactions."""

    async def send(self, order: model.Intent | model.OptOut) -> object:
        """Send one and wait until it is confirmed."""
        ...

    async def earlier(self) -> int:
        """Wait for what a run that died had sent; the height of its block, 0: there is none."""
        ...


class Cluster(Protocol):
    """What of Kubernetes is read and written outside the engines."""

    async def memory(self) -> model.Memory:
        """What the cluster remembers of earlier passes."""
        ...

    async def observe(self, namespaces: Mapping[str, str]) -> Mapping[str, model.Observation]:
        """Look at the nodes of the chains in these namespaces; both by consumer id."""
        ...

    async def arming(self) -> Mapping[str, str]:
        """Why pods that are to lay signing memories wait, by consumer id."""
        ...

    async def ensure_routes(
        self,
        pods: Mapping[str, model.PodStatus | None],
        held: frozenset[str],
        opened: Mapping[str, model.OpenPorts] | None = None,
    ) -> None:
        """Let the LoadBalancer's slices follow these pods, leaving those of held chains as they are."""
        ...

    async def order_memory(self, namespace: str, generation: int, volume_uid: str) -> None:
        """Record for which volume a key's signing memory is made."""
        ...

    async def ensure_memory_job(self, chain: chain.Chain, volume_uid: str) -> model.JobState:
        """Make the Job that lays the signing memory, and tell how it stands."""
        ...

    async def record_memory(self, namespace: str, generation: int, volume_uid: str) -> None:
        """Record that the memory is laid, and remove the Job."""
        ...

    async def recall_memory(self, namespace: str, generation: int, volume_uid: str) -> None:
        """Record again that the memory is laid, after the record was lost."""
        ...

    async def retire_key(self, namespace: str, generation: int) -> None:
        """Record that this validator left with a key, which is never used again."""
        ...

    async def restart_node(self, namespace: str) -> None:
        """Delete the node's pod; its StatefulSet makes it anew."""
        ...

    async def tell_peers(self, namespace: str, persistent_peers: str) -> frozenset[str]:
        """Tell a running node its peers, and answer the node ids with which it is connected then."""
        ...

    async def record_care(self, namespace: str, care: model.Care) -> None:
        """Remember this of the node that runs."""
        ...

    async def relay_ends(self, namespace: str, address: str, denom: str) -> chain_queries.Told:
        """Ask a consumer's own node about the relaying, and what an account holds on it."""
        ...

    async def received(self, namespace: str, channel_id: str, transfer_id: str) -> chain_queries.Received:
        """Ask a consumer's own node about an open CCV channel, and about rewards on the other one."""
        ...

    async def record_relaying(self, chain: chain.Chain, record: model.RelayingRecord) -> None:
        """Remember this of the chain's relaying."""
        ...

    async def forget_relaying(self, namespace: str, consumer_id: str) -> None:
        """Remove what the loop made for the relaying to a chain that runs here no more."""
        ...

    async def ensure_step_job(self, chain: chain.Chain, step: hermes_jobs.Step) -> model.JobState:
        """Make the Job that runs Hermes once, and tell how it stands."""
        ...

    async def ensure_check_job(self, chain: chain.Chain, setup: model.Setup) -> model.JobState:
        """Let Hermes check a config: DONE is accepted, FAILED refused."""
        ...

    async def restart_hermes(self, namespace: str) -> None:
        """Delete the pods that relay to a chain; their Deployment makes them anew."""
        ...


class Lease(Protocol):
    """One acting reconciler for each validator."""

    async def ensure(self) -> None:
        """Take it, unless this pass has it already; Transient when another holds it."""
        ...

    async def release(self) -> None:
        """Give it back if this pass took it."""
        ...

    async def acted_height(self, provider_chain_id: str) -> int:
        """Height of the provider's newest block that any reconciler acted upon."""
        ...

    def note(self, provider_chain_id: str, height: int) -> None:
        """Remember the height that is acted upon from now on."""
        ...


@dataclass(frozen=True, slots=True)
class World:
    """All that one validator's passes work on."""

    settings: settings.Settings
    seed: model.Secret
    definitions: Sequence[chain_definition.Loaded]
    provider: Provider
    cluster: Cluster
    lease: Lease
    imported: Mapping[str, derivation.ConsensusKey] = field(default_factory=dict)
    """Consensus keys made elsewhere, by consumer id."""
    definitions_problem: str = ""
    """Why the files of now are not the definitions here: they went wrong while this runs; empty: they are."""
    wishes: frozenset[str] = frozenset()
    """Consumer ids that the operator asks by hand to join."""
    confirmed: frozenset[str] = frozenset()
    """Names of changes that the operator confirms by hand, on top of those in the settings."""
