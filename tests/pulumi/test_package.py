"""A program that makes a whole Validator through the component package, with the real CLI."""

import json

import pytest

from ics.pulumi_program import facts_file
from tests.pulumi import platforms, stage

pytestmark = pytest.mark.pulumi


def test_another_program_makes_a_validator(place: stage.Stage) -> None:
    wanted = place.order(place.facts([0]))
    other = platforms.make(place)
    path = place.root / "handed.json"
    facts_file.write(place.facts([0]), path)
    other.environment[facts_file.VARIABLE] = str(path)

    other.run("up", "--yes", "--skip-preview")

    assert len(place.objects(wanted)) == len(wanted.manifests)
    assert place.preview(wanted, "apply") == ()
    hashes = json.loads(other.run("stack", "output", "--json"))["hashes"]
    assert hashes.keys() == {"0"}
    other.run("preview", "--expect-no-changes")
