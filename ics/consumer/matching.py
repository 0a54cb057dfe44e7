"""The chain definition by which a chain is joined and run; pure.

Anyone can create a chain of any id on a permissionless provider, so joining asks for one definition that matches chain
id, owner and (where given) consumer id, and for one chain that it matches. None of that stops a chain that this
validator has joined: its stake depends on the node. A new owner is reported, and the chain is run by the definition of
its ids.

Without any such definition, or with several, image and binary are unknown: then the chain is paused, so a node that
runs goes on as it is. Whether that node may have its key is not decided here.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ics import model
from ics.conditions import Condition, Reason, Severity
from ics.config import chain_definition
from ics.consumer import context

_LIVE = (model.Phase.INITIALIZED, model.Phase.LAUNCHED)
"""Phases of chains that can be joined."""
_SHOWN = 4
"""Number of chains of one id that a message names; anyone can create more."""


@dataclass(frozen=True, slots=True)
class Match:
    """The definition of a chain."""

    loaded: chain_definition.LoadedDefinition
    mismatch: Condition | None = None
    """Set if the chain's owner is another than the definition's: the chain is run, but not joined."""


def find(
    context: context.ChainContext,
    summary: model.ConsumerSummary,
    detail: model.ConsumerDetail,
    *,
    is_member: bool,
) -> Match | Condition:
    """Return the definition of a chain, or why there is none by which it may be joined or run.

    Args:
        context: inputs of the pass.
        summary: of the chain.
        detail: of the chain.
        is_member: whether this validator has joined the chain.
    """
    memory = context.memory_of(summary.consumer_id)
    is_joined = is_member or (memory is not None and memory.runs)
    near = [
        loaded
        for loaded in context.definitions
        if chain_definition.may_match(loaded.definition.match, summary.consumer_id, summary.chain_id)
    ]
    invalid = [each for each in context.invalid_definitions if _may_be_of(each, summary, near)]
    if invalid:
        return _invalid(summary, invalid, is_joined)
    exact = _most_exact([loaded for loaded in near if _accepts(loaded, detail.owner)])
    if len(exact) == 1:
        twins = [] if is_joined else _twins(context, summary, exact[0])
        return _two_of_one_name(context, summary, detail, exact[0], twins) if twins else Match(exact[0])
    if exact:
        text = f"definitions {_names(exact)} all match {summary.chain_id}; narrow their match settings"
        return _unmatched(Reason.DEFINITION_AMBIGUOUS, summary, text, is_member)
    candidates = _most_exact(near)
    if is_joined and len(candidates) == 1:
        return Match(candidates[0], _owner_mismatch(summary, detail, candidates[0], is_member))
    return _unmatched(
        Reason.NO_DEFINITION, summary, _no_definition(summary, detail, near, is_joined), is_member
    )


def no_definition(summary: model.ConsumerSummary) -> Condition:
    """Return the condition of a chain that no definition matches, and about which nothing else is known."""
    text = f"{summary.chain_id} is not joined: no definition in stacks/chains matches it"
    return _unmatched(Reason.NO_DEFINITION, summary, text, is_member=False)


def _may_be_of(
    invalid: chain_definition.InvalidDefinition,
    summary: model.ConsumerSummary,
    near: Sequence[chain_definition.LoadedDefinition],
) -> bool:
    """Return whether an invalid definition may be the chain's, which must not be run by another then."""
    if invalid.match is not None:
        return chain_definition.may_match(invalid.match, summary.consumer_id, summary.chain_id)
    # Which chains it is of is unknown; a definition that is of this chain alone is certain nevertheless.
    return bool(near) and not any(chain_definition.names_one_chain(each.definition.match) for each in near)


def _invalid(
    summary: model.ConsumerSummary,
    invalid: Sequence[chain_definition.InvalidDefinition],
    is_joined: bool,
) -> Condition:
    names = ", ".join(sorted(each.name for each in invalid))
    problems = "; ".join(problem for each in invalid for problem in each.problems)
    text = f"{summary.chain_id} is left as it is: definition {names}, which may be its own, is invalid: {problems}"
    severity = Severity.CRITICAL if is_joined else Severity.WARNING
    return Condition.new(Reason.DEFINITION_INVALID, text, summary.consumer_id, severity=severity)


def _accepts(loaded: chain_definition.LoadedDefinition, owner: str) -> bool:
    return loaded.definition.match.owner in (chain_definition.ANY_OWNER, owner)


