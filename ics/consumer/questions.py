"""Open questions of the desired state, which must be answered before it is final; pure."""

import dataclasses
import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from ics import errors, model
from ics.consumer import desired, jail, key_check, lifecycle, missing_key, observed, terms, watchdog
from ics.consumer.peers import seeds
from ics.cosmos import addresses
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


@dataclass(frozen=True, slots=True)
class SilenceQuestion:
    """Query whether another cluster signs with a key that its node here must not use."""

    namespace: str
    address: bytes
    """Of the key (20 bytes)."""
    heights: range
    """Commits that must lack its signature."""


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
    gas_price: bool = False
    """Whether the price of a unit of gas on the provider is needed."""
    topped_up: bool = False
    """Whether it is needed what was sent to relayers' accounts before."""
    slashing: bool = False
    """Whether the parameters of the provider's slashing module are needed."""
    endings: tuple[str, ...] = ()
    """Consumer ids of chains whose nodes would be ended, about which the other endpoints are asked."""
    queues: tuple[str, ...] = ()
    """Consumer ids of chains whose owners may have queued other infraction parameters."""
    hosts: Mapping[str, bool] = field(default_factory=dict)
    """Host names of seeds and peers of nodes that do not run yet: whether an earlier answer will do, because the node
    is due."""
    windows: Mapping[str, WindowQuestion] = field(default_factory=dict)
    """Lost keys that are being replaced, by consumer id."""
    clients: Mapping[str, str] = field(default_factory=dict)
    """Ids of the provider's IBC clients of chains whose nodes would fetch a snapshot, by consumer id."""
    silences: Mapping[str, SilenceQuestion] = field(default_factory=dict)
    """Keys whose mark knows no certificate of this cluster, by consumer id."""
    failures: Mapping[str, str] = field(default_factory=dict)
    """Chains whose questions could not be computed, and why, by consumer id; then nothing else is asked."""

    def chains(self) -> frozenset[str]:
        """Return the consumer ids of the chains about which something is asked."""
        relayers = (question.consumer_id for question in self.relayers)
        by_id = (self.geneses, self.keys, self.windows, self.clients, self.silences, self.failures)
        return frozenset().union(*by_id, relayers, self.endings, self.queues)

    def __bool__(self) -> bool:
        return any(getattr(self, one.name) for one in fields(self))


def open_questions(observed: observed.Observed, wanted: desired.Desired, seed: model.Secret) -> Questions:
    """Return the queries that must be answered before the desired state is final.

    Args:
        observed: everything observed so far; questions that were answered or failed are not repeated.
        wanted: the desired state computed from it.
        seed: of the stack.

    Raises:
        Exception: what was raised, if it is not about one chain.
    """
    try:
        return _all_questions(observed, wanted, seed)
    except Exception:
        failures = {}
        for decision in wanted.decisions:
            try:
                _all_questions(observed, dataclasses.replace(wanted, decisions=(decision,)), seed)
            except Exception as error:
                failures[decision.summary.consumer_id] = str(errors.of_chain(error))
        if not failures:
            raise
        return Questions(failures=failures)


def _all_questions(observed: observed.Observed, wanted: desired.Desired, seed: model.Secret) -> Questions:
    snapshot = observed.snapshot
    geneses = desired.lacks_genesis(wanted)
    relayers, accounts = _relayers(observed, wanted, seed), _accounts(wanted, seed)
    is_priced = observed.gas_price is not None or bool(observed.gas_price_problem)
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
        relayers=relayers,
        accounts=tuple(address for address in accounts if address not in observed.checked_accounts),
        gas_price=bool(relayers or accounts) and not is_priced,
        topped_up=observed.topped_up is None
        and not observed.topped_up_problem
        and any(isinstance(intent, model.TopUp) for intent in wanted.intents),
        slashing=any(terms.Question.SLASHING in decision.open_terms for decision in wanted.decisions),
        endings=tuple(
            decision.summary.consumer_id for decision in wanted.decisions if decision.asks_endpoints
        ),
        queues=tuple(
            decision.summary.consumer_id
            for decision in wanted.decisions
            if terms.Question.QUEUE in decision.open_terms
        ),
        hosts=_hosts(observed, wanted),
        windows=_windows(observed, wanted),
        clients={
            decision.summary.consumer_id: decision.summary.client_id
            for decision in wanted.decisions
            if decision.chain is not None and decision.chain.state_sync.asks_client
        },
        silences=_silences(observed, wanted),
    )


def _hosts(observed: observed.Observed, wanted: desired.Desired) -> dict[str, bool]:
    found: dict[str, bool] = {}
    for chain in wanted.chains:
        observation = observed.observations.get(chain.consumer_id)
        if observation is not None and observation.node is not None:
            continue  # its address book is not empty
        known = seeds.hosts(chain.definition.seeds) | chain.peering.host_names
        for host in known - observed.checked_hosts:
            found[host] = found.get(host, False) or not chain.spawns
    return found


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


def _silences(observed: observed.Observed, wanted: desired.Desired) -> dict[str, SilenceQuestion]:
    """Return the keys that may be replaced once they are seen to be silent, because the mark is of another cluster."""
    found: dict[str, SilenceQuestion] = {}
    if wanted.settings.signing.lost_volume == "wait":
        return found
    patience = wanted.settings.node.stuck_after
    for chain in wanted.chains:
        observation = observed.observations.get(chain.consumer_id)
        if observation is None or observation.pod is None or observation.node is None:
            continue
        node, address = observation.node, chain.key.key.address
        check = key_check.result(observation.pod.key_check, address.hex().upper())
        is_due = chain.key.is_assigned and chain.stage is lifecycle.ShutdownStage.RUNNING
        if check is not key_check.KeyCheck.OTHER_CLUSTER or not is_due:
            continue
        heights = missing_key.silent_heights(address, node, chain.watchdog)
        is_at_head = watchdog.is_at_head(node, wanted.moment, patience)
        if heights and is_at_head and chain.consumer_id not in observed.silent_keys:
            found[chain.consumer_id] = SilenceQuestion(chain.namespace, address, heights)
    return found


def _relayers(
    observed: observed.Observed, wanted: desired.Desired, seed: model.Secret
) -> tuple[RelayQuestion, ...]:
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
        questions.append(
            RelayQuestion(
                consumer_id=chain.consumer_id,
                namespace=chain.namespace,
                client_id=decision.summary.client_id,
                address=accounts.address_on(chain.definition, seed),
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
