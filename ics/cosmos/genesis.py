"""Genesis of a consumer chain: completed from a base, or checked as it was published; pure.

The CCV state is what the provider answers to `consumer_genesis`; it goes into `app_state.ccvconsumer`.
All inputs are frozen values of the chain or of a definition, so every validator gets the same bytes.
"""

import base64
import copy
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeAlias

from ics import errors
from ics.cosmos import coins, identifiers, times

Json: TypeAlias = dict[str, Any]
_MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})"
)
_HEX32 = re.compile(r"[0-9A-Fa-f]{64}")
_BASE_ACCOUNT = "/cosmos.auth.v1beta1.BaseAccount"
_SET_BY_LAUNCH_TEAM = frozenset({"params.reward_denoms", "params.provider_reward_denoms"})
"""CCV parameters that the provider does not know; a launch team fills them in."""
_ABSENT_IN_OLDER = frozenset({"params.consumer_id"})
"""What `genesis transform` takes out for consumers before ICS 6.2."""
_ZERO_VALUES: tuple[Any, ...] = (None, "", "0", 0, [], {})


def stated_hash(raw: bytes) -> str | None:
    """The sha256 (lower-case hex) that a chain's `genesis_hash` or `binary_hash` states, if it states one.

    Args:
        raw: the field's bytes: the 32 of a hash, its 64 hex characters as ASCII, or the 48 bytes that
            come out when a tool reads those hex characters as base64. Anything else is None.
    """
    if len(raw) == 32:
        return raw.hex()
    text = base64.b64encode(raw) if len(raw) == 48 else raw
    written = text.decode("ascii", "replace")
    return written.lower() if _HEX32.fullmatch(written) else None


def moment(document: Mapping[str, Any]) -> datetime | None:
    """The genesis time, to microseconds; None when nodes could not read it, or would take their own clock's.

    They read RFC 3339 in any zone; without a time, or with the year 1, each takes the present.
    """
    text = document.get("genesis_time")
    if not isinstance(text, str) or not _MOMENT.fullmatch(text):
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.year > 1 else None


def funded_accounts(document: Mapping[str, Any]) -> frozenset[str]:
    """Addresses that hold coins in a genesis; none when it has no bank."""
    balances = _at(document, "app_state.bank.balances")
    held = [one for one in balances if _at(one, "coins")] if isinstance(balances, list) else []
    return frozenset(address for one in held if isinstance(address := _at(one, "address"), str))


def unwrap_ccv(answer: Mapping[str, Any]) -> Json:
    """The CCV state of a `consumer_genesis` answer, or of a file that holds the bare state.

    Raises:
        SettingsError: neither.
    """
    state = answer.get("genesis_state", answer)
    parts = [_at(state, "params"), _at(state, "provider")]
    if not isinstance(state, Mapping) or not all(isinstance(part, Mapping) for part in parts):
        raise errors.SettingsError("CCV genesis has no params and provider: give a consumer_genesis answer")
    return dict(state)


def launch_height(ccv: Mapping[str, Any]) -> int:
    """Height of the provider's block that launched the chain (client state's latest height).

    Raises:
        SettingsError: the CCV state has none (a sovereign chain that changes over has no client state).
    """
    where = "provider.client_state.latest_height.revision_height"
    height = _whole(_at(ccv, where))
    if not height:
        shown = _at(ccv, where)
        raise errors.SettingsError(f"CCV genesis: {where} is {shown!r}, not a height; is it a changeover?")
    return height


def launch_time(ccv: Mapping[str, Any]) -> str:
    """Time of that block, RFC 3339 with the chain's nanoseconds.

    Raises:
        SettingsError: the CCV state has none.
    """
    where = "provider.consensus_state.timestamp"
    stamp = _at(ccv, where)
    if not isinstance(stamp, str):
        raise errors.SettingsError(f"CCV genesis: {where} is {stamp!r}, not a time; is it a changeover?")
    return times.check_time(stamp)


