"""Accounts with which a chain's relayer pays on the provider, and their top-ups; pure."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from ics import model
from ics.conditions import Condition, Reason, Severity
from ics.config import chain_definition, settings
from ics.cosmos import gas_prices
from ics.keys import derivation
from ics.relayer import budget, inputs

_SIGNERS: Final = {"relayer": "Hermes", "evidence": "the evidence watch"}
_LEAST_SHARE: Final = Decimal("0.1")
"""Share of a full account below which the rest of a budget is not sent: the fee would not be worth it."""


@dataclass(frozen=True, slots=True)
class Funding:
    """Top-ups of one chain's accounts on the provider."""

    top_ups: tuple[model.TopUp, ...] = ()
    conditions: tuple[Condition, ...] = ()


def topped_up(sent: Mapping[str, int] | None, consumer_id: str) -> int | None:
    """Return the coins sent to one chain's accounts within the last 24 hours; None: not known."""
    return None if sent is None else sent.get(consumer_id, 0)


def fund(
    settings: settings.Settings,
    seed: model.Secret,
    *,
    provider_chain_id: str,
    consumer_id: str,
    chain_id: str,
    balances: Mapping[str, int],
    gas_price: gas_prices.GasPrice | None,
    topped_up: int | None,
    problem: str = "",
) -> Funding:
    """Return the top-ups of accounts on the provider that can pay for less than half of `ics:relayer.fund_gas`.

    Args:
        settings: of the stack.
        seed: of the stack.
        provider_chain_id: of the provider.
        consumer_id: of the chain for which the accounts relay.
        chain_id: of that chain.
        balances: by address, in the denomination of the gas price; accounts without one are skipped.
        gas_price: that the provider asks for; None: not known, so nothing is sent.
        topped_up: coins sent within the last 24 hours; None: not known yet, so the budget is ignored.
        problem: error from reading them, so nothing is sent.
    """
    relayer = settings.relayer
    if not relayer.enabled or settings.account is None or gas_price is None or relayer.fund_gas == 0:
        return Funding()
    price = _price(settings, gas_price)
    target = budget.coins_for(relayer.fund_gas, price)
    needs = [
        (purpose, address, target - balances[address])
        for purpose, address in provider_addresses(settings, seed, provider_chain_id, consumer_id)
        if address in balances and 2 * balances[address] < target
    ]
    if needs and problem:
        return Funding((), (_limited(f"its accounts are not topped up: {problem}", consumer_id),))
    left = _left(settings, price, topped_up)
    due = []
    for purpose, address, needed in needs:
        amount = needed if left is None else min(needed, left)
        if amount < min(needed, math.ceil(target * _LEAST_SHARE)):
            continue
        left = None if left is None else left - amount
        due.append(
            model.TopUp(
                consumer_id=consumer_id,
                chain_id=chain_id,
                purpose=purpose,
                address=address,
                amount=amount,
                denom=settings.provider.denom,
                enough=math.ceil(target / 2),
            )
        )
    is_short = sum(top_up.amount for top_up in due) < sum(needed for _, _, needed in needs)
    return Funding(tuple(due), (_used_up(settings, consumer_id),) if is_short else ())


def full_balance(settings: settings.Settings, asked: gas_prices.GasPrice) -> int | None:
    """Return the balance to which an account on the provider is topped up; None: it never is."""
    gas = settings.relayer.fund_gas
    return budget.coins_for(gas, _price(settings, asked)) if gas else None


def _price(settings: settings.Settings, asked: gas_prices.GasPrice) -> Decimal:
    """Return the price for which accounts are funded, at most the ceiling: above it nothing is sent anyway."""
    bounds = settings.provider.gas_bounds
    return min(max(bounds.floor, asked.amount), bounds.ceiling)


def _left(settings: settings.Settings, price: Decimal, topped_up: int | None) -> int | None:
    """Return the coins that the budget still allows; None: as many as are needed."""
    if topped_up is None or not price:  # where gas is free, an account gets one coin
        return None
    return max(0, budget.coins_for(settings.relayer.daily_gas, price) - topped_up)


def _used_up(settings: settings.Settings, consumer_id: str) -> Condition:
    message = (
        "the budget for this chain's relayer accounts on the provider is used up: within 24 hours they were sent what"
        f" ics:relayer.daily_gas ({settings.relayer.daily_gas}) costs"
    )
    return _limited(message, consumer_id)


def _limited(message: str, consumer_id: str) -> Condition:
    return Condition.new(Reason.TOP_UPS_LIMITED, message, consumer_id)


def shortages(chain: inputs.Inputs) -> tuple[Condition, ...]:
    """Return conditions of empty accounts on the provider."""
    settings = chain.settings
    is_funded = settings.account is not None and settings.relayer.fund_gas > 0
    remedy = (
        "the next pass tops it up"
        if is_funded
        else f"send it {settings.provider.denom}, or set ics:account and ics:relayer.fund_gas"
    )
    if is_funded and chain.gas_price is not None:
        left = _left(settings, _price(settings, chain.gas_price), chain.topped_up)
        if left == 0:
            is_funded, remedy = False, f"its budget is used up: send it {settings.provider.denom}"
    accounts = provider_addresses(settings, chain.seed, chain.provider_chain_id, chain.consumer_id)
    return tuple(
        Condition.new(
            Reason.WALLET_EMPTY,
            f"account {address} of {_SIGNERS[purpose]} on {chain.provider_chain_id} is empty; {remedy}",
            chain.consumer_id,
            severity=Severity.WARNING if is_funded else Severity.CRITICAL,
        )
        for purpose, address in accounts
        if chain.balances.get(address) == 0
    )


def consumer_account(chain: inputs.Inputs) -> str:
    """Return the account with which this validator's Hermes signs on the consumer, published or not."""
    return address_on(chain.definition, chain.seed)


def address_on(definition: chain_definition.Definition, seed: model.Secret) -> str:
    """Return the account with which this validator's Hermes signs on the consumer of a definition."""
    if definition.address_type == "ethermint":
        account = derivation.derive_evm_account(seed, derivation.RELAYER_INFO, definition.coin_type)
        return account.address(definition.bech32_prefix)
    return derivation.derive_account(seed, derivation.RELAYER_INFO).address(definition.bech32_prefix)


def provider_addresses(
    settings: settings.Settings, seed: model.Secret, provider_chain_id: str, consumer_id: str
) -> tuple[tuple[str, str], ...]:
    """Return (purpose, address) of the accounts that sign on the provider for one chain."""
    infos = (
        ("relayer", derivation.relayer_info(provider_chain_id, consumer_id)),
        ("evidence", derivation.evidence_info(provider_chain_id, consumer_id)),
    )
    prefix = settings.account_prefix
    return tuple((purpose, derivation.derive_account(seed, info).address(prefix)) for purpose, info in infos)


def relayer_address(settings: settings.Settings, seed: model.Secret) -> str:
    """Return the account that consumers' genesis files fund, with the provider's prefix."""
    return derivation.derive_account(seed, derivation.RELAYER_INFO).address(settings.account_prefix)
