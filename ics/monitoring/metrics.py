"""The catalogue of metrics: names, types, labels and meaning; pure.

Every series carries `validator`, so that a fleet is one scrape job. Times are seconds since the epoch, so that an age
is `time() - x` and needs no clock of ours. A state of several is one series for each, of which one is 1. Free text of
others, such as an owner's, is never a label.
"""

import enum
import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from ics import plain_text

_LONGEST_LABEL: Final = 128
"""Characters of a label's value; a provider accepts a chain id of any length."""
_LONGEST_KNOWN: Final = 512
"""Characters of the labels of one series that are kept."""


class Kind(enum.Enum):
    """Type of a metric in Prometheus' text format."""

    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True, eq=False)
class Family:
    """One metric with all of its series; there is one value of each."""

    name: str
    kind: Kind
    labels: tuple[str, ...]
    meaning: str

    def of(self, value: float, *labels: str) -> "Sample":
        """Return a sample; each label becomes one line of at most 128 characters.

        Raises:
            ValueError: the number of labels is not that of the metric.
        """
        if len(labels) != len(self.labels):
            raise ValueError(f"{self.name} has the labels {self.labels}, not {labels}")
        shown = _known(labels) if sum(map(len, labels)) <= _LONGEST_KNOWN else _shown(labels)
        return Sample(self, shown, float(value))


class Sample(NamedTuple):
    """Value of one series; a tuple, because each pass makes, and each scrape compares, dozens for every chain."""

    family: Family
    labels: tuple[str, ...]
    """Values in the order of the metric's labels."""
    value: float


@dataclass(frozen=True, slots=True)
class Histogram:
    """Durations counted by their upper bounds."""

    counts: tuple[int, ...] = ()
    """Number of durations in each of `BOUNDS`, not cumulated; the last one is of those above all bounds. Empty: none
    was counted yet."""
    total: float = 0.0
    """Sum of the durations in seconds."""

    def plus(self, seconds: float) -> "Histogram":
        """Return the histogram with one more duration."""
        counts = list(self.counts or (0,) * (len(BOUNDS) + 1))
        at = next((index for index, bound in enumerate(BOUNDS) if seconds <= bound), len(BOUNDS))
        counts[at] += 1
        return Histogram(tuple(counts), self.total + seconds)

    def cumulated(self) -> tuple[int, ...]:
        """Return the number of durations up to each bound, and last of all."""
        counts = self.counts or (0,) * (len(BOUNDS) + 1)
        return tuple(sum(counts[: index + 1]) for index in range(len(counts)))


BOUNDS: Final = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
"""Upper bounds of a pass's duration in seconds."""


