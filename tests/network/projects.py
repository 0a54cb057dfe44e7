"""Projects of one's own for a story: the stack files and definitions of the local network, with changes."""

import pathlib
import shutil
from collections.abc import Mapping
from typing import Any

import yaml

from devnet import places


def project(folder: pathlib.Path) -> pathlib.Path:
    """A copy of the stacks; the credentials are those of the network."""
    root = folder / "project"
    root.mkdir()
    for name in ("Pulumi.yaml", "reconcile.py"):
        shutil.copy(places.CHECKOUT / name, root)
    shutil.copytree(places.CHECKOUT / "stacks", root / "stacks")
    (root / ".devnet").symlink_to(places.credentials())
    return root


def define(root: pathlib.Path, name: str, match: Mapping[str, Any], **changes: Any) -> None:
    """Adds a definition like the example's, as the checkout has it, under another name."""
    chains = pathlib.Path("stacks", "chains")
    document = yaml.safe_load((places.CHECKOUT / chains / "ics-example.yaml").read_text())
    if "owner" not in match:
        match = {"owner": "any", "accept_any_owner": True, **match}
    document |= {"name": name, "match": dict(match), **changes}
    (root / chains / f"{name}.yaml").write_text(yaml.safe_dump(document))
