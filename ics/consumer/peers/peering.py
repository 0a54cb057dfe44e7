"""Who the peers of a consumer chain are, from what the validators publish on the provider; pure."""

import dataclasses
import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

from ics import model
from ics.conditions import Condition, Reason
from ics.consumer.peers import description
from ics.keys import derivation


@dataclass(frozen=True, slots=True)
class Peering:
    """The peers of one chain and the conditions that finding them met."""

    persistent_peers: str
    """`id@host:port,…`, sorted, without this validator."""
    endpoint: str
    """`host:port` under which peers reach this validator's node, empty when it publishes no endpoint."""
    gateway_port: int | None
    """Port of the shared LoadBalancer; None: all that it could have belong to other chains."""
    conditions: tuple[Condition, ...]

    @property
    def external_address(self) -> str:
        """What the node tells its peers of itself: its endpoint if that is an IP address, else nothing.

        CometBFT looks a name up when it starts, and does not start without an answer; and so does each peer in
        the handshake, which it ends then. Peers dial what is published, so nothing is lost.
        """
        try:
            ipaddress.ip_address(self.endpoint.rpartition(":")[0].strip("[]"))
        except ValueError:
            return ""
        return self.endpoint


def peering(
    consumer: model.Consumer,
    validators: tuple[model.Validator, ...],
    own: model.Validator,
    p2p_port: int,
    has_public_node_keys: bool,
) -> Peering:
    """Join a chain's members with the validators' descriptions.

    Members are those who opted in and those in the chain's validator set, found by consensus address; of a
    stopped chain, whoever publishes an endpoint is tried.

    Args:
        consumer: with its detail.
        validators: all of the provider.
        own: this validator.
        p2p_port: the port that the chain has been given; equal on all validators.
        has_public_node_keys: node ids follow from moniker and chain id where none is published.
    """
    detail = consumer.detail
    if detail is None:
        raise ValueError(f"no detail of consumer {consumer.summary.consumer_id}")
    consumer_id = consumer.summary.consumer_id
    is_stopped = consumer.summary.phase is model.Phase.STOPPED
    members = detail.opted_in | {member.consensus_address for member in detail.validators}
    if is_stopped:
        # The provider does not tell its members any more, and the nodes still need one another.
        members = frozenset(validator.consensus_address for validator in validators)
    published = {
        v.operator_address: description.parse(v.details) for v in validators if v.consensus_address in members
    }
    entries, conditions = [], []
    for validator in sorted(validators, key=lambda v: v.operator_address):
        if validator.consensus_address not in members or validator.operator_address == own.operator_address:
            continue
        endpoint = published[validator.operator_address].endpoint_of(consumer_id, p2p_port)
        node_id = endpoint.node_id if endpoint else None
        if node_id is None and has_public_node_keys:
            node_id = derivation.public_node_key(validator.moniker, consumer.summary.chain_id).node_id
        if endpoint is None or node_id is None or endpoint.port is None:
            if is_stopped:
                continue
            why = published[validator.operator_address].error or "no node id in the description"
            conditions.append(
                Condition.new(
                    Reason.PEER_LEFT_OUT,
                    f"{validator.operator_address} is no peer: {why}; it must publish p2p=<node id>@<host>",
                    consumer_id,
                )
            )
            continue
        entries.append((node_id, endpoint.host, endpoint.port))
    port = gateway_port(own, consumer_id, p2p_port)
    endpoint = description.parse(own.details).endpoint_of(consumer_id, p2p_port)
    if endpoint is None:
        conditions.append(
            Condition.new(
                Reason.ENDPOINT_UNPUBLISHED,
                "this validator's description has no usable p2p=<node id>@<host>: peers cannot dial it; publish it",
                consumer_id,
            )
        )
    where = f"{description.bracketed(endpoint.host)}:{port}" if endpoint else ""
    return Peering(description.persistent_peers(entries), where, port, tuple(conditions))


def gateway_ports(own: model.Validator, placed: Iterable[tuple[str, int]]) -> dict[str, int]:
    """Ports on the shared LoadBalancer, each given once: of doubled ones the API server takes none at all.

    Args:
        own: this validator.
        placed: consumer id and computed p2p port of the chains that have objects, in the order of the ports.

    Returns:
        By consumer id the published port, or the computed one if an earlier chain has that; chains for which
        both are taken have none.
    """
    found: dict[str, int] = {}
    for consumer_id, p2p_port in placed:
        for port in (gateway_port(own, consumer_id, p2p_port), p2p_port):
            if port not in found.values():
                found[consumer_id] = port
                break
    return found


def moved(peering: Peering, consumer_id: str, port: int | None) -> tuple[Peering, Condition]:
    """The same where an earlier chain has the port that was published for this one, and what is told of it."""
    host = peering.endpoint.rpartition(":")[0]
    told = f"{port} leads to its node instead" if port is not None else "none leads to its node"
    condition = Condition.new(
        Reason.PORT_TAKEN,
        f"port {peering.gateway_port} of the LoadBalancer belongs to another chain of this validator, and {told}:"
        f" peers cannot dial it; run ics endpoint register --consumer {consumer_id}=HOST:PORT with a port of its own",
        consumer_id,
    )
    endpoint = f"{host}:{port}" if host and port is not None else ""
    return dataclasses.replace(peering, endpoint=endpoint, gateway_port=port), condition


def gateway_port(own: model.Validator, consumer_id: str, p2p_port: int) -> int:
    """Port under which this validator's node of one chain is reached through the shared LoadBalancer."""
    endpoint = description.parse(own.details).endpoint_of(consumer_id, p2p_port)
    return p2p_port if endpoint is None or endpoint.port is None else endpoint.port
