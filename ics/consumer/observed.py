"""All that one pass has observed, as one frozen value: the input of the pure core."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ics import model
from ics.conditions import Condition
from ics.relayer import facts


@dataclass(frozen=True, slots=True)
class Seen:
    """The provider at one height, the cluster's memory, and the chains' own nodes."""

    snapshot: model.Snapshot
    memory: model.Memory = field(default_factory=model.Memory)
    observations: Mapping[str, model.Observation] = field(default_factory=dict)
    """Of chains that had a node when the pass began, by consumer id."""
    arming: Mapping[str, str] = field(default_factory=dict)
    """Why the pod that is to lay a chain's signing memory waits, by consumer id."""
    relays: Mapping[str, facts.Facts] = field(default_factory=dict)
    """Of chains whose node answers and whose relayer is due, by consumer id."""
    relay_problems: Mapping[str, str] = field(default_factory=dict)
    """By consumer id: why the relaying could not be read."""
    balances: Mapping[str, int] = field(default_factory=dict)
    """What accounts hold on the provider, by address, in the denomination of the gas price."""
    used_keys: frozenset[bytes] = frozenset()
    """Addresses (20 bytes) of keys that were to be assigned and that the provider knows already."""
    wishes: frozenset[str] = frozenset()
    """Consumer ids that the operator asked by hand to join."""
    endpoints: tuple[Condition, ...] = ()
    """What is wrong with endpoints of the provider that others stand in for."""
