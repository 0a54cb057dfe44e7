"""Inputs for the decision about one chain; pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ics import model
from ics.conditions import Condition
from ics.config import chain_definition, settings
from ics.consumer import observed, signing
from ics.consumer.peers import ports


@dataclass(frozen=True, slots=True)
class ChainContext:
    """What one chain is judged by."""

    seen: observed.Seen
    settings: settings.Settings
    seed: model.Secret
    definitions: Sequence[chain_definition.Loaded]
    own: model.Validator
    ports: Mapping[str, ports.Ports]
    is_selected: bool
    """The 66 % rule selects this validator at the snapshot's height."""
    given: Mapping[str, signing.Given] = field(default_factory=dict)
    """Keys that do not come from the seed, by consumer id."""
    shared: Mapping[str, Condition] = field(default_factory=dict)
    """What is the matter with those that several chains are given, by consumer id."""

    @property
    def snapshot(self) -> model.Snapshot:
        """The provider at one height."""
        return self.seen.snapshot

    def memory_of(self, consumer_id: str) -> model.ChainMemory | None:
        """What the cluster remembers of a chain."""
        return self.seen.memory.chains.get(consumer_id)
