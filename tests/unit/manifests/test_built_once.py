"""Objects of a chain are built once for equal facts, and anew for others."""

import dataclasses
import datetime

import pytest

from ics import manifests, model
from ics.consumer import desired
from tests.unit import factories
from tests.unit.manifests import reaching, revision_cases

STACKS = {name: judged for name, judged in revision_cases.CASES.items()} | {"whole": reaching.wanted}


@pytest.fixture(autouse=True)
def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Consumer ids of the chains whose objects are built."""
    built: list[str] = []
    original = manifests._of_chain

    def build(wanted: desired.Desired, chain: object, shared: object) -> object:
        built.append(chain.consumer_id)  # type: ignore[attr-defined]
        return original(wanted, chain, shared)  # type: ignore[arg-type]

    monkeypatch.setattr(manifests, "_of_chain", build)
    monkeypatch.setattr(manifests, "_BUILT", {})
    return built


def fresh(wanted: desired.Desired) -> tuple[model.Manifest, ...]:
    """The objects, without anything that was built before."""
    kept = dict(manifests._BUILT)
    manifests._BUILT.clear()
    rendered = manifests.render(wanted, "set")
    manifests._BUILT.update(kept)
    return rendered


@pytest.mark.parametrize("name", STACKS)
def test_objects_that_were_built_to_be_checked_are_those_that_are_rendered(
    name: str, counted: list[str]
) -> None:
    wanted = STACKS[name]()
    assert manifests.failures(wanted) == {}
    counted.clear()
    rendered = manifests.render(wanted, "set")
    assert counted == []
    assert rendered == fresh(wanted)


def test_equal_plan_of_the_next_pass_needs_no_building_and_another_one_does(counted: list[str]) -> None:
    wanted = reaching.wanted()
    manifests.failures(wanted)
    later = dataclasses.replace(wanted, moment=wanted.moment + datetime.timedelta(seconds=5), height=9)
    counted.clear()
    manifests.failures(later)
    assert counted == []
    assert manifests.render(later, "set") == fresh(later)

    (decision,) = wanted.decisions
    assert decision.chain is not None
    moved = dataclasses.replace(decision.chain, is_withheld=not decision.chain.is_withheld)
    other = dataclasses.replace(wanted, decisions=(dataclasses.replace(decision, chain=moved),))
    counted.clear()
    manifests.failures(other)
    assert counted == ["0"]
    assert manifests.render(other, "set") == fresh(other)


def test_other_settings_and_an_older_pod_make_other_objects(counted: list[str]) -> None:
    wanted = reaching.wanted()
    (decision,) = wanted.decisions
    assert decision.chain is not None
    pod = factories.pod(created=wanted.moment - datetime.timedelta(seconds=100))
    young = dataclasses.replace(
        wanted, decisions=(dataclasses.replace(decision, chain=dataclasses.replace(decision.chain, pod=pod)),)
    )
    manifests.failures(young)
    for other in (
        dataclasses.replace(young, settings=young.settings.model_copy()),
        dataclasses.replace(young, moment=young.moment + datetime.timedelta(seconds=100)),
    ):
        counted.clear()
        manifests.failures(other)
        assert counted == ["0"]
        assert manifests.render(other, "set") == fresh(other)


def test_chains_that_are_gone_are_forgotten(counted: list[str]) -> None:
    wanted = reaching.wanted()
    manifests.failures(wanted)
    manifests.failures(dataclasses.replace(wanted, decisions=()))
    assert [list(built) for built in manifests._BUILT.values()] == [[]]
