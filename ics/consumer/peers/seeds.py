"""Seeds that a node gets at its start; pure.

A fresh node exits if none of its seeds resolves, even with persistent peers (CometBFT v0.38, p2p/pex/pex_reactor.go,
`OnStart`), and starts with none. One that has been running has peers in its address book, and starts in any case.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ics.conditions import Condition, Reason, Severity
from ics.cosmos import peers

_INSIDE = (".svc", ".local", ".internal", ".localhost")
"""Ends of names that may have an address only inside a cluster or a network."""


@dataclass(frozen=True, slots=True)
class Seeds:
    """The seeds of one node."""

    used: tuple[str, ...]
    conditions: tuple[Condition, ...] = ()


def hosts(addresses: Sequence[str]) -> frozenset[str]:
    """Return the host names in addresses that must have an address everywhere, and so can be looked up from here."""
    parsed = [peers.parse(address) for address in addresses]
    return frozenset(peer.host for peer in parsed if peer.is_name and _is_public(peer.host))


def _is_public(host: str) -> bool:
    name = host.rstrip(".").lower()
    return "." in name and not name.endswith(_INSIDE)


def choose(
    seeds: Sequence[str], persistent_peers: str, unresolved: Collection[str], consumer_id: str
) -> Seeds:
    """Return the seeds of a node, without those that do not resolve if it has persistent peers.

    Args:
        seeds: of the definition.
        persistent_peers: of the node, empty if it has none.
        unresolved: host names that have no address.
        consumer_id: the chain, for conditions.
    """
    missing = [seed for seed in seeds if peers.parse(seed).host in unresolved]
    if not missing:
        return Seeds(tuple(seeds))
    shown = ", ".join(sorted({peers.parse(seed).host for seed in missing}))
    if persistent_peers:
        text = f"seeds without an address are left out, because a new node may exit with them: {shown}"
        condition = Condition.new(Reason.SEED_UNRESOLVED, text, consumer_id, severity=Severity.WARNING)
        return Seeds(tuple(seed for seed in seeds if seed not in missing), (condition,))
    severity = Severity.CRITICAL if len(missing) == len(seeds) else Severity.WARNING
    effect = (
        "there are no other peers, so a new node exits until one has an address"
        if severity is Severity.CRITICAL
        else "others have one"
    )
    text = f"seeds without an address: {shown}; {effect}"
    return Seeds(tuple(seeds), (Condition.new(Reason.SEED_UNRESOLVED, text, consumer_id, severity=severity),))
