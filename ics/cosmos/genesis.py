"""Genesis of a consumer chain: complete a base genesis, or verify a published one; pure.

The CCV state is the provider's answer to `consumer_genesis`; it goes into `app_state.ccvconsumer`.
All inputs are fixed values of the chain or of a definition, so every validator gets the same bytes.
"""

import base64
import copy
import fnmatch
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeAlias

from ics import errors
from ics.cosmos import coins, identifiers, times

Json: TypeAlias = dict[str, Any]
_HEX32 = re.compile(r"[0-9A-Fa-f]{64}")
_BASE64_32 = re.compile(r"[A-Za-z0-9+/]{43}=")
_HASH_KIND = re.compile(r"^(0x|sha-?256[:=-])", re.IGNORECASE)
_CAMEL = re.compile(r"_([a-z0-9])")
_BASE_ACCOUNT = "/cosmos.auth.v1beta1.BaseAccount"
_SET_BY_LAUNCH_TEAM = frozenset({"params.reward_denoms", "params.provider_reward_denoms"})
"""CCV parameters unknown to the provider; the launch team sets them."""
_ABSENT_IN_OLDER = frozenset({"params.consumer_id"})
"""Fields that `genesis transform` removes for consumers older than ICS 6.2."""
_REMEDY = "get the genesis of this chain"
_TOO_DEEP = "genesis: nested too deeply for a chain's document; check that it is the right file"
_ZERO_VALUES: tuple[Any, ...] = (None, "", "0", 0, [], {})


def stated_hash(raw: bytes) -> str | None:
    """Return the sha256 (lower-case hex) in a chain's `genesis_hash` or `binary_hash` field, if it holds one.

    Args:
        raw: the field's bytes: the 32 of a hash, its 64 hex characters or its base64 as ASCII (perhaps after
            `0x`, `sha256:` or `sha256-`, or before a file name, as `sha256sum` prints it), or the 48 bytes that
            result when a tool decodes those hex characters as base64. Anything else gives None.
    """
    if len(raw) == 32:
        return raw.hex()
    text = base64.b64encode(raw) if len(raw) == 48 else raw
    # `sha256sum` writes the file's name after the hash; others write the kind of the hash before it.
    written = _HASH_KIND.sub("", text.decode("ascii", "replace").strip()).split(maxsplit=1)
    if not written:
        return None
    if _HEX32.fullmatch(written[0]):
        return written[0].lower()
    if not _BASE64_32.fullmatch(written[0]):
        return None
    decoded = base64.b64decode(written[0], validate=True)
    return decoded.hex() if base64.b64encode(decoded).decode() == written[0] else None


def genesis_time(document: Mapping[str, Any]) -> datetime | None:
    """Return the genesis time to the microsecond, or None if nodes cannot read it or would ignore it.

    Nodes read RFC 3339 in any zone; if the time is missing or in the year 1, each uses its own clock.
    """
    text = document.get("genesis_time")
    try:
        time = times.parse_time(text if isinstance(text, str) else "")
    except ValueError:
        return None
    return time if time.year > 1 else None


def launch_to_start(document: Mapping[str, Any]) -> float:
    """Return the seconds from a chain's launch to its genesis time, for which a node does not answer; at least 0.

    CometBFT v0.38 sleeps until the genesis time before it opens its RPC (node/node.go, `OnStart`).
    """
    begins, launched = (
        genesis_time(document),
        _at(document, "app_state.ccvconsumer.provider.consensus_state.timestamp"),
    )
    if begins is None or not isinstance(launched, str):
        return 0.0
    try:
        return max((begins - times.parse_time(launched)).total_seconds(), 0.0)
    except ValueError:
        return 0.0


def funded_accounts(document: Mapping[str, Any]) -> frozenset[str]:
    """Return the addresses that hold coins in a genesis; empty if it has no bank section."""
    balances = _at(document, "app_state.bank.balances")
    funded = [balance for balance in balances if _at(balance, "coins")] if isinstance(balances, list) else []
    return frozenset(address for balance in funded if isinstance(address := _at(balance, "address"), str))


def unwrap_ccv(answer: Mapping[str, Any]) -> Json:
    """Return the CCV state from a `consumer_genesis` answer or from a file with the bare state.

    Raises:
        SettingsError: the document is neither.
    """
    state = answer.get("genesis_state", answer)
    parts = [_at(state, "params"), _at(state, "provider")]
    if not isinstance(state, Mapping) or not all(isinstance(part, Mapping) for part in parts):
        raise errors.SettingsError(
            "CCV genesis: no params and provider sections; use the answer of consumer_genesis"
        )
    return dict(state)


