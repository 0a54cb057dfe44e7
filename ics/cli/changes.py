"""Output of planned and of applied changes, equal for both engines."""

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from ics import engines, model
from ics.cli import output, status_table
from ics.conditions import Severity
from ics.consumer import status
from ics.engines import diff, drift
from ics.provider.tx import descriptions
from ics.reconciler import outcome as reconciler_outcome

PENDING = 3
"""Exit code of `ics plan --exit-code` if anything would be changed or sent; 1 and 2 are for errors."""
_FOUND = ("create", "update", "replace", "delete")


def plan(planned: reconciler_outcome.Plan) -> dict[str, Any]:
    """Return the JSON of `ics plan`, see docs/preview.md."""
    return {
        "pending": is_pending(planned),
        "summary": _summary(planned.changes, planned.transactions),
        "changes": [change.as_dict() for change in planned.changes],
        "transactions": [descriptions.as_dict(intent) for intent in planned.transactions],
        "notes": list(planned.notes),
        "status": planned.report.as_dict(),
    }


def outcome(result: reconciler_outcome.Outcome) -> dict[str, Any]:
    """Return the JSON of `ics up`."""
    return {
        "summary": _summary(result.changes, result.sent),
        "changes": [change.as_dict() for change in result.changes],
        "transactions": [descriptions.as_dict(intent) for intent in result.sent],
        "status": result.report.as_dict(),
    }


def is_pending(planned: reconciler_outcome.Plan) -> bool:
    """Return whether a pass would change or send anything, or need a confirmation."""
    return bool(planned.changes or planned.transactions)


def _summary(changes: Sequence[engines.Change], transactions: Sequence[model.Intent]) -> dict[str, int]:
    """Count the changes by action, and those that are `drift`, `refused` or to `confirm`."""
    actions = Counter[str](change.action for change in changes)
    return {
        **{action: actions[action] for action in _FOUND},
        "drift": sum(change.is_drift for change in changes),
        "refused": sum(change.problem is not None for change in changes),
        "confirm": sum(change.confirmation is not None for change in changes),
        "transactions": len(transactions),
    }


def is_weighty(planned: reconciler_outcome.Plan) -> bool:
    """Return whether a pass would do more than plain updates of objects."""
    return bool(planned.transactions) or any(
        change.action != "update" or change.confirmation is not None or change.problem is not None
        for change in planned.changes
    )


def brief_lines(planned: reconciler_outcome.Plan) -> list[str]:
    """Return the lines about which a user is asked: transactions, and each change but plain updates."""
    plain = [dataclasses.replace(change, diff=(), drift=()) for change in planned.changes]
    weighty = [
        change for change in plain if change.action != "update" or change.confirmation or change.problem
    ]
    lines = _sections(weighty, planned.transactions, "send", planned.report)
    return [*lines, _in_words(_summary(planned.changes, planned.transactions))]


def plan_lines(planned: reconciler_outcome.Plan) -> list[str]:
    """Return the lines of `ics plan`, with the conditions that need attention."""
    conditions = _urgent(planned.report)
    conditions += [output.condition(one) for one in planned.unknown_confirmations]
    conditions += [line for chain in planned.report.chains for line in status_table.checklist_lines(chain)]
    if not is_pending(planned):
        return [*conditions, *planned.notes, "nothing to change, nothing to send"]
    lines = _sections(planned.changes, planned.transactions, "send", planned.report)
    return [*lines, *conditions, *planned.notes, _in_words(_summary(planned.changes, planned.transactions))]


def _urgent(report: status.Report) -> list[str]:
    """Return what needs attention on each chain, such as all that keeps a member's node from signing."""
    return [
        f"consumer {chain.consumer_id}  {chain.chain_id}  {output.condition(each)}"
        for chain in report.chains
        for each in chain.conditions
        if each.severity > Severity.INFO
    ]


def outcome_lines(result: reconciler_outcome.Outcome) -> list[str]:
    """Return the lines of `ics up`: what the pass did."""
    return _sections(result.changes, result.sent, "sent", result.report) or ["nothing changed"]


def lines(changes: Sequence[engines.Change]) -> list[str]:
    """Return the lines of changes without a report, which would name the chains."""
    return _sections(changes, (), "", None)


def _sections(
    changes: Sequence[engines.Change],
    transactions: Sequence[model.Intent],
    verb: str,
    report: status.Report | None,
) -> list[str]:
    """Return changes and transactions under a heading for each chain, shared ones first."""
    chain_ids = {} if report is None else {chain.consumer_id: chain.chain_id for chain in report.chains}
    by_chain: dict[str, list[str]] = {}
    for change in changes:
        by_chain.setdefault(change.consumer_id, []).extend(_lines(change))
    for intent in transactions:
        text = f"  {verb:<8}{descriptions.describe(intent)}"
        by_chain.setdefault(getattr(intent, "consumer_id", ""), []).append(text)
    ids = sorted(by_chain, key=lambda consumer_id: int(consumer_id or -1))
    return [line for one in ids for line in (_heading(one, chain_ids), *by_chain[one])]


def _heading(consumer_id: str, chain_ids: Mapping[str, str]) -> str:
    if not consumer_id:
        return "shared by all chains"
    return f"consumer {consumer_id}  {chain_ids.get(consumer_id, '')}".rstrip()


def _lines(change: engines.Change) -> list[str]:
    where = f"{change.namespace}/{change.name}" if change.namespace else change.name
    word = "drift" if change.cause == "drift" else change.action
    lines = [f"  {word:<8}{change.kind:<22}  {where}"]
    lines += [f"{'':<10}{text}" for text in _details(change)]
    return lines


def _details(change: engines.Change) -> list[str]:
    by = {field.path: drift.origin(field) for field in change.drift}
    texts = [
        f"{path}: {diff.format_value(now)} -> {diff.format_value(then)}"
        + (f"  ({by[path]})" if path in by else "")
        for path, now, then in change.diff
    ]
    if change.cause == "drift" and change.action == "create":
        texts.append("was deleted; recreated")
    if change.problem is not None:
        texts.append(f"refused: {change.problem}")
    if change.confirmation is not None:
        texts += [
            f"needs confirmation: {change.confirmation.reason}",
            f"{change.confirmation.remedy}, run: ics up --confirm {change.confirmation.name}",
        ]
    return texts


def _in_words(counts: Mapping[str, int]) -> str:
    parts = [f"{counts[action]} to {action}" for action in _FOUND]
    for name, singular, plural in _OTHERS:
        if counts[name]:
            parts.append(f"{counts[name]} {singular if counts[name] == 1 else plural}")
    return ", ".join(parts)


_OTHERS = (
    ("drift", "of them reverts drift", "of them revert drift"),
    ("refused", "refused by the cluster", "refused by the cluster"),
    ("confirm", "needs confirmation", "need confirmation"),
    ("transactions", "transaction to send", "transactions to send"),
)
