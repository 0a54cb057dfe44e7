"""Content of this validator's own on-chain description, and checks of it; pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ics import errors, model
from ics.config import settings
from ics.consumer.peers import description
from ics.keys import derivation
from ics.relayer import accounts


def _node_id(settings: settings.Settings, seed: model.Secret) -> str | None:
    """Return the node id to publish; None with the public formula, which peers compute for each chain."""
    return None if settings.node_keys == "public" else derivation.derive_node_key(seed).node_id


@dataclass(frozen=True, slots=True)
class EndpointUpdate:
    """Change of the published endpoints; unset values are not changed."""

    host: str | None = None
    """Host name or address, IPv6 without brackets."""
    port: int | None = None
    """Port of the provider node, which consumer nodes do not use."""
    by_consumer: Mapping[str, tuple[str, int]] | None = None
    """Host and port of single chains, by consumer id."""


def compose_details(
    published: str,
    settings: settings.Settings,
    seed: model.Secret,
    update: EndpointUpdate,
    computed: Mapping[str, int] | None = None,
) -> str:
    """Return the description with endpoint, node id and relayer, keeping the text around them.

    Args:
        published: the description on the chain.
        settings: of the stack.
        seed: of the stack; node id and relayer are derived from it.
        update: the change to publish.
        computed: p2p ports of the chains by consumer id, computed equally by all validators.

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
    own = _node_id(settings, seed)
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
    published: str, settings: settings.Settings, seed: model.Secret, address: str | None
) -> list[str]:
    """Return the problems of this validator's own description, each with a remedy.

    Args:
        published: the description on the chain.
        settings: of the stack.
        seed: of the stack.
        address: of the LoadBalancer, None if it has none yet.
    """
    current, lines = description.parse(published), []
    if current.error is not None:
        lines.append(f"{current.error}; run ics endpoint register")
    own = _node_id(settings, seed)
    if current.host is not None and own is not None and current.node_id != own:
        present = f"node id {current.node_id}" if current.node_id else "no node id"
        lines.append(f"the description has {present}, the seed's is {own}; run ics endpoint register")
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
