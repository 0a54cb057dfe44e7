"""Selection of the validators that join a consumer chain: the 66 % rule and the policies; pure.

Rule of the reference implementation: bonded validators by tokens descending, then by operator address
ascending, until at least 66 % of the bonded tokens are covered. Exact integers throughout.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from ics import errors
from ics.config import settings
from ics.cosmos import addresses

_PERCENT = 66


@dataclass(frozen=True, slots=True)
class Candidate:
    """A bonded validator of the provider; `tokens` in the bond denom's base unit."""

    operator_address: str
    tokens: int


@dataclass(frozen=True, slots=True)
class Selection:
    """Result of the 66 % rule; `threshold` is the smallest number of tokens that covers 66 % of `total`."""

    total: int
    threshold: int
    selected: tuple[Candidate, ...]


@dataclass(frozen=True, slots=True)
class Decision:
    """Decision of the policy about a chain, with a reason for status messages."""

    joins: bool
    reason: str


def top66(candidates: Iterable[Candidate]) -> Selection:
    """Return the validators that the 66 % rule selects, in order.

    Args:
        candidates: all bonded validators, in any order.
    """
    ordered = sorted(candidates, key=lambda candidate: (-candidate.tokens, candidate.operator_address))
    total = sum(candidate.tokens for candidate in ordered)
    threshold = -(-_PERCENT * total // 100)
    selected: list[Candidate] = []
    covered = 0
    for candidate in ordered:
        if covered >= threshold:
            break
        selected.append(candidate)
        covered += candidate.tokens
    return Selection(total, threshold, tuple(selected))


def decide(
    policy: settings.Policy,
    *,
    allow: Iterable[str],
    deny: Iterable[str],
    chain_id: str,
    consumer_id: str,
    owner: str,
    is_selected: bool,
    is_launched: bool,
) -> Decision:
    """Return whether a validator that has not opted in joins a chain automatically.

    The deny list overrides everything. The allow list adds to `top66` and `all`, and is the only criterion of
    `listed`; `none` joins no chain. The 66 % rule never joins a chain that is already LAUNCHED.

    Args:
        policy: from the settings.
        allow: chain ids, consumer ids and owners.
        deny: chain ids, consumer ids and owners.
        chain_id: the chain's.
        consumer_id: the chain's.
        owner: bech32 account address.
        is_selected: whether the 66 % rule selects this validator at the pass's height.
        is_launched: whether the chain is already running.
    """
    denied = next((entry for entry in deny if _names(entry, chain_id, consumer_id, owner, True)), None)
    if denied is not None:
        return Decision(False, f"{denied!r} is on the deny list")
    if policy is settings.Policy.NONE:
        return Decision(False, "policy none: the operator opts in by hand")
    allowed = next((entry for entry in allow if _names(entry, chain_id, consumer_id, owner, False)), None)
    if allowed is not None:
        return Decision(True, f"{allowed!r} is on the allow list")
    if policy is settings.Policy.ALL:
        return Decision(True, "policy all")
    if policy is settings.Policy.LISTED:
        return Decision(False, "policy listed: not on the allow list")
    if is_launched:
        return Decision(False, "policy top66 does not join launched chains")
    return Decision(is_selected, f"policy top66: {'in' if is_selected else 'not in'} the top {_PERCENT} %")


def _names(entry: str, chain_id: str, consumer_id: str, owner: str, is_deny: bool) -> bool:
    """Return whether a list entry refers to this chain.

    Anyone can choose any chain id, so a chain id that looks like a consumer id or an owner must not match: an
    allow entry of digits is only a consumer id, and a bech32 address only an owner.
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
