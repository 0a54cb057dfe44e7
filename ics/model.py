"""Frozen data types that all layers share, without any logic.

Token amounts are integers in the base denomination, powers are CometBFT voting powers, times are the chain's
RFC 3339 texts (with nanoseconds), public keys are the raw 32 bytes of ed25519.
"""

import datetime
import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, TypeAlias

Manifest: TypeAlias = Mapping[str, Any]
"""One Kubernetes object in camelCase, as `kubectl` would show it."""


class Secret:
    """A value that must never be shown: its `repr`, `str` and format are `[secret]`."""

    __slots__ = ("_value",)

    def __init__(self, value: bytes | str) -> None:
        self._value = value.encode() if isinstance(value, str) else value

    def reveal(self) -> bytes:
        """Return the bytes; call it only where they are used or written into a Secret object."""
        return self._value

    def reveal_text(self) -> str:
        """Return the value as UTF-8 text."""
        return self._value.decode()

    def __repr__(self) -> str:
        return "[secret]"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return "[secret]"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> str | tuple[Any, ...]:
        raise TypeError("a Secret is not pickled")


class Phase(enum.StrEnum):
    """Phase of a consumer chain on the provider (`CONSUMER_PHASE_…` on the wire)."""

    REGISTERED = "REGISTERED"
    INITIALIZED = "INITIALIZED"
    LAUNCHED = "LAUNCHED"
    STOPPED = "STOPPED"
    DELETED = "DELETED"
    UNKNOWN = "UNKNOWN"
    """A phase that this version does not know; such a chain is left alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Validator:
    """A validator of the provider, from its staking module."""

    operator_address: str
    """valoper, bech32: the identity of a validator."""
    consensus_address: str
    """valcons, bech32: the address of the provider's consensus key; empty if that is not ed25519."""
    consensus_key: bytes
    """ed25519, 32 bytes; empty if it is of another kind, which only other validators may have."""
    moniker: str
    details: str
    """Details of the on-chain description, where endpoints are published."""
    tokens: int
    is_bonded: bool
    is_jailed: bool


@dataclass(frozen=True, slots=True)
class ConsumerValidator:
    """A member of a consumer's validator set (a forecast while INITIALIZED)."""

    consensus_address: str
    """valcons of the validator on the provider, not on the consumer."""
    consumer_key: bytes
    """Public key used on the consumer: ed25519, 32 bytes; empty if it is of another kind."""
    power: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerSummary:
    """One entry of the provider's `consumer_chains` list."""

    consumer_id: str
    chain_id: str
    phase: Phase
    client_id: str
    """IBC client on the provider, empty before the launch."""
    top_n: int
    name: str
    """Name in the owner's metadata, for display only."""
    problem: str = ""
    """Why its entry in the list cannot be read; such a chain is left alone, and does not affect the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Penalty:
    """What the provider does to a validator for one kind of infraction on a consumer chain."""

    slash_fraction: Decimal
    """Share of the stake that is slashed, exact."""
    jail_duration: int
    """Nanoseconds; `ics.cosmos.times.LONGEST` means for ever."""
    tombstone: bool
    """Whether the validator can never be unjailed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InfractionParameters:
    """Penalties that the owner of a consumer chain sets; None: the owner sets none."""

    double_sign: Penalty | None = None
    downtime: Penalty | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SlashingParams:
    """Penalties of the provider's own slashing module."""

    slash_fraction_double_sign: Decimal
    slash_fraction_downtime: Decimal
    downtime_jail_duration: int
    """Nanoseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerDetail:
    """Details of a chain that is INITIALIZED or runs here, all at the snapshot's height."""

    owner: str
    spawn_time: str | None
    """RFC 3339, None if not set."""
    initial_height: int
    genesis_hash: bytes
    binary_hash: bytes
    unbonding_period: int
    """Seconds."""
    connection_id: str
    """Set for the changeover of a sovereign chain, which gets no new client."""
    opted_in: frozenset[str]
    """valcons on the provider."""
    validators: tuple[ConsumerValidator, ...]
    own_consumer_address: bytes | None
    """Address (20 bytes) of the key that this validator assigned for the chain, or None."""
    is_key_of_set: bool = False
    """Whether that is the key in the launched chain's validator set, and it was not asked which one is assigned since
    the last epoch."""
    stopped_at: datetime.datetime | None = None
    """Time at which its owner removed it; None if it is not STOPPED or the endpoint does not return it."""
    infraction_parameters: InfractionParameters = InfractionParameters()
    """Terms in force; changes that the owner has queued are not part of them."""
    infraction_problem: str = ""
    """Why these terms are not readable; empty if they are."""


