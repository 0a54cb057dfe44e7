"""The files of a project folder, which is all that an operator needs beside the installed program.

`Pulumi.yaml` and the policy pack are those of the package, so that `pulumi up` and `ics up` deploy the same.
"""

import contextlib
import os
import secrets
import sys
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path

from ics import errors

_TEMPLATE = "template"
_IGNORED = ".venv/\n.venv\n.pulumi/\n__pycache__/\n"
_ENVIRONMENT = ".venv"
"""Link to the environment in which this program is installed: Pulumi.yaml names it, so that the file is the same for
every operator of a team."""


def files() -> Mapping[str, str]:
    """Return the text of each file of a new project folder by its path."""
    folder = resources.files(__package__) / _TEMPLATE
    return {
        "Pulumi.yaml": (folder / "Pulumi.yaml").read_text(),
        "__main__.py": (folder / "main.py.txt").read_text(),
        "policies/PulumiPolicy.yaml": (folder / "policies" / "PulumiPolicy.yaml").read_text(),
        "policies/__main__.py": (folder / "policies" / "main.py.txt").read_text(),
        ".gitignore": _IGNORED,
    }


def missing(root: Path) -> dict[str, str]:
    """Return the files that a project folder does not have yet; existing ones are its owner's."""
    return {name: text for name, text in files().items() if not (root / name).exists()}


def write(root: Path, texts: Mapping[str, str]) -> list[str]:
    """Write files into a project folder, and its folders; return their names.

    Raises:
        SettingsError: the folder cannot be written.
    """
    try:
        for name in ("stacks/chains", "policies"):
            (root / name).mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            replace(root / name, text, 0o644)
        _link_environment(root)
    except OSError as error:
        raise errors.SettingsError(
            f"{root}: cannot be written: {error.strerror or error}; name another folder"
        ) from error
    return sorted(texts)


def _link_environment(root: Path) -> None:
    """Make `.venv` lead to this program's environment, unless there is one of the project's own."""
    link = root / _ENVIRONMENT
    if link.is_symlink() and not link.exists():
        link.unlink()  # of an environment that is gone
    if not (link.exists() or link.is_symlink()) and sys.prefix != sys.base_prefix:
        link.symlink_to(sys.prefix, target_is_directory=True)


def replace(path: Path, text: str, mode: int) -> None:
    """Write a file atomically, with these permissions from its first byte on."""
    with _temporary(path, mode) as (temporary, descriptor):
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)


@contextlib.contextmanager
def _temporary(path: Path, mode: int) -> Iterator[tuple[Path, int]]:
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        yield temporary, descriptor
    finally:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()


def stacks(root: Path) -> list[str]:
    """Return the names of the stacks of a folder."""
    found = (root / "stacks").glob("Pulumi.*.yaml")
    return sorted(path.name.removeprefix("Pulumi.").removesuffix(".yaml") for path in found)
