"""Handoff of one pass's observations to the Pulumi program, so that preview and update use one height.

The file named by `ICS_SNAPSHOT` contains the state read from provider and cluster, and the decisions of the pass
since then, but no secrets. A manual Pulumi run has no such file and observes the state itself.
"""

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import pydantic

from ics import errors, model, names
from ics.cluster.api import requests
from ics.consumer import observed
from ics.cosmos import canonical_json

VARIABLE = "ICS_SNAPSHOT"
"""Environment variable with the path of the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PassSnapshot:
    """Observations and decisions of one pass for the Pulumi program."""

    observed: observed.Observed
    refused: frozenset[str] = frozenset()
    """Consumer ids of chains that are not joined because the cluster would reject their objects."""
    paused: frozenset[str] = frozenset()
    """Consumer ids whose objects the program omits because the engine must not change them."""
    left: frozenset[tuple[str, str, str]] = frozenset()
    """Kind, namespace and name of single objects that it omits for the same reason."""
    overrides: tuple[str, ...] = ()
    """Settings from command-line flags, see `ics.config.stack_file`."""
    digest: str = ""
    """Digest of the manifests that the pass rendered, without omitted ones; empty: not compared."""


class _Document(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(ser_json_bytes="base64", val_json_bytes="base64", defer_build=True)

    snapshot: PassSnapshot


def exclude(
    manifests: Sequence[model.Manifest], paused: Collection[str], left: Collection[tuple[str, str, str]]
) -> tuple[model.Manifest, ...]:
    """Return the manifests that the program declares.

    Args:
        manifests: the whole set.
        paused: consumer ids whose objects are omitted.
        left: kind, namespace and name of single objects that are omitted.
    """

    def is_declared(manifest: model.Manifest) -> bool:
        metadata = manifest["metadata"]
        key = (manifest["kind"], metadata.get("namespace", ""), metadata["name"])
        return metadata["labels"].get(names.CONSUMER, "") not in paused and key not in left

    return tuple(manifest for manifest in manifests if is_declared(manifest))


def digest(manifests: Sequence[model.Manifest]) -> str:
    """Return the sha256 of a sequence of manifests in hex."""
    return canonical_json.sha256_hex(b"\n".join(requests.encode(manifest) for manifest in manifests))


def write(snapshot: PassSnapshot, path: Path) -> None:
    """Write a snapshot into a new file that only its owner can read.

    Raises:
        FileExistsError: the file exists.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(_Document(snapshot=snapshot).model_dump_json())


def read(path: Path) -> PassSnapshot:
    """Read the snapshot of a reconciler.

    Raises:
        SettingsError: the file does not exist, or another version wrote it.
    """
    try:
        return _Document.model_validate_json(path.read_bytes()).snapshot
    except OSError as error:
        raise errors.SettingsError(
            f"{VARIABLE} {path}: {error.strerror}; correct the path or unset the variable"
        ) from error
    except pydantic.ValidationError as error:
        raise errors.SettingsError(
            f"{VARIABLE} {path}: written by another version; unset the variable"
        ) from error
