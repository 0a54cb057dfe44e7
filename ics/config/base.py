"""Base model of all settings; pure."""

import pydantic


class Frozen(pydantic.BaseModel):
    """Settings that cannot be changed and that refuse unknown keys."""

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


def require_one(**options: object) -> None:
    """Check that exactly one of these settings is set.

    Raises:
        ValueError: none or several are set.
    """
    if sum(value is not None for value in options.values()) != 1:
        *others, last = options
        raise ValueError(f"set exactly one of {', '.join(others)} or {last}")
