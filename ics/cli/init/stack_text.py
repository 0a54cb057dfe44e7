"""The text of a stack file: settings in a fixed order, each group with a comment; pure."""

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from ics import plain_text
from ics.config import settings

_WIDEST = 110
_COMMENT = 400
_ORDER = (
    "validator",
    "operator_address",
    "engine",
    "provider",
    "account",
    "granter",
    "fee_granter",
    "seed",
    "cluster",
    "gateway",
    "node",
    "snapshots",
    "participation",
    "monitoring",
    "reconciler",
)


def merge(
    earlier: Mapping[str, Any], answered: Mapping[str, Any], owned: Mapping[str, Sequence[str]]
) -> dict[str, Any]:
    """Return answered settings, and of the earlier ones those about which nothing was asked.

    Args:
        earlier: settings of the stack file that is there.
        answered: new ones.
        owned: by group, the keys that an answer decides; without keys the group as a whole.
    """
    merged = dict(earlier)
    for group, keys in owned.items():
        left = merged.pop(group, None)
        if keys and isinstance(left, Mapping):
            kept = {key: value for key, value in left.items() if key not in keys}
            if kept:
                merged[group] = kept
    for group, value in answered.items():
        left = merged.get(group)
        merged[group] = (
            {**left, **value} if isinstance(left, Mapping) and isinstance(value, Mapping) else value
        )
    return merged


def render(
    values: Mapping[str, Any],
    top: Mapping[str, Any],
    comments: Mapping[str, Sequence[str]],
    head: Sequence[str],
) -> str:
    """Return the text of a stack file.

    Args:
        values: settings without their prefix.
        top: other keys at the top of the file, such as Pulumi's `encryptionsalt`.
        comments: lines above a setting; texts of strangers in them become visible, single lines.
        head: lines at the top.
    """
    ordered = [key for key in _ORDER if key in values] + [key for key in values if key not in _ORDER]
    lines = [_comment(line, "") for line in head]
    lines += [f"{key}: {_flow(value)}" for key, value in top.items()]
    lines.append("config:")
    for key in ordered:
        lines += [_comment(line, "  ") for line in comments.get(key, ())]
        lines += _setting(f"  {settings.PREFIX}{key}:", values[key])
    return "\n".join(lines) + "\n"


def _comment(line: str, indent: str) -> str:
    return f"{indent}# {plain_text.one_line(line, _COMMENT)}"


def _setting(start: str, value: object) -> list[str]:
    line = f"{start} {_flow(value)}"
    if len(line) <= _WIDEST or not isinstance(value, Mapping):
        return [line]
    block = yaml.safe_dump(dict(value), sort_keys=False, width=_WIDEST, default_flow_style=None)
    return [start, *(f"    {inner}" for inner in block.splitlines())]


def _flow(value: object) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, width=10**6, sort_keys=False, allow_unicode=False)
    return text.removesuffix("\n").removesuffix("\n...")
