"""Inputs of the plan for one chain's relayer; pure."""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field

from ics import model
from ics.config import chain_definition, settings
from ics.cosmos import gas_prices
from ics.relayer import facts as relayer_facts
from ics.relayer import ibc


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayingRecord:
    """State of a chain's handshake and packets, kept from one pass to the next."""

    fingerprint: str
    """Fingerprint of the handshake in the last pass, see `handshake.HandshakeState`."""
    since: datetime.datetime
    """Provider time at which this fingerprint was first seen."""
    is_ours: bool = False
    """Whether this validator's Job advanced the handshake to this fingerprint."""
    acted_on: str = ""
    """Fingerprint on which this validator's last Job acted; empty if there was none."""
    accepted_config: str = ""
    """Fingerprint of the last setup with channels that Hermes accepted, see `plan`; empty: none."""
    pending_since: tuple[datetime.datetime | None, datetime.datetime | None] = (None, None)
    """Provider times at which each packet in `pending` was first seen in flight; None: there is none."""
    restarted: datetime.datetime | None = None
    """Provider time of the last restart of Hermes because of a packet; None: there was none."""
    accepted_base: str = ""
    """Like `accepted_config`, for the setup without channels."""
    pending: tuple[int, int] = (0, 0)
    """Sequences of the oldest packets in flight, see `facts.Packets.oldest`."""
    open_since: datetime.datetime | None = None
    """Provider time at which the CCV channel was first seen open; None if it is not open."""

    def open_for(self, now: datetime.datetime) -> datetime.timedelta:
        """Return how long the CCV channel has been open at this time; zero while it is not."""
        return now - (self.open_since or now)


@dataclass(frozen=True, slots=True)
class Setup:
    """Image and configuration of a Hermes."""

    image: str
    config: str
    """config.toml."""


@dataclass(frozen=True, slots=True)
class Instance:
    """A permanently running Hermes, as observed in the cluster."""

    pod: model.PodStatus | None = None
    """Its pod that is not being deleted; of several, the ready one."""
    since: datetime.datetime | None = None
    """Time at which its Deployment got or lost an available pod, or was created; None if there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayerMemory:
    """State of one chain's relayer in the cluster, left by earlier passes."""

    record: RelayingRecord | None = None
    """None: no relaying has started yet."""
    jobs: Mapping[str, model.JobState] = field(default_factory=dict)
    """Hermes Jobs by name."""
    last_words: Mapping[str, str] = field(default_factory=dict)
    """Last error of Hermes by name of the failed Job, one line each; Jobs without one are left out."""
    instances: Mapping[str, Instance] = field(default_factory=dict)
    """Long-running Hermes instances by component."""
    has_hermes: bool = False
    """A relaying Hermes exists, possibly one that is terminating: it may still sign."""
    hermes: Setup | None = None
    """Setup of the Hermes that relays; None: there is none."""
    hermes_base: Setup | None = None
    """Setup of the evidence watch and of Jobs; None before the first."""
    has_objects: bool = False
    """Objects exist that only the reconcile loop creates and removes, not an engine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """A launched chain whose relayer is planned, and everything that the plan depends on."""

    settings: settings.Settings
    seed: model.Secret
    provider_chain_id: str
    now: datetime.datetime
    """Time of the provider's block."""
    own_valcons: str
    """Consensus address of this validator on the provider."""
    published_relayers: Mapping[str, str]
    """Relayer account that each validator publishes, by valcons."""
    balances: Mapping[str, int]
    """Balances on the provider by address, in the denomination of the gas price."""
    gas_price: gas_prices.GasPrice | None
    """Price that the provider asks for; None: not read in this pass."""
    topped_up: int | None
    """Coins sent to the relayer's accounts within the last 24 hours; None: not read in this pass."""
    consumer_id: str
    chain_id: str
    namespace: str
    definition: chain_definition.Definition
    rpc_port: int
    grpc_port: int
    detail: model.ConsumerDetail
    genesis: bytes
    memory: RelayerMemory
    facts: relayer_facts.Facts | None
    """None: the relaying has not been read in this pass."""
    problem: str | None = None
    """Error of reading it."""
    is_stopped: bool = False
    """The chain is stopped: pending packets are still relayed, but no handshake is continued."""

    def host_chain_id(self, client: relayer_facts.LiveClient) -> str:
        """Return the id of the chain that hosts a client."""
        return self.provider_chain_id if client.host is ibc.Side.PROVIDER else self.chain_id
