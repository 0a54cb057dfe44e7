"""What this validator's description should publish, and what is wrong with what it does; pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ics import errors, model
from ics.config import settings
from ics.consumer.peers import description
from ics.keys import derivation
from ics.relayer import accounts


def node_id(settings: settings.Settings, seed: model.Secret) -> str | None:
    """The node id that peers must find; None with the public formula, which peers compute for each chain."""
    return None if settings.node_keys == "public" else derivation.derive_node_key(seed).node_id


@dataclass(frozen=True, slots=True)
class Wish:
    """What an operator wants to publish; what is not said stays as it is."""

    host: str | None = None
    """Name or address, IPv6 without brackets."""
    port: int | None = None
    """The provider node's own, which peers of consumers do not use."""
    by_consumer: Mapping[str, tuple[str, int]] | None = None
    """Host and port of single chains, by consumer id."""


def details(
    published: str,
    settings: settings.Settings,
    seed: model.Secret,
    wish: Wish,
    computed: Mapping[str, int] | None = None,
) -> str:
    """The description that publishes endpoint, node id and relayer, with the text around them kept.

    Args:
        published: the description on the chain.
        settings: of the stack.
        seed: what node id and relayer come from.
        wish: what to publish.
        computed: p2p ports of the chains, by consumer id, as all validators compute them.

    Raises:
        SettingsError: there is no host, two chains would share a port of the LoadBalancer, a value cannot be
            published or is not to be kept, or the text becomes too long.
    """
    found = description.parse(published)
    host = wish.host or found.host
    if host is None:
        raise errors.SettingsError(
            "there is no address to publish: give --host, set ics:gateway.host, or wait until the LoadBalancer"
            " has one"
        )
    if found.relayer_error is not None and not settings.relayer.enabled:
        raise errors.SettingsError(
            f"the description would keep an account that nobody funds: {found.relayer_error}, or take it out"
        )
    own = node_id(settings, seed)
    port = wish.port or (found.port if host == found.host else None)
    _check_ports(computed or {}, found.by_consumer, wish.by_consumer or {})
    return description.compose(
        published,
        endpoint=description.Endpoint(host, port, own),
        relayer=accounts.relayer_address(settings, seed) if settings.relayer.enabled else None,
        by_consumer={
            consumer_id: description.Endpoint(where, number, None)
            for consumer_id, (where, number) in (wish.by_consumer or {}).items()
        },
    )


def _check_ports(
    computed: Mapping[str, int],
    published: Mapping[str, description.Endpoint],
    wished: Mapping[str, tuple[str, int]],
) -> None:
    given = {consumer_id: one.port for consumer_id, one in published.items()}
    given |= {consumer_id: port for consumer_id, (_, port) in wished.items()}
    for consumer_id, (_, port) in wished.items():
        for other, taken in sorted({**computed, **given}.items()):
            if other != consumer_id and taken == port:
                raise errors.SettingsError(
                    f"--consumer {consumer_id}: port {port} of the LoadBalancer is that of consumer {other}: give"
                    " another"
                )


def problems(
    published: str, settings: settings.Settings, seed: model.Secret, address: str | None
) -> list[str]:
    """What is wrong with this validator's own description, each with its mend.

    Args:
        published: the description on the chain.
        settings: of the stack.
        seed: of the stack.
        address: where the LoadBalancer is reached, None when it has no address yet.
    """
    found, lines = description.parse(published), []
    if found.error is not None:
        lines.append(f"{found.error}: run ics endpoint register")
    own = node_id(settings, seed)
    if found.host is not None and own is not None and found.node_id != own:
        what = f"node id {found.node_id}" if found.node_id else "no node id"
        lines.append(f"the description has {what}, the seed's is {own}: run ics endpoint register")
    relayer = accounts.relayer_address(settings, seed)
    if settings.relayer.enabled and found.relayer != relayer:
        what = f"relayer={found.relayer}" if found.relayer else "no relayer="
        lines.append(f"the description has {what}, the seed's is {relayer}: run ics endpoint register")
    wanted = settings.gateway.host or address
    if wanted is not None and found.host is not None and found.host != wanted:
        lines.append(
            f"the description has host {found.host}, the LoadBalancer is at {wanted}: run ics endpoint register,"
            " unless the one leads to the other"
        )
    return lines


def doubles(validators: Iterable[model.Validator]) -> list[str]:
    """Node ids that two validators publish: peers could tell their nodes not apart."""
    seen: dict[str, list[str]] = {}
    for validator in validators:
        found = description.parse(validator.details).node_id
        if found is not None:
            seen.setdefault(found, []).append(validator.operator_address)
    return [
        f"node id {one} is published by {' and '.join(sorted(who))}: each needs one of its own"
        for one, who in sorted(seen.items())
        if len(who) > 1
    ]


@dataclass(frozen=True, slots=True, order=True)
class Target:
    """One address that should take connections."""

    who: str
    """Operator address of its validator, or `this validator`."""
    what: str
    """What listens there: `provider`, or a chain id."""
    host: str
    port: int


def targets(
    validators: Sequence[model.Validator], own: str, chains: Sequence[tuple[str, str, str]]
) -> tuple[Target, ...]:
    """The addresses that are published by anybody and that matter to this validator, each once.

    Args:
        validators: all of the provider.
        own: operator address of this validator.
        chains: chain id, persistent peers and external address of each chain that runs here.
    """
    found = []
    owner_of = {}
    for validator in validators:
        published = description.parse(validator.details)
        who = "this validator" if validator.operator_address == own else validator.operator_address
        if published.node_id is not None:
            owner_of[published.node_id] = who
        if published.host is not None and published.port is not None:
            found.append(Target(who, "provider", published.host, published.port))
    for chain_id, persistent, external in chains:
        entries = [description.parse(f"p2p={entry}") for entry in persistent.split(",") if entry]
        for entry in entries:
            if entry.host is not None and entry.port is not None:
                who = owner_of.get(entry.node_id or "", "a peer")
                found.append(Target(who, chain_id, entry.host, entry.port))
        outside = description.parse(f"p2p={external}")
        if external and outside.host is not None and outside.port is not None:
            found.append(Target("this validator", chain_id, outside.host, outside.port))
    return tuple(sorted(set(found)))
