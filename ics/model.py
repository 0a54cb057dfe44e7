"""The frozen vocabulary that every layer shares. Nothing here reads, writes or decides.

Amounts of tokens are integers in the base denomination, powers are CometBFT powers, times are
RFC 3339 text as the chain gave it (nanoseconds kept), public keys are the raw 32 bytes of ed25519.
"""

import datetime
import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Manifest: TypeAlias = Mapping[str, Any]
"""One Kubernetes object in camelCase, as `kubectl` would show it."""


class Secret:
    """A value that must never be shown: its `repr`, `str` and format are `[secret]`."""

    __slots__ = ("_value",)

    def __init__(self, value: bytes | str) -> None:
        self._value = value.encode() if isinstance(value, str) else value

    def reveal(self) -> bytes:
        """The bytes themselves; call it only where they are used or written into a Secret object."""
        return self._value

    def reveal_text(self) -> str:
        """The value as UTF-8 text."""
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


@dataclass(frozen=True, slots=True)
class Validator:
    """A validator of the provider, as its staking module tells."""

    operator_address: str
    """valoper, bech32: the identity of a validator."""
    consensus_address: str
    """valcons, bech32: the address of the provider's consensus key."""
    consensus_key: bytes
    moniker: str
    details: str
    """The description's details, where endpoints are published."""
    tokens: int
    is_bonded: bool
    is_jailed: bool


@dataclass(frozen=True, slots=True)
class ConsumerValidator:
    """A member of a consumer's validator set (a forecast while INITIALIZED)."""

    consensus_address: str
    """valcons of the validator *on the provider*."""
    consumer_key: bytes
    """Public key used on the consumer."""
    power: int


@dataclass(frozen=True, slots=True)
class ConsumerSummary:
    """What one line of the provider's `consumer_chains` list says."""

    consumer_id: str
    chain_id: str
    phase: Phase
    client_id: str
    """IBC client on the provider, empty before the launch."""
    top_n: int
    name: str
    """From the owner's metadata; for people only."""


@dataclass(frozen=True, slots=True)
class ConsumerDetail:
    """What is asked of one chain that is INITIALIZED or ours, all at the snapshot's height."""

    owner: str
    spawn_time: str | None
    """RFC 3339, None when not set."""
    initial_height: int
    genesis_hash: bytes
    binary_hash: bytes
    unbonding_period: int
    """Seconds."""
    connection_id: str
    """Not empty: a sovereign chain changes over (no new client)."""
    opted_in: frozenset[str]
    """valcons on the provider."""
    validators: tuple[ConsumerValidator, ...]
    own_consumer_address: bytes | None
    """Address (20 bytes) of the key that this validator assigned for the chain, None when none."""
    stopped_at: datetime.datetime | None = None
    """When its owner removed it; None: it is not STOPPED, or the endpoint does not tell."""


@dataclass(frozen=True, slots=True)
class Consumer:
    """One consumer chain as seen at the snapshot's height."""

    summary: ConsumerSummary
    detail: ConsumerDetail | None = None
    """None for chains that this validator has nothing to do with."""


@dataclass(frozen=True, slots=True)
class Launch:
    """What a completed genesis needs of the provider; it never changes after the launch."""

    ccv: Mapping[str, Any]
    """The `genesis_state` answered by `consumer_genesis`."""
    details: tuple[str, ...] | None
    """Descriptions of the validators bonded after the launch block; None when that height is pruned, empty when
    they were not asked for."""


@dataclass(frozen=True, slots=True)
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
    """By consumer id, for running chains whose genesis the cluster does not hold yet."""
    problems: Mapping[str, str] = field(default_factory=dict)
    """By consumer id: why a chain could not be read whole; such a chain is held as it is."""

    @property
    def moment(self) -> datetime.datetime:
        """The time of the block."""
        return datetime.datetime.fromisoformat(self.time)


@dataclass(frozen=True, slots=True)
class SigningRecord:
    """Annotations on a retained key Secret: for which volume its signing memory was made."""

    generation: int
    consensus_address: str
    """Upper-case hex of the consumer key's address."""
    volume_uid: str | None
    """The PersistentVolumeClaim that was ordered to be armed, None before that."""
    is_armed: bool
    """The signing memory has been laid on that volume; it is never laid twice by itself."""
    is_retired: bool = False
    """This validator left the chain with it: the key is never used again."""


