import importlib
import pkgutil
from collections.abc import Iterator

import pytest

from ics import config
from ics.config import base
from ics.provider.owner import terms  # noqa: F401 - models of an owner's file


def models(kind: type[base.Frozen] = base.Frozen) -> Iterator[type[base.Frozen]]:
    """All models of settings."""
    for module in pkgutil.iter_modules(config.__path__, "ics.config."):
        importlib.import_module(module.name)
    for each in kind.__subclasses__():
        yield each
        yield from models(each)


PARTS = sorted(
    {
        type(field.default)
        for model in models()
        for field in model.model_fields.values()
        if isinstance(field.default, base.Frozen)
    },
    key=lambda kind: kind.__name__,
)


@pytest.mark.parametrize("kind", PARTS, ids=lambda kind: kind.__name__)
def test_defaults_of_a_group_are_what_validation_makes_of_no_settings(kind: type[base.Frozen]) -> None:
    made = kind.defaults()
    assert (made, made.model_fields_set) == (kind(), set())
    assert made.model_dump() == kind().model_dump()


def test_groups_have_defaults() -> None:
    assert len(PARTS) > 20
