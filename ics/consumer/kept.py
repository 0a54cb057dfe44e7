"""What was computed of a chain's facts, and need not be computed again while these are equal; pure."""

from collections.abc import Callable, Collection
from typing import Any, TypeVar

_Value = TypeVar("_Value")

ALL = ""
"""Stands for the chain of what is computed of all of them."""


class Kept:
    """The last value of each function for each chain, kept from one pass to the next.

    A value depends on the facts that it is asked for with, and on nothing else: what takes a time or a height has these
    among its facts. Facts and values are frozen. An equal value stays the same object, so that what is computed of it
    is kept, too.
    """

    def __init__(self) -> None:
        """Keep nothing yet."""
        self._last: dict[tuple[str, Callable[..., Any]], tuple[tuple[Any, ...], Any]] = {}

    def of(self, consumer_id: str, compute: Callable[..., _Value], *facts: Any) -> _Value:
        """Return what a function returns for these facts; it is called only if they are not those of the last time.

        Args:
            consumer_id: the chain, or `ALL`.
            compute: a pure function.
            facts: its arguments.

        Raises:
            Exception: what the function raised; then nothing is kept.
        """
        known = self._last.get((consumer_id, compute))
        if known is not None and known[0] == facts:
            return known[1]  # type: ignore[no-any-return]  # of this function
        value = compute(*facts)
        if known is not None and known[1] == value:
            value = known[1]
        self._last[consumer_id, compute] = facts, value
        return value

    def forget_others(self, consumer_ids: Collection[str]) -> None:
        """Forget all chains but these."""
        self._last = {
            key: last for key, last in self._last.items() if key[0] in consumer_ids or key[0] == ALL
        }
