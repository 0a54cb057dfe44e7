"""What was observed, as a file, for a run of the program that asks neither the provider nor the cluster.

The variable `ICS_SNAPSHOT` names it. The file contains no secrets; tests and a look at a problem elsewhere use it.
"""

import os
from pathlib import Path

import pydantic

from ics import errors
from ics.consumer import observed

VARIABLE = "ICS_SNAPSHOT"
"""Environment variable with the path of the file."""


class _Document(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(ser_json_bytes="base64", val_json_bytes="base64", defer_build=True)

    observed: observed.Observed


def write(seen: observed.Observed, path: Path) -> None:
    """Write facts into a new file that only its owner can read.

    Raises:
        FileExistsError: the file exists.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(_Document(observed=seen).model_dump_json())


def read(path: Path) -> observed.Observed:
    """Read the facts.

    Raises:
        SettingsError: the file does not exist, or another version wrote it.
    """
    try:
        return _Document.model_validate_json(path.read_bytes()).observed
    except OSError as error:
        raise errors.SettingsError(
            f"{VARIABLE} {path}: {error.strerror}; correct the path or unset the variable"
        ) from error
    except pydantic.ValidationError as error:
        raise errors.SettingsError(
            f"{VARIABLE} {path}: written by another version; unset the variable"
        ) from error
