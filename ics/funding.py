"""The accounts with which a chain's relayer pays on the provider, and what fills them up; pure."""

from ics import config, keys, membership, model


def top_ups(facts: membership.Facts, consumer_id: str, chain_id: str) -> tuple[model.TopUp, ...]:
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


def provider_addresses(
    settings: config.Settings, seed: model.Secret, provider_chain_id: str, consumer_id: str
) -> tuple[tuple[str, str], ...]:
    """(purpose, address) of the accounts that sign on the provider for one chain."""
    infos = (
        ("relayer", keys.relayer_info(provider_chain_id, consumer_id)),
        ("evidence", keys.evidence_info(provider_chain_id, consumer_id)),
    )
    prefix = settings.account_prefix
    return tuple((purpose, keys.derive_account(seed, info).address(prefix)) for purpose, info in infos)