@dataclass(frozen=True, slots=True)
class Consumer:
    """One consumer chain at the snapshot's height."""

    summary: ConsumerSummary
    detail: ConsumerDetail | None = None
    """None for chains that do not concern this validator."""
    read_at: int | None = None
    """Height at which an earlier pass read the detail; None: this one did, at the snapshot's height."""


@dataclass(frozen=True, slots=True)
class Launch:
    """Data from the provider for completing a genesis; it never changes after the launch."""

    ccv: Mapping[str, Any]
    """The `genesis_state` in the answer of `consumer_genesis`."""
    details: tuple[str, ...] | None
    """Descriptions of the validators bonded after the launch block; None if that height is pruned, empty if
    they were not queried."""


@dataclass(frozen=True, slots=True)
class ActedBlock:
    """The provider's newest block that any reconciler acted upon; state before it is not used."""

    height: int
    moment: datetime.datetime
    """Its time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The provider at one height."""

    chain_id: str
    height: int
    time: str
    validators: tuple[Validator, ...]
    """All validators, bonded or not."""
    consumers: tuple[Consumer, ...]
    """All chains of all phases."""
    must_validate: frozenset[str]
    """Consumer ids that `has-to-validate` lists for this validator."""
    launches: Mapping[str, Launch] = field(default_factory=dict)
    """By consumer id, for running chains whose genesis is not in the cluster yet."""
    problems: Mapping[str, str] = field(default_factory=dict)
    """Errors of chains that could not be read completely, by consumer id; such chains are paused."""

    @property
    def moment(self) -> datetime.datetime:
        """Time of the provider's block."""
        return datetime.datetime.fromisoformat(self.time)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One volume of one installation, the only place where a key may sign."""

    place_id: str
    """32 lower-case hex digits, random; not secret."""
    cluster_uid: str
    """uid of the cluster's namespace kube-system."""
    namespace: str
    """Namespace of the volume and of the key's Secret."""
    since: datetime.datetime
    """Provider time at which it was recorded first."""
    replaces: str = ""
    """Id of the place whose sign state was lost, if this one takes over from it."""
    is_moved: bool = False
    """Whether the operator moved the chain to it from another installation."""
    is_ordered: bool = False
    """Whether the operator ordered it in place of a sound one, which signs until the chain's set has the new key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningRecord:
    """Record of a key, its place and its sign state, from the annotations on the retained key Secret."""

    place: Place
    consensus_address: str
    """Upper-case hex of the consumer key's address."""
    volume_uid: str | None
    """uid of the PersistentVolumeClaim for which the sign state was requested, None before that."""
    is_ready: bool
    """Whether the sign state was created on that volume; it is never created again automatically."""
    is_retired: bool = False
    """Whether this validator left the chain with this key, which is then never used again."""
    is_recovered: bool = False
    """Whether the Secret is lost, and the record comes from the annotations of the volume."""
    is_reset: bool = False
    """Whether the operator let the key sign on that volume by `ics sign-state reset`."""
    certificates: tuple[str, ...] = ()
    """sha256 (hex) of the cluster's certificates in the mark beside the sign state, sorted; empty: not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedState:
    """Content of a sign state: the key signs nothing at or below it (CometBFT, privval/file.go, `CheckHRS`)."""

    height: int
    round: int
    """From 0 to 2147483647 (int32)."""
    step: int
    """0: none, 1: proposal, 2: prevote, 3: precommit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderRecord:
    """Record of the provider node's key on one volume, which the operator alone lets sign."""

    volume_uid: str
    """uid of the PersistentVolumeClaim for which the key was released."""
    reset: SignedState | None
    """What the key signs nothing at or below; None if the record was lost and found again."""
    is_ready: bool
    """Whether mark and sign state are on that volume."""
    certificates: tuple[str, ...] = ()
    """As for `SigningRecord`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watermark:
    """What is known about the use of a chain's keys outside of its volume."""

    heights: Mapping[str, int] = field(default_factory=dict)
    """By key address (upper-case hex): height of the last recorded commit that carries the key's signature."""
    written: datetime.datetime | None = None
    """Time of the last write, by the API server's clock; None if there was none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointState:
    """An endpoint of the provider, as a pass found it."""

    kind: str
    """`rest` or `rpc`."""
    host: str
    """Host and port; never a credential."""
    height: int | None
    """Its newest block; None: it is not usable."""


class JobState(enum.Enum):
    """State of a Job."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobResult:
    """State of a Job that tries something, such as the start of a chain, and of its pod."""

    fingerprint: str
    """Of what it tries."""
    state: JobState
    message: str = ""
    """What its script says at its end."""
    waiting: str = ""
    """Why its pod waits, empty if it does not."""
    has_started: bool = False
    """Whether its container has been started, so that a host has room for it and has its image."""
    created: datetime.datetime | None = None
    """When its Job was made, by the API server's clock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PodStatus:
    """A pod of a chain, of its node or of a Hermes."""

    name: str
    ip: str | None
    node_name: str | None
    is_ready: bool
    restarts: int
    waiting: str
    """Reason why a container waits (ImagePullBackOff …), empty if none does."""
    detail: str = ""
    """What the scheduler or the kubelet says about that."""
    uid: str = ""
    created: datetime.datetime | None = None
    started: datetime.datetime | None = None
    """Start time of the running container."""
    unready_since: datetime.datetime | None = None
    """Time since which it is not ready, by the cluster's clock; None: it is ready, or that is not known."""
    gone_by: datetime.datetime | None = None
    """Deadline of a pod that is being deleted, if its kubelet is running."""
    template: str = ""
    """Digest of its node's template when it was made, see `ics.names.TEMPLATE`."""
    pod_settings: str = ""
    """Digest of its pod settings, see `ics.names.POD_SETTINGS`."""
    key_check: str = ""
    """Result of the check whether its node gets the consensus key, see `ics.consumer.key_check`; empty: none yet."""
    ending: str = ""
    """Message with which the node's container ended last, see `ics.consumer.binary_check`; empty: none."""
    image: str = ""
    """Of the node's container."""
    companions: Mapping[str, str] = field(default_factory=dict)
    """Why containers beside the node do not run, by name."""
    genesis: str = ""
    """Message with which the container that prepares a large genesis ended last; empty: it has not ended."""
    starting_ip: str | None = None
    """Address of a pod whose node does not run yet, so that nothing answers there; None: it has none, or runs."""

    @property
    def routed_ip(self) -> str | None:
        """Address to which the LoadBalancer leads: known before the node runs, so that its peers' first dial arrives.

        A dial that fails is repeated by CometBFT after 5 to 8 s only (p2p/switch.go, reconnectToPeer).
        """
        return self.ip or self.starting_ip


