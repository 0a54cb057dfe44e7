"""Who takes part in a consumer chain: the 66 % rule and the policies; pure.

Rule of the reference implementation: bonded validators by tokens descending, then by operator address
ascending, until at least 66 % of the bonded tokens are covered. Exact integers throughout.
"""

import enum
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ics import addresses, errors

PERCENT = 66


@dataclass(frozen=True, slots=True)
class Candidate:
    """A bonded validator of the provider; `tokens` in the bond denom's base unit."""

    operator_address: str
    tokens: int


@dataclass(frozen=True, slots=True)
class Selection:
    """The answer: `threshold` is the least number of tokens that is 66 % of `total`."""

    total: int
    threshold: int
    selected: tuple[Candidate, ...]


class Policy(enum.StrEnum):
    """What a validator joins by itself."""

    TOP66 = "top66"
    """Every chain before its launch, while this validator is in the top 66 %."""
    ALL = "all"
    LISTED = "listed"
    """Only what the allow list names."""
    NONE = "none"
    """Nothing; opting in is done by hand."""


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether the policy joins a chain, and why; `reason` is fit for status."""

    joins: bool
    reason: str


def top66(candidates: Iterable[Candidate]) -> Selection:
    """The validators that the 66 % rule selects, in its order.

    Args:
        candidates: the bonded validators, all of them, in any order.
    """
    ordered = sorted(candidates, key=lambda one: (-one.tokens, one.operator_address))
    total = sum(one.tokens for one in ordered)
    threshold = -(-PERCENT * total // 100)
    selected: list[Candidate] = []
    covered = 0
    for candidate in ordered:
        if covered >= threshold:
            break
        selected.append(candidate)
        covered += candidate.tokens
    return Selection(total, threshold, tuple(selected))


def from_staking_answer(answer: Mapping[str, Any]) -> list[Candidate]:
    """The bonded validators of a REST answer of `/cosmos/staking/v1beta1/validators`.

    Raises:
        SettingsError: the answer is not one, holds only the first page, or a validator in it is malformed.
    """
    validators = answer.get("validators") if isinstance(answer, Mapping) else None
    if not isinstance(validators, list):
        raise errors.SettingsError(
            "validators: no such list; give an answer of /cosmos/staking/v1beta1/validators"
        )
    pagination = answer.get("pagination")
    if isinstance(pagination, Mapping) and pagination.get("next_key"):
        raise errors.SettingsError(
            "pagination.next_key is set: this is one page of several; ask for all at once"
        )
    candidates = [_candidate(f"validators[{at}]", entry) for at, entry in enumerate(validators)]
    found: dict[str, Candidate] = {}
    for candidate in candidates:
        if candidate is None:
            continue
        if candidate.operator_address in found:
            raise errors.SettingsError(
                f"validators: {candidate.operator_address!r} comes twice: do pages overlap?"
            )
        found[candidate.operator_address] = candidate
    return list(found.values())


def _candidate(where: str, entry: Any) -> Candidate | None:
    """The validator, None when it is not bonded."""
    if not isinstance(entry, Mapping):
        raise errors.SettingsError(f"{where} is {entry!r}, not an object")
    address, tokens, status = entry.get("operator_address"), entry.get("tokens"), entry.get("status")
    if not isinstance(address, str) or not address:
        raise errors.SettingsError(f"{where}.operator_address is {address!r}, not an address")
    if not isinstance(tokens, str) or not re.fullmatch(r"[0-9]{1,100}", tokens):
        raise errors.SettingsError(f"{where}.tokens is {tokens!r}, not an integer as text ({address})")
    if not isinstance(status, str) or not status.startswith("BOND_STATUS_"):
        raise errors.SettingsError(f"{where}.status is {status!r}, not BOND_STATUS_… ({address})")
    return Candidate(address, int(tokens)) if status == "BOND_STATUS_BONDED" else None


def decide(
    policy: Policy,
    *,
    allow: Iterable[str],
    deny: Iterable[str],
    chain_id: str,
    consumer_id: str,
    owner: str,
    is_selected: bool,
    is_launched: bool,
) -> Decision:
    """Whether a validator that has not opted in joins a chain by itself.

    The deny list wins over all. The allow list adds to `top66` and `all`, and is all there is to
    `listed`; `none` joins nothing. A chain that is LAUNCHED is never joined for the 66 % rule's sake.

    Args:
        policy: from the settings.
        allow: chain ids, consumer ids and owners.
        deny: likewise.
        chain_id: the chain's.
        consumer_id: the chain's.
        owner: bech32 account address.
        is_selected: whether the 66 % rule selects this validator at the pass's height.
        is_launched: whether the chain runs already.
    """
    denied = next((entry for entry in deny if _names(entry, chain_id, consumer_id, owner, True)), None)
    if denied is not None:
        return Decision(False, f"the deny list names {denied!r}")
    if policy is Policy.NONE:
        return Decision(False, "policy none: opt in by hand")
    allowed = next((entry for entry in allow if _names(entry, chain_id, consumer_id, owner, False)), None)
    if allowed is not None:
        return Decision(True, f"the allow list names {allowed!r}")
    if policy is Policy.ALL:
        return Decision(True, "policy all")
    if policy is Policy.LISTED:
        return Decision(False, "policy listed: not on the allow list")
    if is_launched:
        return Decision(False, "policy top66 joins no chain that is launched")
    return Decision(is_selected, f"policy top66: {'in' if is_selected else 'not in'} the top {PERCENT} %")


def _names(entry: str, chain_id: str, consumer_id: str, owner: str, is_deny: bool) -> bool:
    """Whether a list entry means this chain.

    Anyone may choose any chain id, so one that looks like a consumer id or an owner opens no door: an
    allow entry of digits is a consumer id only, a bech32 address an owner only.
    """
    if entry in (consumer_id, owner):
        return True
    if entry != chain_id:
        return False
    return is_deny or not (entry.isdigit() or _is_address(entry))


def _is_address(text: str) -> bool:
    try:
        addresses.decode(text)
    except errors.SettingsError:
        return False
    return True