def launch_height(ccv: Mapping[str, Any]) -> int:
    """Return the height of the provider block that launched the chain (client state's latest height).

    Raises:
        SettingsError: the CCV state has no height (a sovereign chain's changeover has no client state).
    """
    where = "provider.client_state.latest_height.revision_height"
    height = _whole(_at(ccv, where))
    if not height:
        shown = _at(ccv, where)
        raise errors.SettingsError(
            f"CCV genesis: {where}: {shown!r} is not a height; check whether it is a changeover"
        )
    return height


def launch_time(ccv: Mapping[str, Any]) -> str:
    """Return the time of the launch block: RFC 3339 with the chain's nanoseconds.

    Raises:
        SettingsError: the CCV state has no time.
    """
    where = "provider.consensus_state.timestamp"
    stamp = _at(ccv, where)
    if not isinstance(stamp, str):
        raise errors.SettingsError(
            f"CCV genesis: {where}: {stamp!r} is not a time; check whether it is a changeover"
        )
    return times.check_time(stamp)


def initial_validators(ccv: Mapping[str, Any]) -> tuple[tuple[bytes, int], ...]:
    """Return the first validator set: (ed25519 key of 32 bytes, power), in the chain's order.

    A member with another kind of key, which a chain may accept from anybody, is left out.

    Raises:
        SettingsError: the set is missing, empty or malformed.
    """
    where = "provider.initial_val_set"
    entries = _at(ccv, where)
    if not isinstance(entries, list) or not entries:
        raise errors.SettingsError(
            f"CCV genesis: {where}: no validators, so the chain cannot produce blocks; check the provider"
        )
    validators: list[tuple[bytes, int]] = []
    for index, entry in enumerate(entries):
        if isinstance(_at(entry, "pub_key.secp256k1"), str):  # tendermint.crypto.PublicKey has these two
            continue
        text = _at(entry, "pub_key.ed25519")
        try:
            key = base64.b64decode(text, validate=True) if isinstance(text, str) else b""
        except ValueError:
            key = b""
        power = _whole(_at(entry, "power"))
        if len(key) != 32 or not power:
            raise errors.SettingsError(
                f"CCV genesis: {where}[{index}]: {entry!r} is not a key with a power; check the provider"
            )
        validators.append((key, power))
    return tuple(validators)


def complete(
    base: Mapping[str, Any],
    *,
    chain_id: str | None,
    initial_height: int | None,
    genesis_time: str | None,
    ccv: Mapping[str, Any],
    fund: Iterable[tuple[str, Sequence[coins.Coin]]] = (),
    reward_denoms: Sequence[str] = (),
    provider_reward_denoms: Sequence[str] = (),
) -> Json:
    """Return a base genesis with the CCV state and the definition's additions; `base` is not modified.

    Args:
        base: the genesis as published, parsed.
        chain_id: from the provider; None keeps the base's value, as for the next two.
        initial_height: height part of the provider's initial height.
        genesis_time: RFC 3339.
        ccv: the CCV state, unwrapped.
        fund: (address with the consumer's prefix, coins); amounts of a repeated address are added up.
        reward_denoms: CCV parameter; if empty, the provider's value is kept.
        provider_reward_denoms: the same for that parameter.

    Raises:
        SettingsError: a value is not valid, or the base lacks a required section.
    """
    document = _copied(base)
    app_state = _section(document, "app_state", dict)
    if chain_id is not None:
        identifiers.check_chain_id(chain_id)
        document["chain_id"] = chain_id
    if initial_height is not None:
        document["initial_height"] = _height_like(document, initial_height)
    if genesis_time is not None:
        document["genesis_time"] = times.check_time(genesis_time)
    state = _copied(ccv)
    params = dict(_section(state, "params", dict)) if state.get("params") else {}
    params |= {"reward_denoms": list(reward_denoms)} if reward_denoms else {}
    params |= {"provider_reward_denoms": list(provider_reward_denoms)} if provider_reward_denoms else {}
    app_state["ccvconsumer"] = state | {"params": params}
    _fund(app_state, fund)
    return document


