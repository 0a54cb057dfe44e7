"""The world of a pass, as narrow protocols of the provider chain, the cluster and the Lease.

The adapters behind the protocols make no decisions; the tests' fakes of them keep state.
"""

import asyncio
import datetime
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ics import model, names
from ics.cluster.nodes import chain_queries
from ics.conditions import Condition
from ics.config import chain_definition, provider_node, settings
from ics.config import pods as config_pods
from ics.consumer import (
    chain,
    image_pulls,
    monitoring_kinds,
    observed,
    rewards,
    snapshots,
    state_sync,
    state_sync_record,
    upgrades,
    volumes,
    watchdog,
    watermark,
)
from ics.consumer import kept as consumer_kept
from ics.cosmos import gas_prices, light
from ics.keys import derivation
from ics.manifests import hermes_jobs
from ics.provider.rest import relayer_queries
from ics.reconciler import kept_answers, missed_blocks, recent_details, recent_rewards, upgrade_watch
from ics.relayer import inputs, queries


def now() -> datetime.datetime:
    """Return the current time in UTC."""
    return datetime.datetime.now(datetime.UTC)


class Provider(Protocol):
    """The provider chain, read at one height."""

    async def open(self, floor: model.ActedBlock | None) -> object:
        """Pick an endpoint and the height of this pass, not before the floor."""
        ...

    async def check_rpc(self) -> None:
        """Check that the RPC addresses, which the relayers use, do not belong to another chain."""
        ...

    def conditions(self) -> tuple[Condition, ...]:
        """Return the conditions of unusable endpoints that others replace."""
        ...

    def endpoint_states(self) -> tuple[model.EndpointState, ...]:
        """Return the state of every endpoint that the pass surveyed."""
        ...

    async def snapshot(
        self, operator_address: str, interest: Callable[[model.ConsumerSummary, bool], bool]
    ) -> model.Snapshot:
        """Read the provider at that height."""
        ...

    async def details(
        self, summaries: Sequence[model.ConsumerSummary], *, takes_key_of_set: bool = False
    ) -> tuple[Mapping[str, model.ConsumerDetail], Mapping[str, str]]:
        """Read the details of chains at that height, and the errors of those that cannot be read."""
        ...

    async def epoch_end(self) -> int:
        """Return the first height at which the next epoch may have changed a chain's validators."""
        ...

    async def dissent(self, consumer_id: str, snapshot: model.Snapshot) -> tuple[str, ...]:
        """Return the reachable endpoints that do not say the same about a chain and this validator's part in it."""
        ...

    async def is_outvoted(self, consumer_id: str, snapshot: model.Snapshot) -> bool:
        """Return whether most usable endpoints say something else about a chain and this validator's part in it."""
        ...

    async def is_key_used(self, consumer_id: str, consumer_address: str) -> bool:
        """Return whether a consumer key is or recently was assigned on a chain."""
        ...

    async def slashing_params(self) -> model.SlashingParams:
        """Read the penalties of the provider's own slashing module."""
        ...

    async def queued_terms(self, consumer_id: str) -> model.InfractionParameters:
        """Read the infraction parameters that the owner of a launched chain has queued."""
        ...

    async def launch(self, consumer_id: str, with_details: bool = True) -> model.Launch:
        """Read the data that completes a launched chain's genesis, optionally with the validators' descriptions."""
        ...

    async def provider_params(self) -> relayer_queries.ProviderParams:
        """Read the relaying parameters that are common to all chains."""
        ...

    async def relay_ends(self, client_id: str) -> queries.ChainSide:
        """Read the client, connections and channels of one consumer chain."""
        ...

    async def client_view(self, client_id: str) -> light.ClientView:
        """Read what the client of one consumer chain knows of that chain."""
        ...

    async def sent(self, channel_id: str) -> relayer_queries.SentPackets:
        """Read the provider's side of an open CCV channel."""
        ...

    async def epoch(self) -> model.Epoch:
        """Read when the next updates are sent to the consumer chains."""
        ...

    async def gas_price(self) -> gas_prices.GasPrice:
        """Read the price of a unit of gas that the provider asks for now."""
        ...

    async def balances(self, addresses: Iterable[str], denom: str) -> Mapping[str, int]:
        """Read the balances of accounts."""
        ...

    async def validator_rewards(self, operator_address: str) -> rewards.ValidatorRewards:
        """Read what a validator and its delegators have not withdrawn."""
        ...

    async def reward_origin(self, denom: str) -> rewards.Origin | None:
        """Read which client's chain sent tokens of an IBC denomination; None: it is not known."""
        ...


