"""The accounts with which a chain's relayer pays on the provider, and what fills them up; pure."""

from typing import Final

from ics import model
from ics.conditions import Condition, Reason, Severity
from ics.config import settings
from ics.consumer import context
from ics.keys import derivation

_SIGNERS: Final = {"relayer": "Hermes", "evidence": "the watch for evidence"}


def top_ups(facts: context.ChainContext, consumer_id: str, chain_id: str) -> tuple[model.TopUp, ...]:
    """Accounts on the provider that are low, each with what fills it up."""
    relayer = facts.settings.relayer
    if not relayer.enabled or facts.settings.account is None:
        return ()
    due = []
    for purpose, address in provider_addresses(
        facts.settings, facts.seed, facts.snapshot.chain_id, consumer_id
    ):
        held = facts.seen.balances.get(address)
        if held is not None and 2 * held < relayer.fund:
            due.append(
                model.TopUp(
                    consumer_id,
                    chain_id,
                    purpose,
                    address,
                    relayer.fund - held,
                    facts.settings.provider.denom,
                )
            )
    return tuple(due)


def shortages(facts: context.ChainContext, consumer_id: str) -> tuple[Condition, ...]:
    """Accounts on the provider that are empty, each with what is to be done."""
    settings = facts.settings
    fills = settings.account is not None and settings.relayer.fund > 0
    mend = (
        "the next pass fills it up"
        if fills
        else f"send it {settings.provider.denom}, or set ics:account and ics:relayer.fund"
    )
    addresses = provider_addresses(settings, facts.seed, facts.snapshot.chain_id, consumer_id)
    return tuple(
        Condition.new(
            Reason.WALLET_EMPTY,
            f"the account {address} on {facts.snapshot.chain_id}, with which {_SIGNERS[purpose]} signs, is"
            f" empty: {mend}",
            consumer_id,
            severity=Severity.WARNING if fills else Severity.CRITICAL,
        )
        for purpose, address in addresses
        if facts.seen.balances.get(address) == 0
    )


def provider_addresses(
    settings: settings.Settings, seed: model.Secret, provider_chain_id: str, consumer_id: str
) -> tuple[tuple[str, str], ...]:
    """(purpose, address) of the accounts that sign on the provider for one chain."""
    infos = (
        ("relayer", derivation.relayer_info(provider_chain_id, consumer_id)),
        ("evidence", derivation.evidence_info(provider_chain_id, consumer_id)),
    )
    prefix = settings.account_prefix
    return tuple((purpose, derivation.derive_account(seed, info).address(prefix)) for purpose, info in infos)


def relayer_address(settings: settings.Settings, seed: model.Secret) -> str:
    """The account that is funded on consumers, as the provider writes it."""
    return derivation.derive_account(seed, derivation.RELAYER_INFO).address(settings.account_prefix)
