"""Accounts with which a chain's relayer pays on the provider, and their top-ups; pure."""

from collections.abc import Mapping
from typing import Final

from ics import model
from ics.conditions import Condition, Reason, Severity
from ics.config import settings
from ics.cosmos import addresses
from ics.keys import derivation
from ics.relayer import inputs

_SIGNERS: Final = {"relayer": "Hermes", "evidence": "the evidence watch"}


def top_ups(
    settings: settings.Settings,
    seed: model.Secret,
    *,
    provider_chain_id: str,
    consumer_id: str,
    chain_id: str,
    balances: Mapping[str, int],
) -> tuple[model.TopUp, ...]:
    """Return a top-up for each account on the provider whose balance is below half of `ics:relayer.fund`.

    Args:
        settings: of the stack.
        seed: of the stack.
        provider_chain_id: of the provider.
        consumer_id: of the chain for which the accounts relay.
        chain_id: of that chain.
        balances: by address, in the denomination of the gas price; accounts without one are skipped.
    """
    relayer = settings.relayer
    if not relayer.enabled or settings.account is None:
        return ()
    due = []
    for purpose, address in provider_addresses(settings, seed, provider_chain_id, consumer_id):
        balance = balances.get(address)
        if balance is not None and 2 * balance < relayer.fund:
            due.append(
                model.TopUp(
                    consumer_id=consumer_id,
                    chain_id=chain_id,
                    purpose=purpose,
                    address=address,
                    amount=relayer.fund - balance,
                    denom=settings.provider.denom,
                )
            )
    return tuple(due)


def shortages(chain: inputs.Inputs) -> tuple[Condition, ...]:
    """Return conditions of empty accounts on the provider."""
    settings = chain.settings
    is_funded = settings.account is not None and settings.relayer.fund > 0
    remedy = (
        "the next pass tops it up"
        if is_funded
        else f"send it {settings.provider.denom}, or set ics:account and ics:relayer.fund"
    )
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
    account = relayer_address(chain.settings, chain.seed)
    return addresses.reprefix(account, chain.definition.bech32_prefix)


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
