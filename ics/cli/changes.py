"""How changes are shown, those that a pass would make and those that one has made; the same for both engines."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from ics import engines, model
from ics.cli import output
from ics.consumer import status
from ics.engines import diff, drift
from ics.provider.tx import descriptions
from ics.reconciler import outcome as reconciler_outcome

PENDING = 3
"""Exit code of `ics plan --exit-code`: there is something to change or to send. 1 and 2 are taken by trouble."""
_FOUND = ("create", "update", "replace", "delete")


def plan(found: reconciler_outcome.Plan) -> dict[str, Any]:
    """The JSON of `ics plan`, see docs/preview.md."""
    return {
        "pending": is_pending(found),
        "summary": summary(found.changes, found.transactions),
        "changes": [change.as_dict() for change in found.changes],
        "transactions": [descriptions.as_dict(intent) for intent in found.transactions],
        "status": found.report.as_dict(),
    }


def outcome(done: reconciler_outcome.Outcome) -> dict[str, Any]:
    """The JSON of `ics up`."""
    return {
        "summary": summary(done.changes, done.sent),
        "changes": [change.as_dict() for change in done.changes],
        "transactions": [descriptions.as_dict(intent) for intent in done.sent],
        "status": done.report.as_dict(),
    }


def is_pending(found: reconciler_outcome.Plan) -> bool:
    """Whether a pass would change or send anything, or ask about it."""
    return bool(found.changes or found.transactions)


def summary(changes: Sequence[engines.Change], transactions: Sequence[model.Intent]) -> dict[str, int]:
    """How many of each; `drift`, `refused` and `confirm` are among the actions."""
    actions = Counter[str](change.action for change in changes)
    return {
        **{action: actions[action] for action in _FOUND},
        "drift": sum(change.is_drift for change in changes),
        "refused": sum(change.problem is not None for change in changes),
        "confirm": sum(change.question is not None for change in changes),
        "transactions": len(transactions),
    }


def plan_lines(found: reconciler_outcome.Plan) -> list[str]:
    """What a preview shows to people."""
    unfitting = [output.condition(one) for one in found.unfitting]
    if not is_pending(found):
        return [*unfitting, "nothing to change, nothing to send"]
    lines = _sections(found.changes, found.transactions, "send", found.report)
    return [*lines, *unfitting, _in_words(summary(found.changes, found.transactions))]


def outcome_lines(found: reconciler_outcome.Outcome) -> list[str]:
    """What a pass did."""
    return _sections(found.changes, found.sent, "sent", found.report) or ["nothing changed"]


def lines(changes: Sequence[engines.Change]) -> list[str]:
    """Changes alone, where there is no report to name the chains."""
    return _sections(changes, (), "", None)


def _sections(
    changes: Sequence[engines.Change],
    transactions: Sequence[model.Intent],
    verb: str,
    report: status.Report | None,
) -> list[str]:
    """Under a heading for each chain; what the chains share comes first."""
    chain_ids = {} if report is None else {chain.consumer_id: chain.chain_id for chain in report.chains}
    found: dict[str, list[str]] = {}
    for change in changes:
        found.setdefault(change.consumer_id, []).extend(_lines(change))
    for intent in transactions:
        text = f"  {verb:<8}{descriptions.describe(intent)}"
        found.setdefault(getattr(intent, "consumer_id", ""), []).append(text)
    ids = sorted(found, key=lambda consumer_id: int(consumer_id or -1))
    return [line for one in ids for line in (_heading(one, chain_ids), *found[one])]


def _heading(consumer_id: str, chain_ids: Mapping[str, str]) -> str:
    if not consumer_id:
        return "shared by all chains"
    return f"consumer {consumer_id}  {chain_ids.get(consumer_id, '')}".rstrip()


def _lines(change: engines.Change) -> list[str]:
    where = f"{change.namespace}/{change.name}" if change.namespace else change.name
    word = "drift" if change.cause == "drift" else change.action
    found = [f"  {word:<8}{change.kind:<22}  {where}"]
    found += [f"{'':<10}{text}" for text in _details(change)]
    return found


def _details(change: engines.Change) -> list[str]:
    by = {one.path: drift.by(one) for one in change.drift}
    texts = [
        f"{path}: {diff.shown(now)} -> {diff.shown(then)}" + (f"  ({by[path]})" if path in by else "")
        for path, now, then in change.diff
    ]
    if change.cause == "drift" and change.action == "create":
        texts.append("somebody deleted it; it is made again")
    if change.problem is not None:
        texts.append(f"refused: {change.problem}")
    if change.question is not None:
        texts += [
            f"waits: {change.question.reason}",
            f"{change.question.mend}, run: ics up --confirm {change.question.name}",
        ]
    return texts


def _in_words(counts: Mapping[str, int]) -> str:
    found = [f"{counts[action]} to {action}" for action in _FOUND]
    for name, one, several in _OTHERS:
        if counts[name]:
            found.append(f"{counts[name]} {one if counts[name] == 1 else several}")
    return ", ".join(found)


_OTHERS = (
    ("drift", "of them undoes drift", "of them undo drift"),
    ("refused", "refused by the cluster", "refused by the cluster"),
    ("confirm", "waits for a confirmation", "wait for a confirmation"),
    ("transactions", "transaction to send", "transactions to send"),
)