class Sender(Protocol):
    """Sender of transactions."""

    async def send(self, transaction: model.Intent | model.OptOut) -> object:
        """Send a transaction and wait until it is confirmed."""
        ...

    async def await_pending(self) -> int:
        """Wait for the pending transaction of a crashed run, and return the height of its block, or 0."""
        ...


class State(Protocol):
    """State of earlier passes in the cluster."""

    async def load(self) -> observed.Memory:
        """Read the state of all chains."""
        ...

    async def cluster_uid(self) -> str:
        """Return the uid of the namespace kube-system, which identifies the cluster."""
        ...


class Nodes(Protocol):
    """Consumer nodes in the cluster."""

    async def observe(self, namespaces: Mapping[str, str]) -> Mapping[str, model.Observation]:
        """Observe the nodes in these namespaces; keys are consumer ids."""
        ...

    async def observe_extra(
        self, namespaces: Mapping[str, str]
    ) -> Mapping[str, Mapping[str, model.Observation]]:
        """Observe the sentries and full nodes in these namespaces; keys are consumer ids and names."""
        ...

    async def provider_node(self, namespace: str) -> model.Observation:
        """Observe the validator's own provider node in the gateway's namespace."""
        ...

    async def signers(self, namespace: str, height: int) -> frozenset[bytes]:
        """Read the addresses (20 bytes) that signed a block from a chain's node."""
        ...

    async def consumer_side(self, namespace: str, address: str, denom: str) -> chain_queries.ConsumerSide:
        """Read the consumer's side of relaying, and an account's balance, from the chain's own node."""
        ...

    async def received(self, namespace: str, channel_id: str, transfer_id: str) -> chain_queries.Received:
        """Read the packets on the consumer's side of an open CCV channel, and of a transfer channel if given."""
        ...

    async def missed_blocks(
        self, namespace: str, address: str, known: model.Allowance | None
    ) -> model.MissedBlocks:
        """Read from the chain's own node how many blocks a key (valcons) has missed, within a known allowance."""
        ...

    async def signing_window(self, namespace: str, address: str) -> model.SigningWindow:
        """Read from the chain's own node how many blocks a key (valcons) has missed."""
        ...

    async def restart(self, namespace: str, name: str = names.NODE_NAME) -> object:
        """Delete the pod of the validator's node, or of the sentry or full node of this name; it is recreated."""
        ...

    async def send_peers(
        self, namespace: str, persistent_peers: str, name: str = names.NODE_NAME
    ) -> frozenset[str]:
        """Send a running node its peers, and return the ids of the peers that it is connected to afterwards."""
        ...

    async def upgrade_plan(
        self, namespace: str, pod: str = names.NODE_POD, *, with_times: bool
    ) -> model.UpgradePlan:
        """Read from the chain's own node which upgrade it has planned, and how fast its blocks are."""
        ...

    async def record_app_height(
        self, namespace: str, volume: str, volume_uid: str, upgrade: upgrades.NodeUpgrade
    ) -> object:
        """Record on a volume the height that its node's application has reached, and the upgrades on the way."""
        ...

    async def apply_provider_node(self, manifests: Sequence[model.Manifest]) -> object:
        """Apply objects of the provider node without an engine, because the provider does not answer without it."""
        ...

    async def confirm_app_height(self, namespace: str, volume: str, upgrade: upgrades.NodeUpgrade) -> object:
        """Raise if another pass has recorded another height on a volume since this one has read it."""
        ...

    async def record_ending(self, namespace: str, seen: observed.EndingSeen | None) -> object:
        """Record since when the provider's answers would end a node, or that they do not any more."""
        ...

    async def record_watchdog(
        self, namespace: str, record: watchdog.WatchdogRecord, name: str = names.NODE_NAME
    ) -> object:
        """Record the watchdog's probes of a node."""
        ...

    async def record_state_sync(
        self, chain: chain.ChainPlan, record: state_sync_record.StateSyncRecord
    ) -> object:
        """Record the state of a node's state sync, with the trusted block that the node reads at its start."""
        ...


