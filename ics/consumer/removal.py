"""Confirmation of everything that ends a chain's node: one answer of one endpoint never does; pure.

A provider's answer that a chain is deleted, stopped, in an earlier phase than before, or without this validator, may be
a lie or come from a fork. So what a node would be ended for must be observed by two passes at least
`ics:node.removal_delay` apart, without another answer between them, and by every reachable endpoint. Until then the
chain's objects are left as they are. A record of the first observation is kept in the cluster.
"""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass

from ics.conditions import Condition, Reason
from ics.consumer import observed
from ics.cosmos import times

_SEPARATOR = "@"


def to_annotation(seen: observed.EndingSeen) -> str:
    """Encode an observation for its annotation."""
    return f"{seen.claim}{_SEPARATOR}{seen.since.astimezone(datetime.UTC).isoformat()}"


def from_annotation(text: str) -> observed.EndingSeen | None:
    """Decode an observation; None if there is none or it was edited, so that the chain is observed for longer."""
    claim, _, since = text.rpartition(_SEPARATOR)
    try:
        return observed.EndingSeen(claim, times.parse_time(since)) if claim else None
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a node may be ended for a claim."""

    is_confirmed: bool
    asks: bool = False
    """Whether the other endpoints must be asked first."""
    condition: Condition | None = None


def judge(
    claim: str,
    consumer_id: str,
    memory: observed.ChainMemory,
    dissent: Mapping[str, tuple[str, ...]],
    now: datetime.datetime,
    delay: int,
) -> Verdict:
    """Return whether a claim is confirmed.

    Args:
        claim: for what the node would be ended.
        consumer_id: of the chain.
        memory: its state stored in the cluster.
        dissent: by consumer id, the endpoints that say something else, of the chains about which they were asked.
        now: time of the provider's block.
        delay: seconds between the two passes that must agree; 0: one answer is enough.
    """
    if not delay:
        return Verdict(is_confirmed=True)
    seen = memory.ending_seen
    if seen is None or seen.claim != claim or now - seen.since < datetime.timedelta(seconds=delay):
        text = f"another pass, at least {delay} s after the first one that saw it, confirms it"
        return Verdict(False, condition=_unconfirmed(claim, consumer_id, text))
    if consumer_id not in dissent:
        return Verdict(False, asks=True)
    if dissent[consumer_id]:
        others = ", ".join(dissent[consumer_id])
        text = f"every reachable endpoint says so, but {others} does not: remove the wrong one from ics:provider.rest"
        return Verdict(False, condition=_unconfirmed(claim, consumer_id, text))
    return Verdict(is_confirmed=True)


def _unconfirmed(claim: str, consumer_id: str, until: str) -> Condition:
    message = f"the provider's answer ({claim}) would end the node here, which is kept until {until}"
    return Condition.new(Reason.REMOVAL_UNCONFIRMED, message, consumer_id)


def next_record(
    memory: observed.ChainMemory, claim: str, now: datetime.datetime
) -> tuple[bool, observed.EndingSeen | None]:
    """Return whether a chain's record changes, and the new one (None: there is no claim)."""
    seen = memory.ending_seen
    if not claim:
        return seen is not None, None
    if seen is not None and seen.claim == claim:
        return False, seen
    return True, observed.EndingSeen(claim, now)
