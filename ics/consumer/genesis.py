"""Genesis of a launched chain, from its definition and the provider's state; pure.

Every validator must compute the same bytes, so the only inputs are a published file, the chain's parameters,
the CCV state, and the descriptions of the bonded validators after the launch block.
"""

import datetime
import functools
import gzip
from collections.abc import Iterable
from dataclasses import dataclass

from ics import errors, model, plain_text
from ics.conditions import Condition, Reason
from ics.config import chain_definition
from ics.consumer.peers import description, peering
from ics.cosmos import addresses, canonical_json, genesis, genesis_order
from ics.cosmos import coins as cosmos_coins


@dataclass(frozen=True, slots=True)
class Start:
    """When the nodes of a launched chain start."""

    at: datetime.datetime | None
    """Genesis time."""
    after_launch: float
    """Seconds from the launch to it, at least 0."""


COMPLETION_ROOM = 131_072
"""Compressed bytes reserved for the launch's additions to a base: a hundred for each of 1300 validators."""
_TOO_LARGE = "publish the file, and set url, sha256 and large: true"


def check_published(
    loaded: chain_definition.LoadedDefinition,
    chain_id: str,
    detail: model.ConsumerDetail,
    is_launched: bool,
    image: str = "",
) -> tuple[Condition, ...]:
    """Compare a chain's published files with the hashes its owner set on the provider, and with the chain.

    Everything that can be known before the launch is judged before it: the opt-in binds this validator.

    Args:
        loaded: its definition.
        chain_id: of the chain.
        detail: of the chain.
        is_launched: whether its node should start; only then is a missing final genesis critical.
        image: that prepares a large genesis; empty: none is set.

    Returns:
        Conditions without a consumer id. A critical one is the only one, and the chain must not be joined.
    """
    refusal = (
        _check_binary(loaded.definition, detail)
        or _check_form(loaded)
        or _check_hash(loaded, detail)
        or _check_size(loaded)
        or (None if is_launched else _check_content(loaded, chain_id, detail))
    )
    if refusal is not None:
        return (refusal,)
    name, conditions = loaded.definition.name, []
    if loaded.is_large and not image:
        return (_lacks_image(name),)
    if loaded.genesis is None and not loaded.is_large:
        if is_launched or not loaded.is_awaited:
            text = f"definition {name}: {loaded.problem}"
            return (Condition.new(Reason.GENESIS_UNAVAILABLE, text),)
        text = (
            f"definition {name}: waiting for the final genesis, before which no node starts: {loaded.problem}"
        )
        conditions.append(Condition.new(Reason.GENESIS_AWAITED, text))
    if genesis.stated_hash(detail.genesis_hash) is None:
        text = "the owner set no sha256 as genesis_hash, so the genesis file cannot be verified on chain"
        if detail.genesis_hash:
            shown = plain_text.visible(detail.genesis_hash[:64].decode("ascii", "backslashreplace"))
            text += f"; what it says instead is {shown}"
        conditions.append(Condition.new(Reason.HASH_NOT_STATED, text))
    return tuple(conditions)


def _lacks_image(name: str) -> Condition:
    text = (
        f"definition {name}: its genesis is large, and no image is set that prepares it; set ics:node.genesis_image to"
        " the image built from the Dockerfile"
    )
    return Condition.new(Reason.GENESIS_UNAVAILABLE, text)


def _check_form(loaded: chain_definition.LoadedDefinition) -> Condition | None:
    if not loaded.is_broken:
        return None
    return Condition.new(Reason.GENESIS_INVALID, f"definition {loaded.definition.name}: {loaded.problem}")


def _check_content(
    loaded: chain_definition.LoadedDefinition, chain_id: str, detail: model.ConsumerDetail
) -> Condition | None:
    """Judge a published genesis before the launch, as far as that is possible without the CCV state."""
    if loaded.genesis is None:
        return None
    definition = loaded.definition
    problem = _problem_before_launch(
        loaded.genesis, definition.genesis, definition.match.chain_id, chain_id, detail.initial_height
    )
    if not problem:
        return None
    return Condition.new(Reason.GENESIS_INVALID, f"definition {definition.name}: {problem}")