class SignState(Protocol):
    """Sign states of consumer keys: their records, and the Jobs that write them."""

    async def waits(self) -> Mapping[str, str]:
        """Return why the pods of sign-state Jobs wait, by consumer id."""
        ...

    async def ensure_requested(self, place: model.Place, volume_uid: str) -> object:
        """Record the volume for which a key's sign state is written."""
        ...

    async def ensure_job(self, chain: chain.ChainPlan, volume_uid: str) -> model.JobState:
        """Create the Job that writes the sign state unless it exists, and return its state."""
        ...

    async def ensure_ready_recorded(self, place: model.Place, volume_uid: str) -> object:
        """Record that the sign state is written, and delete the Job."""
        ...

    async def restore_record(self, place: model.Place, volume_uid: str) -> object:
        """Record again that the sign state is written, after the record was lost."""
        ...

    async def ensure_retired(self, place: model.Place) -> object:
        """Record that this validator left the chain with a key, which is never used again."""
        ...

    async def withdraw(self, place: model.Place) -> object:
        """Record that a key is ready on no volume any more, because a remote signer took its place."""
        ...

    async def update_watermark(self, chain: chain.ChainPlan, change: watermark.Change) -> object:
        """Change what is recorded about one key outside of the volume."""
        ...

    async def cluster_certificates(self, namespace: str) -> tuple[str, ...]:
        """Return the hashes of the certificates that the cluster publishes in a namespace."""
        ...

    async def ensure_marked(
        self, chain: chain.ChainPlan, volume_uid: str, certificates: Sequence[str]
    ) -> model.JobState:
        """Add the cluster's certificates to the mark beside a key's sign state, and record it."""
        ...

    async def withhold(self, namespace: str, place: model.Place) -> object:
        """Withhold the key from the node of a chain whose objects the engine does not change."""
        ...


class ProviderSignState(Protocol):
    """Key of the validator's own provider node: its record and watermark, and the Jobs on its volume."""

    async def ensure_job(
        self,
        node: provider_node.ProviderNodeSettings,
        volume_uid: str,
        reset: model.SignedState,
        address: str,
    ) -> model.JobState:
        """Create the Job that writes mark and sign state unless it exists; record it once it is done."""
        ...

    async def ensure_marked(
        self,
        node: provider_node.ProviderNodeSettings,
        record: model.ProviderRecord,
        certificates: Sequence[str],
    ) -> model.JobState:
        """Add the cluster's certificates to the mark, and record them."""
        ...

    async def restore_record(self, volume_uid: str) -> object:
        """Record again that the key is ready, after the record was lost."""
        ...

    async def update_watermark(self, change: watermark.Change) -> object:
        """Change what is recorded about the key outside of the volume."""
        ...

    async def cluster_certificates(self) -> tuple[str, ...]:
        """Return the hashes of the certificates that the cluster publishes in the node's namespace."""
        ...

    async def withhold(self) -> object:
        """Withhold the key from the node before anything else is changed."""
        ...


class HermesJobs(Protocol):
    """Run-time objects of relayers, which no engine manages."""

    async def record(self, chain: chain.ChainPlan, wanted: inputs.RelayingRecord) -> object:
        """Record the state of a chain's handshake."""
        ...

    async def forget(self, namespace: str, consumer_id: str) -> object:
        """Delete the run-time objects of a chain that no longer runs here."""
        ...

    async def ensure_step_job(self, chain: chain.ChainPlan, step: hermes_jobs.HermesStep) -> model.JobState:
        """Create the Job that runs Hermes once unless it exists, and return its state."""
        ...

    async def ensure_check_job(self, chain: chain.ChainPlan, setup: inputs.Setup) -> model.JobState:
        """Let Hermes check a configuration: DONE means accepted, FAILED rejected."""
        ...

    async def stop_copy(self, namespace: str) -> None:
        """Stop the relayer in a copied namespace, which signs with the same accounts as the original's."""
        ...

    async def restart_hermes(self, namespace: str) -> object:
        """Delete the pods that relay to a chain; their Deployment recreates them."""
        ...


