"""Hands the facts of one pass over to the Pulumi program, so that preview and update see one height.

The file named by `ICS_SNAPSHOT` holds what was read from the provider and the cluster's memory; no
secret is in it.
"""

from pathlib import Path

import pydantic

from ics import errors, seen

VARIABLE = "ICS_SNAPSHOT"
"""Environment variable with the path of the file."""


class _Document(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    facts: seen.Seen


def write(facts: seen.Seen, path: Path) -> None:
    """Write the facts."""
    path.write_text(_Document(facts=facts).model_dump_json())


def read(path: Path) -> seen.Seen:
    """Read the facts that a reconciler wrote.

    Raises:
        SettingsError: there is no such file, or it is of another version.
    """
    try:
        return _Document.model_validate_json(path.read_bytes()).facts
    except OSError as error:
        raise errors.SettingsError(
            f"{VARIABLE} {path}: {error.strerror}: unset it or name the file"
        ) from error
    except pydantic.ValidationError as error:
        raise errors.SettingsError(f"{VARIABLE} {path}: not written by this version: unset it") from error