@functools.lru_cache(maxsize=64)  # judged in every pass until the chain is launched
def _problem_before_launch(
    content: bytes, rules: chain_definition.Genesis, pattern: str, chain_id: str, initial_height: int
) -> str:
    """Return why a genesis could not be used at the launch; empty if nothing is known.

    Args:
        content: the published file, unpacked.
        rules: how it is used.
        pattern: of the chain ids that the definition matches; the base may carry any of them.
        chain_id: of the chain.
        initial_height: height part of the provider's initial height.
    """
    try:
        document = canonical_json.parse(content, "the genesis file")
        if rules.final is not None:
            genesis.verify_head(document, chain_id=chain_id, initial_height=initial_height)
            return ""
        genesis.check_base(document, pattern)
        fund = cosmos_coins.parse_coins(rules.fund.relayers)
        genesis.complete(
            document,
            chain_id=chain_id,
            initial_height=initial_height,
            genesis_time=None,
            ccv={},
            fund=[(addresses.encode("rehearsal", bytes(20)), fund)] if fund else [],
        )
        if rules.time == "base" and genesis.genesis_time(document) is None:
            return (
                "genesis.time is base, but the genesis file has no RFC 3339 genesis_time; use launch or spawn"
            )
    except errors.IcsError as error:
        return str(error)
    return ""


def _check_hash(loaded: chain_definition.LoadedDefinition, detail: model.ConsumerDetail) -> Condition | None:
    """Compare the owner's `genesis_hash` with the file it refers to, if both are known."""
    rules, stated = loaded.definition.genesis, genesis.stated_hash(detail.genesis_hash)
    if rules.final is not None:
        digest = rules.final.sha256 if rules.base is None else rules.base.sha256
    else:
        digest = None if loaded.genesis is None else canonical_json.sha256_hex(loaded.genesis)
        if loaded.is_large:  # the one form of the file whose hash is known
            digest = rules.published.sha256
    if stated is None or digest is None or stated in (digest, loaded.packed_sha256):
        return None
    remedy = "get the file that the launch team published"
    if rules.final is not None and rules.base is None:
        remedy += (
            "; or, if genesis_hash belongs to the file without the CCV state, set genesis.base to that file"
            " and its sha256, in addition to final"
        )
    subject = "base genesis" if rules.final is not None and rules.base is not None else "genesis file"
    return Condition.new(
        Reason.GENESIS_HASH_MISMATCH,
        f"definition {loaded.definition.name}: the {subject} has sha256 {digest}, but the chain's"
        " genesis_hash"
        " is"
        f" {stated}, so the chain is not joined; {remedy}",
    )


def _check_size(loaded: chain_definition.LoadedDefinition) -> Condition | None:
    """Check, before an opt-in binds this validator, that the published genesis fits into a ConfigMap."""
    if loaded.genesis is None:
        return None
    is_base = loaded.definition.genesis.final is None
    size = packed_size(loaded.genesis)
    if size + (COMPLETION_ROOM if is_base else 0) <= LIMIT:
        return None
    reserved = f", of which {COMPLETION_ROOM} are reserved for the launch's additions" if is_base else ""
    return Condition.new(
        Reason.GENESIS_TOO_LARGE,
        f"definition {loaded.definition.name}: the compressed genesis file has {size} bytes and a ConfigMap"
        " takes"
        f" {LIMIT}{reserved}, so the chain is not joined; {_TOO_LARGE}",
    )


def _check_binary(definition: chain_definition.Definition, detail: model.ConsumerDetail) -> Condition | None:
    """Compare the binary's hash if both the definition and the owner set one."""
    stated = genesis.stated_hash(detail.binary_hash)
    if definition.binary_hash is None or stated is None or stated == definition.binary_hash:
        return None
    return Condition.new(
        Reason.BINARY_HASH_MISMATCH,
        f"definition {definition.name}: the image contains the binary {definition.binary_hash}, but the"
        " chain's"
        " binary_hash is"
        f" {stated}, so the chain is not joined; use the image of the launch team's release",
    )