class Gateway(Protocol):
    """The shared LoadBalancer."""

    async def ensure_slices(
        self,
        pods: Mapping[str, model.PodStatus | None],
        paused: frozenset[str],
        open_ports: Mapping[str, model.OpenPorts] | None = None,
    ) -> object:
        """Update the EndpointSlices to these pods; those of paused chains are kept."""
        ...


class Rehearsals(Protocol):
    """Jobs that try the start of staged chains with throw-away keys."""

    async def read(self) -> Mapping[str, model.JobResult]:
        """Return the newest rehearsal of each chain, by consumer id."""
        ...

    async def ensure(self, chain: chain.ChainPlan) -> object:
        """Create the Job of a chain's rehearsal, and its files, in place of any earlier ones."""
        ...

    async def stop(self, chain: chain.ChainPlan) -> object:
        """Delete the Jobs of a chain that is launched, so that its node has the room."""
        ...


class UpgradePulls(Protocol):
    """Jobs that pull the images of coming upgrades."""

    async def read(self) -> Mapping[str, Mapping[str, image_pulls.Pull]]:
        """Return the newest pulls, by consumer id and fingerprint; `provider` is the provider node."""
        ...

    async def ensure(
        self,
        consumer_id: str,
        chain_id: str,
        namespace: str,
        target: image_pulls.PullTarget,
        settings: config_pods.PodSettings,
    ) -> object:
        """Create the Job of a pull, in place of an earlier one of the same."""
        ...


class Snapshots(Protocol):
    """VolumeSnapshots of the nodes' volumes."""

    async def read(self) -> snapshots.VolumeSnapshots:
        """Return all snapshots, or why they cannot be read."""
        ...

    async def create(self, source: snapshots.SnapshotSource, order: snapshots.SnapshotOrder) -> object:
        """Create a snapshot of a volume unless it exists."""
        ...

    async def delete(self, snapshot: snapshots.VolumeSnapshot) -> object:
        """Delete a snapshot."""
        ...


class Volumes(Protocol):
    """The nodes' volumes."""

    async def uses(
        self, capacities: Mapping[volumes.PodName, str]
    ) -> Mapping[volumes.PodName, volumes.VolumeUse]:
        """Return the use of volumes by the pods that have them, from the capacities of their claims."""
        ...

    async def expandable(self, storage_classes: Iterable[str]) -> Mapping[str, bool]:
        """Return whether StorageClasses allow expansion, by name; without those that cannot be read."""
        ...


class PullSecrets(Protocol):
    """Credentials of registries in the chains' namespaces."""

    async def ensure(self, chain: chain.ChainPlan) -> object:
        """Copy the pull secrets of a chain's pods into its namespace, unless the copies are up to date."""
        ...


class Lookups(Protocol):
    """Addresses of host names."""

    async def unresolved(self, hosts: Mapping[str, bool]) -> frozenset[str]:
        """Return the host names without an address; for those that are True, an earlier answer will do."""
        ...


class TrustSearches(Protocol):
    """Searches of blocks for state syncs, at RPC servers of strangers."""

    def start(self, search: state_sync.TrustSearch) -> None:
        """Start a search, unless that of the chain is under way or has just ended."""
        ...

    async def results(self) -> Mapping[str, state_sync_record.TrustedBlock | str]:
        """Return what ended: the block, or why there is none; by consumer id."""
        ...