@dataclass(frozen=True, slots=True)
class RelayingRecord:
    """What is remembered of a chain's relaying from one pass to the next."""

    mark: str
    """The handshake's mark when it was last looked at, see `relaying.Finding`."""
    since: datetime.datetime
    """When this mark was first seen, by the clock of the provider."""
    is_ours: bool = False
    """Our own Job took the handshake to this mark."""
    acted_on: str = ""
    """The mark on which our last Job acted; empty: none did."""
    accepted_config: str = ""
    """Fingerprint (`relayer.fingerprint`) of the setup with channels that Hermes accepted last; empty: none."""
    pending_since: datetime.datetime | None = None
    """Since when one of the packets in `pending` is under way, or since Hermes was last restarted for it."""
    accepted_base: str = ""
    """Like `accepted_config`, of the setup that names no channel."""
    pending: tuple[int, int] = (0, 0)
    """The oldest packets at that time, see `relaying.Packets`."""
    open_since: datetime.datetime | None = None
    """When the CCV channel was first seen to be open, by the clock of the provider; None: it is not."""


@dataclass(frozen=True, slots=True)
class Setup:
    """What a Hermes runs with."""

    image: str
    config: str
    """config.toml."""


@dataclass(frozen=True, slots=True)
class LaidPeers:
    """The ConfigMap from which a node reads its peers at its start."""

    persistent_peers: str
    external_address: str
    written: datetime.datetime | None
    """When it was last changed, by the clock of the API server; notes of the loop on it do not count."""


@dataclass(frozen=True, slots=True)
class Care:
    """What is remembered of the node that runs, see `upkeep`."""

    process: str = ""
    """Whose the rest is: uid of the pod and number of its container's restarts."""
    told: str = ""
    """Digest of the peers that this process was told while it ran; empty: none."""
    height: int = 0
    """Where it was at the last look on record."""
    strikes: int = 0
    """Failed looks in a row."""
    since: datetime.datetime | None = None
    """When it was last looked at while it was behind, by the clock of the provider."""
    restarts: int = 0
    """How often it was restarted in vain."""
    restarted: datetime.datetime | None = None
    """When it was last restarted, by the clock of the provider."""


class JobState(enum.Enum):
    """How a Job stands."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class PodStatus:
    """A pod of a chain: its node's, or a Hermes'."""

    name: str
    ip: str | None
    node_name: str | None
    is_ready: bool
    restarts: int
    waiting: str
    """Why a container waits (ImagePullBackOff …), empty when none does."""
    uid: str = ""
    created: datetime.datetime | None = None
    started: datetime.datetime | None = None
    """When the container that runs was started."""
    gone_by: datetime.datetime | None = None
    """When a pod that is being deleted ends at the latest, if its kubelet is there."""


@dataclass(frozen=True, slots=True)
class Instance:
    """A Hermes that runs on, as the cluster tells."""

    pod: PodStatus | None = None
    """The one that is not on its way out; of several the one that is ready."""
    since: datetime.datetime | None = None
    """When its Deployment came to have an available pod, or lost it, or was made; None: there is none."""


@dataclass(frozen=True, slots=True)
class ChainMemory:
    """What the cluster remembers of one consumer chain from earlier passes."""

    namespace: str
    genesis: bytes | None = None
    """Canonical genesis bytes in the genesis ConfigMap."""
    records: tuple[SigningRecord, ...] = ()
    """One for each key generation ever used here."""
    volume_uid: str | None = None
    """uid of the PersistentVolumeClaim that exists now (and is not being deleted)."""
    has_workload: bool = False
    """A StatefulSet of the chain exists."""
    is_ending: bool = False
    """It says that the stopped chain is done with: its relayer goes, then its node."""
    is_withheld: bool = False
    """It keeps the consumer key from the node."""
    relaying: RelayingRecord | None = None
    """None: there was no relaying yet."""
    jobs: Mapping[str, JobState] = field(default_factory=dict)
    """The relaying Jobs, by name."""
    last_words: Mapping[str, str] = field(default_factory=dict)
    """Why Hermes failed, by name of the Job, one line; of those that left a word."""
    instances: Mapping[str, Instance] = field(default_factory=dict)
    """The Hermes that run on, by component."""
    has_hermes: bool = False
    """A Hermes is there, wanted or still on its way out: it may sign."""
    hermes: Setup | None = None
    """Of the Hermes that relays, None when there is none."""
    hermes_base: Setup | None = None
    """Of the watch for evidence, and of Jobs; None before the first."""
    has_relaying: bool = False
    """Objects of the relaying are there that no engine removes: the loop made them."""
    laid_peers: LaidPeers | None = None
    care: Care = Care()
    problem: str = ""
    """Which object somebody changed so that it cannot be relied upon, with the mend."""

    @property
    def runs(self) -> bool:
        """A node of the chain was started here and not yet removed."""
        return self.has_workload or self.genesis is not None


@dataclass(frozen=True, slots=True)
class FormerPort:
    """A port of the shared LoadBalancer that a chain has moved away from."""

    port: int
    since: datetime.datetime
    """When it moved, by the clock of the provider."""


@dataclass(frozen=True, slots=True)
class OpenPorts:
    """The ports of one chain on the shared LoadBalancer."""

    port: int
    former: tuple[FormerPort, ...] = ()
    """Still open, the last move first."""


@dataclass(frozen=True, slots=True)
class Memory:
    """What the cluster remembers, by consumer id. Empty on a first run."""

    chains: Mapping[str, ChainMemory] = field(default_factory=dict)
    open_ports: Mapping[str, OpenPorts] = field(default_factory=dict)
    """As recorded on the shared LoadBalancer's Service."""


