"""The reconciler as a release of its Helm chart, installed by the real Helm where it is on the PATH."""

import pathlib
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from devnet import places
from tests import chart
from tests.network import operators

IS_MISSING = shutil.which("helm") is None
LABEL = {"app.kubernetes.io/name": "ics-reconciler"}
"""Of everything in a release."""


@dataclass(frozen=True)
class Release:
    """A release in the gateway's namespace of one operator's cluster."""

    operator: operators.Operator
    name: str
    values: pathlib.Path
    """The stack file, to which the definitions of chains are added as a second file of values."""
    chains: Mapping[str, Any]
    """Chain definitions by name."""
    files: Mapping[str, pathlib.Path]
    """Genesis files of the definitions, by name."""

    @property
    def user(self) -> str:
        """The user that its pods are to the API server."""
        return f"system:serviceaccount:provider:{self.name}"

    def install(self, *flags: str) -> None:
        """Install it, as the documentation says."""
        self._apply("install", "--create-namespace", *flags)

    def upgrade(self, *flags: str) -> None:
        """Install the values as they are now."""
        self._apply("upgrade", *flags)

    def uninstall(self) -> None:
        """Remove it, and wait until its objects are gone."""
        self._helm("uninstall", self.name, "--wait")

    def is_installed(self) -> bool:
        """Whether Helm knows of it."""
        return self.name in self._helm("list", "--short").split()

    def _apply(self, command: str, *flags: str) -> None:
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as definitions:
            yaml.safe_dump({"chains": dict(self.chains)}, definitions)
            definitions.flush()
            words = ["--values", str(self.values), "--values", definitions.name]
            for name, path in self.files.items():
                key = name.replace(".", r"\.")
                words += ["--set-file", f"files.{key}={path}"]
            self._helm(command, self.name, str(chart.CHART), *words, *flags)

    def _helm(self, *words: str) -> str:
        access = ("--kubeconfig", str(places.credentials(self.operator.name) / "kubeconfig-admin"))
        done = subprocess.run(
            ["helm", *words, "--namespace", "provider", *access],
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout
