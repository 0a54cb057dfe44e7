"""Terms of a consumer chain as options; `ics.cli.owner_flags` reads them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

from ics.cli import command
from ics.cli.arguments import shared

_PANEL: Final = "Terms of the chain"
_INIT: Final = "initialization_parameters"
_SHAPE: Final = "power_shaping_parameters"


def _term(*names: str, **more: Any) -> Any:
    return command.option(*names, rich_help_panel=_PANEL, **more)


@dataclass(frozen=True, kw_only=True)
class Terms(shared.Sending):
    """Of a command that sets terms of a chain."""

    file: Annotated[
        Path | None,
        command.option(
            metavar="PATH", help="File with the terms, in YAML or the chain's own JSON; flags override it."
        ),
    ] = None
    name: Annotated[str | None, _term(metavar="TEXT", help="Name of the chain.")] = None
    description: Annotated[str | None, _term(metavar="TEXT", help="Purpose of the chain.")] = None
    metadata: Annotated[
        str | None, _term(metavar="TEXT", help="Further information, such as the URL of its repository.")
    ] = None
    spawn_time: Annotated[
        str | None, _term(metavar="TIME", help="Launch time, such as 2030-01-31T12:00:00Z, or none.")
    ] = None
    genesis_hash: Annotated[str | None, _term(metavar="HEX", help="sha256 of the published genesis.")] = None
    binary_hash: Annotated[str | None, _term(metavar="HEX", help="sha256 of the binary.")] = None
    unbonding_period: Annotated[
        str | None, _term(metavar="DURATION", help="Unbonding period (default: 24h).")
    ] = None
    ccv_timeout_period: Annotated[
        str | None, _term(metavar="DURATION", help="Timeout of CCV packets (default: 72h).")
    ] = None
    transfer_timeout_period: Annotated[
        str | None, _term(metavar="DURATION", help="Timeout of reward transfers (default: 1h).")
    ] = None
    redistribution_fraction: Annotated[
        str | None,
        _term(metavar="FRACTION", help="Share of the rewards that stays on the consumer (default: 0.75)."),
    ] = None
    distribution_channel: Annotated[
        str | None, _term(metavar="CHANNEL", help="Existing channel for the rewards.")
    ] = None
    connection_id: Annotated[
        str | None,
        _term(metavar="CONNECTION", help="Connection of a sovereign chain that becomes a consumer."),
    ] = None
    double_sign_slash: Annotated[
        str | None, _term(metavar="FRACTION", help="Stake slashed for double signing.")
    ] = None
    double_sign_jail: Annotated[str | None, _term(metavar="DURATION", help="Jail time, or forever.")] = None
    downtime_slash: Annotated[str | None, _term(metavar="FRACTION", help="Stake slashed for downtime.")] = (
        None
    )
    downtime_jail: Annotated[str | None, _term(metavar="DURATION", help="Jail time, or forever.")] = None
    initial_height: Annotated[
        int | None,
        _term(metavar="N", help="Initial height (default: 1); its revision follows from the chain id."),
    ] = None
    blocks_per_distribution: Annotated[
        int | None, _term(metavar="N", help="Blocks between two payments of rewards (default: 1000).")
    ] = None
    historical_entries: Annotated[
        int | None, _term(metavar="N", help="Number of historical entries (default: 10000).")
    ] = None
    top_n: Annotated[
        int | None, _term(metavar="N", help="0, or 50 to 100 (only for chains that governance owns).")
    ] = None
    validators_power_cap: Annotated[
        int | None, _term(metavar="N", help="Maximum share of one validator in per cent; 0: no cap.")
    ] = None
    validator_set_cap: Annotated[
        int | None, _term(metavar="N", help="Maximum number of validators; 0: no cap.")
    ] = None
    min_stake: Annotated[int | None, _term(metavar="N", help="Minimum stake on the provider.")] = None
    allowlist: Annotated[
        str | None,
        _term(
            metavar="A,B",
            help="Valcons addresses of the only validators that may validate; the complete list, '' for none.",
        ),
    ] = None
    denylist: Annotated[
        str | None,
        _term(
            metavar="A,B",
            help="Valcons addresses of validators that may not validate; the complete list, '' for none.",
        ),
    ] = None
    prioritylist: Annotated[
        str | None,
        _term(
            metavar="A,B",
            help="Valcons addresses of validators that take precedence; the complete list, '' for none.",
        ),
    ] = None
    reward_denoms: Annotated[
        str | None,
        _term(
            metavar="A,B",
            help="Denominations such as ibc/27…C2 in which the chain may pay rewards; the complete list, '' for none.",
        ),
    ] = None
    allow_inactive: Annotated[
        bool | None,
        _term(
            "--allow-inactive/--no-allow-inactive", help="Admit validators outside the provider's active set."
        ),
    ] = None
    double_sign_tombstone: Annotated[
        bool | None,
        _term(
            "--double-sign-tombstone/--no-double-sign-tombstone", help="Jail permanently for double signing."
        ),
    ] = None
    spawn_in: Annotated[
        str | None, _term(metavar="DURATION", help="Launch this long from now, instead of --spawn-time.")
    ] = None
    genesis: Annotated[
        Path | None, _term(metavar="FILE", help="File to hash, instead of --genesis-hash.")
    ] = None
    binary: Annotated[Path | None, _term(metavar="FILE", help="File to hash, instead of --binary-hash.")] = (
        None
    )


PATHS: Final = {
    "name": "metadata.name",
    "description": "metadata.description",
    "metadata": "metadata.metadata",
    "spawn_time": f"{_INIT}.spawn_time",
    "genesis_hash": f"{_INIT}.genesis_hash",
    "binary_hash": f"{_INIT}.binary_hash",
    "unbonding_period": f"{_INIT}.unbonding_period",
    "ccv_timeout_period": f"{_INIT}.ccv_timeout_period",
    "transfer_timeout_period": f"{_INIT}.transfer_timeout_period",
    "redistribution_fraction": f"{_INIT}.consumer_redistribution_fraction",
    "distribution_channel": f"{_INIT}.distribution_transmission_channel",
    "connection_id": f"{_INIT}.connection_id",
    "double_sign_slash": "infraction_parameters.double_sign.slash_fraction",
    "double_sign_jail": "infraction_parameters.double_sign.jail_duration",
    "downtime_slash": "infraction_parameters.downtime.slash_fraction",
    "downtime_jail": "infraction_parameters.downtime.jail_duration",
    "initial_height": f"{_INIT}.initial_height",
    "blocks_per_distribution": f"{_INIT}.blocks_per_distribution_transmission",
    "historical_entries": f"{_INIT}.historical_entries",
    "top_n": f"{_SHAPE}.top_N",
    "validators_power_cap": f"{_SHAPE}.validators_power_cap",
    "validator_set_cap": f"{_SHAPE}.validator_set_cap",
    "min_stake": f"{_SHAPE}.min_stake",
    "allowlist": f"{_SHAPE}.allowlist",
    "denylist": f"{_SHAPE}.denylist",
    "prioritylist": f"{_SHAPE}.prioritylist",
    "reward_denoms": "allowlisted_reward_denoms",
    "allow_inactive": f"{_SHAPE}.allow_inactive_vals",
    "double_sign_tombstone": "infraction_parameters.double_sign.tombstone",
}
"""Field of `Terms`, and the path of the value that it sets."""
LISTS: Final = frozenset({"allowlist", "denylist", "prioritylist", "reward_denoms"})
"""Fields whose text is a list, separated by commas."""
