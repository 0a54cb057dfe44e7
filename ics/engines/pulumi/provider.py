"""Inputs of the stack's Kubernetes provider, which the program declares and a pass compares; pure."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from ics.config import settings
from ics.cosmos import canonical_json


@dataclass(frozen=True, slots=True)
class ProviderInputs:
    """Cluster of the Kubernetes provider."""

    kubeconfig: str | None
    """Path of the kubeconfig for Pulumi's plugin and state; None: the user's default one."""
    context: str | None
    path: Path | None = None
    """Path of that kubeconfig on this machine."""

    @classmethod
    def of(cls, cluster: settings.ClusterSettings, root: Path, home: Path) -> Self:
        """Return the inputs for a cluster.

        Args:
            cluster: settings of the cluster.
            root: the project's folder.
            home: the plugin's expansion of `~/`.
        """
        if cluster.kubeconfig is None:
            return cls(None, cluster.context)
        path = root / Path(cluster.kubeconfig).expanduser()
        return cls(plugin_path(cluster.kubeconfig, path, home), cluster.context, path)

    def fingerprint(self, stack: str, backend: str, versions: str) -> str:
        """Return 16 hex characters that change with the place of the state, or with the provider resource in it.

        Args:
            stack: name of the stack.
            backend: the state's backend, without credentials.
            versions: of the library that declares the provider, and of the program's tree.
        """
        parts = [stack, backend, self.kubeconfig, self.context, versions]
        return canonical_json.sha256_hex(repr(parts).encode())[:16]


def plugin_path(written: str, path: Path, home: Path) -> str:
    """Return a kubeconfig's path in the form for Pulumi's plugin, which is also stored in the state.

    It is kept as written, because an absolute path would fail on other machines; the plugin also runs in the
    project's folder. The content is not used, because its credentials would be stored in the state and in a file
    that the plugin leaves behind.

    Args:
        written: path in the settings.
        path: its absolute path on this machine.
        home: the plugin's expansion of `~/`.
    """
    is_other_home = written.startswith("~") and home / written[2:] != path
    return str(path) if is_other_home else written
