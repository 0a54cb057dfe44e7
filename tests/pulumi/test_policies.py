"""Passes and bare runs with the project's own policy pack, with the real CLI, told in order."""

import importlib.util

import pytest
import yaml

from devnet import places
from ics import errors
from tests.pulumi import stage

pytestmark = [
    pytest.mark.pulumi,
    pytest.mark.skipif(
        importlib.util.find_spec("pulumi_policy") is None,
        reason="the policy pack requires pulumi-policy; run `make venv`",
    ),
]


def test_whole_stack_passes_the_pack(place: stage.Stage) -> None:
    (place.root / "policies").symlink_to(places.CHECKOUT / "policies")
    place.set(
        "pulumi", place.settings.pulumi.model_dump(exclude_defaults=True) | {"policy_packs": ["policies"]}
    )
    done, _ = place.converge(place.order(place.facts([0])))
    assert done.errors == ()
    assert "ics-security" in place.pulumi("preview", "--policy-pack", "policies", handed=place.facts([0]))


def test_violation_holds_its_chain_and_names_the_rule(place: stage.Stage) -> None:
    example = next((place.root / "stacks" / "chains").glob("*.yaml"))
    document = yaml.safe_load(example.read_text())
    document["image"] = "consumer:latest"
    example.write_text(yaml.safe_dump(document))
    done, _ = place.converge(place.order(place.facts([0])))
    assert any("policy ics-security/exact-images" in str(error) for error in done.errors)
    assert all(isinstance(error, errors.Permanent) for error in done.errors)
    (live,) = (
        item
        for item in place.objects(place.order(place.facts([0]))).values()
        if item["kind"] == "StatefulSet"
    )
    images = {one["image"] for one in live["spec"]["template"]["spec"]["containers"]}
    assert "consumer:latest" not in images