@dataclass(frozen=True, slots=True)
class FormerPort:
    """A former port of a chain on the shared LoadBalancer."""

    port: int
    since: datetime.datetime
    """Provider time of the change."""


@dataclass(frozen=True, slots=True)
class OpenPorts:
    """The ports of one chain on the shared LoadBalancer."""

    port: int
    former: tuple[FormerPort, ...] = ()
    """Former ports that are still open, the latest first."""


@dataclass(frozen=True, slots=True)
class OptIn:
    """The transaction with which this validator joins a consumer chain."""

    consumer_id: str
    chain_id: str
    consumer_key: bytes | None
    """Key to assign in the same transaction; None if it is already assigned (ICS #1731)."""
    place_id: str = ""
    """Place of that key, the memo of the transaction, with which the seed gives the key back."""


@dataclass(frozen=True, slots=True)
class AssignKey:
    """The transaction that assigns this validator's consumer key without an opt-in (Top-N members)."""

    consumer_id: str
    chain_id: str
    consumer_key: bytes
    place_id: str = ""
    """As for `OptIn`."""


@dataclass(frozen=True, slots=True)
class OptOut:
    """The transaction with which this validator leaves a consumer chain; only the operator requests it."""

    consumer_id: str
    chain_id: str


@dataclass(frozen=True, slots=True)
class SetCommission:
    """The transaction that sets this validator's commission rate on one consumer chain."""

    consumer_id: str
    chain_id: str
    rate: str
    """A decimal number from 0 to 1 with at most 18 decimals."""


@dataclass(frozen=True, slots=True)
class Unjail:
    """The transaction that unjails this validator after downtime."""


