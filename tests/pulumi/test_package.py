"""A program that makes a whole Validator through the component package, with the real CLI."""

import json

import pytest

from tests.pulumi import handed, platforms, stage

pytestmark = pytest.mark.pulumi


def test_another_program_makes_a_validator(place: stage.Stage) -> None:
    wanted = place.order(place.facts([0]))
    other = platforms.make(place)
    other.environment.update(handed.hand(place.facts([0]), place.root / "handed"))

    other.run("up", "--yes", "--skip-preview")

    assert len(place.objects(wanted)) == len(wanted.manifests)
    assert place.preview(wanted, "apply") == ()
    hashes = json.loads(other.run("stack", "output", "--json"))["hashes"]
    assert hashes.keys() == {"0"}
    other.run("preview", "--expect-no-changes")
