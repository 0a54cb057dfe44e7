"""The genesis of a launched chain, from its definition and from what the provider says; pure.

Every validator must come to the same bytes, so all that enters is a published file, the chain's own
parameters, the CCV state, and the descriptions that the bonded validators had after the launch block.
"""

import functools
import gzip
from collections.abc import Iterable

from ics import errors, model
from ics.conditions import Condition, Reason
from ics.config import chain_definition
from ics.consumer.peers import description
from ics.cosmos import addresses, canonical_json, genesis
from ics.cosmos import coins as cosmos_coins

COMPLETION_ROOM = 131_072
"""Bytes, compressed, that are kept for what the launch adds to a base: a hundred for each of 1300 validators."""
_TOO_LARGE = "no node can be given it: leave the chain alone, or ask its launch team for a smaller genesis"


def check_published(
    loaded: chain_definition.Loaded, detail: model.ConsumerDetail, is_launched: bool
) -> tuple[Condition, ...]:
    """Compare what is published of a chain with what its owner stated on the provider.

    Args:
        loaded: its definition.
        detail: of the chain.
        is_launched: its node is to be started; a final genesis may come as late as that.

    Returns:
        Conditions without a consumer id; with a critical one, which stands alone, the chain must not be joined.
    """
    refusal = check_binary(loaded.definition, detail) or _check_hash(loaded, detail) or _check_size(loaded)
    if refusal is not None:
        return (refusal,)
    name, found = loaded.definition.name, []
    if loaded.genesis is None:
        if is_launched or not loaded.is_awaited:
            text = f"definition {name}: {loaded.problem}"
            return (Condition.new(Reason.GENESIS_UNAVAILABLE, text),)
        text = f"definition {name}: the final genesis is awaited, its node starts with it: {loaded.problem}"
        found.append(Condition.new(Reason.GENESIS_AWAITED, text))
    if genesis.stated_hash(detail.genesis_hash) is None:
        text = "the owner stated no sha256 as genesis_hash: nothing on chain vouches for the genesis file"
        found.append(Condition.new(Reason.HASH_NOT_STATED, text))
    return tuple(found)


def _check_hash(loaded: chain_definition.Loaded, detail: model.ConsumerDetail) -> Condition | None:
    """Compare the owner's `genesis_hash` with the file that it is about, as far as both are known."""
    rules, stated = loaded.definition.genesis, genesis.stated_hash(detail.genesis_hash)
    if rules.final is not None:
        found = rules.final.sha256 if rules.base is None else rules.base.sha256
    else:
        found = None if loaded.genesis is None else canonical_json.sha256_hex(loaded.genesis)
    if stated is None or found is None or stated == found:
        return None
    mend = "get the file that the launch team published"
    if rules.final is not None and rules.base is None:
        mend += (
            "; or, if genesis_hash is of the file before the CCV state was added, give that file as genesis.base"
            " with its sha256 beside final"
        )
    what = "base genesis" if rules.final is not None and rules.base is not None else "genesis file"
    return Condition.new(
        Reason.GENESIS_HASH_MISMATCH,
        f"definition {loaded.definition.name}: the {what} has sha256 {found}, the chain's genesis_hash is {stated}:"
        f" not joined; {mend}",
    )


def _check_size(loaded: chain_definition.Loaded) -> Condition | None:
    """Whether the nodes can be given what is published: known before an opt-in binds this validator."""
    if loaded.genesis is None:
        return None
    is_base = loaded.definition.genesis.final is None
    size = packed_size(loaded.genesis)
    if size + (COMPLETION_ROOM if is_base else 0) <= LIMIT:
        return None
    kept = f", of which {COMPLETION_ROOM} are kept for what the launch adds" if is_base else ""
    return Condition.new(
        Reason.GENESIS_TOO_LARGE,
        f"definition {loaded.definition.name}: the genesis file has {size} bytes, compressed; a ConfigMap takes"
        f" {LIMIT}{kept}: not joined; {_TOO_LARGE}",
    )


def check_binary(known: chain_definition.Definition, detail: model.ConsumerDetail) -> Condition | None:
    """Compare the binary's hash where both the definition and the owner state one."""
    stated = genesis.stated_hash(detail.binary_hash)
    if known.binary_hash is None or stated is None or stated == known.binary_hash:
        return None
    return Condition.new(
        Reason.BINARY_HASH_MISMATCH,
        f"definition {known.name}: its image holds the binary {known.binary_hash}, the chain's binary_hash is"
        f" {stated}: not joined; take the image of the launch team's release",
    )