def initial_validators(ccv: Mapping[str, Any]) -> tuple[tuple[bytes, int], ...]:
    """The first validator set: (ed25519 key of 32 bytes, power), in the chain's order.

    Raises:
        SettingsError: it is missing, empty or malformed.
    """
    where = "provider.initial_val_set"
    entries = _at(ccv, where)
    if not isinstance(entries, list) or not entries:
        raise errors.SettingsError(f"CCV genesis: {where} has no validator: the chain could not make a block")
    found: list[tuple[bytes, int]] = []
    for at, entry in enumerate(entries):
        text = _at(entry, "pub_key.ed25519")
        try:
            key = base64.b64decode(text, validate=True) if isinstance(text, str) else b""
        except ValueError:
            key = b""
        power = _whole(_at(entry, "power"))
        if len(key) != 32 or not power:
            raise errors.SettingsError(f"CCV genesis: {where}[{at}] is {entry!r}, not a key with a power")
        found.append((key, power))
    return tuple(found)


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
    """A base genesis with the CCV state and what the definition adds; `base` stays as it is.

    Args:
        base: the genesis as published, parsed.
        chain_id: from the provider; None keeps the base's, as for the next two.
        initial_height: height part of the provider's initial height.
        genesis_time: RFC 3339.
        ccv: the CCV state, unwrapped.
        fund: (address with the consumer's prefix, coins); an address that comes twice gets both.
        reward_denoms: CCV parameter, kept as the provider says when empty; so the next.
        provider_reward_denoms: likewise.

    Raises:
        SettingsError: a value is bad, or the base lacks a section that is needed.
    """
    document = copy.deepcopy(dict(base))
    app_state = _section(document, "app_state", dict)
    if chain_id is not None:
        identifiers.check_chain_id(chain_id)
        document["chain_id"] = chain_id
    if initial_height is not None:
        document["initial_height"] = _height_like(document, initial_height)
    if genesis_time is not None:
        document["genesis_time"] = times.check_time(genesis_time)
    state = copy.deepcopy(dict(ccv))
    params = dict(state.get("params") or {})
    params |= {"reward_denoms": list(reward_denoms)} if reward_denoms else {}
    params |= {"provider_reward_denoms": list(provider_reward_denoms)} if provider_reward_denoms else {}
    app_state["ccvconsumer"] = state | {"params": params}
    _fund(app_state, fund)
    return document


def verify(
    document: Mapping[str, Any], *, chain_id: str, initial_height: int, ccv: Mapping[str, Any]
) -> None:
    """Compare a final or completed genesis with the provider.

    The reward denominations are the launch team's and are not compared; a CCV field that one side leaves
    out equals its zero value.

    Args:
        document: the genesis, parsed.
        chain_id: as the provider has it.
        initial_height: height part of the provider's initial height.
        ccv: the provider's CCV state, unwrapped.

    Raises:
        Permanent: something differs; says what.
    """
    mend = "this file is not this chain's genesis; get the right one"
    found, stated = document.get("chain_id"), document.get("initial_height")
    if found != chain_id:
        raise errors.Permanent(f"genesis chain_id is {found!r}, the provider says {chain_id!r}: {mend}")
    height = _whole(stated or 0)
    # CometBFT and the SDK both read no height, or 0, as 1.
    if height is None or (height or 1) != initial_height:
        raise errors.Permanent(
            f"genesis initial_height is {stated!r}, the provider says {initial_height}: {mend}"
        )
    if moment(document) is None:
        raise errors.Permanent(
            f"genesis genesis_time is {document.get('genesis_time')!r}, not a time in RFC 3339: {mend}"
        )
    ours = _at(document, "app_state.ccvconsumer")
    if not isinstance(ours, Mapping):
        raise errors.Permanent(f"genesis has no app_state.ccvconsumer: {mend}")
    difference = _difference("", ours, ccv)
    if difference:
        raise errors.Permanent(f"genesis app_state.ccvconsumer.{difference}: {mend}")


