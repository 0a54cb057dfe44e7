"""The record of the upgrades that a volume has been through, and the list of a node together with it; pure.

The record is kept on the volume beside the height of its application. A version that was switched is so never taken
back, whatever becomes of the list or of the chain's plan, and no height that was passed counts as an upgrade only
because it is in the list now.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import pydantic

from ics.config import upgrades as config_upgrades

_MOST = 100
"""Upgrades on record; of more, the last ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AppliedUpgrade:
    """An upgrade that a volume has been through."""

    upgrade: config_upgrades.Upgrade
    """The entry as it was when the node was switched."""
    is_from_plan: bool = False
    """Whether its image is from the chain's plan, and not from the list."""

    @property
    def height(self) -> int:
        """Height of the first block that its version executes."""
        return self.upgrade.height or 0


def to_annotation(applied: Sequence[AppliedUpgrade]) -> str:
    """Return the record as JSON."""
    entries = []
    for one in applied[-_MOST:]:
        entry = one.upgrade.model_dump(mode="json", exclude_defaults=True)
        entries.append(entry | ({"from_plan": True} if one.is_from_plan else {}))
    return json.dumps(entries, separators=(",", ":"), sort_keys=True)


def from_annotation(text: str) -> tuple[AppliedUpgrade, ...]:
    """Return the upgrades on record, in their order.

    Raises:
        ValueError: it was edited.
    """
    try:
        entries = json.loads(text)
        found = tuple(_from_json(entry) for entry in entries)
    except (ValueError, TypeError, AttributeError, RecursionError, pydantic.ValidationError):
        raise ValueError("it is not a list of upgrades") from None
    heights = [one.height for one in found]
    if 0 in heights or heights != sorted(set(heights)):
        raise ValueError("the heights in it do not ascend")
    return found


def _from_json(entry: object) -> AppliedUpgrade:
    if not isinstance(entry, dict):
        raise TypeError
    values = dict(entry)
    is_from_plan = values.pop("from_plan", False) is True
    return AppliedUpgrade(upgrade=config_upgrades.Upgrade.model_validate(values), is_from_plan=is_from_plan)


@dataclass(frozen=True, slots=True)
class Upgrades:
    """All upgrades of a node: of the list, of its record alone, and one that its chain's plan names."""

    listed: tuple[config_upgrades.Upgrade, ...] = ()
    """In the order of their heights; an entry without a height follows the one that it belongs to."""
    from_plan: frozenset[int] = frozenset()
    """Heights of those whose image is from the chain's plan."""
    lacking: tuple[config_upgrades.Upgrade, ...] = ()
    """Those that were removed from the list though the node has been through them."""


def combine(
    listed: Sequence[config_upgrades.Upgrade],
    applied: Sequence[AppliedUpgrade],
    planned: config_upgrades.Upgrade | None,
    present: str,
) -> Upgrades:
    """Return all upgrades of a node. Of one height, the entry of the list counts, so that it can be corrected.

    Args:
        listed: the list.
        applied: on record.
        planned: what the chain's plan names; None: nothing, or it is in the list.
        present: image that the node runs; empty: none.
    """
    result = list(listed)
    heights = {upgrade.height for upgrade in listed}
    lacking = [one for one in applied if one.height not in heights]
    for one in lacking:
        if one.is_from_plan:
            _insert_last(result, one.upgrade)
        else:
            _insert_removed(result, one.upgrade, present)
    heights |= {one.height for one in lacking}
    from_plan = {one.height for one in lacking if one.is_from_plan}
    if planned is not None and planned.height is not None and planned.height not in heights:
        _insert_last(result, planned)
        from_plan.add(planned.height)
    removed = tuple(one.upgrade for one in lacking if not one.is_from_plan)
    return Upgrades(tuple(result), frozenset(from_plan), removed)


def _insert_last(result: list[config_upgrades.Upgrade], upgrade: config_upgrades.Upgrade) -> None:
    """Insert an upgrade that never was in the list: entries without a height were written without knowing of it."""
    above = (index for index, one in enumerate(result) if (one.height or 0) > (upgrade.height or 0))
    result.insert(next(above, len(result)), upgrade)


def _insert_removed(
    result: list[config_upgrades.Upgrade], upgrade: config_upgrades.Upgrade, present: str
) -> None:
    """Insert an upgrade that was removed from the list.

    Whether the entries without a height at its place came before or after it is not known any more, so only those count
    that the node has got already.
    """
    below = [index for index, one in enumerate(result) if 0 < (one.height or 0) < (upgrade.height or 0)]
    start = below[-1] + 1 if below else 0
    end = next((i for i in range(start, len(result)) if result[i].height is not None), len(result))
    got = [index for index in range(start, end) if result[index].image == present]
    result[start:end] = [upgrade, *(result[start : got[-1] + 1] if got else ())]
