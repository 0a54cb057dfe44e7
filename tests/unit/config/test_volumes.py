"""Settings of volumes and snapshots."""

from typing import Any

import pytest

from ics import errors
from ics.config import units
from tests.unit import factories


def test_growth_and_snapshots_are_off_by_default() -> None:
    settings = factories.settings()
    assert settings.node.volume.model_dump() == {"grow_at": "80%", "by": "20%", "max": None}
    assert settings.snapshots.model_dump() == {
        "class": "",
        "every": "86400s",
        "keep": 3,
        "before_upgrade": "try",
    }


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"node": {"volume": {"grow_at": 80}}}, "ics:node.volume.grow_at: invalid share 80; use a whole"),
        ({"node": {"volume": {"grow_at": "101%"}}}, "invalid share '101%'"),
        ({"node": {"volume": {"max": "much"}}}, "ics:node.volume.max: invalid quantity 'much'"),
        (
            {"node": {"volume": {"max": "1e30"}}},
            "ics:node.volume.max: invalid size '1e30' of a volume; use 1Mi to 1Ei",
        ),
        ({"node": {"volume": {"max": "1e30Gi"}}}, "ics:node.volume.max: invalid quantity '1e30Gi'"),
        ({"node": {"storage": "0"}}, "ics:node.storage: invalid size '0' of a volume"),
        ({"node": {"storage": "500m"}}, "ics:node.storage: invalid size '500m' of a volume"),
        ({"node": {"storage": "99999Ei"}}, "ics:node.storage: invalid size '99999Ei' of a volume"),
        ({"node": {"storage": "-1Gi"}}, "ics:node.storage: invalid quantity '-1Gi'"),
        ({"snapshots": {"every": "10s"}}, "ics:snapshots.every"),
        ({"snapshots": {"keep": 0}}, "ics:snapshots.keep"),
        ({"snapshots": {"before_upgrade": "require"}}, "before_upgrade: require needs class"),
    ],
)
def test_invalid_settings_are_named(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(errors.SettingsError) as raised:
        factories.settings(**changes)
    assert text in str(raised.value)


def test_definition_may_have_its_own_size_and_resources() -> None:
    stack = factories.settings(node={"storage": "10Gi"})
    plain = factories.example().definition
    assert (plain.storage, plain.resources_of(stack.node)) == (None, stack.node.resources)
    large = factories.example(storage="500Gi", resources={"requests": {"memory": "4Gi"}}).definition
    assert large.storage == "500Gi"
    assert large.resources_of(stack.node) == {"requests": {"memory": "4Gi"}}


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0"), (1023, "1023"), (1024, "1Ki"), (3 * 2**20, "3Mi"), (2**30, "1Gi"), (2**40, "1024Gi")],
)
def test_bytes_are_written_with_the_largest_unit(count: int, text: str) -> None:
    assert units.format_bytes(count) == text
    assert units.amount(text) == count
