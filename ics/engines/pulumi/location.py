"""Reads what names the backend of a stack's state: settings, environment, Pulumi.yaml and Pulumi's login."""

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from ics import engines
from ics.cluster.api import client, kinds
from ics.config import settings as config_settings
from ics.engines.applyset import members, parent
from ics.engines.pulumi import locks, processes, stack


def find(pulumi_stack: stack.Stack, environment: Mapping[str, str]) -> stack.Location:
    """Return where the state of a stack is, without starting a process.

    Raises:
        EngineUnusable: nothing names a backend, or the URL is not one.
    """
    return stack.locate(
        stack.Candidates(
            setting=pulumi_stack.backend or "",
            environment=environment.get(stack.VARIABLE, ""),
            recorded=pulumi_stack.recorded,
            project=_of_project(pulumi_stack.root),
            login=_of_login(environment),
        )
    )


def is_lost(pulumi_stack: stack.Stack, environment: Mapping[str, str]) -> bool:
    """Return whether the state of a stack is certainly missing: its backend is a folder that does not contain it.

    Other backends are not asked, because that takes a process; the periodic comparison of all objects notices it there.
    """
    try:
        where = find(pulumi_stack, environment)
    except engines.EngineUnusable:  # an update reports it
        return False
    files = _files(pulumi_stack, where)
    return bool(files) and not any(path.exists() for path in files)


def repair(pulumi_stack: stack.Stack, where: stack.Location) -> bool:
    """Delete empty attributes that a killed run left beside the state in a folder; return whether there were any.

    The backend truncates them, writes them, and then replaces the state. A kill in between leaves an intact state that
    Pulumi no longer reads (`EOF`); without the attributes it does. Observed with Pulumi 3.272; see `setAttrs` in
    `blob/fileblob` of gocloud.dev. A running process that has just truncated them needs no such file either.
    """
    is_repaired = False
    for path in _files(pulumi_stack, where):
        attributes = path.with_name(f"{path.name}.attrs")
        with contextlib.suppress(FileNotFoundError):
            if attributes.stat().st_size == 0:
                attributes.unlink()
                is_repaired = True
    return is_repaired


def _files(pulumi_stack: stack.Stack, where: stack.Location) -> list[Path]:
    """Return the paths that a state in a folder may have; none for any other backend."""
    folder = where.backend.folder(pulumi_stack.root, processes.home()) if where.backend else None
    project = project_name(pulumi_stack.root)
    if folder is None or not project:
        return []
    stacks = Path(folder, ".pulumi", "stacks")
    # Without the project it is a state of old versions.
    files = [inside / f"{pulumi_stack.name}.json" for inside in (stacks / project, stacks)]
    return [path.with_name(path.name + packed) for path in files for packed in ("", ".gz", ".zst")]


def read_locks(pulumi_stack: stack.Stack, where: stack.Location) -> list[locks.Lock]:
    """Return the locks of a stack; only those of a folder can be read without running Pulumi."""
    folder = where.backend.folder(pulumi_stack.root, processes.home()) if where.backend else None
    project = project_name(pulumi_stack.root)
    if folder is None or not project:
        return []
    inside = Path(folder, ".pulumi", "locks", "organization", project, pulumi_stack.name)
    held = []
    for path in sorted(inside.glob("*.json")):
        try:
            lock = locks.read(path.read_text())
        except FileNotFoundError:  # its run has ended meanwhile
            continue
        if lock is not None:
            held.append(lock)
    return held


async def read_parent(kube: client.KubeClient, settings: config_settings.Settings) -> parent.Parent:
    """Return the engine and the backend that the last pass recorded in the cluster, without its record of objects.

    Raises:
        IcsError: the cluster does not answer, or the object belongs to another tool.
    """
    name = members.parent_name(settings.validator)
    item = await kube.find(kinds.CONFIG_MAP, settings.gateway.namespace, name, only_metadata=True)
    return parent.read(item) if item is not None else parent.Parent()


def project_name(root: Path) -> str:
    """Return the name of the project in Pulumi.yaml, or an empty text if the file is invalid."""
    name = _project(root).get("name")
    return name if isinstance(name, str) else ""


def _of_project(root: Path) -> str:
    backend = _project(root).get("backend")
    url = backend.get("url") if isinstance(backend, dict) else None
    return url if isinstance(url, str) else ""


def _project(root: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load((root / "Pulumi.yaml").read_text())
    except (OSError, ValueError, yaml.YAMLError):  # Pulumi reports it
        return {}
    return content if isinstance(content, dict) else {}


def _of_login(environment: Mapping[str, str]) -> str | None:
    """Return the current backend of `pulumi login`: empty if there is none, None if its file is not readable."""
    folder = environment.get("PULUMI_CREDENTIALS_PATH") or environment.get("PULUMI_HOME")
    path = Path(folder) if folder else Path(environment.get("HOME", "/"), ".pulumi")
    try:
        content = json.loads((path / "credentials.json").read_text())
    except FileNotFoundError:
        return ""
    except (OSError, ValueError):
        return None
    current = content.get("current") if isinstance(content, dict) else None
    return current if isinstance(current, str) else ""
