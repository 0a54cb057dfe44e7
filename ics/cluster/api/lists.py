"""Lists of objects as the API server writes them, of which an unchanged one is not parsed again; pure."""

from dataclasses import dataclass
from typing import Any

from ics.cosmos import answers

_ITEMS = b'"items":['
_LARGEST = 4 * 2**20
"""Bytes of the largest list that is kept."""
_MOST = 64
"""Lists that are kept; a pass reads about two dozen."""


@dataclass(frozen=True, slots=True)
class _Kept:
    content: bytes
    """Of the items, from their name on."""
    value: dict[str, Any]


class Lists:
    """Parser of lists, which returns the same items as before while their bytes are the same.

    Callers leave what it returns as it is. Before its items a list names its own `resourceVersion`, which differs each
    time; each item names the one of its last change.
    """

    def __init__(self) -> None:
        """Keep nothing yet."""
        self._kept: dict[tuple[str, ...], _Kept] = {}

    def parse(self, question: tuple[str, ...], content: bytes) -> Any:
        """Return the value of a list.

        Args:
            question: all that the answer depends on besides the objects.
            content: the answer.

        Raises:
            ValueError: as `answers.parse_json`.
        """
        at = content.find(_ITEMS)
        if at < 0 or len(content) > _LARGEST:
            self._kept.pop(question, None)
            return answers.parse_json(content)
        try:
            head = answers.parse_json(content[:at] + _ITEMS + b"]}")
            kept = self._kept.get(question)
            if kept is None or len(kept.content) != len(content) - at or not content.endswith(kept.content):
                kept = _Kept(content[at:], answers.parse_json(b"{" + content[at:]))
                self._keep(question, kept)
        except ValueError:  # what follows is a part of another member
            return answers.parse_json(content)
        return head | kept.value

    def _keep(self, question: tuple[str, ...], kept: _Kept) -> None:
        self._kept.pop(question, None)
        if len(self._kept) == _MOST:
            del self._kept[next(iter(self._kept))]
        self._kept[question] = kept
