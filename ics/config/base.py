"""Base model of all settings; pure.

YAML reads `3` as a number and `1.10` as 1.1. Wherever a text is wanted, such as an id or a quantity, a number is taken
as the text that was written; anything else is refused by name.
"""

import types
import typing
from collections.abc import Mapping
from typing import Any, Self

import pydantic


class WrittenInt(int):
    """A whole number that was written in another way than Python would write it, such as 007 or 1_000."""

    written: str


class WrittenFloat(float):
    """A decimal number that was written in another way than Python would write it, such as 1.10."""

    written: str


class Frozen(pydantic.BaseModel):
    """Settings that cannot be changed and that refuse unknown keys.

    A validator is built when it is used first: most models are only parts of others, and every process would build all.
    """

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid", defer_build=True)

    @classmethod
    def defaults(cls) -> Self:
        """Return the settings of those who set none of them, for a class in which each has a default.

        It equals `cls()`, but no validator is built for it: where it is the default in another class, every process
        would build one as it starts.
        """
        return cls.model_construct()

    @pydantic.model_validator(mode="before")
    @classmethod
    def _take_numbers_as_texts(cls, values: object) -> object:
        if not isinstance(values, Mapping):
            return values
        result = dict(values)
        for name, field in cls.model_fields.items():
            if name in result:
                try:
                    result[name] = _as_wanted(field.annotation, result[name])
                except ValueError as error:
                    raise ValueError(f"{name}: {error}") from error
        return result


def _as_wanted(annotation: Any, value: Any) -> Any:
    """Return a value in which numbers are texts where the annotation wants texts."""
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _as_wanted(inner[0], value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        kinds = (
            {_plain(kind) for kind in inner} if origin in (typing.Union, types.UnionType) else {annotation}
        )
        return as_text(value) if str in kinds and not kinds & {int, float} else value
    if isinstance(value, list | tuple) and origin is tuple and inner:
        return [_as_wanted(inner[0], item) for item in value]
    if isinstance(value, Mapping) and isinstance(origin, type) and issubclass(origin, Mapping):
        return _with_text_keys(inner[0] is str, inner[1], value)
    return value


def _with_text_keys(wants_text: bool, annotation: Any, values: Mapping[Any, Any]) -> dict[Any, Any]:
    result: dict[Any, Any] = {}
    for key, value in values.items():
        is_number = isinstance(key, int | float) and not isinstance(key, bool)
        name = as_text(key) if wants_text and is_number else key
        if name in result:
            raise ValueError(f"{name} is set twice, once as a number and once as text; remove one")
        result[name] = _as_wanted(annotation, value)
    return result


def _plain(annotation: Any) -> Any:
    is_annotated = typing.get_origin(annotation) is typing.Annotated
    return typing.get_args(annotation)[0] if is_annotated else annotation


def as_text(number: int | float) -> str:
    """Return a number of a YAML file as the text that was written there."""
    return number.written if isinstance(number, WrittenInt | WrittenFloat) else repr(number)


def require_one(**options: object) -> None:
    """Check that exactly one of these settings is set.

    Raises:
        ValueError: none or several are set.
    """
    if sum(value is not None for value in options.values()) != 1:
        *others, last = options
        raise ValueError(f"set exactly one of {', '.join(others)} or {last}")