def special_accounts(document: Mapping[str, Any]) -> frozenset[str]:
    """Addresses of accounts in a genesis that are not plain ones: of modules, vesting, of contracts."""
    accounts = _at(document, "app_state.auth.accounts")
    found = (
        [one for one in accounts if _at(one, "@type") != _BASE_ACCOUNT] if isinstance(accounts, list) else []
    )
    return frozenset(address for one in found if isinstance(address := _account_address(one), str))


def _height_like(document: Mapping[str, Any], height: int) -> int | str:
    """The height in the form of the document's kind.

    The SDK since 0.50 writes AppGenesis, with `consensus` and a number; read from a text, it would take the
    file for CometBFT's older form, which has `consensus_params` and a text, and lose `consensus`.
    """
    if not 0 < height < 2**63:
        raise errors.SettingsError(f"initial height {height} is not one: use 1 or more")
    was = document.get("initial_height")
    is_comet = isinstance(was, str) or (was is None and "consensus_params" in document)
    return str(height) if is_comet else height


def _fund(app_state: Json, fund: Iterable[tuple[str, Sequence[coins.Coin]]]) -> None:
    """Accounts and balances as `genesis add-genesis-account` makes them; the supply only where it is stated.

    Account numbers stay "0": the auth module gives duplicates the lowest free ones, in the order of the list
    (SanitizeGenesisAccounts), and the bank module reckons an empty supply itself (InitGenesis).
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
    existing = {_account_address(account) for account in accounts}
    by_address = {_at(balance, "address"): balance for balance in balances}
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


def _account_address(account: Any) -> Any:
    """The address of an account of any type: vesting and module accounts wrap a base account."""
    for inner in ("base_vesting_account", "base_account"):
        if isinstance(account, Mapping) and isinstance(account.get(inner), Mapping):
            account = account[inner]
    return _at(account, "address")


def _sum_of_coins(coins: Any, added: Mapping[str, int]) -> list[dict[str, str]]:
    sums = defaultdict(int, added)
    for coin in coins or []:
        amount = _whole(_at(coin, "amount"))
        if amount is None or not isinstance(coin.get("denom"), str):
            raise errors.SettingsError(f"base genesis: app_state.bank holds {coin!r}, which is no coin")
        sums[coin["denom"]] += amount
    return [{"denom": denom, "amount": str(amount)} for denom, amount in sorted(sums.items())]


def _section(parent: Json, key: str, kind: type[Any]) -> Any:
    if not isinstance(parent.get(key), kind):
        raise errors.SettingsError(f"base genesis: {key} is missing or malformed: use what `init` writes")
    return parent[key]


def _at(value: Any, path: str) -> Any:
    """The member at a dotted path, None when there is none."""
    for key in path.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _whole(value: Any) -> int | None:
    """A number of 0 or more, written as number or as text; None for anything else."""
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,78}", value):
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _difference(path: str, ours: Any, theirs: Any) -> str | None:
    """The first place where two CCV states differ, told in words; None when they say the same."""
    if path in _SET_BY_LAUNCH_TEAM or (path in _ABSENT_IN_OLDER and ours is None):
        return None
    if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
        keys = sorted({*ours, *theirs})
        pairs = [(f"{path}.{key}".lstrip("."), ours.get(key), theirs.get(key)) for key in keys]
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        pairs = [(f"{path}[{at}]", *pair) for at, pair in enumerate(zip(ours, theirs, strict=True))]
    else:
        is_absent = ours is None or theirs is None
        is_same = ours == theirs or (is_absent and (ours or theirs) in _ZERO_VALUES)
        return None if is_same else f"{path} is {_brief(ours)}, the provider says {_brief(theirs)}"
    return next((found for found in (_difference(*pair) for pair in pairs) if found), None)


def _brief(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 80 else f"{shown[:77]}..."
