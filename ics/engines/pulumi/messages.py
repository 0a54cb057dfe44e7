"""Messages of the updates in a stack's history, as `pulumi stack history` shows them; pure."""

from collections.abc import Collection, Iterable, Sequence

from ics import engines

_MOST = 6
"""Parts of a message; the rest is counted."""


def of_update(height: int | None, changes: Sequence[engines.Change], recorded: Collection[str] = ()) -> str:
    """Return the message of an update, such as `pass at height 7: launch of consumer 3, change of consumer 4`.

    Args:
        height: the provider's height of the pass; None: unknown.
        changes: all changes of the pass, including those that the fast path has made already.
        recorded: consumer ids of chains whose objects an earlier pass made without Pulumi; empty text for shared ones.
    """
    subjects = dict.fromkeys(change.consumer_id for change in changes)
    parts = [
        f"{_verb([change for change in changes if change.consumer_id == consumer_id])} of {_subject(consumer_id)}"
        for consumer_id in _ordered(subjects)
    ]
    parts += [
        f"record of {_subject(consumer_id)}" for consumer_id in _ordered(set(recorded) - subjects.keys())
    ]
    return f"{_pass(height)}: {_joined(parts) or 'comparison with the cluster'}"


def of_refresh(height: int | None) -> str:
    """Return the message of a refresh of the state."""
    return f"{_pass(height)}: state read from the cluster"


def _pass(height: int | None) -> str:
    return "pass" if height is None else f"pass at height {height}"


def _joined(parts: Sequence[str]) -> str:
    rest = len(parts) - _MOST
    return ", ".join([*parts[:_MOST], *([f"and {rest} more"] if rest > 0 else [])])


def _ordered(consumer_ids: Iterable[str]) -> list[str]:
    """Return the chains by number, then the shared objects."""
    return sorted(consumer_ids, key=lambda each: (not each, len(each), each))


def _subject(consumer_id: str) -> str:
    return f"consumer {consumer_id}" if consumer_id else "shared objects"


def _verb(changes: Sequence[engines.Change]) -> str:
    """Return what happens to one chain, or to the shared objects."""
    actions = {change.action for change in changes}
    node = {change.action for change in changes if change.kind == "StatefulSet" and change.cause == "wanted"}
    if all(change.is_drift for change in changes):
        return "repair"
    if "create" in node and changes[0].consumer_id:
        return "launch"
    if actions == {"create"}:
        return "staging" if changes[0].consumer_id else "creation"
    return "removal" if actions == {"delete"} else "change"
