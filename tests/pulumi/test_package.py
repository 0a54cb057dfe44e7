"""A program that makes a whole Validator through the component package, with the real CLI."""

import json
import os
import pathlib
import subprocess

import pytest
import yaml

from devnet import places
from ics.engines import handoff
from tests.pulumi import stage

pytestmark = pytest.mark.pulumi

PROGRAM = """
import json
import os
import pulumi


class Validator(pulumi.ComponentResource):
    \"\"\"What `pulumi package add` would generate.\"\"\"

    def __init__(self, name, inputs):
        outputs = {"endpoints": None, "genesisSha256": None}
        super().__init__("ics:index:Validator", name, {**inputs, **outputs}, remote=True)


pulumi.export("hashes", Validator("ours", json.loads(os.environ["INPUTS"])).genesisSha256)
"""


def run(folder: pathlib.Path, environment: dict[str, str], *arguments: str) -> str:
    """Run a command of the other program's stack; answers its output."""
    done = subprocess.run(
        ["pulumi", "--non-interactive", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_another_program_makes_a_validator(place: stage.Stage) -> None:
    wanted = place.order(place.facts([0]))
    folder = place.root.parent / "platform"
    folder.mkdir()
    project = {
        "name": "platform",
        "runtime": {"name": "python", "options": {"virtualenv": str(places.CHECKOUT / ".venv")}},
        "plugins": {"providers": [{"name": "ics", "path": str(places.CHECKOUT / "components")}]},
    }
    (folder / "Pulumi.yaml").write_text(yaml.safe_dump(project))
    (folder / "__main__.py").write_text(PROGRAM)
    path = place.root / "handed.json"
    handoff.write(handoff.PassSnapshot(observed=place.facts([0])), path)
    environment = os.environ | {
        "PULUMI_BACKEND_URL": f"file://{place.backend}",
        "PULUMI_CONFIG_PASSPHRASE_FILE": str(place.root / "passphrase"),
        "INPUTS": json.dumps({"project": str(place.root), "stack": place.validator}),
        handoff.VARIABLE: str(path),
    }

    run(folder, environment, "stack", "init", "dev")
    run(folder, environment, "up", "--yes", "--skip-preview", "--stack", "dev")

    assert len(place.objects(wanted)) == len(wanted.manifests)
    assert place.preview(wanted, "apply") == ()
    hashes = json.loads(run(folder, environment, "stack", "output", "--json", "--stack", "dev"))["hashes"]
    assert hashes.keys() == {"0"}
    run(folder, environment, "preview", "--expect-no-changes", "--stack", "dev")
