"""Projects whose stacks have their state in a folder beside them, for the stories with the real CLI."""

import os
import pathlib
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from devnet import places, plan
from tests.network import operators, projects


@dataclass(frozen=True)
class Project:
    """A project with the stacks of all three validators."""

    root: pathlib.Path

    @property
    def state(self) -> pathlib.Path:
        """The folder of the state."""
        return self.root / "state"

    @property
    def environment(self) -> dict[str, str]:
        """The environment of the CLI by hand."""
        own = {k: v for k, v in os.environ.items() if not k.startswith("ICS_") or k in operators.OWN}
        return own | {
            "PULUMI_BACKEND_URL": f"file://{self.state}",
            "PULUMI_CONFIG_PASSPHRASE_FILE": str(self.root / "passphrase"),
        }

    def locks(self, operator: operators.Operator) -> list[pathlib.Path]:
        """Files of the locks of an operator's stack."""
        return sorted(self.state.glob(f".pulumi/locks/**/{operator.name}/*.json"))

    def pulumi(self, operator: operators.Operator, *command: str) -> str:
        """The CLI by hand; answers what it printed."""
        done = subprocess.run(
            self.command(operator, *command),
            cwd=self.root,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def command(self, operator: operators.Operator, *command: str) -> list[str]:
        """The CLI's command line."""
        return ["pulumi", "--non-interactive", *command, "--stack", operator.name]

    def ics(self, operator: operators.Operator, command: str, engine: str) -> operators.Run:
        """`ics …` with one engine; it must come to its end without trouble."""
        done = operator.ics(command, "--engine", engine, project=self.root)
        assert done.code == 0, f"{operator.name}: exit code {done.code}: {done.err}"
        return done


def project(folder: pathlib.Path, changes: Mapping[str, Any] | None = None) -> Project:
    """A project whose stacks have their state in a folder.

    Args:
        folder: where it is made.
        changes: further settings of all three stacks.
    """
    root = projects.project(folder)
    shutil.copy(places.CHECKOUT / "__main__.py", root)
    for name in ("ics", ".venv"):
        (root / name).symlink_to(places.CHECKOUT / name)
    (root / "state").mkdir()
    (root / "passphrase").touch(0o600)
    (root / "passphrase").write_text("of the network's test")
    for host in plan.HOSTS:
        path = root / "stacks" / f"Pulumi.{host.name}.yaml"
        content = yaml.safe_load(path.read_text())
        content["config"] |= {
            "ics:pulumi": {"backend": f"file://{root / 'state'}", "passphrase": {"file": "passphrase"}},
            **(changes or {}),
        }
        path.write_text(yaml.safe_dump(content))
    return Project(root)
