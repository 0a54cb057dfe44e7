"""What no engine may do unasked: the changes that cost data, keys or a signer; pure.

Both engines let it judge the changes that they are about to make, before they make any, and their
previews by the same function: so a preview and a pass say the same.

| change                                            | what a confirmation does                      |
|---------------------------------------------------|-----------------------------------------------|
| StatefulSet is replaced                           | deleted, and made anew when its pod is gone   |
| StatefulSet is deleted, and the chain has not ended | deleted                                     |
| key Secret gets another key                       | the key is overwritten                        |
| volume or namespace cannot be changed in place    | it is left as it is, and asked about no more  |

A volume holds the signing memory and a namespace holds the volume: no answer makes an engine remove one,
only `ics purge` does. A volume that stays as it is harms nobody, so the rest of its chain goes on, its
launch above all; any other question stops its chain, whose objects stay just as they are.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from ics import engines, errors

_WORKLOAD = "StatefulSet"
_SECRET = "Secret"  # noqa: S105 - a kind
_UID_LENGTH = 8


@dataclass(frozen=True, slots=True)
class Judgement:
    """What may be done."""

    questions: tuple[engines.Question, ...] = ()
    """Those that are not answered yet."""
    held: frozenset[str] = frozenset()
    """Consumer ids whose objects must be left just as they are, those of the order among them."""
    left: frozenset[engines.Ref] = frozenset()
    """Single objects to leave as they are."""
    answered: frozenset[str] = frozenset()
    """Names that the operator has confirmed, and that one of the changes is asked by."""


def judge(changes: Sequence[engines.Change], order: engines.Order) -> Judgement:
    """Say which changes must be asked about, and what must be left alone until they are answered.

    Args:
        changes: all that would be done, without what the order holds.
        order: what is to be brought about, with the confirmations.
    """
    asked = [(change, question) for change in changes if (question := _question(change, order)) is not None]
    waiting = [(c, q) for c, q in asked if q.name not in order.confirmed]
    stopped = {c.consumer_id for c, _ in waiting if c.consumer_id and not stays(c)}
    left = {c.ref for c, _ in waiting if stays(c) or not c.consumer_id}
    left |= {c.ref for c, q in asked if q.name in order.confirmed and stays(c)}
    answered = frozenset(q.name for _, q in asked) & order.confirmed
    return Judgement(tuple(q for _, q in waiting), order.held | stopped, frozenset(left), answered)


def marked(changes: Sequence[engines.Change], order: engines.Order) -> tuple[engines.Change, ...]:
    """The changes of a preview, with the question of each that waits.

    What is confirmed to stay as it is, is no change; what belongs to a chain that a question stops is
    still shown, for it follows the answer.
    """
    judged = judge(changes, order)
    questions = {question.ref: question for question in judged.questions}
    return tuple(
        replace(change, question=questions.get(change.ref))
        for change in changes
        if change.ref in questions or change.ref not in judged.left
    )


def needs_question(kind: str, is_retained: bool) -> bool:
    """Whether replacing an object of this kind is asked about."""
    return kind == _WORKLOAD or is_retained


def fits_nothing(names: Collection[str], questions: Sequence[engines.Question]) -> tuple[str, ...]:
    """What to tell of confirmations that confirm nothing, one line for each.

    Args:
        names: given by hand, that no change was asked by.
        questions: that wait.
    """
    waiting = ", ".join(question.name for question in questions)
    told = f"what waits for one: {waiting}" if waiting else "nothing waits for a confirmation"
    return tuple(
        f"--confirm {name}: nothing that would be done now is asked by this name; {told}"
        for name in sorted(names)
    )


def as_error(question: engines.Question) -> errors.IcsError:
    """The question as trouble that ends only when somebody does something."""
    return errors.Permanent(question.text)


def stays(change: engines.Change) -> bool:
    """Whether the object stays as it is, whatever the answer."""
    return change.is_retained and change.kind != _SECRET


def _question(change: engines.Change, order: engines.Order) -> engines.Question | None:
    if not needs_question(change.kind, change.is_retained):
        return None
    if change.action == "replace":
        return _replacement(change)
    is_called_for = change.consumer_id in order.ended or change.is_retained
    if change.action == "delete" and not is_called_for:
        reason = "it would be deleted, though its chain has not ended"
        if not change.consumer_id:
            reason = "it would be deleted"
        mend = "set back what was changed in the settings or definitions, or, to delete it"
        return _asked(change, reason, mend)
    return None


def _replacement(change: engines.Change) -> engines.Question:
    fields = ", ".join(path for path, _, _ in change.diff)
    if change.kind == _SECRET:
        reason = "its key would become another"
        mend = "give the right ics:seed or key again, or, to overwrite the key"
    elif stays(change):
        reason = (
            f"{fields or 'a field'} cannot be changed in place, and it is never replaced, for what is on it"
        )
        mend = "set the change back, or, to go on with it as it is"
    else:
        reason = f"{fields or 'a field'} cannot be changed in place, so it must be deleted and made anew"
        mend = "set the change back, or, to replace it"
    return _asked(change, reason, mend)


def _asked(change: engines.Change, reason: str, mend: str) -> engines.Question:
    return engines.Question(name(change), change.ref, change.action, change.consumer_id, reason, mend)


def name(change: engines.Change) -> str:
    """What confirms a change of this object, once: with the uid, which no other object ever has."""
    parts = (change.kind, change.namespace, change.name)
    return "/".join(part for part in parts if part) + f"@{change.uid[:_UID_LENGTH]}"
