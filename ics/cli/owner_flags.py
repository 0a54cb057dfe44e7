"""Flags and file with a consumer chain's terms, read as nested values; see `ics.provider.owner.terms`."""

import argparse
import datetime
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ics import errors
from ics.config import overrides, stack_file, units
from ics.cosmos import canonical_json
from ics.provider.owner import chain_files

_INIT, _SHAPE = "initialization_parameters", "power_shaping_parameters"
_TEXTS = (
    ("--name", "metadata.name", "TEXT", "Name of the chain."),
    ("--description", "metadata.description", "TEXT", "Purpose of the chain."),
    ("--metadata", "metadata.metadata", "TEXT", "Further information, such as the URL of its repository."),
    ("--spawn-time", f"{_INIT}.spawn_time", "TIME", "Launch time, such as 2030-01-31T12:00:00Z, or none."),
    ("--genesis-hash", f"{_INIT}.genesis_hash", "HEX", "sha256 of the published genesis."),
    ("--binary-hash", f"{_INIT}.binary_hash", "HEX", "sha256 of the binary."),
    ("--unbonding-period", f"{_INIT}.unbonding_period", "DURATION", "Unbonding period (default: 24h)."),
    (
        "--ccv-timeout-period",
        f"{_INIT}.ccv_timeout_period",
        "DURATION",
        "Timeout of CCV packets (default: 72h).",
    ),
    (
        "--transfer-timeout-period",
        f"{_INIT}.transfer_timeout_period",
        "DURATION",
        "Timeout of reward transfers (default: 1h).",
    ),
    (
        "--redistribution-fraction",
        f"{_INIT}.consumer_redistribution_fraction",
        "FRACTION",
        "Share of the rewards that stays on the consumer (default: 0.75).",
    ),
    (
        "--distribution-channel",
        f"{_INIT}.distribution_transmission_channel",
        "CHANNEL",
        "Existing channel for the rewards.",
    ),
    (
        "--connection-id",
        f"{_INIT}.connection_id",
        "CONNECTION",
        "Connection of a sovereign chain that becomes a consumer.",
    ),
    (
        "--double-sign-slash",
        "infraction_parameters.double_sign.slash_fraction",
        "FRACTION",
        "Stake slashed for double signing.",
    ),
    (
        "--double-sign-jail",
        "infraction_parameters.double_sign.jail_duration",
        "DURATION",
        "Jail time, or forever.",
    ),
    (
        "--downtime-slash",
        "infraction_parameters.downtime.slash_fraction",
        "FRACTION",
        "Stake slashed for downtime.",
    ),
    ("--downtime-jail", "infraction_parameters.downtime.jail_duration", "DURATION", "Jail time, or forever."),
)
_NUMBERS = (
    (
        "--initial-height",
        f"{_INIT}.initial_height",
        "Initial height (default: 1); its revision follows from the chain id.",
    ),
    (
        "--blocks-per-distribution",
        f"{_INIT}.blocks_per_distribution_transmission",
        "Blocks between two payments of rewards (default: 1000).",
    ),
    ("--historical-entries", f"{_INIT}.historical_entries", "Number of historical entries (default: 10000)."),
    ("--top-n", f"{_SHAPE}.top_N", "0, or 50 to 100 (only for chains that governance owns)."),
    (
        "--validators-power-cap",
        f"{_SHAPE}.validators_power_cap",
        "Maximum share of one validator in per cent; 0: no cap.",
    ),
    ("--validator-set-cap", f"{_SHAPE}.validator_set_cap", "Maximum number of validators; 0: no cap."),
    ("--min-stake", f"{_SHAPE}.min_stake", "Minimum stake on the provider."),
)
_LISTS = (
    ("--allowlist", f"{_SHAPE}.allowlist", "valcons addresses of the only validators that may validate"),
    ("--denylist", f"{_SHAPE}.denylist", "valcons addresses of validators that may not validate"),
    ("--prioritylist", f"{_SHAPE}.prioritylist", "valcons addresses of validators that take precedence"),
    (
        "--reward-denoms",
        "allowlisted_reward_denoms",
        "ibc/… denominations in which the chain may pay rewards",
    ),
)
_SWITCHES = (
    (
        "--allow-inactive",
        f"{_SHAPE}.allow_inactive_vals",
        "Admit validators outside the provider's active set.",
    ),
    (
        "--double-sign-tombstone",
        "infraction_parameters.double_sign.tombstone",
        "Jail permanently for double signing.",
    ),
)


def add(parser: argparse.ArgumentParser) -> None:
    """Add the flags of a chain's terms."""
    text = "File with the terms, in YAML or the chain's own JSON; flags override it."
    parser.add_argument("--file", type=Path, metavar="PATH", help=text)
    group = parser.add_argument_group("terms of the chain")
    for flag, path, metavar, text in _TEXTS:
        group.add_argument(flag, dest=path, metavar=metavar, help=text)
    for flag, path, text in _NUMBERS:
        group.add_argument(flag, dest=path, metavar="N", type=int, help=text)
    for flag, path, text in _LISTS:
        group.add_argument(
            flag, dest=path, metavar="A,B", type=_comma_list, help=f"{text}; the complete list, '' for none."
        )
    for flag, path, text in _SWITCHES:
        group.add_argument(flag, dest=path, action=argparse.BooleanOptionalAction, help=text)
    group.add_argument(
        "--spawn-in", metavar="DURATION", help="Launch this long from now, instead of --spawn-time."
    )
    group.add_argument(
        "--genesis", type=Path, metavar="FILE", help="File to hash, instead of --genesis-hash."
    )
    group.add_argument("--binary", type=Path, metavar="FILE", help="File to hash, instead of --binary-hash.")


def values(args: argparse.Namespace, now: datetime.datetime) -> tuple[dict[str, Any], str]:
    """Return the terms from file and flags as nested values, and their origin.

    Args:
        args: of a parser with the flags of `add`.
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
    for path in (row[1] for row in (*_TEXTS, *_NUMBERS, *_LISTS, *_SWITCHES)):
        if (value := getattr(args, path)) is not None:
            _put(from_flags, path, value)
    for path, value in _computed(args, now).items():
        if getattr(args, path) is not None:
            raise errors.SettingsError(f"{path}: set by two flags; remove one")
        _put(from_flags, path, value)
    return overrides.deep_merge(
        from_file, from_flags
    ), "flags" if args.file is None else f"--file {args.file} and flags"


def _computed(args: argparse.Namespace, now: datetime.datetime) -> Mapping[str, str]:
    computed = {}
    if args.spawn_in is not None:
        try:
            wait = units.parse_nanoseconds(args.spawn_in)
        except ValueError as error:
            raise errors.SettingsError(f"--spawn-in: {error}") from error
        moment = now.astimezone(datetime.UTC) + datetime.timedelta(microseconds=wait // 1000)
        computed[f"{_INIT}.spawn_time"] = moment.isoformat().replace("+00:00", "Z")
    for option, path in (("genesis", f"{_INIT}.genesis_hash"), ("binary", f"{_INIT}.binary_hash")):
        file: Path | None = getattr(args, option)
        if file is not None:
            try:
                computed[path] = canonical_json.sha256_hex(file.read_bytes())
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
