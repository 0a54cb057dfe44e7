"""What a stack says of itself to an operator who uses the CLI by hand: outputs, history, refusals."""

import json
import subprocess

import pytest

from ics import errors
from ics.pulumi_program import lease_keeper
from tests.network import waiting
from tests.pulumi import stage

pytestmark = pytest.mark.pulumi


def outputs(place: stage.Stage) -> dict[str, dict[str, object]]:
    found: dict[str, dict[str, object]] = json.loads(place.pulumi("stack", "output", "--json"))
    return found


def messages(place: stage.Stage) -> list[str]:
    """Of the updates in the history, the newest first."""
    return [each["message"] for each in json.loads(place.pulumi("stack", "history", "--json"))]


def test_outputs_follow_the_objects_and_history_names_pass_and_launch(place: stage.Stage) -> None:
    facts = place.facts([0], staged=[1])
    height = facts.snapshot.height
    assert place.converge(place.order(facts))[0].errors == ()
    first = outputs(place)

    launch = place.facts([0], launching=[1])
    assert place.converge(place.order(launch))[0].errors == ()
    second = outputs(place)

    assert set(first) == {"namespaces", "endpoints", "ports", "genesis_sha256"}
    assert (set(first["namespaces"]), set(first["genesis_sha256"])) == ({"0", "1"}, {"0"})
    assert set(second["genesis_sha256"]) == {"0", "1"}
    assert messages(place)[0].startswith(f"pass at height {height}: launch of consumer 1")


def test_destroy_is_refused_while_a_node_is_to_run(place: stage.Stage) -> None:
    order = place.order(place.facts([0, 1]))
    everything = place.objects(order).keys()

    code, said = place.tried("destroy", "--yes")

    assert code != 0
    assert "protected" in said
    assert place.objects(order).keys() == everything


def test_other_validator_is_named_and_changes_nothing(place: stage.Stage) -> None:
    order = place.order(place.facts([0, 1]))
    everything = place.objects(order).keys()
    own = place.validator
    place.set("validator", "somebody")
    place.set("gateway", {"namespace": "somebody-gateway"})
    try:
        done, _ = place.converge(place.order(place.facts([0, 1])))
    finally:
        place.set("validator", own)
        place.set("gateway", {"namespace": f"{own}-gateway"})

    assert all(isinstance(error, errors.Permanent) for error in done.errors)
    said = "\n".join(map(str, done.errors))
    assert f"somebody, but the state of this Pulumi stack has the objects of validator {own}" in said
    assert f"belongs to validator {own}, so somebody changes nothing in it" in said
    assert place.objects(order).keys() == everything


def test_update_by_hand_takes_the_lease_and_returns_it(place: stage.Stage) -> None:
    reports: list[str] = []
    with subprocess.Popen(["sleep", "600"]) as pulumi:
        lease_keeper.LeaseKeeper(reports.append).start(place.root, place.stack, {}, (), pulumi.pid)
        assert place.lease_holder() != ""
        pulumi.kill()
    waiting.until("the Lease is returned", place.lease_holder, lambda holder: not holder)


def test_own_command_destroys_although_the_stack_is_protected(place: stage.Stage) -> None:
    done = place.ics("destroy", "--engine", "pulumi")
    assert "StatefulSet" in {change["kind"] for change in done["changes"]}
    assert place.checkpoint.get("resources", []) == []
