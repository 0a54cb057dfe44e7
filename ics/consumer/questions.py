"""Open questions of the desired state, which must be answered before it is final; pure."""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from ics import model
from ics.consumer import desired, jail, lifecycle, missing_key, observed, terms, watchdog
from ics.cosmos import addresses
from ics.keys import derivation
from ics.relayer import accounts


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayQuestion:
    """Query of the IBC state between the provider and one consumer."""

    consumer_id: str
    namespace: str
    client_id: str
    """The provider's client of the consumer."""
    address: str
    """Account of this validator's relayer on the consumer."""
    denom: str
    """Denomination of its balance there."""
    is_stopped: bool = False
    """Whether pending rewards are queried too."""


@dataclass(frozen=True, slots=True)
class WindowQuestion:
    """Query of how many blocks a lost key may still miss."""

    namespace: str
    address: str
    """valcons of the key, with the consumer's prefix."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Questions:
    """Open questions of one pass; falsy if there are none."""

    geneses: Mapping[str, bool] = field(default_factory=dict)
    """Launched chains whose genesis must be fetched: whether it funds relayers, by consumer id."""
    keys: Mapping[str, bytes] = field(default_factory=dict)
    """Addresses (20 bytes) of keys that are about to be assigned, by consumer id."""
    relayers: tuple[RelayQuestion, ...] = ()
    accounts: tuple[str, ...] = ()
    """Accounts on the provider whose balances are needed."""
    slashing: bool = False
    """Whether the parameters of the provider's slashing module are needed."""
    endings: tuple[str, ...] = ()
    """Consumer ids of chains whose nodes would be ended, about which the other endpoints are asked."""
    queues: tuple[str, ...] = ()
    """Consumer ids of chains whose owners may have queued other infraction parameters."""

    windows: Mapping[str, WindowQuestion] = field(default_factory=dict)
    """Lost keys that are being replaced, by consumer id."""

    def __bool__(self) -> bool:
        return any(getattr(self, one.name) for one in fields(self))


def open_questions(observed: observed.Observed, wanted: desired.Desired, seed: model.Secret) -> Questions:
    """Return the queries that must be answered before the desired state is final.

    Args:
        observed: everything observed so far; questions that were answered or failed are not repeated.
        wanted: the desired state computed from it.
        seed: of the stack.
    """
    snapshot = observed.snapshot
    geneses = desired.lacks_genesis(wanted)
    return Questions(
        geneses={
            consumer_id: funds
            for consumer_id, funds in geneses.items()
            if consumer_id not in snapshot.launches
        },
        keys={
            consumer_id: address
            for consumer_id, address in desired.new_keys(wanted).items()
            if address not in observed.checked_keys
        },
        relayers=_relayers(observed, wanted, seed),
        accounts=tuple(
            address for address in _accounts(wanted, seed) if address not in observed.checked_accounts
        ),
        slashing=any(terms.Question.SLASHING in decision.open_terms for decision in wanted.decisions),
        endings=tuple(
            decision.summary.consumer_id for decision in wanted.decisions if decision.asks_endpoints
        ),
        queues=tuple(
            decision.summary.consumer_id
            for decision in wanted.decisions
            if terms.Question.QUEUE in decision.open_terms
        ),
        windows=_windows(observed, wanted),
    )


def _windows(observed: observed.Observed, wanted: desired.Desired) -> dict[str, WindowQuestion]:
    patience = datetime.timedelta(seconds=wanted.settings.node.stuck_after)
    found = {}
    for chain in wanted.chains:
        observation = observed.observations.get(chain.consumer_id)
        node = None if observation is None else observation.node
        is_known = chain.consumer_id in observed.windows or chain.consumer_id in observed.window_problems
        if node is None or is_known:
            continue
        if jail.is_rekeying(chain, node, watchdog.classify_progress(node, wanted.moment, patience)):
            prefix = f"{chain.definition.bech32_prefix}valcons"
            address = addresses.encode(prefix, missing_key.expected(chain, node))
            found[chain.consumer_id] = WindowQuestion(chain.namespace, address)
    return found


def _relayers(
    observed: observed.Observed, wanted: desired.Desired, seed: model.Secret
) -> tuple[RelayQuestion, ...]:
    account = None
    questions = []
    for decision in wanted.decisions:
        chain = decision.chain
        if (
            chain is None
            or chain.consumer_id in observed.relays
            or chain.consumer_id in observed.relay_problems
        ):
            continue
        # A stopped chain is queried even if only others relay, because its node waits for their packets.
        is_stopped = chain.stage is lifecycle.ShutdownStage.DRAINING
        if chain.relay is None and not is_stopped:
            continue
        observation = observed.observations.get(chain.consumer_id)
        if observation is None or observation.node is None or observation.node.height == 0:
            continue
        account = account or derivation.derive_account(seed, derivation.RELAYER_INFO)
        questions.append(
            RelayQuestion(
                consumer_id=chain.consumer_id,
                namespace=chain.namespace,
                client_id=decision.summary.client_id,
                address=account.address(chain.definition.bech32_prefix),
                denom=chain.definition.denom,
                is_stopped=is_stopped,
            )
        )
    return tuple(questions)


def _accounts(wanted: desired.Desired, seed: model.Secret) -> list[str]:
    settings = wanted.settings
    if not settings.relayer.enabled:
        return []
    return [
        address
        for chain in wanted.chains
        if chain.stage.relays
        for _, address in accounts.provider_addresses(
            settings, seed, wanted.provider_chain_id, chain.consumer_id
        )
    ]
