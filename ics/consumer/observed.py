"""Everything that one pass observed, as one frozen value: the input of the pure core."""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field

from ics import model
from ics.conditions import Condition
from ics.consumer import (
    image_pulls,
    monitoring_kinds,
    places,
    revision,
    snapshots,
    state_sync_record,
    upgrades,
    volumes,
)
from ics.consumer import watchdog as consumer_watchdog
from ics.cosmos import gas_prices, genesis_order, light
from ics.relayer import facts, inputs


@dataclass(frozen=True, slots=True)
class EndingSeen:
    """First observation of an answer that would end a chain's node."""

    claim: str
    """What the provider says, such as `phase DELETED`."""
    since: datetime.datetime
    """Time of the provider's block."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtraNodeMemory:
    """State of one sentry or full node that earlier passes stored in the cluster."""

    has_workload: bool = False
    """Whether its StatefulSet exists."""
    volume_uid: str | None = None
    """uid of its current PersistentVolumeClaim, unless it is being deleted."""
    is_known_volume: bool = False
    """Whether the StatefulSet was made for that volume."""
    claim: volumes.VolumeClaim | None = None
    """That claim's size and class."""
    software: upgrades.Record = field(default_factory=upgrades.Record)
    configured_peers: consumer_watchdog.ConfiguredPeers | None = None
    watchdog: consumer_watchdog.WatchdogRecord = field(default_factory=consumer_watchdog.WatchdogRecord)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainMemory:
    """State of one consumer chain that earlier passes stored in the cluster."""

    namespace: str
    genesis: bytes | genesis_order.Ordered | None = None
    """Canonical genesis bytes in the genesis ConfigMap, or the order of a large one."""
    records: tuple[model.SigningRecord, ...] = ()
    """One per place ever used here, and of copies of its objects."""
    volume_uid: str | None = None
    """uid of the current PersistentVolumeClaim, unless it is being deleted."""
    claim: volumes.VolumeClaim | None = None
    """That claim's size and class."""
    has_workload: bool = False
    """Whether the chain's StatefulSet exists."""
    workload_place: str = ""
    """Id of the place whose key the StatefulSet mounts."""
    template: revision.RecordedTemplate | None = None
    """Of the StatefulSet; None if it does not exist."""
    software: upgrades.Record = field(default_factory=upgrades.Record)
    is_ending: bool = False
    """Whether the StatefulSet marks the stopped chain as finished: its relayer is removed, then its node."""
    ending_seen: EndingSeen | None = None
    """Since when the provider's answers would end the node; None: they do not."""
    is_withheld: bool = False
    """Whether the StatefulSet withholds the consumer key from the node."""
    relayer: inputs.RelayerMemory = field(default_factory=inputs.RelayerMemory)
    configured_peers: consumer_watchdog.ConfiguredPeers | None = None
    watchdog: consumer_watchdog.WatchdogRecord = field(default_factory=consumer_watchdog.WatchdogRecord)
    watermark: model.Watermark = field(default_factory=model.Watermark)
    sentries: int = 0
    """Number of the sentries behind which the StatefulSet's node runs; 0: its peers reach it directly."""
    extra_nodes: Mapping[str, ExtraNodeMemory] = field(default_factory=dict)
    """Sentries and full nodes by name."""
    copies: tuple[str, ...] = ()
    """Other namespaces with a node of the same chain: copies, made by hand or by a backup tool."""
    relaying_copies: tuple[str, ...] = ()
    """Other namespaces with a Hermes of the same chain, which signs with the same accounts."""
    exposed: tuple[model.Place, ...] = ()
    """Places in other namespaces of the chain whose nodes have their keys on another volume than the recorded one."""
    state_sync: state_sync_record.StateSyncRecord | None = None
    """What is on record about the state sync of its node; None: nothing."""
    problem: str = ""
    """Description of an object whose stored state is no longer reliable, with the remedy."""

    @property
    def runs(self) -> bool:
        """Whether a node of the chain was started here and not yet removed."""
        return self.has_workload or self.genesis is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderNodeMemory:
    """State of the validator's own provider node that earlier passes stored in the cluster."""

    volume_uid: str | None = None
    """uid of the current PersistentVolumeClaim, unless it is being deleted."""
    claim: volumes.VolumeClaim | None = None
    """That claim's size and class."""
    has_workload: bool = False
    template: revision.RecordedTemplate | None = None
    """Of the StatefulSet; None if it does not exist."""
    software: upgrades.Record = field(default_factory=upgrades.Record)
    given: str = ""
    """uid of the claim with which the StatefulSet gives its pod the key; empty: the key is withheld."""
    record: model.ProviderRecord | None = None
    watermark: model.Watermark = field(default_factory=model.Watermark)
    problem: str = ""
    """Description of a record that was edited, with the remedy."""


