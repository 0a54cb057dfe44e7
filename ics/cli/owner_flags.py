"""Terms of a consumer chain from options and a file, as nested values; see `ics.provider.owner.terms`."""

import datetime
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ics import errors
from ics.cli.arguments import terms
from ics.config import overrides, stack_file, units
from ics.cosmos import canonical_json
from ics.provider.owner import chain_files


def values(args: terms.Terms, now: datetime.datetime) -> tuple[dict[str, Any], str]:
    """Return the terms from file and flags as nested values, and their origin.

    Args:
        args: the options.
        now: the present, for `--spawn-in`.

    Raises:
        SettingsError: a file cannot be read, or two flags set the same value.
    """
    from_file: dict[str, Any] = {}
    if args.file is not None:
        document = stack_file.read_yaml(args.file, f"--file {args.file}")
        if not isinstance(document, dict):
            raise errors.SettingsError(f"--file {args.file}: not a mapping; write the terms of a chain")
        from_file = chain_files.parse(
            document,
            f"--file {args.file}",
            getattr(args, "consumer_id", ""),
            getattr(args, "new_owner", ""),
        )
    from_flags: dict[str, Any] = {}
    for name, path in terms.PATHS.items():
        if (value := getattr(args, name)) is not None:
            _put(from_flags, path, _comma_list(value) if name in terms.LISTS else value)
    for name, text in _computed(args, now).items():
        path = terms.PATHS[name]
        if getattr(args, name) is not None:
            raise errors.SettingsError(f"{path}: set by two flags; remove one")
        _put(from_flags, path, text)
    return overrides.deep_merge(
        from_file, from_flags
    ), "flags" if args.file is None else f"--file {args.file} and flags"


def _computed(args: terms.Terms, now: datetime.datetime) -> Mapping[str, str]:
    """Return the values of fields that other options compute."""
    computed = {}
    if args.spawn_in is not None:
        try:
            wait = units.parse_nanoseconds(args.spawn_in)
        except ValueError as error:
            raise errors.SettingsError(f"--spawn-in: {error}") from error
        moment = now.astimezone(datetime.UTC) + datetime.timedelta(microseconds=wait // 1000)
        computed["spawn_time"] = moment.isoformat().replace("+00:00", "Z")
    files: dict[str, Path | None] = {"genesis": args.genesis, "binary": args.binary}
    for option, file in files.items():
        if file is not None:
            try:
                computed[f"{option}_hash"] = canonical_json.sha256_hex(file.read_bytes())
            except OSError as error:
                raise errors.SettingsError(
                    f"--{option} {file}: {error.strerror}; name another file"
                ) from error
    return computed


def _put(into: dict[str, Any], path: str, value: object) -> None:
    *parents, last = path.split(".")
    for name in parents:
        into = into.setdefault(name, {})
    into[last] = value


def _comma_list(text: str) -> list[str]:
    return [part for part in (part.strip() for part in text.split(",")) if part]