def verify(
    document: Mapping[str, Any], *, chain_id: str, initial_height: int, ccv: Mapping[str, Any]
) -> None:
    """Check that a final or completed genesis agrees with the provider.

    The launch team sets the reward denominations, so they are not compared; a missing CCV field equals its
    zero value.

    Args:
        document: the genesis, parsed.
        chain_id: as the provider has it.
        initial_height: height part of the provider's initial height.
        ccv: the provider's CCV state, unwrapped.

    Raises:
        Permanent: a value differs; the message names it.
    """
    verify_head(document, chain_id=chain_id, initial_height=initial_height)
    ours = _at(document, "app_state.ccvconsumer")
    if not isinstance(ours, Mapping):
        raise errors.Permanent(f"genesis: no app_state.ccvconsumer; {_REMEDY}")
    try:
        difference = _difference("", ours, ccv)
    except RecursionError:
        raise errors.Permanent(_TOO_DEEP) from None
    if difference:
        raise errors.Permanent(f"genesis: app_state.ccvconsumer.{difference}; {_REMEDY}")


def verify_head(document: Mapping[str, Any], *, chain_id: str, initial_height: int) -> None:
    """Check the part of a final genesis that is known before the launch: everything but the CCV state.

    Args:
        document: the genesis, parsed.
        chain_id: as the provider has it.
        initial_height: height part of the provider's initial height.

    Raises:
        Permanent: a value differs; the message names it.
    """
    own_chain_id, stated = document.get("chain_id"), document.get("initial_height")
    if own_chain_id != chain_id:
        raise errors.Permanent(
            f"genesis: chain_id is {own_chain_id!r}, the provider says {chain_id!r}; {_REMEDY}"
        )
    height = _whole(stated or 0)
    # CometBFT and the SDK both read a missing height, or 0, as 1.
    if height is None or (height or 1) != initial_height:
        raise errors.Permanent(
            f"genesis: initial_height is {stated!r}, the provider says {initial_height}; {_REMEDY}"
        )
    if genesis_time(document) is None:
        raise errors.Permanent(
            f"genesis: genesis_time is {document.get('genesis_time')!r}, not an RFC 3339 time; {_REMEDY}"
        )


def check_base(document: Mapping[str, Any], pattern: str) -> None:
    """Check that a base genesis can be completed for the chains of a definition.

    Args:
        document: the genesis, parsed.
        pattern: of the chain ids that the definition matches.

    Raises:
        SettingsError: it is another chain's, or has validators of its own.
    """
    own = document.get("chain_id")
    if own and not (isinstance(own, str) and fnmatch.fnmatchcase(own, pattern)):
        raise errors.SettingsError(
            f"base genesis: chain_id is {own!r}, which match.chain_id {pattern!r} excludes; {_REMEDY},"
            " or one without a chain_id if it is for several chains"
        )
    validators = document.get("validators") or _at(document, "consensus.validators")
    if validators:
        # baseapp v0.50, InitChain: an error unless the application returns as many.
        raise errors.SettingsError(
            "base genesis: it has validators of its own, but those of a consumer chain come from the provider;"
            f" {_REMEDY}"
        )


def special_accounts(document: Mapping[str, Any]) -> frozenset[str]:
    """Return the addresses of module, vesting and contract accounts in a genesis."""
    accounts = _at(document, "app_state.auth.accounts")
    special = (
        [account for account in accounts if _at(account, "@type") != _BASE_ACCOUNT]
        if isinstance(accounts, list)
        else []
    )
    return frozenset(address for account in special if isinstance(address := account_address(account), str))


def _height_like(document: Mapping[str, Any], height: int) -> int | str:
    """Return the height in the type that the document's format uses.

    Since 0.50 the SDK writes AppGenesis, with `consensus` and a number. It takes a file with a string for
    CometBFT's older format, which has `consensus_params` and a string, and loses `consensus`.
    """
    if not 0 < height < 2**63:
        raise errors.SettingsError(f"initial height {height} is not valid; use 1 or more")
    base_height = document.get("initial_height")
    is_comet = isinstance(base_height, str) or (base_height is None and "consensus_params" in document)
    return str(height) if is_comet else height


