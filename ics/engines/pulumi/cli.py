"""Lookup of the Pulumi CLI, and its installation into a private folder with Pulumi's own installer.

The version equals that of the pinned Python library. The first run installs the plugins.
"""

import functools
import os
import shutil
import subprocess
import urllib.error
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from ics import errors

if TYPE_CHECKING:  # its import is slow
    from pulumi import automation

_MISSING = (
    "ics:engine: pulumi requires the Pulumi CLI, which is not on the PATH; run `ics up --install-pulumi` to install"
    " it, or set ics:engine: apply for the embedded engine, which needs no other program"
)


def folder() -> Path:
    """Return the folder of the private installation: the Automation API's default for this version.

    Raises:
        SettingsError: the library is not installed, as in the image of the reconciler.
    """
    try:
        version = metadata.version("pulumi")
    except metadata.PackageNotFoundError:
        raise errors.SettingsError(
            "ics:engine: pulumi requires Pulumi's Python library, which is not installed; set ics:engine: apply for"
            " the embedded engine, which needs no other program"
        ) from None
    return Path.home() / ".pulumi" / "versions" / version


def find() -> Path | None:
    """Return the folder whose `bin` contains the CLI, or None if there is none, without starting a process."""
    on_path = shutil.which("pulumi")
    if on_path is not None:
        return Path(on_path).parent.parent
    private = folder()
    return private if os.access(private / "bin" / "pulumi", os.X_OK) else None


def check() -> None:
    """Check that the CLI is installed, without starting a process.

    Raises:
        SettingsError: the CLI is not installed.
    """
    if find() is None:
        raise errors.SettingsError(_MISSING)


def command() -> "automation.PulumiCommand":
    """Return the CLI after checking that the library supports its version.

    Raises:
        SettingsError: the CLI is not installed, or too old.
    """
    from pulumi import automation

    check()
    on_path = shutil.which("pulumi")
    program = Path(on_path) if on_path else folder() / "bin" / "pulumi"
    try:
        return _started(None if on_path else str(folder()), program, program.stat().st_mtime_ns)
    except automation.InvalidVersionError as error:
        raise errors.SettingsError(
            f"ics:engine: unsupported Pulumi CLI: {error}; install version {folder().name}"
        ) from error
    except (OSError, subprocess.CalledProcessError) as error:
        raise errors.SettingsError(f"ics:engine: the Pulumi CLI does not start: {error}") from error


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
            f"Pulumi's installer is not available ({error}); install Pulumi manually, or set ics:engine: apply for"
            " the embedded engine, which needs no other program"
        ) from error
    return target
