"""The flags and the file in which an owner writes a chain's terms, as nested values; see `ics.provider.owner.terms`."""

import argparse
import datetime
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ics import errors
from ics.config import overrides, stack_file
from ics.provider.owner import terms

_INIT, _SHAPE = "initialization_parameters", "power_shaping_parameters"
_TEXTS = (
    ("--name", "metadata.name", "TEXT", "what people call the chain"),
    ("--description", "metadata.description", "TEXT", "what it is for"),
    ("--metadata", "metadata.metadata", "TEXT", "such as the address of its repository"),
    ("--spawn-time", f"{_INIT}.spawn_time", "TIME", "when it is launched, 2030-01-31T12:00:00Z; or none"),
    ("--genesis-hash", f"{_INIT}.genesis_hash", "HEX", "sha256 of the published genesis"),
    ("--binary-hash", f"{_INIT}.binary_hash", "HEX", "sha256 of the binary"),
    ("--unbonding-period", f"{_INIT}.unbonding_period", "DURATION", "default 24h"),
    ("--ccv-timeout-period", f"{_INIT}.ccv_timeout_period", "DURATION", "default 72h"),
    ("--transfer-timeout-period", f"{_INIT}.transfer_timeout_period", "DURATION", "default 1h"),
    (
        "--redistribution-fraction",
        f"{_INIT}.consumer_redistribution_fraction",
        "FRACTION",
        "of the rewards that stay on the consumer; default 0.75",
    ),
    ("--distribution-channel", f"{_INIT}.distribution_transmission_channel", "CHANNEL", "an existing one"),
    ("--connection-id", f"{_INIT}.connection_id", "CONNECTION", "of a sovereign chain that changes over"),
    ("--double-sign-slash", "infraction_parameters.double_sign.slash_fraction", "FRACTION", "what it costs"),
    ("--double-sign-jail", "infraction_parameters.double_sign.jail_duration", "DURATION", "or forever"),
    ("--downtime-slash", "infraction_parameters.downtime.slash_fraction", "FRACTION", "what it costs"),
    ("--downtime-jail", "infraction_parameters.downtime.jail_duration", "DURATION", "or forever"),
)
_NUMBERS = (
    ("--initial-height", f"{_INIT}.initial_height", "default 1; its revision follows from the chain id"),
    (
        "--blocks-per-distribution",
        f"{_INIT}.blocks_per_distribution_transmission",
        "between two payments of rewards; default 1000",
    ),
    ("--historical-entries", f"{_INIT}.historical_entries", "default 10000"),
    ("--top-n", f"{_SHAPE}.top_N", "0, or 50 to 100 (only for chains that governance owns)"),
    ("--validators-power-cap", f"{_SHAPE}.validators_power_cap", "most per cent of one validator; 0: no cap"),
    ("--validator-set-cap", f"{_SHAPE}.validator_set_cap", "most validators; 0: no cap"),
    ("--min-stake", f"{_SHAPE}.min_stake", "least tokens on the provider"),
)
_LISTS = (
    ("--allowlist", f"{_SHAPE}.allowlist", "valcons addresses of the only ones that may validate"),
    ("--denylist", f"{_SHAPE}.denylist", "valcons addresses that may not validate"),
    ("--prioritylist", f"{_SHAPE}.prioritylist", "valcons addresses that come first"),
    ("--reward-denoms", "allowlisted_reward_denoms", "ibc/… denominations in which it may pay rewards"),
)
_SWITCHES = (
    ("--allow-inactive", f"{_SHAPE}.allow_inactive_vals", "validators outside the provider's active set too"),
    ("--double-sign-tombstone", "infraction_parameters.double_sign.tombstone", "jailed for good"),
)


def add(parser: argparse.ArgumentParser) -> None:
    """Add all flags of a chain's terms."""
    parser.add_argument(
        "--file", type=Path, metavar="PATH", help="YAML or JSON with the terms; flags win over it"
    )
    group = parser.add_argument_group("terms of the chain")
    for flag, path, metavar, text in _TEXTS:
        group.add_argument(flag, dest=path, metavar=metavar, help=text)
    for flag, path, text in _NUMBERS:
        group.add_argument(flag, dest=path, metavar="N", type=int, help=text)
    for flag, path, text in _LISTS:
        group.add_argument(
            flag, dest=path, metavar="A,B", type=_comma_list, help=f"{text}; the whole list, '' for none"
        )
    for flag, path, text in _SWITCHES:
        group.add_argument(flag, dest=path, action=argparse.BooleanOptionalAction, help=text)
    group.add_argument("--spawn-in", metavar="DURATION", help="instead of --spawn-time: so long from now")
    group.add_argument(
        "--genesis", type=Path, metavar="FILE", help="instead of --genesis-hash: hash this file"
    )
    group.add_argument("--binary", type=Path, metavar="FILE", help="instead of --binary-hash: hash this file")


def values(args: argparse.Namespace, now: datetime.datetime) -> tuple[dict[str, Any], str]:
    """What file and flags say, nested, and where it was said.

    Args:
        args: of a parser with the flags of `add`.
        now: the present, for `--spawn-in`.

    Raises:
        SettingsError: a file cannot be read, or two flags say the same thing.
    """
    found: dict[str, Any] = {}
    if args.file is not None:
        document = stack_file.read_yaml(args.file, f"--file {args.file}")
        if not isinstance(document, dict):
            raise errors.SettingsError(f"--file {args.file}: no mapping: write the terms of a chain")
        found = document
    said: dict[str, Any] = {}
    for path in (row[1] for row in (*_TEXTS, *_NUMBERS, *_LISTS, *_SWITCHES)):
        if (value := getattr(args, path)) is not None:
            _put(said, path, value)
    for path, value in _computed(args, now).items():
        if getattr(args, path) is not None:
            raise errors.SettingsError(f"{path}: given twice: drop one of the two flags")
        _put(said, path, value)
    return overrides.merged(found, said), "flags" if args.file is None else f"--file {args.file} and flags"


def _computed(args: argparse.Namespace, now: datetime.datetime) -> Mapping[str, str]:
    found = {}
    if args.spawn_in is not None:
        try:
            wait = terms.nanoseconds(args.spawn_in)
        except ValueError as error:
            raise errors.SettingsError(f"--spawn-in: {error}") from error
        moment = now.astimezone(datetime.UTC) + datetime.timedelta(microseconds=wait // 1000)
        found[f"{_INIT}.spawn_time"] = moment.isoformat().replace("+00:00", "Z")
    for option, path in (("genesis", f"{_INIT}.genesis_hash"), ("binary", f"{_INIT}.binary_hash")):
        file: Path | None = getattr(args, option)
        if file is not None:
            try:
                found[path] = hashlib.sha256(file.read_bytes()).hexdigest()
            except OSError as error:
                raise errors.SettingsError(
                    f"--{option} {file}: {error.strerror}; name another file"
                ) from error
    return found


def _put(into: dict[str, Any], path: str, value: object) -> None:
    *parents, last = path.split(".")
    for name in parents:
        into = into.setdefault(name, {})
    into[last] = value


def _comma_list(text: str) -> list[str]:
    return [part for part in (part.strip() for part in text.split(",")) if part]
