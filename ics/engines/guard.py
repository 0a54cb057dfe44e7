"""Confirmation of changes that could destroy data, keys or a signer; pure.

Both engines review their changes here before they make any of them. Previews use the same function, so that a
preview and a pass agree.

| change                                             | effect of a confirmation                          |
|----------------------------------------------------|---------------------------------------------------|
| a StatefulSet is replaced                          | it is deleted, and recreated once its pod is gone |
| a StatefulSet is deleted before the chain ends     | it is deleted                                     |
| a key Secret gets a different key                  | the key is overwritten                            |
| a volume or namespace cannot be changed in place   | it stays unchanged without further questions      |

Sentries and full nodes have no key, so their StatefulSets need no confirmation. In return, a set of objects in which a
second pod could have a consensus key is never written, whatever is confirmed.

A volume contains the sign state and a namespace contains the volume. No confirmation lets an engine remove one;
only `ics purge` does. An unchanged volume is harmless, so the rest of its chain continues, in particular its
launch. Any other pending confirmation stops its chain, whose objects stay unchanged.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from ics import engines, errors, names
from ics.manifests import signers

_WORKLOAD = "StatefulSet"
_SECRET = "Secret"  # noqa: S105 - a kind
_UID_LENGTH = 8


@dataclass(frozen=True, slots=True)
class Review:
    """Result of reviewing a set of changes."""

    confirmations: tuple[engines.Confirmation, ...] = ()
    """Confirmations that the operator has not given yet."""
    paused: frozenset[str] = frozenset()
    """Consumer ids whose objects must not be changed, including those of the request."""
    left: frozenset[engines.Ref] = frozenset()
    """Single objects that must not be changed."""
    answered: frozenset[str] = frozenset()
    """Names that the operator has confirmed and that match one of the changes."""


def review(changes: Sequence[engines.Change], request: engines.ApplyRequest) -> Review:
    """Return the confirmations that changes require, and the objects that must not be changed until then.

    Args:
        changes: all planned changes, without those of paused chains.
        request: the request, with the confirmations given.
    """
    guarded = [
        (change, question)
        for change in changes
        if (question := _required_confirmation(change, request)) is not None
    ]
    waiting = [(c, q) for c, q in guarded if q.name not in request.confirmed]
    stopped = {c.consumer_id for c, _ in waiting if c.consumer_id and not is_kept(c)}
    left = {c.ref for c, _ in waiting if is_kept(c) or not c.consumer_id}
    left |= {c.ref for c, q in guarded if q.name in request.confirmed and is_kept(c)}
    answered = frozenset(q.name for _, q in guarded) & request.confirmed
    stopped |= signers.second_signers(request.manifests).keys()
    return Review(tuple(q for _, q in waiting), request.paused | stopped, frozenset(left), answered)


def with_confirmations(
    changes: Sequence[engines.Change], request: engines.ApplyRequest
) -> tuple[engines.Change, ...]:
    """Return the changes of a preview with their pending confirmations.

    Objects that are confirmed to stay unchanged are omitted. Changes of a chain that waits for a confirmation are
    included, because they follow the confirmation.
    """
    judged = review(changes, request)
    questions = {question.ref: question for question in judged.confirmations}
    return tuple(
        replace(change, confirmation=questions.get(change.ref))
        for change in changes
        if change.ref in questions or change.ref not in judged.left
    )


def needs_confirmation(kind: str, is_retained: bool) -> bool:
    """Return whether replacing an object of this kind requires a confirmation."""
    return kind == _WORKLOAD or is_retained


def unknown_confirmations(
    confirmed: Collection[str], pending_confirmations: Sequence[engines.Confirmation]
) -> tuple[str, ...]:
    """Return one message for each confirmation that matches no change.

    Args:
        confirmed: confirmed names that match no change.
        pending_confirmations: pending confirmations.
    """
    waiting = ", ".join(question.name for question in pending_confirmations)
    pending = f"pending are: {waiting}" if waiting else "no change waits for a confirmation"
    return tuple(
        f"--confirm {name}: no pending change has this name; {pending}" for name in sorted(confirmed)
    )


def as_error(confirmation: engines.Confirmation) -> errors.IcsError:
    """Return the pending confirmation as an error that lasts until the operator acts."""
    return errors.Permanent(confirmation.text)


def is_kept(change: engines.Change) -> bool:
    """Return whether the object stays unchanged even after a confirmation."""
    return change.is_retained and change.kind != _SECRET


def _required_confirmation(
    change: engines.Change, request: engines.ApplyRequest
) -> engines.Confirmation | None:
    if not needs_confirmation(change.kind, change.is_retained) or _is_extra_node(change):
        return None
    if change.action == "replace":
        return _replacement(change)
    is_called_for = change.consumer_id in request.ended or change.is_retained
    if change.action == "delete" and not is_called_for:
        reason = "would be deleted although its chain has not ended"
        if not change.consumer_id:
            reason = "would be deleted"
        remedy = "revert the change of the settings or definitions, or, to delete it"
        return _confirmation_of(change, reason, remedy)
    return None


def _is_extra_node(change: engines.Change) -> bool:
    """Return whether a change is of a sentry's or full node's StatefulSet, which neither signs nor contains data."""
    return change.kind == _WORKLOAD and bool(change.consumer_id) and names.is_extra_node(change.name)


def _replacement(change: engines.Change) -> engines.Confirmation:
    fields = ", ".join(path for path, _, _ in change.diff)
    if change.kind == _SECRET:
        reason = "the key would change"
        remedy = "restore the original ics:seed or key, or, to overwrite the key"
    elif is_kept(change):
        reason = f"{fields or 'a field'} is immutable, and the object is never replaced because of its data"
        remedy = "revert the change, or, to continue with the object unchanged"
    else:
        reason = f"{fields or 'a field'} is immutable and requires replacement"
        remedy = "revert the change, or, to replace the object"
    return _confirmation_of(change, reason, remedy)


def _confirmation_of(change: engines.Change, reason: str, remedy: str) -> engines.Confirmation:
    return engines.Confirmation(
        name=confirmation_name(change),
        ref=change.ref,
        action=change.action,
        consumer_id=change.consumer_id,
        reason=reason,
        remedy=remedy,
    )


def confirmation_name(change: engines.Change) -> str:
    """Return the name that confirms a change of this object once; it contains the object's unique uid."""
    parts = (change.kind, change.namespace, change.name)
    return "/".join(part for part in parts if part) + f"@{change.uid[:_UID_LENGTH]}"
