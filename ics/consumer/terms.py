"""Terms of a consumer chain: the penalties that its owner sets, against those that the definition accepts; pure.

The owner of a chain sets what the provider does to this validator for a double sign or for downtime on that chain, up
to slashing the whole stake, and may change it after the launch. The provider judges evidence by the terms in force
when the evidence arrives (interchain-security v7.0.1, x/ccv/provider/keeper/consumer_equivocation.go,
`HandleConsumerDoubleVoting`, and relay.go, `HandleSlashPacket`), so a queued change counts as if it were in force.

Terms decide only whether a chain is joined. A chain that was joined goes on under any terms: its node must sign until
this validator has left, and a node that stops is punished for downtime by the same terms.
"""

import enum
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from ics import model
from ics.conditions import Condition, Reason, Severity
from ics.config import chain_definition, units
from ics.consumer import observed
from ics.cosmos import times


class Question(enum.Enum):
    """What must be asked before a chain's terms are known."""

    SLASHING = "slashing"
    """The parameters of the provider's slashing module."""
    QUEUE = "queue"
    """The changes that the chain's owner has queued."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """What a chain's terms mean for this validator."""

    conditions: tuple[Condition, ...] = ()
    """With any of them the chain is not joined."""
    questions: frozenset[Question] = frozenset()
    """Without their answers the chain is not joined yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """The worst penalty that is accepted; None: unknown."""

    slash_fraction: Decimal | None = None
    jail_duration: int | None = None
    """Nanoseconds."""
    tombstone: bool | None = None


def assess(
    observed: observed.Observed,
    summary: model.ConsumerSummary,
    detail: model.ConsumerDetail,
    definition: chain_definition.Definition,
    is_member: bool,
) -> Assessment:
    """Compare the terms of one chain, in force and queued, with those that its definition accepts.

    Terms that cannot be read keep this validator from joining, too. Only a chain that already runs can have a queue,
    and such a chain can be joined at any later time, so waiting costs little; joining unread terms may cost the stake.

    Args:
        observed: everything observed so far.
        summary: of the chain.
        detail: of the chain.
        definition: of the chain.
        is_member: whether this validator has joined the chain.
    """
    if summary.phase not in (model.Phase.INITIALIZED, model.Phase.LAUNCHED):
        return Assessment()
    consumer_id, accepted = summary.consumer_id, definition.accepted_terms
    questions: set[Question] = set()
    unreadable = [detail.infraction_problem] if detail.infraction_problem else []
    # A chain is joined by fresh answers only.
    slashing = observed.slashing or (observed.recent_slashing if is_member else None)
    queued = observed.queued_terms.get(consumer_id) or (
        observed.recent_queued_terms.get(consumer_id) if is_member else None
    )
    if slashing is None and _needs_slashing(detail, accepted):
        if observed.slashing_problem:
            unreadable.append(observed.slashing_problem)
        else:
            questions.add(Question.SLASHING)
    # Before the launch, a change takes effect at once.
    if summary.phase is model.Phase.LAUNCHED and not (
        queued is not None or consumer_id in observed.queue_problems
    ):
        questions.add(Question.QUEUE)
    harsher = [*_harsher(detail, accepted, slashing, queued or model.InfractionParameters())]
    conditions = (
        *([_too_harsh(summary, definition, harsher, is_member)] if harsher else []),
        *(_unreadable(summary, problem, is_member) for problem in unreadable),
        *(
            [_queue_unread(summary, observed.queue_problems[consumer_id], is_member)]
            if consumer_id in observed.queue_problems
            else []
        ),
    )
    return Assessment(conditions=conditions, questions=frozenset(questions))


def excesses(penalty: model.Penalty, limit: Limit) -> Iterator[tuple[str, str, str]]:
    """Yield (field, value, limit) of each part of a penalty that is worse than the limit."""
    fraction, duration, tombstone = limit.slash_fraction, limit.jail_duration, limit.tombstone
    if fraction is not None and penalty.slash_fraction > fraction:
        yield (
            "slash_fraction",
            units.format_decimal(penalty.slash_fraction),
            units.format_decimal(fraction),
        )
    if duration is not None and penalty.jail_duration > duration:
        yield (
            "jail_duration",
            units.format_nanoseconds(penalty.jail_duration),
            units.format_nanoseconds(duration),
        )
    if tombstone is False and penalty.tombstone:
        yield "tombstone", "true", "false"


def limits(
    accepted: chain_definition.AcceptedTerms, slashing: model.SlashingParams | None
) -> dict[str, Limit]:
    """Return the worst accepted penalty for each kind of infraction.

    Args:
        accepted: of the definition.
        slashing: what the definition leaves out is that of the provider itself: its slashing module jails for
            downtime, and for a double sign it jails for ever and tombstones (cosmos-sdk v0.50, x/evidence/keeper/
            infraction.go). None: it is unknown.
    """
    if slashing is None:
        own = {"double_sign": Limit(), "downtime": Limit()}
    else:
        own = {
            "double_sign": Limit(
                slash_fraction=slashing.slash_fraction_double_sign,
                jail_duration=times.LONGEST,
                tombstone=True,
            ),
            "downtime": Limit(
                slash_fraction=slashing.slash_fraction_downtime,
                jail_duration=slashing.downtime_jail_duration,
                tombstone=False,
            ),
        }
    return {
        "double_sign": _limit(accepted.double_sign, own["double_sign"]),
        "downtime": _limit(accepted.downtime, own["downtime"]),
    }


def _limit(stated: chain_definition.AcceptedPenalty, own: Limit) -> Limit:
    fraction, duration, tombstone = stated.slash_fraction, stated.jail_duration, stated.tombstone
    return Limit(
        slash_fraction=own.slash_fraction if fraction is None else Decimal(fraction),
        jail_duration=own.jail_duration if duration is None else duration,
        tombstone=own.tombstone if tombstone is None else tombstone,
    )


def _needs_slashing(detail: model.ConsumerDetail, accepted: chain_definition.AcceptedTerms) -> bool:
    stated = limits(accepted, None).values()
    is_complete = all(
        None not in (limit.slash_fraction, limit.jail_duration, limit.tombstone) for limit in stated
    )
    params = detail.infraction_parameters
    has_all = params.double_sign is not None and params.downtime is not None
    return not is_complete or not (has_all or detail.infraction_problem)


def _in_force(
    detail: model.ConsumerDetail, slashing: model.SlashingParams | None
) -> dict[str, model.Penalty | None]:
    """Return the penalties in force, by kind of infraction; None: unknown.

    Where the owner sets none, the provider jails for downtime without slashing (interchain-security v7.0.1,
    x/ccv/provider/types/provider.go, `DefaultConsumerInfractionParameters`; earlier versions had no other terms).
    """
    params = detail.infraction_parameters
    double_sign, downtime = params.double_sign, params.downtime
    if slashing is not None and not detail.infraction_problem:
        double_sign = double_sign or model.Penalty(
            slash_fraction=slashing.slash_fraction_double_sign, jail_duration=times.LONGEST, tombstone=True
        )
        downtime = downtime or model.Penalty(
            slash_fraction=Decimal(0), jail_duration=slashing.downtime_jail_duration, tombstone=False
        )
    return {"double_sign": double_sign, "downtime": downtime}


def _harsher(
    detail: model.ConsumerDetail,
    accepted: chain_definition.AcceptedTerms,
    slashing: model.SlashingParams | None,
    queued: model.InfractionParameters,
) -> Iterator[str]:
    """Yield a text for each term that is worse than accepted, the queued ones last."""
    limit = limits(accepted, slashing)
    in_force = _in_force(detail, slashing)
    known = set()
    for kind, penalty in in_force.items():
        for name, value, worst in excesses(penalty, limit[kind]) if penalty is not None else ():
            known.add((kind, name, value))
            yield f"{kind}.{name} is {value}, accepted is {worst}"
    for kind, penalty in (("double_sign", queued.double_sign), ("downtime", queued.downtime)):
        for name, value, worst in excesses(penalty, limit[kind]) if penalty is not None else ():
            if (kind, name, value) not in known:
                yield f"{kind}.{name} will be {value} (queued), accepted is {worst}"


def _too_harsh(
    summary: model.ConsumerSummary,
    definition: chain_definition.Definition,
    harsher: list[str],
    is_member: bool,
) -> Condition:
    terms = f"harsher than definition {definition.name} accepts: {'; '.join(harsher)}"
    accept = f"change accepted_terms of definition {definition.name}"
    if not is_member:
        message = (
            f"{summary.chain_id} is not joined, not even by ics opt-in: its terms are {terms}; to join it on"
            f" these terms, {accept}"
        )
        return Condition.new(Reason.TERMS_TOO_HARSH, message, summary.consumer_id, severity=Severity.WARNING)
    leave = f"ics opt-out {summary.consumer_id}"
    if summary.phase is model.Phase.INITIALIZED:
        leave += " right after the launch, because the provider refuses it before"
    message = (
        f"this validator has joined {summary.chain_id}, whose terms are {terms}; evidence is judged by the terms in"
        f" force when it arrives, so leave the chain at once: {leave}; to accept these terms instead, {accept}"
    )
    return Condition.new(Reason.TERMS_TOO_HARSH, message, summary.consumer_id, severity=Severity.CRITICAL)


def _unreadable(summary: model.ConsumerSummary, problem: str, is_member: bool) -> Condition:
    message = f"the penalties for infractions on {summary.chain_id} are unreadable: {problem}"
    return Condition.new(Reason.TERMS_UNREADABLE, message + _until_read(is_member), summary.consumer_id)


def _queue_unread(summary: model.ConsumerSummary, problem: str, is_member: bool) -> Condition:
    message = (
        f"whether the owner of {summary.chain_id} has queued other penalties could not be read: {problem}; put an"
        " endpoint that serves abci_query first in ics:provider.rest"
    )
    return Condition.new(Reason.QUEUE_UNREAD, message + _until_read(is_member), summary.consumer_id)


def _until_read(is_member: bool) -> str:
    return "" if is_member else "; the chain is not joined until they are read"
