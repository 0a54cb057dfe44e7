"""Which project and which stack a command is for; only the standard library is imported, as for completion."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from ics import errors

_PREFIX, _SUFFIX = "Pulumi.", ".yaml"


def project_root(start: Path) -> Path:
    """Return the Pulumi project's folder: the nearest one upwards that contains a Pulumi.yaml.

    Raises:
        SettingsError: no folder contains one.
    """
    for folder in (start, *start.parents):
        if (folder / "Pulumi.yaml").is_file():
            return folder
    raise errors.SettingsError(
        f"no Pulumi.yaml in {start} or above it; run `ics init FOLDER` to create a project, or use --project FOLDER"
    )


def names(root: Path) -> list[str]:
    """Return the stacks of a project."""
    files = sorted((root / "stacks").glob(f"{_PREFIX}*{_SUFFIX}"))
    return [file.name.removeprefix(_PREFIX).removesuffix(_SUFFIX) for file in files]


def choose(root: Path, environment: Mapping[str, str]) -> str:
    """Return the stack of a command without `--stack`.

    Raises:
        SettingsError: neither the environment nor Pulumi names one, and there is not exactly one.
    """
    known = names(root)
    named = environment.get("ICS_STACK")
    if named:
        return named
    selected = _selected(root, environment)
    if selected in known:
        return selected
    if len(known) == 1:
        return known[0]
    if not known:
        raise errors.SettingsError(
            f"{root}/stacks has no Pulumi.NAME.yaml; run `ics init {root}` to write one"
        )
    raise errors.SettingsError(f"--stack: missing; name one of the stacks of {root}: {', '.join(known)}")


def _selected(root: Path, environment: Mapping[str, str]) -> str:
    """Return the stack that `pulumi stack select` has chosen for a project; empty if there is none.

    Pulumi keeps it in `workspaces/PROJECT-HASH-workspace.json` of its home; the hash is of the project file's path.
    """
    home = Path(environment.get("PULUMI_HOME") or Path(environment.get("HOME", "/"), ".pulumi"))
    digest = hashlib.sha1(str(root / "Pulumi.yaml").encode(), usedforsecurity=False).hexdigest()
    for file in (home / "workspaces").glob(f"*-{digest}-workspace.json"):
        try:
            stack = json.loads(file.read_bytes()).get("stack")
        except (OSError, ValueError, AttributeError):
            # A damaged file of another program only chooses nothing.
            continue
        if isinstance(stack, str):
            return stack.rpartition("/")[2]
    return ""
