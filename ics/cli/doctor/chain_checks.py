"""Checks of the provider's answers: clock, keys, account, description, definitions, conditions; pure."""

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ics import model
from ics.cli.doctor import findings
from ics.cli.doctor.findings import Finding
from ics.conditions import Condition, Severity
from ics.config import chain_definition, settings
from ics.consumer.peers import publication
from ics.cosmos import gas_prices
from ics.provider.tx import messages

_SKEW_SECONDS = 5.0
"""Tolerance: a block's time is the median of its validators' clocks."""
_GAS_OF_A_TRANSACTION = 300_000
"""An opt-in with a key takes about 150,000."""
_OVERPAID = 10
"""Ratio of the least price of the settings to the chain's own from which it counts as a mistake."""
_COMFORT = 20
"""Number of transactions that an account should be able to pay for."""


def clock(newest: datetime.datetime, now: datetime.datetime, max_lag: int) -> Finding:
    """Compare this machine's clock with the provider's newest block.

    Args:
        newest: time of the newest block that any endpoint has.
        now: of this machine.
        max_lag: seconds, see `ics:provider.max_lag`.
    """
    age = (now - newest).total_seconds()
    if age < -_SKEW_SECONDS:
        return findings.fail(
            "clock",
            f"this machine's clock is {-age:.0f} s behind the provider's newest block; synchronise it with NTP",
        )
    if age > max_lag:
        return findings.warn(
            "clock",
            f"the provider's newest block is {age:.0f} s old: the chain has halted, every endpoint lags, or"
            " this machine's clock is ahead; compare it with NTP",
        )
    return findings.ok("clock", f"the provider's newest block is {max(age, 0):.0f} s old")


def description(
    own: model.Validator,
    settings: settings.Settings,
    seed: model.Secret,
    address: str | None,
    installation: str,
) -> list[Finding]:
    """Check this validator's description; see `publication.find_problems`."""
    problems = publication.find_problems(own.details, settings, seed, address, installation)
    return findings.of_problems("description", problems, own.details, findings.Level.WARN)


@dataclass(frozen=True, slots=True)
class AccountBalance:
    """State of the signing account on the provider."""

    balance: int
    """In the denomination of the gas price."""
    is_known: bool
    """Whether the chain has an account with this address."""


def gas_price(asked: gas_prices.GasPrice, provider: settings.ProviderSettings) -> Finding:
    """Compare the gas price that the provider asks for with the bounds of the settings.

    Args:
        asked: by the provider.
        provider: its settings.
    """
    check, bounds = "ics:provider.gas_price", provider.gas_bounds
    floor, ceiling, price = (
        gas_prices.format_price(amount, bounds.denom)
        for amount in (bounds.floor, bounds.ceiling, asked.amount)
    )
    source = "its fee market" if asked.is_market else "the endpoint's own minimum"
    text = f"{provider.chain_id} asks {price} for a unit of gas ({source})"
    if asked.amount > bounds.ceiling:
        return findings.fail(
            check,
            f"{text}, more than the ceiling of {ceiling}, so every transaction is withheld; raise"
            " ics:provider.max_gas_price",
        )
    if asked.is_market and bounds.floor > _OVERPAID * asked.amount:
        return findings.warn(check, f"{text}; ics:provider.gas_price of {floor} overpays, lower it")
    return findings.ok(
        check, f"{text}, between {floor} and {ceiling}" if asked.amount > bounds.floor else text
    )


def funds(
    address: str,
    settings: settings.Settings,
    account: AccountBalance,
    asked: gas_prices.GasPrice,
) -> list[Finding]:
    """Check the balance of the account that pays the fees.

    Args:
        address: of the account.
        settings: of the stack.
        account: its state.
        asked: gas price that the provider asks for.
    """
    check, results = "ics:account", list[Finding]()
    bounds = settings.provider.gas_bounds
    denom = bounds.denom
    fee = max(1, messages.fee(_GAS_OF_A_TRANSACTION, max(bounds.floor, min(asked.amount, bounds.ceiling))))
    if account.balance < fee:
        unknown = "" if account.is_known else " (unknown to the chain)"
        results.append(
            findings.fail(
                check,
                f"{address}{unknown} holds {account.balance}{denom}, less than one fee of {fee}{denom}; send it funds",
            )
        )
    elif account.balance < _COMFORT * fee:
        results.append(
            findings.warn(
                check,
                f"{address} holds {account.balance}{denom}, enough for {account.balance // fee} transactions; send it"
                " funds",
            )
        )
    return results or [findings.ok(check, f"{address} holds {account.balance}{denom}")]


def definitions(
    loaded: Sequence[chain_definition.LoadedDefinition], snapshot: model.Snapshot | None
) -> list[Finding]:
    """Check the genesis files of the chain definitions, and list the chains that they match.

    Args:
        loaded: all of them.
        snapshot: of the provider, None if it could not be read.
    """
    results = []
    for definition in loaded:
        check = f"stacks/chains/{definition.definition.name}.yaml"
        if definition.problem:
            # A final genesis may be published after the launch.
            results.append(
                (findings.warn if definition.is_awaited else findings.fail)(check, definition.problem)
            )
            continue
        results.append(_matches(check, definition.definition.match, snapshot))
    if not loaded:
        results.append(
            findings.warn(
                "definitions",
                "none in stacks/chains, so no chain is joined; draft one by ics chain import, or write one",
            )
        )
    return results


def _matches(check: str, match: chain_definition.Match, snapshot: model.Snapshot | None) -> Finding:
    """Report the chains that a definition with an available genesis file matches, also those of other owners."""
    text = "genesis file available"
    if match.owner == chain_definition.ANY_OWNER:
        text += "; any owner is accepted, also a stranger"
    if snapshot is None:
        return findings.ok(check, text)
    near = [
        consumer
        for consumer in snapshot.consumers
        if consumer.summary.phase is not model.Phase.DELETED
        and chain_definition.may_match(match, consumer.summary.consumer_id, consumer.summary.chain_id)
    ]
    matched = [consumer for consumer in near if _may_own(match, consumer)]
    text += f"; matches {', '.join(map(_shown, matched))}" if matched else "; matches no chain"
    others = [consumer for consumer in near if consumer not in matched]
    if others:
        text += f"; not match.owner: {', '.join(map(_shown, others))}"
    return findings.ok(check, text)


def _may_own(match: chain_definition.Match, consumer: model.Consumer) -> bool:
    """Return whether the owner is the definition's, or not known here."""
    return consumer.detail is None or match.owner in (chain_definition.ANY_OWNER, consumer.detail.owner)


def _shown(consumer: model.Consumer) -> str:
    return f"{consumer.summary.chain_id} ({consumer.summary.consumer_id})"


def conditions(reasons: Mapping[str, Sequence[Condition]]) -> list[Finding]:
    """Report the warnings of `ics status` by chain id; the empty id stands for the validator."""
    results = []
    for chain_id, conditions_of_chain in reasons.items():
        for condition in conditions_of_chain:
            if condition.severity is Severity.INFO:
                continue
            level = findings.Level.FAIL if condition.severity is Severity.CRITICAL else findings.Level.WARN
            check = f"chain {chain_id}" if chain_id else "validator"
            results.append(Finding(check, level, f"{condition.reason}: {condition.message}"))
    return results or [findings.ok("conditions", "none requires action")]
