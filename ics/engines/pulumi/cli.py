"""Finds the Pulumi CLI, and installs it into a private folder with Pulumi's own installer.

The version is the one of the Python library, which is pinned. Its plugins come with the first run.
"""

import os
import shutil
import subprocess
import urllib.error
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from ics import errors

if TYPE_CHECKING:  # it is heavy
    from pulumi import automation

MISSING = (
    "ics:engine pulumi: there is no Pulumi CLI on the PATH: run `ics up --install-pulumi` for Pulumi's own installer,"
    " or set ics:engine: apply, the embedded engine, which needs no other program"
)


def folder() -> Path:
    """Where the private installation lies: the Automation API's own place for this version.

    Raises:
        SettingsError: the library is not here, as in the image of the reconciler.
    """
    try:
        version = metadata.version("pulumi")
    except metadata.PackageNotFoundError:
        raise errors.SettingsError(
            "ics:engine pulumi: Pulumi's library is not installed here: set ics:engine: apply, the embedded engine,"
            " which needs no other program"
        ) from None
    return Path.home() / ".pulumi" / "versions" / version


def find() -> Path | None:
    """The folder whose `bin` holds the CLI; None when there is none. Starts no process."""
    on_path = shutil.which("pulumi")
    if on_path is not None:
        return Path(on_path).parent.parent
    private = folder()
    return private if os.access(private / "bin" / "pulumi", os.X_OK) else None


def check() -> None:
    """Make sure that there is a CLI; starts no process.

    Raises:
        SettingsError: there is none.
    """
    if find() is None:
        raise errors.SettingsError(MISSING)


def command() -> "automation.PulumiCommand":
    """The CLI, of a version that the library can drive.

    Raises:
        SettingsError: there is none, or it is too old.
    """
    from pulumi import automation

    check()
    root = None if shutil.which("pulumi") else str(folder())
    try:
        return automation.PulumiCommand(root)
    except automation.InvalidVersionError as error:
        raise errors.SettingsError(
            f"ics:engine pulumi: {error}: install the version {folder().name}"
        ) from error
    except (OSError, subprocess.CalledProcessError) as error:
        raise errors.SettingsError(f"ics:engine pulumi: the Pulumi CLI does not start: {error}") from error


def install() -> Path:
    """Install the CLI; nothing is done when it is there.

    Raises:
        Transient: it cannot be had from here.
    """
    from pulumi import automation

    target = folder()
    try:
        automation.PulumiCommand.install(root=str(target))
    except (OSError, urllib.error.URLError, subprocess.CalledProcessError) as error:
        shutil.rmtree(target, ignore_errors=True)
        raise errors.Transient(
            f"Pulumi's installer cannot be had from here ({error}): install Pulumi by hand, or set ics:engine: apply,"
            " the embedded engine, which needs no other program"
        ) from error
    return target
