"""A program in YAML that makes a whole Validator through the component package, with the real CLI."""

import os
import shutil
import subprocess

import pytest
import yaml

from devnet import places
from ics.engines import handoff
from tests.pulumi import stage

pytestmark = [
    pytest.mark.pulumi,
    pytest.mark.skipif(
        shutil.which("pulumi-language-yaml") is None,
        reason="a program in YAML requires pulumi-language-yaml, which is not on the PATH",
    ),
]


def test_program_in_yaml_makes_a_validator(place: stage.Stage) -> None:
    wanted = place.order(place.facts([0]))
    folder = place.root.parent / "yaml"
    folder.mkdir()
    properties = {"project": str(place.root), "stack": place.validator}
    program = {
        "name": "other",
        "runtime": "yaml",
        "packages": {"ics": str(places.CHECKOUT / "components")},
        "resources": {"ours": {"type": "ics:Validator", "properties": properties}},
        "outputs": {"hashes": "${ours.genesisSha256}"},
    }
    (folder / "Pulumi.yaml").write_text(yaml.safe_dump(program))
    path = place.root / "handed.json"
    handoff.write(handoff.PassSnapshot(observed=place.facts([0])), path)
    environment = os.environ | {
        "PULUMI_BACKEND_URL": f"file://{place.backend}",
        "PULUMI_CONFIG_PASSPHRASE_FILE": str(place.root / "passphrase"),
        handoff.VARIABLE: str(path),
    }
    for command in (["stack", "init", "dev"], ["up", "--yes", "--skip-preview", "--stack", "dev"]):
        done = subprocess.run(
            ["pulumi", "--non-interactive", *command],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    assert len(place.objects(wanted)) == len(wanted.manifests)
    assert place.preview(wanted, "apply") == ()
