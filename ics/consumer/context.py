"""Inputs for the decision about one chain; pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ics import model
from ics.conditions import Condition
from ics.config import chain_definition, settings
from ics.consumer import kept as consumer_kept
from ics.consumer import observed as consumer_observed
from ics.consumer import places
from ics.consumer.peers import peering
from ics.consumer.peers import ports as peers_ports


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainContext:
    """Inputs for the decision about one chain."""

    observed: consumer_observed.Observed
    settings: settings.Settings
    seed: model.Secret
    definitions: Sequence[chain_definition.LoadedDefinition]
    invalid_definitions: Sequence[chain_definition.InvalidDefinition] = ()
    own: model.Validator
    publishers: Sequence[peering.Publisher]
    """All validators of the provider."""
    ports: Mapping[str, peers_ports.Ports]
    is_selected: bool
    """Whether the 66 % rule selects this validator at the snapshot's height."""
    configured_keys: Mapping[str, places.ConfiguredKey] = field(default_factory=dict)
    """Keys that are not derived from the seed, by consumer id."""
    shared: Mapping[str, Condition] = field(default_factory=dict)
    """Conditions of keys that several chains share, by consumer id."""
    by_chain_id: Mapping[str, Sequence[model.Consumer]] = field(default_factory=dict)
    """All chains of the provider by chain id, which several of them may share."""
    published_relayers: Mapping[str, str] = field(default_factory=dict)
    """Relayer account that each validator publishes, by valcons."""
    kept: consumer_kept.Kept
    """What earlier passes of this process computed of each chain's facts."""

    @property
    def snapshot(self) -> model.Snapshot:
        """Snapshot of the provider at one height."""
        return self.observed.snapshot

    def ports_of(self, summary: model.ConsumerSummary) -> peers_ports.Ports:
        """Return the ports of a chain; one without ports of its own is run with those of another."""
        placed = self.ports.get(summary.consumer_id)
        return peers_ports.shared_ports(summary.chain_id) if placed is None else placed

    def memory_of(self, consumer_id: str) -> consumer_observed.ChainMemory | None:
        """Return the stored state of a chain, or None if there is none."""
        return self.observed.memory.chains.get(consumer_id)
