"""Projects of one's own for a story: the stack files and definitions of the local network, with changes."""

import hashlib
import json
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


def lengthen_window(root: pathlib.Path) -> str:
    """Give the example's base genesis a downtime window of 10,000 blocks, and answer its sha256.

    A chain with five blocks a second would jail within seconds whose key is being replaced.
    """
    path = root / "stacks" / "chains" / "ics-example.genesis.json"
    document = json.loads(path.read_text())
    document["app_state"]["slashing"]["params"]["signed_blocks_window"] = "10000"
    raw = json.dumps(document).encode()
    path.write_bytes(raw)
    return hashlib.sha256(raw).hexdigest()


def define(root: pathlib.Path, name: str, match: Mapping[str, Any], **changes: Any) -> None:
    """Adds a definition like the example's, as the checkout has it, under another name."""
    chains = pathlib.Path("stacks", "chains")
    document = yaml.safe_load((places.CHECKOUT / chains / "ics-example.yaml").read_text())
    if "owner" not in match:
        match = {"owner": "any", "accept_any_owner": True, **match}
    document |= {"name": name, "match": dict(match), **changes}
    (root / chains / f"{name}.yaml").write_text(yaml.safe_dump(document))