def _most_exact(
    definitions: Sequence[chain_definition.LoadedDefinition],
) -> Sequence[chain_definition.LoadedDefinition]:
    """Return those that name the chain by its consumer id, or else all: a pattern need not exclude it."""
    return [d for d in definitions if d.definition.match.consumer_id is not None] or definitions


def _names(definitions: Sequence[chain_definition.LoadedDefinition]) -> str:
    return ", ".join(sorted(loaded.definition.name for loaded in definitions))


def _unmatched(reason: Reason, summary: model.ConsumerSummary, text: str, is_member: bool) -> Condition:
    severity = Severity.CRITICAL if is_member else Severity.INFO
    return Condition.new(reason, text, summary.consumer_id, severity=severity)


def _no_definition(
    summary: model.ConsumerSummary,
    detail: model.ConsumerDetail,
    near: Sequence[chain_definition.LoadedDefinition],
    is_joined: bool,
) -> str:
    if not near and is_joined:
        return f"{summary.chain_id} is left as it is: no definition in stacks/chains matches it; write one"
    if not near:
        return f"{summary.chain_id} is not joined: no definition in stacks/chains matches it"
    if is_joined:
        return (
            f"{summary.chain_id} is left as it is: its owner {detail.owner} is match.owner of none of the"
            f" definitions {_names(near)}, so which of them it is run by is unknown; set match.owner of one of them"
        )
    return (
        f"{summary.chain_id} is not joined: its owner {detail.owner} is not match.owner of definition"
        f" {_names(near)}; if this owner is right, change match.owner"
    )


def _owner_mismatch(
    summary: model.ConsumerSummary,
    detail: model.ConsumerDetail,
    loaded: chain_definition.LoadedDefinition,
    is_member: bool,
) -> Condition:
    text = (
        f"the owner of {summary.chain_id} is {detail.owner}, not match.owner of definition"
        f" {loaded.definition.name}; the chain goes on by this definition; if this owner is right, change"
        " match.owner"
    )
    if is_member:
        text += f", else leave the chain: ics opt-out {summary.consumer_id}"
    severity = Severity.CRITICAL if is_member else Severity.WARNING
    return Condition.new(Reason.OWNER_MISMATCH, text, summary.consumer_id, severity=severity)


def _twins(
    context: context.ChainContext,
    summary: model.ConsumerSummary,
    loaded: chain_definition.LoadedDefinition,
) -> list[model.Consumer]:
    """Return other chains of the same chain id that could be joined by the same definition.

    A chain that is STOPPED does not count: it cannot be joined, so a successor may carry its id. Nor does one whose
    owner could not be read, unless any owner is accepted.
    """
    if loaded.definition.match.consumer_id is not None or summary.phase not in _LIVE:
        return []
    return [
        other
        for other in context.by_chain_id.get(summary.chain_id, ())
        if other.summary.consumer_id != summary.consumer_id
        and other.summary.phase in _LIVE
        and _accepts(loaded, other.detail.owner if other.detail else "")
    ]


def _two_of_one_name(
    context: context.ChainContext,
    summary: model.ConsumerSummary,
    detail: model.ConsumerDetail,
    loaded: chain_definition.LoadedDefinition,
    twins: Sequence[model.Consumer],
) -> Condition:
    named = {d.definition.match.consumer_id: d.definition.name for d in context.definitions}
    for twin in twins:
        if twin.summary.consumer_id in named:
            text = (
                f"{summary.chain_id} is not joined: definition {named[twin.summary.consumer_id]} names consumer"
                f" {twin.summary.consumer_id} of this chain id"
            )
            return _unmatched(Reason.NO_DEFINITION, summary, text, is_member=False)
    owners = {summary.consumer_id: detail.owner} | {
        twin.summary.consumer_id: twin.detail.owner if twin.detail else "unknown" for twin in twins
    }
    ordered = sorted(owners, key=int)
    shown = [f"{consumer_id} (owner {owners[consumer_id]})" for consumer_id in ordered[:_SHOWN]]
    shown += [f"{len(ordered) - _SHOWN} more"] if len(ordered) > _SHOWN else []
    text = (
        f"{summary.chain_id} is not joined: definition {loaded.definition.name} matches several chains of this id,"
        f" consumers {' and '.join(shown)}; name the right one by match.consumer_id"
    )
    return Condition.new(Reason.TWO_OF_ONE_NAME, text, summary.consumer_id)
