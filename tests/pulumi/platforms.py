"""Another project, in whose program the component package makes a whole Validator."""

import contextlib
import json
import os
import pathlib
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

import yaml

from devnet import places
from tests.pulumi import handed, stage

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


@dataclass(frozen=True)
class Platform:
    """Another project, whose program has a Validator among its resources."""

    folder: pathlib.Path
    environment: dict[str, str]

    def run(self, *arguments: str) -> str:
        """Run a command of its stack; answers its output."""
        done = subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    @contextlib.contextmanager
    def running(self, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
        """A command of its stack while it runs."""
        with (self.folder / "output").open("wb") as output:
            process = subprocess.Popen(
                self.command(*arguments),
                cwd=self.folder,
                env=self.environment,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
            yield process

    @property
    def output(self) -> str:
        """What `running` printed."""
        return (self.folder / "output").read_text()

    def command(self, *arguments: str) -> list[str]:
        """The CLI's command line."""
        return ["pulumi", "--non-interactive", *arguments, "--stack", "dev"]


def make(place: stage.Stage) -> Platform:
    """A project beside the operator's, with the same state backend, and its stack."""
    folder = place.root.parent / "platform"
    folder.mkdir()
    runtime = {"name": "python", "options": {"virtualenv": str(places.CHECKOUT / ".venv")}}
    package = place.root.parent / "components"
    package.mkdir()
    (package / "PulumiPlugin.yaml").write_text(yaml.safe_dump({"runtime": runtime}))
    (package / "__main__.py").write_text(handed.program(places.CHECKOUT / "components" / "__main__.py"))
    project = {
        "name": "platform",
        "runtime": runtime,
        "plugins": {"providers": [{"name": "ics", "path": str(package)}]},
    }
    (folder / "Pulumi.yaml").write_text(yaml.safe_dump(project))
    (folder / "__main__.py").write_text(PROGRAM)
    environment = os.environ | {
        "PULUMI_BACKEND_URL": f"file://{place.backend}",
        "PULUMI_CONFIG_PASSPHRASE_FILE": str(place.root / "passphrase"),
        "INPUTS": json.dumps({"project": str(place.root), "stack": place.validator}),
    }
    made = Platform(folder, environment)
    made.run("stack", "init")
    return made