def _fund(app_state: Json, fund: Iterable[tuple[str, Sequence[coins.Coin]]]) -> None:
    """Add accounts and balances as `genesis add-genesis-account` does; update the supply only if it is set.

    Account numbers stay "0": the auth module gives duplicates the lowest free numbers, in list order
    (SanitizeGenesisAccounts), and the bank module computes an empty supply (InitGenesis).
    """
    gifts: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for address, amounts in fund:
        for coin in amounts:
            gifts[address][coin.denom] += coin.amount
    if not gifts:
        return
    accounts = _section(_section(app_state, "auth", dict), "accounts", list)
    bank = _section(app_state, "bank", dict)
    balances = _section(bank, "balances", list)
    existing = {address for account in accounts if isinstance(address := account_address(account), str)}
    by_address = {
        address: balance for balance in balances if isinstance(address := _at(balance, "address"), str)
    }
    for address in sorted(gifts):
        if address not in existing:
            numbers = {"account_number": "0", "sequence": "0"}
            accounts.append({"@type": _BASE_ACCOUNT, "address": address, "pub_key": None} | numbers)
        if address not in by_address:
            by_address[address] = {"address": address, "coins": []}
            balances.append(by_address[address])
        by_address[address]["coins"] = _sum_of_coins(by_address[address].get("coins"), gifts[address])
    if bank.get("supply"):
        for gift in gifts.values():
            bank["supply"] = _sum_of_coins(bank["supply"], gift)


def account_address(account: Any) -> Any:
    """Return the address of an account of any type; vesting and module accounts wrap a base account."""
    for inner in ("base_vesting_account", "base_account"):
        if isinstance(account, Mapping) and isinstance(account.get(inner), Mapping):
            account = account[inner]
    return _at(account, "address")


def _sum_of_coins(coins: Any, added: Mapping[str, int]) -> list[dict[str, str]]:
    sums = defaultdict(int, added)
    if not isinstance(coins, list | None):
        raise errors.SettingsError(
            f"base genesis: app_state.bank: {_brief(coins)} is not a list of coins; fix the file"
        )
    for coin in coins or ():
        amount = _whole(_at(coin, "amount"))
        if amount is None or not isinstance(coin.get("denom"), str):
            raise errors.SettingsError(
                f"base genesis: app_state.bank: {coin!r} is not a valid coin; fix the file"
            )
        sums[coin["denom"]] += amount
    return [{"denom": denom, "amount": str(amount)} for denom, amount in sorted(sums.items())]


def _copied(document: Mapping[str, Any]) -> Json:
    try:
        return copy.deepcopy(dict(document))
    except RecursionError:
        raise errors.SettingsError(_TOO_DEEP) from None


def _section(parent: Json, key: str, kind: type[Any]) -> Any:
    if not isinstance(parent.get(key), kind):
        raise errors.SettingsError(
            f"base genesis: {key} is missing or malformed; use the file that `init` writes"
        )
    return parent[key]


def _at(value: Any, path: str) -> Any:
    """Return the member at a dotted path, or None if there is none."""
    for key in path.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _whole(value: Any) -> int | None:
    """Return a non-negative integer written as number or string, or None for anything else."""
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,78}", value):
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _difference(path: str, ours: Any, theirs: Any) -> str | None:
    """Describe the first difference between two CCV states; None if they are equal."""
    if path in _SET_BY_LAUNCH_TEAM or (path in _ABSENT_IN_OLDER and ours is None):
        return None
    if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
        again = next((camel for key in ours if (camel := _camel(str(key))) != key and camel in ours), None)
        if again is not None:
            # gogoproto's jsonpb takes both spellings, and of two the one without underscores.
            return f"{path}.{again}".lstrip(".") + " is the same field as one with underscores; remove one"
        keys = sorted({*ours, *theirs})
        pairs = [(f"{path}.{key}".lstrip("."), ours.get(key), theirs.get(key)) for key in keys]
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        pairs = [(f"{path}[{at}]", *pair) for at, pair in enumerate(zip(ours, theirs, strict=True))]
    else:
        is_absent = ours is None or theirs is None
        is_same = ours == theirs or (is_absent and (ours or theirs) in _ZERO_VALUES)
        return None if is_same else f"{path} is {_brief(ours)}, the provider says {_brief(theirs)}"
    return next((text for text in (_difference(*pair) for pair in pairs) if text), None)


def _camel(name: str) -> str:
    return _CAMEL.sub(lambda match: match[1].upper(), name)


def _brief(value: Any) -> str:
    try:
        shown = repr(value)
    except RecursionError:
        return "a value that is nested too deeply"
    return shown if len(shown) <= 80 else f"{shown[:77]}..."
