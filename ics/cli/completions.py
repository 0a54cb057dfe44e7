"""Completion of what a shell cannot know: stacks, chains and definitions; only the standard library is imported.

No chain and no cluster is asked. Consumer ids are those that `ics status` has last shown on this machine's terminal.
"""

import contextlib
import hashlib
import json
import os
import re
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import typer

from ics import errors
from ics.cli import stacks

_PLAIN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
"""Texts that mean nothing to a shell, which evaluates what a completion prints."""
_LARGEST: Final = 1 << 20
Candidates = list[tuple[str, str]]
"""Texts with their explanations."""


def stack_names(ctx: typer.Context, incomplete: str) -> Candidates:
    """Return the stacks of the project."""
    root = _root(ctx)
    names = [] if root is None else stacks.names(root)
    return _matching([(name, "") for name in names], incomplete)


def consumer_ids(ctx: typer.Context, incomplete: str) -> Candidates:
    """Return the consumer ids that the stack is known to have."""
    root = _root(ctx)
    if root is None:
        return []
    try:
        name = ctx.params.get("stack") or stacks.choose(root, os.environ)
        text = _file(root, name).read_bytes()[:_LARGEST]
        known = json.loads(text)
    except (OSError, ValueError, errors.SettingsError):
        return []
    return _matching(known.items() if isinstance(known, dict) else [], incomplete)


def definitions(ctx: typer.Context, incomplete: str) -> Candidates:
    """Return the names of the project's definitions."""
    root = _root(ctx)
    files = [] if root is None else sorted((root / "stacks" / "chains").glob("*.yaml"))
    return _matching([(file.stem, "") for file in files], incomplete)


def remember(root: Path, stack: str, chain_ids: Mapping[str, str]) -> None:
    """Keep the chains of a stack for later completions.

    Args:
        root: of the project.
        stack: its name.
        chain_ids: by consumer id.
    """
    path = _file(root, stack)
    # A completion without candidates does no harm.
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as file:
            json.dump(dict(chain_ids), file)
        os.replace(file.name, path)


def _file(root: Path, stack: str) -> Path:
    cache = os.environ.get("XDG_CACHE_HOME") or Path(os.environ.get("HOME", "/"), ".cache")
    digest = hashlib.sha256(f"{root}\n{stack}".encode()).hexdigest()[:16]
    return Path(cache, "ics-operator", "chains", f"{digest}.json")


def _root(ctx: typer.Context) -> Path | None:
    project = ctx.params.get("project")
    try:
        return Path(project).resolve() if project else stacks.project_root(Path.cwd())
    except errors.SettingsError:
        return None


def _matching(candidates: Iterable[tuple[object, object]], incomplete: str) -> Candidates:
    return [
        (text, explanation if isinstance(explanation, str) and _PLAIN.fullmatch(explanation) else "")
        for text, explanation in candidates
        if isinstance(text, str) and _PLAIN.fullmatch(text) and text.startswith(incomplete)
    ]
