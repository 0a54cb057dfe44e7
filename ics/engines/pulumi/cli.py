"""Lookup of the Pulumi CLI, and its installation into a private folder with Pulumi's own installer.

The versions of CLI and Kubernetes plugin equal those of the pinned Python libraries. The first run installs the plugin
if it can; where it cannot, the messages name the command.
"""

import functools
import os
import shutil
import subprocess
import urllib.error
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from ics import engines, errors

if TYPE_CHECKING:  # its import is slow
    from pulumi import automation

PLUGIN = "kubernetes"


def version() -> str:
    """Return the version of the CLI that fits the program: that of the Python library.

    Raises:
        EngineUnusable: the library is not installed, as in the image of the reconciler.
    """
    return _version_of("pulumi")


def plugin_version() -> str:
    """Return the version of the Kubernetes plugin that the program asks for: that of its Python library.

    Raises:
        EngineUnusable: the library is not installed.
    """
    return _version_of("pulumi-kubernetes")


def plugin_command() -> str:
    """Return the command that installs the Kubernetes plugin."""
    return f"pulumi plugin install resource {PLUGIN} {plugin_version()}"


def _version_of(library: str) -> str:
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        raise engines.EngineUnusable(
            f"ics:engine: pulumi requires the Python library {library}, which is not installed; in the cluster, build"
            " the image of ics:reconciler.image from Dockerfile.pulumi; or set ics:engine: apply for the embedded"
            " engine, which needs no other program"
        ) from None


def folder() -> Path:
    """Return the folder of the private installation: the Automation API's default for this version.

    Raises:
        EngineUnusable: the library is not installed, as in the image of the reconciler.
    """
    return Path.home() / ".pulumi" / "versions" / version()


def find() -> Path | None:
    """Return the CLI's executable, or None if there is none, without starting a process."""
    on_path = shutil.which("pulumi")
    if on_path is not None:
        return Path(on_path)
    private = folder() / "bin" / "pulumi"
    return private if os.access(private, os.X_OK) else None


def check() -> Path:
    """Return the CLI's executable, without starting a process.

    Raises:
        EngineUnusable: the CLI is not installed.
    """
    program = find()
    if program is None:
        raise engines.EngineUnusable(
            "ics:engine: pulumi requires the Pulumi CLI, which is not on the PATH; run `ics up --install-pulumi`, or"
            f" install version {version()} yourself: `curl -fsSL https://get.pulumi.com | sh -s -- --version"
            f" {version()}`; or set ics:engine: apply for the embedded engine, which needs no other program"
        )
    return program


def command() -> "automation.PulumiCommand":
    """Return the CLI after checking that the library supports its version.

    Raises:
        EngineUnusable: the CLI is not installed, too old, or does not start.
    """
    from pulumi import automation

    check()
    on_path = shutil.which("pulumi")
    program = Path(on_path) if on_path else folder() / "bin" / "pulumi"
    try:
        return _started(None if on_path else str(folder()), program, program.stat().st_mtime_ns)
    except automation.InvalidVersionError as error:
        raise engines.EngineUnusable(
            f"ics:engine: unsupported Pulumi CLI: {error}; install version {version()}"
        ) from error
    except (OSError, subprocess.CalledProcessError) as error:
        raise engines.EngineUnusable(
            f"ics:engine: the Pulumi CLI does not start: {error}; install version {version()} again"
        ) from error


@functools.lru_cache(maxsize=1)
def _started(root: str | None, program: Path, modified_at: int) -> "automation.PulumiCommand":
    """Start a CLI to read its version, once per process as long as the program is the same file."""
    from pulumi import automation

    return automation.PulumiCommand(root)


def has_plugin() -> bool:
    """Return whether the Kubernetes plugin of the program's version is installed, without starting a process."""
    home = Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi")
    name = f"resource-kubernetes-v{metadata.version('pulumi-kubernetes')}"
    return (home / "plugins" / name).is_dir() or shutil.which("pulumi-resource-kubernetes") is not None


def install() -> Path:
    """Install the CLI unless it is installed.

    Raises:
        Transient: the installer is not available.
    """
    from pulumi import automation

    target = folder()
    try:
        automation.PulumiCommand.install(root=str(target))
    except (OSError, urllib.error.URLError, subprocess.CalledProcessError) as error:
        shutil.rmtree(target, ignore_errors=True)
        raise errors.Transient(
            f"Pulumi's installer is not available ({error}); install version {version()} of the CLI yourself, or set"
            " ics:engine: apply for the embedded engine, which needs no other program"
        ) from error
    return target