def build_genesis(
    loaded: chain_definition.LoadedDefinition,
    chain_id: str,
    detail: model.ConsumerDetail,
    launch: model.Launch,
) -> bytes:
    """Return the genesis with which the nodes of a launched chain start.

    Returns:
        The final file as published, or the canonical bytes of the completed base.

    Raises:
        Permanent: the file does not belong to the chain, or the completed genesis is too large; or accounts
            must be funded from the state after the launch block, which every endpoint has pruned.
    """
    if loaded.genesis is None:
        raise errors.Permanent(f"definition {loaded.definition.name}: {loaded.problem}")
    rules = loaded.definition.genesis
    document = canonical_json.parse(loaded.genesis)
    if rules.final is None:
        document = genesis.complete(
            document,
            chain_id=chain_id,
            initial_height=detail.initial_height,
            genesis_time=_genesis_time(rules.time, detail, launch),
            ccv=launch.ccv,
            fund=_funded(loaded, launch),
            reward_denoms=rules.reward_denoms.consumer,
            provider_reward_denoms=rules.reward_denoms.provider,
        )
    genesis.verify(document, chain_id=chain_id, initial_height=detail.initial_height, ccv=launch.ccv)
    if rules.final is not None:
        return loaded.genesis
    completed = canonical_json.encode(document)
    if packed_size(completed) > LIMIT:
        raise errors.Permanent(
            f"definition {loaded.definition.name}: the completed genesis has {packed_size(completed)} bytes"
            " when"
            f" compressed and a ConfigMap takes {LIMIT}; {_TOO_LARGE}"
        )
    return completed


def order_genesis(
    loaded: chain_definition.LoadedDefinition,
    chain_id: str,
    detail: model.ConsumerDetail,
    launch: model.Launch,
    relayers: Iterable[str],
    image: str,
) -> genesis_order.Ordered:
    """Return the order by which a node's pod prepares the large genesis of a launched chain; see `build_genesis`.

    Args:
        loaded: its definition.
        chain_id: of the chain.
        detail: of the chain.
        launch: what the launch decided.
        relayers: published accounts, of which the pod says whether the genesis funds them.
        image: that prepares it.

    Raises:
        Permanent: accounts must be funded from the state after the launch block, which every endpoint has pruned.
    """
    rules, definition = loaded.definition.genesis, loaded.definition
    if not image:
        raise errors.Permanent(_lacks_image(definition.name).message)
    is_base = rules.final is None
    order = genesis_order.Order(
        url=rules.published.url or "",
        sha256=rules.published.sha256 or "",
        pattern=definition.match.chain_id if is_base else None,
        chain_id=chain_id,
        initial_height=detail.initial_height,
        genesis_time=_genesis_time(rules.time, detail, launch) if is_base else None,
        ccv=canonical_json.encode(launch.ccv).decode(),
        fund=_funded(loaded, launch) if is_base else (),
        reward_denoms=rules.reward_denoms.consumer,
        provider_reward_denoms=rules.reward_denoms.provider,
        relayers=tuple(sorted({addresses.reprefix(one, definition.bech32_prefix) for one in relayers})),
        image=image,
    )
    return genesis_order.Ordered(order)


def prepared(
    genesis: genesis_order.Ordered, pod: model.PodStatus | None
) -> tuple[genesis_order.Ordered, str]:
    """Return a large genesis with the report of the pod that prepares it, and why it is not prepared.

    Args:
        genesis: as earlier passes know it; the first report stays.
        pod: of the node.
    """
    if genesis.report is not None or pod is None:
        return genesis, ""
    said = genesis_order.parse_report(pod.genesis)
    if isinstance(said, genesis_order.Report):
        return genesis_order.Ordered(genesis.order, said), ""
    return genesis, said or ""


def slow_height(genesis: bytes | genesis_order.Ordered | None) -> int:
    """Return the height of the block with which a node writes a large genesis to its database, for minutes; else 0."""
    return genesis.order.initial_height if isinstance(genesis, genesis_order.Ordered) else 0


def digest(genesis: bytes | genesis_order.Ordered) -> str:
    """Return the sha256 of a genesis, lower-case hex; empty while a large one is not prepared."""
    if isinstance(genesis, bytes):
        return canonical_json.sha256_hex(genesis)
    return "" if genesis.report is None else genesis.report.sha256


def _genesis_time(rule: str, detail: model.ConsumerDetail, launch: model.Launch) -> str | None:
    """Return the genesis time to set, or None to keep that of the base."""
    if rule == "launch":
        return genesis.launch_time(launch.ccv)
    if rule == "spawn":
        if detail.spawn_time is None:
            raise errors.Permanent(
                "genesis.time is spawn, but the provider no longer has the chain's spawn time;"
                " use launch or base"
            )
        return detail.spawn_time
    return None


