"""What can be set, as the settings' own docstrings say it; pure."""

import dataclasses
import enum
import json
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pydantic
import pydantic_core

from ics.config import chain_definition, secret_sources, units
from ics.config import settings as config_settings

_LEAVES = (secret_sources.SecretSource, secret_sources.SecretObject, secret_sources.PassphraseSource)
WITH_ITS_GROUP = "must be given with it"
"""Default of what is needed only when the group around it is given."""
_PERIODS = ((86400, "d"), (3600, "h"), (60, "m"))


@dataclass(frozen=True, slots=True)
class Row:
    """One setting."""

    key: str
    default: str
    """As it is written in a stack file; empty: it must be given."""
    text: str


def settings() -> tuple[Row, ...]:
    """All settings of a stack."""
    return tuple(_rows(config_settings.Settings, config_settings.PREFIX))


def definitions() -> tuple[Row, ...]:
    """All fields of a chain definition."""
    return tuple(_rows(chain_definition.Definition, ""))


def markdown(rows: Sequence[Row]) -> str:
    """The rows as a table of the documents."""
    lines = ["| key | meaning | default |", "|---|---|---|"]
    for row in rows:
        default = "must be given" if not row.default else f"`{row.default}`"
        default = row.default if row.default == WITH_ITS_GROUP else default
        lines.append(f"| `{row.key}` | {_cell(row.text)} | {_cell(default)} |")
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _rows(model: type[pydantic.BaseModel], prefix: str) -> Iterator[Row]:
    for name, field in model.model_fields.items():
        inner = _inner(field.annotation)
        if inner is not None:
            may_be_left_out = inner is not field.annotation
            which = "CONSUMER_ID." if typing.get_origin(field.annotation) is Mapping else ""
            for row in _rows(inner, f"{prefix}{name}.{which}"):
                yield (
                    dataclasses.replace(row, default=WITH_ITS_GROUP)
                    if may_be_left_out and not row.default
                    else row
                )
        else:
            yield Row(f"{prefix}{name}", _default(field), " ".join((field.description or "").split()))


def _inner(annotation: Any) -> type[pydantic.BaseModel] | None:
    """The group of settings behind a field, also where it may be left out."""
    for one in (annotation, *typing.get_args(annotation)):
        if isinstance(one, type) and issubclass(one, pydantic.BaseModel) and one not in _LEAVES:
            return one
    return None


def _default(field: pydantic.fields.FieldInfo) -> str:
    value = field.get_default(call_default_factory=True, validated_data={})
    if value is pydantic_core.PydanticUndefined:
        return ""
    if value is None:
        return "none"
    if any(isinstance(one, pydantic.BeforeValidator) and one.func is units.seconds for one in field.metadata):
        return _duration(value)
    if isinstance(value, enum.Enum):
        return str(value.value)
    return json.dumps(value, ensure_ascii=False).replace('"', "") if value != "" else '""'


def _duration(seconds: int) -> str:
    for size, letter in _PERIODS:
        if seconds and seconds % size == 0:
            return f"{seconds // size}{letter}"
    return f"{seconds}s"
