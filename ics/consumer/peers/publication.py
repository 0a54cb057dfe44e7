"""Content of this validator's own on-chain description, and checks of it; pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ics import errors, model
from ics.config import settings
from ics.consumer.peers import description
from ics.keys import derivation
from ics.relayer import accounts


def installation(cluster_uid: str, gateway_namespace: str) -> str:
    """Return the identity of this installation, from which its own node key is derived; empty without a cluster."""
    return f"{cluster_uid}/{gateway_namespace}" if cluster_uid else ""


def node_key(
    published: str, seed: model.Secret, installation: str, *, is_moved: bool = False
) -> derivation.NodeKey:
    """Return the node key of this installation's nodes.

    It is the seed's first one until this installation's own is published: the validator has moved here then. A chain
    that is being moved here has the own one already, because peers shut out one of two nodes with one node id.

    Args:
        published: this validator's description on the chain.
        seed: of the stack.
        installation: see `installation`.
        is_moved: whether the chain was moved here from another installation.
    """
    own = derivation.derive_node_key(seed, installation)
    is_published = description.parse(published).node_id == own.node_id
    return own if is_moved or is_published else derivation.derive_node_key(seed)


def _node_ids(settings: settings.Settings, seed: model.Secret, installation: str) -> tuple[str, ...]:
    """Return the node ids that this installation may publish; none with the public formula, which peers compute."""
    if settings.node_keys == "public":
        return ()
    keys = (derivation.derive_node_key(seed), derivation.derive_node_key(seed, installation))
    return tuple(key.node_id for key in keys)


@dataclass(frozen=True, slots=True)
class EndpointUpdate:
    """Change of the published endpoints; unset values are not changed."""

    host: str | None = None
    """Host name or address, IPv6 without brackets."""
    port: int | None = None
    """Port of the provider node, which consumer nodes do not use."""
    by_consumer: Mapping[str, tuple[str, int]] | None = None
    """Host and port of single chains, by consumer id."""
    is_moving: bool = False
    """Whether the validator moves to this installation, whose own node id is published from now on."""


def compose_details(
    published: str,
    settings: settings.Settings,
    seed: model.Secret,
    update: EndpointUpdate,
    computed: Mapping[str, int] | None = None,
    installation: str = "",
) -> str:
    """Return the description with endpoint, node id and relayer, keeping the text around them.

    Args:
        published: the description on the chain.
        settings: of the stack.
        seed: of the stack; node id and relayer are derived from it.
        update: the change to publish.
        computed: p2p ports of the chains by consumer id, computed equally by all validators.
        installation: see `installation`.

    Raises:
        SettingsError: there is no host, two chains would share a port of the LoadBalancer, a value cannot be
            published or kept, or the text becomes too long.
    """
    current = description.parse(published)
    host = update.host or current.host
    if host is None:
        raise errors.SettingsError(
            "endpoint: no address to publish;"
            " use --host, set ics:gateway.host, or wait for the LoadBalancer's address"
        )
    if current.relayer_error is not None and not settings.relayer.enabled:
        raise errors.SettingsError(
            f"the description would keep an invalid relayer account: {current.relayer_error}, or remove the"
            " entry"
        )
    own = _node_id_to_publish(current.node_id, _node_ids(settings, seed, installation), update.is_moving)
    port = update.port or (current.port if host == current.host else None)
    _check_ports(computed or {}, current.by_consumer, update.by_consumer or {})
    return description.compose(
        published,
        endpoint=description.Endpoint(host, port, own),
        relayer=accounts.relayer_address(settings, seed) if settings.relayer.enabled else None,
        by_consumer={
            consumer_id: description.Endpoint(where, number, None)
            for consumer_id, (where, number) in (update.by_consumer or {}).items()
        },
    )


def _node_id_to_publish(published: str | None, allowed: tuple[str, ...], is_moving: bool) -> str | None:
    if not allowed:
        return None
    if is_moving:
        return allowed[-1]
    return published if published in allowed else allowed[0]


def _check_ports(
    computed: Mapping[str, int],
    published: Mapping[str, description.Endpoint],
    wished: Mapping[str, tuple[str, int]],
) -> None:
    used = {consumer_id: endpoint.port for consumer_id, endpoint in published.items()}
    used |= {consumer_id: port for consumer_id, (_, port) in wished.items()}
    for consumer_id, (_, port) in wished.items():
        for other, taken in sorted({**computed, **used}.items()):
            if other != consumer_id and taken == port:
                raise errors.SettingsError(
                    f"--consumer {consumer_id}: consumer {other} has port {port} of the LoadBalancer;"
                    " use another"
                )


def find_problems(
    published: str,
    settings: settings.Settings,
    seed: model.Secret,
    address: str | None,
    installation: str = "",
) -> list[str]:
    """Return the problems of this validator's own description, each with a remedy.

    Args:
        published: the description on the chain.
        settings: of the stack.
        seed: of the stack.
        address: of the LoadBalancer, None if it has none yet.
        installation: see `installation`.
    """
    current, lines = description.parse(published), []
    if current.error is not None:
        lines.append(f"{current.error}; run ics endpoint register")
    own = _node_ids(settings, seed, installation)
    if current.host is not None and own and current.node_id not in own:
        present = f"node id {current.node_id}" if current.node_id else "no node id"
        lines.append(f"the description has {present}, the seed's is {own[0]}; run ics endpoint register")
    relayer = accounts.relayer_address(settings, seed)
    if settings.relayer.enabled and current.relayer != relayer:
        present = f"relayer={current.relayer}" if current.relayer else "no relayer="
        lines.append(f"the description has {present}, the seed's is {relayer}; run ics endpoint register")
    wanted = settings.gateway.host or address
    if wanted is not None and current.host is not None and current.host != wanted:
        lines.append(
            f"the description has host {current.host}, the LoadBalancer is at {wanted};"
            " run ics endpoint register,"
            " unless the published host forwards to it"
        )
    return lines


def duplicate_node_ids(validators: Iterable[model.Validator]) -> list[str]:
    """Describe node ids that several validators publish, whose nodes peers cannot distinguish."""
    seen: dict[str, list[str]] = {}
    for validator in validators:
        node_id_ = description.parse(validator.details).node_id
        if node_id_ is not None:
            seen.setdefault(node_id_, []).append(validator.operator_address)
    return [
        f"node id {node_id} is published by {' and '.join(sorted(operators))}; each validator needs its own"
        for node_id, operators in sorted(seen.items())
        if len(operators) > 1
    ]


@dataclass(frozen=True, slots=True, order=True)
class Target:
    """One address that should accept connections."""

    owner: str
    """Operator address of its validator, or `this validator`."""
    service: str
    """Chain whose node listens there: `provider`, or a chain id."""
    host: str
    port: int


def dial_targets(
    validators: Sequence[model.Validator], own: str, chains: Sequence[tuple[str, str, str]]
) -> tuple[Target, ...]:
    """Return all published addresses that matter to this validator, without duplicates.

    Args:
        validators: all of the provider.
        own: operator address of this validator.
        chains: chain id, persistent peers and external address of each chain that runs here.
    """
    results = []
    owner_of = {}
    for validator in validators:
        published = description.parse(validator.details)
        who = "this validator" if validator.operator_address == own else validator.operator_address
        if published.node_id is not None:
            owner_of[published.node_id] = who
        if published.host is not None and published.port is not None:
            results.append(Target(who, "provider", published.host, published.port))
    for chain_id, persistent, external in chains:
        entries = [description.parse(f"p2p={entry}") for entry in persistent.split(",") if entry]
        for entry in entries:
            if entry.host is not None and entry.port is not None:
                who = owner_of.get(entry.node_id or "", "a peer")
                results.append(Target(who, chain_id, entry.host, entry.port))
        outside = description.parse(f"p2p={external}")
        if external and outside.host is not None and outside.port is not None:
            results.append(Target("this validator", chain_id, outside.host, outside.port))
    return tuple(sorted(set(results)))