def _shown(labels: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(plain_text.one_line(label, _LONGEST_LABEL) for label in labels)


@functools.lru_cache(maxsize=4096)
def _known(labels: tuple[str, ...]) -> tuple[str, ...]:
    """Return labels that every pass has again."""
    return _shown(labels)


_V: Final = ("validator",)
_C: Final = (*_V, "consumer_id", "chain_id")


def _gauge(name: str, labels: tuple[str, ...], meaning: str) -> Family:
    return Family(name, Kind.GAUGE, labels, meaning)


def _counter(name: str, labels: tuple[str, ...], meaning: str) -> Family:
    return Family(name, Kind.COUNTER, labels, meaning)


# -- the reconciler --------------------------------------------------------------------------------

BUILD_INFO = _gauge(
    "ics_build_info",
    (*_V, "version", "engine", "provider_chain_id"),
    "Always 1; version of the operator, engine of its settings, and provider chain.",
)
ACTING = _gauge("ics_acting", _V, "Whether this process holds the Lease and acts.")
READY = _gauge("ics_ready", _V, "Whether the last pass reached the provider and the cluster, as /readyz.")
PROVIDER_HEIGHT = _gauge("ics_provider_height", _V, "Provider height of the last observation.")
PROVIDER_BLOCK_TIME = _gauge(
    "ics_provider_block_timestamp_seconds", _V, "Time of that block, by the provider's clock."
)
LAST_SUCCESSFUL_PASS = _gauge(
    "ics_last_successful_pass_timestamp_seconds",
    _V,
    "Time of the last pass that could judge provider and cluster; 0: none yet.",
)
PASSES = _counter(
    "ics_passes_total",
    (*_V, "result"),
    "Passes: ok; trouble: something of it failed; failed: provider or cluster could not be read.",
)
PASS_DURATION = Family("ics_pass_duration_seconds", Kind.HISTOGRAM, _V, "Duration of passes.")
WAKEUPS = _counter("ics_wakeups_total", (*_V, "reason"), "What triggered passes of the daemon.")
EVENTS_CONNECTED = _gauge(
    "ics_events_connected", _V, "Whether the daemon is connected to the provider's events."
)
PODS_WATCHED = _gauge("ics_pods_watched", _V, "Whether the daemon watches the validator's pods.")
CHANGES = _counter(
    "ics_changes_total", (*_V, "action", "kind"), "Objects that passes changed in the cluster."
)
DRIFT = _counter("ics_drift_total", (*_V, "kind"), "Objects that passes put back.")
TRANSACTIONS = _counter(
    "ics_transactions_total",
    (*_V, "type", "result"),
    "Transactions that passes tried to send: confirmed; refused by the chain or by a limit of the settings; unknown:"
    " no confirmation in time, or no endpoint.",
)
ENDPOINT_UP = _gauge(
    "ics_endpoint_up",
    (*_V, "kind", "endpoint"),
    "Whether an endpoint of the provider is usable; endpoint: its host and port.",
)
ENDPOINT_HEIGHT = _gauge(
    "ics_endpoint_height", (*_V, "kind", "endpoint"), "Newest block of a usable endpoint of the provider."
)
CONDITION = _gauge(
    "ics_condition",
    (*_C, "reason", "severity"),
    "1 while a condition holds; without a chain: one of the validator.",
)

# -- the validator ---------------------------------------------------------------------------------

VALIDATOR_BONDED = _gauge("ics_validator_bonded", _V, "Whether the validator is bonded on the provider.")
VALIDATOR_JAILED = _gauge("ics_validator_jailed", _V, "Whether the validator is jailed on the provider.")
CHAINS = _gauge("ics_chains", (*_V, "phase"), "All consumer chains of the provider by phase.")

# -- a chain that this validator has joined, would join or runs ------------------------------------

CHAIN_INFO = _gauge(
    "ics_chain_info",
    (*_C, "chain_namespace", "definition", "image"),
    "Always 1; namespace, definition and image of a chain.",
)
CHAIN_PHASE = _gauge("ics_chain_phase", (*_C, "phase"), "1 for the phase of the chain, 0 for all others.")
CHAIN_WANTED = _gauge("ics_chain_wanted", _C, "Whether the validator has joined the chain, or is about to.")
CHAIN_STAGED = _gauge(
    "ics_chain_staged", _C, "Whether its node could start: its objects and its sign state are there."
)
CHAIN_OPTED_IN = _gauge("ics_chain_opted_in", _C, "Whether the validator has opted in.")
CHAIN_MUST_VALIDATE = _gauge(
    "ics_chain_must_validate",
    _C,
    "Whether the provider lists the chain as one that the validator has to validate.",
)
CHAIN_IN_SET = _gauge(
    "ics_chain_in_set",
    _C,
    "Whether the running chain has the validator in its set: as its node says, else as the provider says.",
)
CHAIN_KEY_MATCHES = _gauge(
    "ics_chain_key_matches", _C, "Whether the provider has the key that the node of this chain gets."
)
CHAIN_SIGN_STATE_READY = _gauge(
    "ics_chain_sign_state_ready", _C, "Whether the sign state of its key is there."
)
CHAIN_SPAWN_TIME = _gauge("ics_chain_spawn_timestamp_seconds", _C, "Spawn time of a chain that has one.")

# -- its node --------------------------------------------------------------------------------------

NODE_UP = _gauge("ics_node_up", _C, "Whether its node answers.")
NODE_READY = _gauge("ics_node_ready", _C, "Whether the pod of its node is ready.")
NODE_CATCHING_UP = _gauge("ics_node_catching_up", _C, "Whether its node catches up with its peers.")
NODE_SIGNING = _gauge("ics_node_signing", _C, "Whether its node's own key signed the last commit.")
NODE_HEIGHT = _gauge("ics_node_height", _C, "Height of its node.")
NODE_APP_HEIGHT = _gauge(
    "ics_node_app_height",
    _C,
    "Height of its node's application; one below the node's height while it halts for an upgrade.",
)
NODE_BLOCK_TIME = _gauge("ics_node_block_timestamp_seconds", _C, "Time of the last block of its node.")
NODE_PEERS = _gauge("ics_node_peers", _C, "Peers to which its node is connected.")
NODE_PEERS_MISSING = _gauge(
    "ics_node_peers_missing", _C, "Persistent peers to which its node is not connected."
)
NODE_VALIDATORS = _gauge("ics_node_validators", _C, "Size of the chain's validator set.")
NODE_SIGNERS = _gauge("ics_node_signers", _C, "Number of validators that signed the last commit.")
MISSED_BLOCKS = _gauge(
    "ics_signing_missed_blocks",
    _C,
    "Blocks of the window that the key missed, as the chain's slashing module counts.",
)
WINDOW_BLOCKS = _gauge("ics_signing_window_blocks", _C, "Length of that window.")
ALLOWED_MISSED_BLOCKS = _gauge(
    "ics_signing_allowed_missed_blocks", _C, "Blocks of the window that may be missed; one more jails."
)

VOLUME_USED = _gauge(
    "ics_volume_used_bytes", _C, "Used bytes of its node's volume, unless it shares its disk with others."
)
VOLUME_SIZE = _gauge("ics_volume_size_bytes", _C, "Bytes of that volume that can be used.")

# -- its next upgrade ------------------------------------------------------------------------------

_UPGRADE: Final = (*_C, "upgrade", "source")
UPGRADE_HEIGHT = _gauge(
    "ics_upgrade_height",
    _UPGRADE,
    "Height of the next upgrade; source: plan of the chain, or only the definition.",
)
UPGRADE_EXPECTED = _gauge(
    "ics_upgrade_expected_timestamp_seconds",
    _UPGRADE,
    "Time at which that height is expected, if it is known.",
)
UPGRADE_READY = _gauge(
    "ics_upgrade_ready", _UPGRADE, "Whether the next version is known and its image is on the node's machine."
)

# -- its relayer -----------------------------------------------------------------------------------

CLIENT_EXPIRY = _gauge(
    "ics_client_expiry_timestamp_seconds",
    (*_C, "host"),
    "Time at which the IBC client expires if it is not updated; host: provider or consumer.",
)
CLIENT_TRUSTING_PERIOD = _gauge(
    "ics_client_trusting_period_seconds", (*_C, "host"), "Trusting period of that client."
)
CLIENT_FROZEN = _gauge("ics_client_frozen", (*_C, "host"), "Whether that client is frozen.")
CHANNEL_OPEN = _gauge(
    "ics_channel_open", (*_C, "channel"), "Whether the channel is open: ccv, or transfer for rewards."
)
PACKETS_PENDING = _gauge(
    "ics_packets_pending",
    (*_C, "direction"),
    "Packets of the CCV channel without an acknowledgement; direction: to_consumer or to_provider.",
)
PACKETS_PENDING_SINCE = _gauge(
    "ics_packets_pending_since_timestamp_seconds",
    (*_C, "direction"),
    "Time at which the oldest of these packets was first seen, by the provider's clock; 0: there is none.",
)
RELAYER_UP = _gauge(
    "ics_relayer_up",
    (*_C, "component"),
    "Whether this validator's Hermes is ready; component: hermes, which relays, or evidence.",
)
WALLET_BALANCE = _gauge(
    "ics_wallet_balance",
    (*_C, "purpose", "denom"),
    "Balance of a relayer's account in the base denomination; purpose: relayer and evidence on the provider, consumer"
    " on the chain.",
)
WALLET_TARGET = _gauge(
    "ics_wallet_target_balance", (*_C, "purpose", "denom"), "Balance to which passes top that account up."
)

# -- what it brings and what it costs --------------------------------------------------------------

_REWARD: Final = (*_C, "denom", "base")
REWARDS_OUTSTANDING = _gauge(
    "ics_chain_rewards_outstanding",
    _REWARD,
    "Rewards in a denomination that came from the chain, of the validator and its delegators, that are not withdrawn;"
    " base: the denomination where the token was made.",
)
REWARDS_COMMISSION = _gauge(
    "ics_chain_rewards_commission", _REWARD, "The validator's commission in them, which it has not withdrawn."
)
CHAIN_FEES = _gauge(
    "ics_chain_fees",
    (*_C, "denom"),
    "Fees offered on the provider for transactions about the chain since the record on the Lease began.",
)
CHAIN_FUNDING = _gauge(
    "ics_chain_relayer_funding",
    (*_C, "denom"),
    "Sent to the accounts of the chain's relayer on the provider since the record on the Lease began.",
)

FAMILIES: Final[tuple[Family, ...]] = tuple(
    value for value in list(globals().values()) if isinstance(value, Family)
)
"""All metrics, in the order in which they are served."""
BY_NAME: Final[Mapping[str, Family]] = {family.name: family for family in FAMILIES}


def by_family(samples: Iterable[Sample]) -> dict[Family, list[Sample]]:
    """Return samples by metric, in the order in which metrics are served."""
    found: dict[Family, list[Sample]] = {family: [] for family in FAMILIES}
    for sample in samples:
        found[sample.family].append(sample)
    return {family: listed for family, listed in found.items() if listed}