class Lease(Protocol):
    """Lease that lets one reconciler act for a validator."""

    async def ensure(self) -> None:
        """Acquire the Lease unless this pass holds it; raise Transient if another process holds it."""
        ...

    async def release(self) -> None:
        """Release the Lease if this pass acquired it."""
        ...

    async def acted_block(self, provider_chain_id: str) -> model.ActedBlock | None:
        """Return the provider's newest block that any reconciler acted upon; None: none."""
        ...

    async def annotations(self) -> Mapping[str, str]:
        """Return the annotations of the Lease, where transactions are recorded."""
        ...

    async def annotate(self, changes: Mapping[str, str]) -> None:
        """Write annotations, as its holder; raise Transient if another process holds it."""
        ...

    def record_block(self, provider_chain_id: str, block: model.ActedBlock) -> None:
        """Set the block that is acted upon from now on."""
        ...


class MonitoringKinds(Protocol):
    """The Prometheus operator's kinds in the cluster."""

    async def read(self) -> monitoring_kinds.MonitoringKinds:
        """Return whether they are there."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Settings, secrets and adapters of one validator's passes."""

    settings: settings.Settings
    seed: model.Secret
    definitions: Sequence[chain_definition.LoadedDefinition]
    provider: Provider
    state: State
    nodes: Nodes
    sign_state: SignState
    provider_sign_state: ProviderSignState
    hermes_jobs: HermesJobs
    gateway: Gateway
    lookups: Lookups
    pull_secrets: PullSecrets
    rehearsals: Rehearsals
    upgrade_pulls: UpgradePulls
    snapshots: Snapshots
    volumes: Volumes
    trust_searches: TrustSearches
    lease: Lease
    monitoring_kinds: MonitoringKinds | None = None
    """None: they are not looked for."""
    imported: Mapping[str, derivation.ConsensusKey] = field(default_factory=dict)
    """Imported consensus keys by consumer id."""
    definitions_problem: str = ""
    """Why the current definition files are invalid, so that earlier ones are used; empty: they are valid."""
    invalid_definitions: Sequence[chain_definition.InvalidDefinition] = ()
    """Definitions that cannot be used, whose chains are left alone."""
    opt_in_requests: frozenset[str] = frozenset()
    """Consumer ids that the operator has manually requested to join."""
    move_requests: frozenset[str] = frozenset()
    """Consumer ids that the operator moves here from another installation."""
    rekey_requests: frozenset[str] = frozenset()
    """Consumer ids for which the operator orders a new key."""
    roll_requests: frozenset[str] = frozenset()
    """Consumer ids whose nodes the operator restarts at the current revision; `provider` is the provider node."""
    recent: kept_answers.KeptAnswers = field(default_factory=kept_answers.KeptAnswers)
    """Answers of earlier passes about terms and balances."""
    kept: consumer_kept.Kept = field(default_factory=consumer_kept.Kept)
    """What earlier passes of this process computed of the chains' facts."""
    is_routine: bool = False
    """Whether a scheduler runs one pass of a process after the other: what changes slowly is kept on the Lease, and
    not asked for in each of them."""
    details: recent_details.RecentDetails | None = None
    """Details of chains as earlier passes of this process read them; None: each pass asks for all of them."""
    coming_upgrades: upgrade_watch.UpgradeWatch[str] = field(default_factory=upgrade_watch.UpgradeWatch)
    """What earlier passes of this process saw of coming upgrades."""
    extra_upgrades: upgrade_watch.UpgradeWatch[tuple[str, str]] = field(
        default_factory=upgrade_watch.UpgradeWatch
    )
    """The same of sentries and full nodes."""
    missed: missed_blocks.RecentlyMissed | None = None
    """Missed blocks as earlier passes of this process read them; None: they are not asked for, because neither metrics
    of this process are read nor its alerts."""
    rewards: recent_rewards.RecentRewards | None = None
    """Rewards and costs as earlier passes of this process read them; None: they are not asked for, because no metrics
    of this process are read."""
    hurry: asyncio.Event | None = None
    """Set when a chain launches that the pass has not seen."""
    is_attended: bool = False
    """Whether a command by hand runs the pass, and not a scheduler."""
    confirmed: frozenset[str] = frozenset()
    """Names of changes that the operator has confirmed by flags, in addition to those in the settings."""
