"""Hands the facts of one pass over to the Pulumi program, so that preview and update see one height.

The file named by `ICS_SNAPSHOT` holds what was read from the provider and the cluster's memory, and what
the pass has decided since; no secret is in it. A Pulumi run by hand has none, and looks for itself.
"""

import hashlib
import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import pydantic

from ics import errors, model, names
from ics.cluster.api import requests
from ics.consumer import observed

VARIABLE = "ICS_SNAPSHOT"
"""Environment variable with the path of the file."""


@dataclass(frozen=True, slots=True)
class Handed:
    """What one pass hands over."""

    facts: observed.Seen
    refused: frozenset[str] = frozenset()
    """Consumer ids of chains that are not joined, since the cluster would refuse what they need."""
    held: frozenset[str] = frozenset()
    """Consumer ids whose objects the program leaves out, for the engine leaves them as they are."""
    left: frozenset[tuple[str, str, str]] = frozenset()
    """Kind, namespace and name of single objects that it leaves out for the same reason."""
    overrides: tuple[str, ...] = ()
    """Settings given as flags, see `ics.config.stack_file`."""
    digest: str = ""
    """Of the manifests that the pass has made, without what is left out; empty: not compared."""
    sent: frozenset[str] = frozenset()
    """Transactions sent by this pass since the facts were read, in the words of `provider.tx.descriptions.describe`."""


class _Document(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    handed: Handed


def without(
    manifests: Sequence[model.Manifest], held: Collection[str], left: Collection[tuple[str, str, str]]
) -> tuple[model.Manifest, ...]:
    """The manifests that the program declares.

    Args:
        manifests: the whole set.
        held: consumer ids whose objects are left out.
        left: kind, namespace and name of single objects that are.
    """

    def is_declared(manifest: model.Manifest) -> bool:
        metadata = manifest["metadata"]
        key = (manifest["kind"], metadata.get("namespace", ""), metadata["name"])
        return metadata["labels"].get(names.CONSUMER, "") not in held and key not in left

    return tuple(manifest for manifest in manifests if is_declared(manifest))


def digest(manifests: Sequence[model.Manifest]) -> str:
    """sha256 of manifests in their order, hexadecimal."""
    return hashlib.sha256(b"\n".join(requests.encode(one) for one in manifests)).hexdigest()


def write(handed: Handed, path: Path) -> None:
    """Write it into a new file that only its owner can read.

    Raises:
        FileExistsError: there is such a file.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(_Document(handed=handed).model_dump_json())


def read(path: Path) -> Handed:
    """Read what a reconciler wrote.

    Raises:
        SettingsError: there is no such file, or it is of another version.
    """
    try:
        return _Document.model_validate_json(path.read_bytes()).handed
    except OSError as error:
        raise errors.SettingsError(
            f"{VARIABLE} {path}: {error.strerror}: unset it or name the file"
        ) from error
    except pydantic.ValidationError as error:
        raise errors.SettingsError(f"{VARIABLE} {path}: not written by this version: unset it") from error
