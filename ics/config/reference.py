"""Reference of all settings, generated from their docstrings; pure."""

import ast
import dataclasses
import enum
import inspect
import itertools
import json
import textwrap
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pydantic
import pydantic_core

from ics.config import endpoint, pods, secret_sources, units
from ics.config import settings as config_settings
from ics.cosmos import times

_LEAVES = (
    endpoint.Endpoint,
    secret_sources.SecretSource,
    secret_sources.SecretObject,
    secret_sources.PassphraseSource,
    # As in a pod.
    pods.Toleration,
    pods.Affinity,
    pods.TopologySpread,
)
WITH_ITS_GROUP = "required with its group"
"""Default of a setting that is required only if its optional group is set."""


@dataclass(frozen=True, slots=True)
class Row:
    """One setting."""

    key: str
    default: str
    """As written in a stack file; empty if the setting is required."""
    text: str


def settings() -> tuple[Row, ...]:
    """Return all settings of a stack."""
    return tuple(rows(config_settings.Settings, config_settings.PREFIX))


def rows(model: type[pydantic.BaseModel], prefix: str) -> Iterator[Row]:
    """Yield the settings of a model; `prefix` is put before their keys."""
    texts = _docstrings(model)
    for field_name, field in model.model_fields.items():
        name = field.alias or field_name  # a keyword of Python cannot be a field's name
        inner = _inner(field.annotation)
        if inner is not None:
            is_optional = inner is not field.annotation
            which = "CONSUMER_ID." if typing.get_origin(field.annotation) is Mapping else ""
            for row in rows(inner, f"{prefix}{name}.{which}"):
                yield (
                    dataclasses.replace(row, default=WITH_ITS_GROUP)
                    if is_optional and not row.default
                    else row
                )
        else:
            yield Row(f"{prefix}{name}", _default(field), " ".join(texts.get(field_name, "").split()))


def _docstrings(model: type[pydantic.BaseModel]) -> dict[str, str]:
    """Return the docstrings of a model's fields: the strings below them in its source.

    pydantic could read them as it makes the model, but then every process would parse the source of all settings.
    """
    texts: dict[str, str] = {}
    for base in reversed(model.__mro__):
        if not issubclass(base, pydantic.BaseModel) or base is pydantic.BaseModel:
            continue
        (definition,) = ast.parse(textwrap.dedent(inspect.getsource(base))).body
        if not isinstance(definition, ast.ClassDef):
            raise AssertionError(f"{base} is not defined by a class statement")
        for field, below in itertools.pairwise(definition.body):
            if not (isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)):
                continue
            if (
                isinstance(below, ast.Expr)
                and isinstance(below.value, ast.Constant)
                and isinstance(below.value.value, str)
            ):
                texts[field.target.id] = below.value.value
    return texts


def _inner(annotation: Any) -> type[pydantic.BaseModel] | None:
    """Return the group of settings of a field, even if it is optional; None for a single setting."""
    for kind in (annotation, *typing.get_args(annotation)):
        if isinstance(kind, type) and issubclass(kind, pydantic.BaseModel) and kind not in _LEAVES:
            return kind
    return None


def _default(field: pydantic.fields.FieldInfo) -> str:
    value = field.get_default(call_default_factory=True, validated_data={})
    if value is pydantic_core.PydanticUndefined:
        return ""
    if value is None:
        return "none"
    if any(
        isinstance(item, pydantic.BeforeValidator) and item.func is units.parse_seconds
        for item in field.metadata
    ):
        return times.format_duration(value * times.SECOND, "dhms")
    if any(
        isinstance(item, pydantic.BeforeValidator) and item.func is units.parse_percent
        for item in field.metadata
    ):
        return f"{value}%"
    if isinstance(value, pydantic.BaseModel):
        value = value.model_dump(exclude_defaults=True)
    if isinstance(value, enum.Enum):
        return str(value.value)
    return json.dumps(value, ensure_ascii=False).replace('"', "") if value != "" else '""'