@dataclass(frozen=True, slots=True)
class PublishDetails:
    """The transaction that updates this validator's description, so that its relayer is funded."""

    details: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TopUp:
    """The transaction that tops up a relayer account on the provider."""

    consumer_id: str
    chain_id: str
    purpose: str
    """Signer that uses the account: `relayer` or `evidence`."""
    address: str
    amount: int
    denom: str
    enough: int = field(default=0, compare=False)
    """Balance from which the account needs none; 0: not known."""


Intent: TypeAlias = OptIn | AssignKey | PublishDetails | TopUp
"""A due transaction; at most one is in flight."""

ByHand: TypeAlias = OptOut | SetCommission | Unjail
"""A transaction of the validator that only the operator requests."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeStatus:
    """Status of a consumer node, from its RPC."""

    height: int
    is_catching_up: bool
    consensus_key: bytes
    """Key of the running node, a throw-away key if there is no sign state."""
    peers: int
    signers: frozenset[bytes]
    """Addresses (20 bytes) that signed the last commit."""
    validators: Mapping[bytes, int]
    """The node's validator set: voting power by address (20 bytes)."""
    peer_ids: frozenset[str] = frozenset()
    """Node ids of the connected peers."""
    block_time: datetime.datetime | None = None
    """Time of its last block."""
    blocks_behind: int | None = None
    """Number of blocks by which its peers are ahead; queried only if its last block is old."""
    is_silent: bool = False
    """Whether it did not answer that query although it answers others: its application may hang in a
    block."""
    ballot: "Ballot | None" = None
    """Votes for the block in progress; None if they were not queried."""
    app_height: int | None = None
    """Height that its application has executed; None if it did not say."""
    state_sync: "StateSyncStatus | None" = None
    """Of a node without a block; None if it was not queried, or does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StateSyncStatus:
    """What a node's metrics say about its state sync."""

    is_syncing: bool
    has_offer: bool
    """Whether its peers have offered a snapshot to its present process."""
    received: int
    """Bytes of snapshots that its present process has received."""


@dataclass(frozen=True, slots=True)
class Ballot:
    """Votes for a block in progress, as one node knows them."""

    members: Mapping[bytes, int]
    """Voting power by address (20 bytes) of the validator set at that height."""
    voters: frozenset[bytes]
    """Addresses of which it has seen a vote lately."""


@dataclass(frozen=True, slots=True)
class ScheduledUpgrade:
    """The upgrade that a chain has planned (x/upgrade, `Plan`)."""

    name: str
    height: int
    """Height of the block that the present software does not execute."""
    info: str = ""
    """What the plan says besides, often JSON; anybody can have proposed it, see `ics.cosmos.upgrade_plans`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpgradePlan:
    """What a chain says about its next upgrade."""

    scheduled: ScheduledUpgrade | None = None
    """None: it has planned none."""
    block_seconds: float = 0.0
    """Average time between two of its blocks; 0: not known."""
    problem: str = ""
    """Why the chain's plan could not be read; empty: it was read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningWindow:
    """What a chain's slashing module counts about one key."""

    height: int
    """Height of the block for which it was read."""
    start_height: int
    """Height from which the key's blocks are counted."""
    blocks: int
    """Length of the window."""
    allowed: int
    """Blocks of the window that may be missed."""
    missed: int
    """Blocks of the window that were missed."""
    block_seconds: float
    """Average time between two blocks of the chain."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """How many blocks a chain's slashing module lets a validator miss."""

    blocks: int
    """Length of the window."""
    allowed: int
    """Blocks of the window that may be missed."""


@dataclass(frozen=True, slots=True)
class MissedBlocks:
    """What a chain's slashing module counts about one key now."""

    missed: int
    """Blocks of the window that were missed."""
    allowance: Allowance


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """The provider's schedule of updates to its consumer chains."""

    blocks_left: int
    """Blocks until the next epoch begins, which sends the updates."""
    blocks: int
    """Length of an epoch."""
    block_seconds: float
    """Average time between two blocks of the provider."""


@dataclass(frozen=True, slots=True)
class Observation:
    """Observed state of one chain's workload in this pass."""

    pod: PodStatus | None = None
    node: NodeStatus | None = None
    error: str = ""
    """Error of the node's RPC if it did not answer."""