def genesis_bytes(
    loaded: chain_definition.Loaded, chain_id: str, detail: model.ConsumerDetail, launch: model.Launch
) -> bytes:
    """The genesis that the nodes of a launched chain start from.

    Returns:
        The final file as published, or the canonical bytes of the completed base.

    Raises:
        Permanent: the file does not belong to the chain, or is too large when it is completed; or the state
            after the launch block is pruned at every endpoint though accounts must be funded from it.
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
    completed = canonical_json.canonical(document)
    if packed_size(completed) > LIMIT:
        raise errors.Permanent(
            f"definition {loaded.definition.name}: the completed genesis has {packed_size(completed)} bytes,"
            f" compressed; a ConfigMap takes {LIMIT}: {_TOO_LARGE}"
        )
    return completed


def _genesis_time(rule: str, detail: model.ConsumerDetail, launch: model.Launch) -> str | None:
    """The genesis time to set, None to keep the base's own."""
    if rule == "launch":
        return genesis.launch_time(launch.ccv)
    if rule == "spawn":
        if detail.spawn_time is None:
            raise errors.Permanent(
                "genesis time `spawn`: the provider has no spawn time for the chain any more"
            )
        return detail.spawn_time
    return None


def left_out(loaded: chain_definition.Loaded, validators: Iterable[model.Validator]) -> tuple[Condition, ...]:
    """Which bonded validators publish a relayer that is not funded if the chain is launched now, and why.

    Returns:
        Conditions without a consumer id.
    """
    if not cosmos_coins.parse_coins(loaded.definition.genesis.fund.relayers):
        return ()
    reasons = {v.operator_address: _refusal(loaded, v.details) for v in validators if v.is_bonded}
    return tuple(
        Condition.new(
            Reason.RELAYER_LEFT_OUT,
            f"the relayer that {operator} publishes is not funded in the genesis: {reason}",
        )
        for operator, reason in sorted(reasons.items())
        if reason is not None
    )


def _refusal(loaded: chain_definition.Loaded, details: str) -> str | None:
    """Why the relayer of a description gets no account; None as well when there is none.

    What one validator writes must not keep the chain of all from starting, as an account does that stands where
    the chain's own modules expect theirs.
    """
    known, published = loaded.definition, description.parse(details)
    if published.relayer is None:
        return published.relayer_error
    raw = addresses.decode(published.relayer)[1]
    for name in known.genesis.fund.module_accounts:
        if raw == addresses.module_account(name):
            return f"relayer={published.relayer} is the account of the module {name}; give the relayer's own"
    account = addresses.encode(known.bech32_prefix, raw)
    if account in _special_accounts(loaded.genesis):
        return f"{account} is not a plain account in the base genesis; publish another"
    return None


@functools.lru_cache(maxsize=64)  # asked in every pass until the chain is launched
def _special_accounts(content: bytes | None) -> frozenset[str]:
    try:
        return genesis.special_accounts(canonical_json.parse(content or b"{}"))
    except errors.IcsError:
        return frozenset()  # what is no genesis is told of when it is completed


def _funded(
    loaded: chain_definition.Loaded, launch: model.Launch
) -> tuple[tuple[str, tuple[cosmos_coins.Coin, ...]], ...]:
    """The accounts to fund: relayer addresses published at the launch height, each once, sorted."""
    known = loaded.definition
    coins = cosmos_coins.parse_coins(known.genesis.fund.relayers)
    if not coins:
        return ()
    if launch.details is None:
        raise errors.Permanent(
            f"definition {known.name}: the relayers to fund are those published after the launch block"
            f" {genesis.launch_height(launch.ccv)}, which is pruned at every endpoint: give ics:provider.archive_rest"
            " one that keeps it, or the launch team's final genesis"
        )
    published = {
        description.parse(details).relayer for details in launch.details if _refusal(loaded, details) is None
    }
    relayers = sorted({addresses.reprefix(address, known.bech32_prefix) for address in published if address})
    return tuple((address, coins) for address in relayers)


def initial_keys(launch: model.Launch) -> tuple[tuple[bytes, int], ...]:
    """Public keys and powers of the chain's initial validator set."""
    return genesis.initial_validators(launch.ccv)


PLAIN_LIMIT = 700_000
"""Bytes above which it is compressed: base64 adds a third on the way."""
LIMIT = 1_048_576
"""Bytes that the API server takes in the data of one ConfigMap, before base64."""


def packed_size(content: bytes) -> int:
    """Bytes that a genesis takes in a ConfigMap; more than `LIMIT` and there is no place for it."""
    return len(content) if len(content) <= PLAIN_LIMIT else len(compress(content))


@functools.lru_cache(maxsize=16)  # asked in every pass, and it takes a second for what is really large
def compress(content: bytes) -> bytes:
    """Compressed with gzip; the same bytes for the same content."""
    return gzip.compress(content, mtime=0)