def unfunded_relayers(
    loaded: chain_definition.LoadedDefinition, publishers: Iterable[peering.Publisher]
) -> tuple[Condition, ...]:
    """Return conditions of published relayers that would not be funded if the chain launched now.

    Returns:
        Conditions without a consumer id.
    """
    if not cosmos_coins.parse_coins(loaded.definition.genesis.fund.relayers):
        return ()
    reasons = {v.operator_address: _refusal(loaded, v.details) for v in publishers if v.is_bonded}
    return tuple(
        Condition.new(
            Reason.RELAYER_LEFT_OUT,
            f"the relayer published by {operator} is not funded in the genesis: {reason}",
        )
        for operator, reason in sorted(reasons.items())
        if reason is not None
    )


def _refusal(loaded: chain_definition.LoadedDefinition, details: str) -> str | None:
    """Return why the relayer in a description gets no account, or None if it gets one or there is none.

    A single validator's description must not prevent the chain from starting, as a plain account would at an
    address where a module of the chain expects its own.
    """
    definition, published = loaded.definition, description.parse(details)
    if published.relayer is None:
        return published.relayer_error
    raw = addresses.decode(published.relayer)[1]
    for name in definition.genesis.fund.module_accounts:
        if raw == addresses.module_account(name):
            return (
                f"relayer={published.relayer} is the account of the module {name}; publish the relayer's own"
            )
    account = addresses.encode(definition.bech32_prefix, raw)
    if account in _special_accounts(loaded.genesis):
        return f"{account} is not a plain account in the base genesis; publish another"
    return None


@functools.lru_cache(maxsize=64)  # used in every pass until the chain is launched
def _special_accounts(content: bytes | None) -> frozenset[str]:
    try:
        return genesis.special_accounts(canonical_json.parse(content or b"{}"))
    except errors.IcsError:
        return frozenset()  # completing the genesis reports an invalid file


def _funded(
    loaded: chain_definition.LoadedDefinition, launch: model.Launch
) -> tuple[tuple[str, tuple[cosmos_coins.Coin, ...]], ...]:
    """Return the accounts to fund: the distinct relayer addresses published at the launch height, sorted."""
    definition = loaded.definition
    coins = cosmos_coins.parse_coins(definition.genesis.fund.relayers)
    if not coins:
        return ()
    if launch.details is None:
        raise errors.Permanent(
            f"definition {definition.name}: the relayers to fund are published in the state after launch"
            " block"
            f" {genesis.launch_height(launch.ccv)}, which every endpoint has pruned;"
            " add an endpoint that keeps it to"
            " ics:provider.archive_rest, or use the launch team's final genesis"
        )
    published = {
        description.parse(details).relayer for details in launch.details if _refusal(loaded, details) is None
    }
    relayers = sorted(
        {addresses.reprefix(address, definition.bech32_prefix) for address in published if address}
    )
    return tuple((address, coins) for address in relayers)


def start(content: bytes | genesis_order.Ordered, rules: chain_definition.Genesis) -> Start:
    """Return when a node that has this genesis starts to answer; one that cannot be read says nothing.

    Args:
        content: the genesis.
        rules: only a final genesis, or the time of a base, can lie ahead of the launch; nothing else is parsed.
    """
    return _start(content if isinstance(content, bytes) else content.outline(), rules)


@functools.lru_cache(maxsize=256)  # asked in every pass for every chain
def _start(content: bytes, rules: chain_definition.Genesis) -> Start:
    if rules.final is None and rules.time != "base":
        return Start(None, 0.0)
    try:
        document = canonical_json.parse(content)
    except errors.IcsError:
        return Start(None, 0.0)
    return Start(genesis.genesis_time(document), genesis.launch_to_start(document))


def initial_keys(launch: model.Launch) -> tuple[tuple[bytes, int], ...]:
    """Return the public keys and powers of the chain's initial validator set."""
    return genesis.initial_validators(launch.ccv)


PLAIN_LIMIT = 700_000
"""Bytes above which the genesis is compressed; base64 adds a third in transit."""
LIMIT = 1_048_576
"""Maximum bytes in the data of one ConfigMap, before base64."""


def packed_size(content: bytes) -> int:
    """Return the bytes that a genesis takes in a ConfigMap; it must not exceed `LIMIT`."""
    return len(content) if len(content) <= PLAIN_LIMIT else len(compress(content))


@functools.lru_cache(maxsize=16)  # used in every pass, and takes a second for a very large genesis
def compress(content: bytes) -> bytes:
    """Compress with gzip, deterministically."""
    return gzip.compress(content, mtime=0)
