"""Peers of a consumer chain, from the descriptions that validators publish on the provider; pure."""

import dataclasses
import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

from ics import model
from ics.conditions import Condition, Reason
from ics.consumer.peers import description, seeds
from ics.keys import derivation


@dataclass(frozen=True, slots=True)
class Peering:
    """The peers of one chain, with the conditions found."""

    persistent_peers: str
    """`id@host:port,…`, sorted, without this validator."""
    endpoint: str
    """`host:port` at which peers reach this validator's node, empty if it publishes no endpoint."""
    gateway_port: int | None
    """Port of the shared LoadBalancer; None if all its candidates belong to other chains."""
    conditions: tuple[Condition, ...]
    host_names: frozenset[str] = frozenset()
    """Those among the peers' hosts that must have an address everywhere."""

    @property
    def external_address(self) -> str:
        """Address that the node advertises: its endpoint if that is an IP address, otherwise empty.

        CometBFT resolves a host name at its start and refuses to start if that fails; each peer resolves it
        in the handshake too, and aborts the handshake if that fails. Peers dial the published endpoint
        anyway.
        """
        try:
            ipaddress.ip_address(self.endpoint.rpartition(":")[0].strip("[]"))
        except ValueError:
            return ""
        return self.endpoint


@dataclass(frozen=True, slots=True)
class Publisher:
    """What the chains take of one validator of the provider, which its stake does not change."""

    operator_address: str
    consensus_address: str
    moniker: str
    details: str
    is_bonded: bool

    @classmethod
    def of(cls, validator: model.Validator) -> Self:
        """Return a validator as a publisher."""
        return cls(
            validator.operator_address,
            validator.consensus_address,
            validator.moniker,
            validator.details,
            validator.is_bonded,
        )


def publishers(validators: Iterable[model.Validator]) -> tuple[Publisher, ...]:
    """Return the validators as publishers, by operator address."""
    return tuple(sorted(map(Publisher.of, validators), key=lambda one: one.operator_address))


def peers_of(
    summary: model.ConsumerSummary,
    detail: model.ConsumerDetail,
    publishers: Sequence[Publisher],
    own: Publisher,
    p2p_port: int,
    has_public_node_keys: bool,
    recorded: str | None = None,
) -> Peering:
    """Return the peers of a chain: its members' endpoints, from the validators' descriptions.

    Members are the opted-in validators and those in the chain's validator set, matched by consensus address.
    The provider no longer lists those of a stopped chain (see `provider.rest.queries`), so its peers are the
    recorded ones, at the endpoints that they publish now.

    Args:
        summary: the chain.
        detail: its detail.
        publishers: all validators of the provider; see `publishers`.
        own: this validator.
        p2p_port: the chain's computed port, equal on all validators.
        has_public_node_keys: whether unpublished node ids are derived from moniker and chain id.
        recorded: `persistent_peers` as the last pass wrote them, used for a stopped chain; None: no record, so
            that every validator with a published endpoint is a peer of a stopped chain.
    """
    consumer_id = summary.consumer_id
    is_stopped = summary.phase is model.Phase.STOPPED
    members = detail.opted_in | {member.consensus_address for member in detail.validators}
    if is_stopped:  # the nodes still need each other, until the last packets are acknowledged
        members = frozenset(validator.consensus_address for validator in publishers)
    known = _node_ids(recorded) if is_stopped and recorded is not None else None
    entries, conditions = [], []
    for validator in publishers:
        if validator.consensus_address not in members or validator.operator_address == own.operator_address:
            continue
        peer = _peer(validator, summary, p2p_port, has_public_node_keys)
        if not isinstance(peer, Condition):
            if known is None or peer[0] in known:
                entries.append(peer)
        elif not is_stopped:
            conditions.append(peer)
    port = _gateway_port(own.details, consumer_id, p2p_port)
    endpoint = description.parse(own.details).endpoint_of(consumer_id, p2p_port)
    if endpoint is None:
        conditions.append(
            Condition.new(
                Reason.ENDPOINT_UNPUBLISHED,
                "this validator's description has no valid p2p=<node id>@<host>, so peers cannot dial its"
                " node;"
                " run ics endpoint register",
                consumer_id,
            )
        )
    address = f"{description.format_host(endpoint.host)}:{port}" if endpoint else ""
    peers = description.persistent_peers(entries)
    host_names = seeds.hosts(peers.split(",") if peers else ())
    return Peering(peers, address, port, tuple(conditions), host_names)


def _node_ids(persistent_peers: str) -> frozenset[str]:
    return frozenset(entry.partition("@")[0] for entry in persistent_peers.split(","))


def _peer(
    validator: Publisher, summary: model.ConsumerSummary, p2p_port: int, has_public_node_keys: bool
) -> tuple[str, str, int] | Condition:
    """Return node id, host and port of a peer, or the condition of an endpoint that cannot be used."""
    published = description.parse(validator.details)
    endpoint = published.endpoint_of(summary.consumer_id, p2p_port)
    node_id = endpoint.node_id if endpoint else None
    if node_id is None and has_public_node_keys:
        node_id = derivation.public_node_key(validator.moniker, summary.chain_id).node_id
    if endpoint is None or node_id is None or endpoint.port is None:
        reason = published.error or "no node id in the description"
        message = (
            f"{validator.operator_address} is not a peer: {reason}; it must publish p2p=<node id>@<host>"
        )
        return Condition.new(Reason.PEER_LEFT_OUT, message, summary.consumer_id)
    return node_id, endpoint.host, endpoint.port


def gateway_ports(own: model.Validator, placed: Iterable[tuple[str, int]]) -> dict[str, int]:
    """Allocate ports of the shared LoadBalancer without duplicates, which the API server would refuse.

    Args:
        own: this validator.
        placed: consumer id and computed p2p port of the chains that have objects, in port order.

    Returns:
        By consumer id, the published port, or the computed one if an earlier chain has the published one;
        chains for which both are taken have none.
    """
    ports: dict[str, int] = {}
    for consumer_id, p2p_port in placed:
        for port in (_gateway_port(own.details, consumer_id, p2p_port), p2p_port):
            if port not in ports.values():
                ports[consumer_id] = port
                break
    return ports


def with_gateway_port(peering: Peering, consumer_id: str, port: int | None) -> tuple[Peering, Condition]:
    """Return the peering with another port, as an earlier chain has the published one, and its condition."""
    host = peering.endpoint.rpartition(":")[0]
    effect = f"its node has port {port} instead" if port is not None else "its node has no port"
    command = f"ics endpoint register --consumer {consumer_id}=HOST:PORT"
    condition = Condition.new(
        Reason.PORT_TAKEN,
        f"port {peering.gateway_port} of the LoadBalancer belongs to another chain of this validator and"
        f" {effect},"
        f" so peers cannot dial it; run {command} with another port",
        consumer_id,
    )
    endpoint = f"{host}:{port}" if host and port is not None else ""
    return dataclasses.replace(peering, endpoint=endpoint, gateway_port=port), condition


def _gateway_port(details: str, consumer_id: str, p2p_port: int) -> int:
    """Return the port at which the shared LoadBalancer exposes this validator's node of one chain."""
    endpoint = description.parse(details).endpoint_of(consumer_id, p2p_port)
    return p2p_port if endpoint is None or endpoint.port is None else endpoint.port
