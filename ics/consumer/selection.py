"""Who takes part in a consumer chain: the 66 % rule and the policies; pure.

Rule of the reference implementation: bonded validators by tokens descending, then by operator address
ascending, until at least 66 % of the bonded tokens are covered. Exact integers throughout.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from ics import errors
from ics.config import settings
from ics.cosmos import addresses

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
    if policy is settings.Policy.NONE:
        return Decision(False, "policy none: opt in by hand")
    allowed = next((entry for entry in allow if _names(entry, chain_id, consumer_id, owner, False)), None)
    if allowed is not None:
        return Decision(True, f"the allow list names {allowed!r}")
    if policy is settings.Policy.ALL:
        return Decision(True, "policy all")
    if policy is settings.Policy.LISTED:
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