@dataclass(frozen=True, slots=True)
class OptIn:
    """The transaction with which this validator joins a consumer chain."""

    consumer_id: str
    chain_id: str
    consumer_key: bytes | None
    """Assigned in the same transaction; None when the chain has just this key already (ICS #1731)."""


@dataclass(frozen=True, slots=True)
class AssignKey:
    """The transaction that assigns this validator's consumer key without an opt-in (Top-N members)."""

    consumer_id: str
    chain_id: str
    consumer_key: bytes


@dataclass(frozen=True, slots=True)
class OptOut:
    """The transaction with which this validator leaves a consumer chain; only an operator orders it."""

    consumer_id: str
    chain_id: str


@dataclass(frozen=True, slots=True)
class SetCommission:
    """The transaction that sets what this validator takes of its delegators' rewards from one chain."""

    consumer_id: str
    chain_id: str
    rate: str
    """A decimal number from 0 to 1 with at most 18 decimals."""


@dataclass(frozen=True, slots=True)
class Unjail:
    """The transaction by which this validator, jailed for downtime, takes part again."""


@dataclass(frozen=True, slots=True)
class PublishDetails:
    """The transaction that writes this validator's description anew, so that its relayer is funded."""

    details: str


@dataclass(frozen=True, slots=True)
class TopUp:
    """The transaction that fills up an account of a relayer on the provider."""

    consumer_id: str
    chain_id: str
    purpose: str
    """What signs with it: `relayer` or `evidence`."""
    address: str
    amount: int
    denom: str


Intent: TypeAlias = OptIn | AssignKey | PublishDetails | TopUp
"""A transaction that is due, as data; at most one is in flight."""

ByHand: TypeAlias = OptOut | SetCommission | Unjail
"""A transaction of the validator that only an operator orders."""


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """What a consumer node answers on its RPC."""

    height: int
    is_catching_up: bool
    consensus_key: bytes
    """The key the node runs with (its throw-away key when it is not armed)."""
    peers: int
    signers: frozenset[bytes]
    """Addresses (20 bytes) that signed the last commit."""
    validators: Mapping[bytes, int]
    """Address (20 bytes) to power: the node's own validator set."""
    peer_ids: frozenset[str] = frozenset()
    """Node ids of the connected peers."""
    block_time: datetime.datetime | None = None
    """Of its last block."""
    blocks_behind: int | None = None
    """How far its peers say that they are ahead; asked for only when its last block is old."""
    is_silent: bool = False
    """Asked for that, it gave no answer in time, though it gives others: a block may hang in its application."""


@dataclass(frozen=True, slots=True)
class Observation:
    """What was seen of one chain's workload in this pass."""

    pod: PodStatus | None = None
    node: NodeStatus | None = None
    error: str = ""
    """Why the node's RPC gave no answer."""