@dataclass(frozen=True, slots=True)
class Memory:
    """State stored in the cluster, by consumer id; empty on the first run."""

    chains: Mapping[str, ChainMemory] = field(default_factory=dict)
    cluster_uid: str = ""
    """uid of the cluster's namespace kube-system."""
    gateway_address: str = ""
    """Address of the shared LoadBalancer, empty if it has none yet."""
    open_ports: Mapping[str, model.OpenPorts] = field(default_factory=dict)
    """As recorded on the Service of the shared LoadBalancer."""
    provider_node: ProviderNodeMemory = field(default_factory=ProviderNodeMemory)


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """The provider at one height, the state stored in the cluster, and the chains' own nodes."""

    snapshot: model.Snapshot
    memory: Memory = field(default_factory=Memory)
    spare: str
    """Random text of this pass, from which new places get their ids: 32 hex digits or more."""
    failures: Mapping[str, str] = field(default_factory=dict)
    """Unexpected errors that were raised about one chain in this pass, by consumer id; such chains are paused."""
    observations: Mapping[str, model.Observation] = field(default_factory=dict)
    """Of chains with a node at the start of the pass, by consumer id."""
    extra_nodes: Mapping[str, Mapping[str, model.Observation]] = field(default_factory=dict)
    """Of sentries and full nodes, by consumer id and name."""
    extra_halted: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Heights at which these were seen to stand twice, by consumer id and name."""
    provider_node: model.Observation | None = None
    """Of the validator's own provider node; None if it does not exist."""
    upgrade_plans: Mapping[str, model.UpgradePlan] = field(default_factory=dict)
    """What the chains say about their next upgrades, by consumer id; `provider` is the provider."""
    pulls: Mapping[str, Mapping[str, image_pulls.Pull]] = field(default_factory=dict)
    """Newest pulls of images for upgrades, by consumer id and fingerprint; `provider` is the provider node."""
    halted: Mapping[str, int] = field(default_factory=dict)
    """Heights at which nodes were seen to stand, twice, by consumer id; `provider` is the provider node."""
    sign_state_waits: Mapping[str, str] = field(default_factory=dict)
    """Reasons why pods of sign-state Jobs wait, by consumer id."""
    relays: Mapping[str, facts.Facts] = field(default_factory=dict)
    """Of chains whose node answers and whose relayer should run, by consumer id."""
    relay_problems: Mapping[str, str] = field(default_factory=dict)
    """Errors from reading the IBC state, by consumer id."""
    windows: Mapping[str, model.SigningWindow] = field(default_factory=dict)
    """Of lost keys that are being replaced, by consumer id."""
    window_problems: Mapping[str, str] = field(default_factory=dict)
    """Errors from reading them, or the provider's epoch, by consumer id."""
    epoch: model.Epoch | None = None
    """The provider's epoch; read only while a key is being replaced."""
    checked_accounts: frozenset[str] = frozenset()
    """Accounts on the provider whose balances were queried in this pass."""
    gas_price: gas_prices.GasPrice | None = None
    """Price of a unit of gas that the provider asks for; None: not queried, or not readable."""
    gas_price_problem: str = ""
    """Error from reading it."""
    topped_up: Mapping[str, int] | None = None
    """Coins sent to each chain's relayer accounts within the last 24 hours, by consumer id; None: not read."""
    topped_up_problem: str = ""
    """Error from reading them."""
    balances: Mapping[str, int] = field(default_factory=dict)
    """Balances on the provider in the denomination of the gas price, by address."""
    checked_keys: frozenset[bytes] = frozenset()
    """Addresses (20 bytes) of keys about which the provider was asked in this pass."""
    used_keys: frozenset[bytes] = frozenset()
    """Addresses (20 bytes) of keys due for assignment that the provider already knows."""
    silent_keys: Mapping[str, bool] = field(default_factory=dict)
    """Whether a key that its node must not use in this cluster is in none of the newest commits, by consumer id."""
    rehearsals: Mapping[str, model.JobResult] = field(default_factory=dict)
    """Newest rehearsals of chains that are staged, by consumer id."""
    volume_snapshots: snapshots.VolumeSnapshots = field(default_factory=snapshots.VolumeSnapshots)
    """Of all chains; read only if the settings ask for snapshots."""
    volume_uses: Mapping[volumes.PodName, volumes.VolumeUse] = field(default_factory=dict)
    """Use of the nodes' volumes as last measured, by their pods."""
    expandable: Mapping[str, bool] = field(default_factory=dict)
    """Whether StorageClasses allow expansion, by name; of those only whose volumes may become larger."""
    monitoring: monitoring_kinds.MonitoringKinds = monitoring_kinds.MonitoringKinds.MISSING
    """Whether the Prometheus operator's kinds are in the cluster."""
    checked_hosts: frozenset[str] = frozenset()
    """Host names of seeds and peers that were looked up in this pass."""
    unresolved: frozenset[str] = frozenset()
    """Those of them without an address."""
    dissent: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By consumer id, the endpoints that contradict an answer that would end a node, of the chains asked about."""
    slashing: model.SlashingParams | None = None
    """Penalties of the provider's own slashing module; None if they were not queried or not readable."""
    slashing_problem: str = ""
    """Error from reading them."""
    queued_terms: Mapping[str, model.InfractionParameters] = field(default_factory=dict)
    """Infraction parameters that owners have queued, by consumer id, of the chains about which it was asked."""
    queue_problems: Mapping[str, str] = field(default_factory=dict)
    """Errors from reading them, by consumer id."""
    recent_slashing: model.SlashingParams | None = None
    """The same penalties as of a few minutes ago, which are enough for chains that were joined before."""
    recent_queued_terms: Mapping[str, model.InfractionParameters] = field(default_factory=dict)
    """Queued parameters as of a few minutes ago, for the same."""
    opt_in_requests: frozenset[str] = frozenset()
    """Consumer ids that the operator requested to join."""
    move_requests: frozenset[str] = frozenset()
    """Consumer ids that the operator moves here from another installation."""
    rekey_requests: frozenset[str] = frozenset()
    """Consumer ids for which the operator orders a new key."""
    roll_requests: frozenset[str] = frozenset()
    """Consumer ids whose nodes the operator restarts at the current revision; `provider` is the provider node."""
    clients: Mapping[str, light.ClientView] = field(default_factory=dict)
    """What the provider's IBC clients know of chains, by consumer id, of those about which it was asked."""
    client_problems: Mapping[str, str] = field(default_factory=dict)
    """Errors from reading them, by consumer id."""
    endpoints: tuple[Condition, ...] = ()
    """Conditions of failing provider endpoints for which others take over."""
    endpoint_states: tuple[model.EndpointState, ...] = ()
    """Endpoints of the provider that were surveyed, usable or not."""

    def __post_init__(self) -> None:
        """Refuse a text that is not random enough; raises ValueError."""
        places.check_spare(self.spare)
