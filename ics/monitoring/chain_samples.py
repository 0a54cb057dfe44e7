"""Metrics of one chain that this validator has joined, would join or runs; pure."""

import datetime
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ics import model, names
from ics.conditions import Condition
from ics.consumer import (
    chain,
    chain_decision,
    lifecycle,
    missing_key,
    observed,
    participation,
    rewards,
    signing,
    status,
    upgrades,
    volumes,
)
from ics.consumer import desired as consumer_desired
from ics.consumer.peers import updates
from ics.cosmos import addresses, times
from ics.monitoring import metrics
from ics.relayer import accounts, facts

_WANTED = (
    participation.Participation.SELECTED,
    participation.Participation.OPTED_IN,
    participation.Participation.VALIDATING,
)
_RELAYERS = (("hermes", names.HERMES), ("evidence", names.EVIDENCE))
_DIRECTIONS = ("to_consumer", "to_provider")
"""In the order of `facts.Packets.oldest`."""
_MOST_DENOMS = 100
"""Denominations of one chain's rewards that have series; a chain can send tokens of any number of them."""
_Gauge = Callable[..., metrics.Sample]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainFacts:
    """What one pass knows about one chain."""

    observed: observed.Observed
    desired: consumer_desired.Desired
    decision: chain_decision.ChainDecision
    report: status.ChainReport
    detail: model.ConsumerDetail | None
    """Of the chain at the provider; None if the pass has not read it."""
    seed: model.Secret
    """From which the addresses of the relayer's accounts are derived."""
    missed: model.MissedBlocks | None = None
    """What the chain's slashing module counts about the validator's key; None: not read."""
    balance: rewards.ChainBalance | None = None
    """What the chain has brought and cost; None: not read."""

    @property
    def consumer_id(self) -> str:
        """Of the chain."""
        return self.decision.summary.consumer_id


def is_ours(facts: ChainFacts) -> bool:
    """Return whether a chain has series of its own: this validator has joined it, would join it, or runs its node."""
    return (
        facts.decision.participation in _WANTED
        or facts.decision.chain is not None
        or facts.consumer_id in facts.observed.memory.chains
    )


def samples(facts: ChainFacts) -> tuple[metrics.Sample, ...]:
    """Return all samples of a chain that is ours."""
    labels = (facts.desired.settings.validator, facts.consumer_id, facts.decision.summary.chain_id)

    def gauge(family: metrics.Family, value: float, *more: str) -> metrics.Sample:
        return family.of(value, *labels, *more)

    return (
        *_of_chain(gauge, facts),
        *_of_node(gauge, facts),
        *_of_signing(gauge, facts.missed),
        *_of_volume(gauge, facts),
        *_of_upgrade(gauge, facts.decision.chain),
        *_of_relayer(gauge, facts),
        *_of_wallets(gauge, facts),
        *_of_balance(gauge, facts),
        *of_conditions(*labels, conditions=facts.report.conditions),
    )


def of_conditions(
    validator: str, consumer_id: str = "", chain_id: str = "", *, conditions: tuple[Condition, ...]
) -> Iterator[metrics.Sample]:
    """Yield the samples of conditions, one for each reason with its severity."""
    for reason, severity in sorted({(c.reason.value, c.severity.name.lower()) for c in conditions}):
        yield metrics.CONDITION.of(1, validator, consumer_id, chain_id, reason, severity)


def _of_chain(gauge: _Gauge, facts: ChainFacts) -> Iterator[metrics.Sample]:
    decision, plan, detail = facts.decision, facts.decision.chain, facts.detail
    snapshot = facts.observed.snapshot
    if plan is not None:
        yield gauge(metrics.CHAIN_INFO, 1, plan.namespace, plan.definition.name, plan.version.image)
    for phase in model.Phase:
        yield gauge(metrics.CHAIN_PHASE, decision.summary.phase is phase, phase.value)
    is_settled = plan is not None and signing.is_settled(plan.sign_state)
    yield gauge(metrics.CHAIN_WANTED, decision.participation in _WANTED)
    yield gauge(metrics.CHAIN_STAGED, is_settled)
    yield gauge(metrics.CHAIN_MUST_VALIDATE, facts.consumer_id in snapshot.must_validate)
    yield gauge(metrics.CHAIN_SIGN_STATE_READY, is_settled)
    if detail is None:
        return
    valcons = consumer_desired.own_validator(snapshot, facts.desired.settings).consensus_address
    is_matching = plan is not None and detail.own_consumer_address == plan.key.key.address
    yield gauge(metrics.CHAIN_OPTED_IN, valcons in detail.opted_in)
    yield gauge(metrics.CHAIN_IN_SET, _is_in_set(facts, detail, valcons))
    yield gauge(metrics.CHAIN_KEY_MATCHES, is_matching)
    if detail.spawn_time is not None:
        yield gauge(metrics.CHAIN_SPAWN_TIME, times.parse_time(detail.spawn_time).timestamp())


def _is_in_set(facts: ChainFacts, detail: model.ConsumerDetail, valcons: str) -> bool:
    """Return whether the running chain expects this validator's signature."""
    if facts.decision.summary.phase is not model.Phase.LAUNCHED:
        return False
    plan, node = facts.decision.chain, _node(facts)
    if plan is not None and node is not None and node.height > 0:
        return missing_key.expected(plan, node) in node.validators
    return any(member.consensus_address == valcons for member in detail.validators)


def _node(facts: ChainFacts) -> model.NodeStatus | None:
    observation = facts.observed.observations.get(facts.consumer_id)
    return None if observation is None else observation.node


def _of_node(gauge: _Gauge, facts: ChainFacts) -> Iterator[metrics.Sample]:
    plan = facts.decision.chain
    observation = facts.observed.observations.get(facts.consumer_id)
    is_due = plan is not None and plan.genesis is not None
    if plan is not None and plan.stage is lifecycle.ShutdownStage.STOPPED:
        return
    if not is_due and observation is None:
        return
    pod, node = (None, None) if observation is None else (observation.pod, observation.node)
    yield gauge(metrics.NODE_UP, node is not None)
    yield gauge(metrics.NODE_READY, pod is not None and pod.is_ready)
    yield gauge(metrics.NODE_SIGNING, node is not None and _signs(node))
    if node is None:
        return
    yield gauge(metrics.NODE_CATCHING_UP, node.is_catching_up)
    yield gauge(metrics.NODE_HEIGHT, node.height)
    yield gauge(metrics.NODE_PEERS, node.peers)
    yield gauge(metrics.NODE_VALIDATORS, len(node.validators))
    yield gauge(metrics.NODE_SIGNERS, len(node.signers))
    if node.app_height is not None:
        yield gauge(metrics.NODE_APP_HEIGHT, node.app_height)
    if node.block_time is not None:
        yield gauge(metrics.NODE_BLOCK_TIME, node.block_time.timestamp())
    if plan is not None:
        missing = updates.missing_peers(plan.peering.persistent_peers, node)
        yield gauge(metrics.NODE_PEERS_MISSING, len(missing))


def _signs(node: model.NodeStatus) -> bool:
    """Return whether the key of the node itself, which may be a throw-away key, signed the last commit."""
    return addresses.consensus_address(node.consensus_key) in node.signers


def _of_signing(gauge: _Gauge, count: model.MissedBlocks | None) -> Iterator[metrics.Sample]:
    if count is not None:
        yield gauge(metrics.MISSED_BLOCKS, count.missed)
        yield gauge(metrics.WINDOW_BLOCKS, count.allowance.blocks)
        yield gauge(metrics.ALLOWED_MISSED_BLOCKS, count.allowance.allowed)


def _of_volume(gauge: _Gauge, facts: ChainFacts) -> Iterator[metrics.Sample]:
    memory = facts.observed.memory.chains.get(facts.consumer_id)
    pod = ("" if memory is None else memory.namespace, names.NODE_POD)
    use = facts.observed.volume_uses.get(pod)
    claim = None if memory is None else memory.claim
    # What else lies on a shared disk is not the chain's.
    if use is None or (claim is not None and volumes.is_shared(claim, use)):
        return
    yield gauge(metrics.VOLUME_USED, use.newest.used)
    yield gauge(metrics.VOLUME_SIZE, use.newest.used + use.newest.available)


def _of_upgrade(gauge: _Gauge, plan: chain.ChainPlan | None) -> Iterator[metrics.Sample]:
    upgrade = None if plan is None else plan.upgrade
    if upgrade is None or not upgrade.height or upgrade.state is upgrades.State.UPGRADING:
        return
    scheduled, listed = upgrade.scheduled, upgrade.next
    is_planned = scheduled is not None and scheduled.height == upgrade.height
    name = scheduled.name if scheduled is not None and is_planned else "" if listed is None else listed.label
    labels = (name, "plan" if is_planned else "definition")
    is_ready = upgrade.state in (upgrades.State.READY, upgrades.State.HALTED)
    yield gauge(metrics.UPGRADE_HEIGHT, upgrade.height, *labels)
    yield gauge(metrics.UPGRADE_READY, is_ready, *labels)
    if upgrade.expected is not None:
        yield gauge(metrics.UPGRADE_EXPECTED, upgrade.expected.timestamp(), *labels)


def _of_relayer(gauge: _Gauge, facts: ChainFacts) -> Iterator[metrics.Sample]:
    plan, relays = facts.decision.chain, facts.observed.relays.get(facts.consumer_id)
    relayer = None if plan is None else plan.relay
    if relayer is None:
        return
    memory = facts.observed.memory.chains[facts.consumer_id].relayer
    for component, key in _RELAYERS:
        setup = relayer.relays if key == names.HERMES else relayer.base
        if setup is not None:
            instance = memory.instances.get(key)
            pod = None if instance is None else instance.pod
            yield gauge(metrics.RELAYER_UP, pod is not None and pod.is_ready, component)
    if relayer.state is not None:
        yield gauge(metrics.CHANNEL_OPEN, relayer.state.ccv is not None, "ccv")
        yield gauge(metrics.CHANNEL_OPEN, relayer.state.transfer is not None, "transfer")
    if relays is not None:
        yield from _of_clients(gauge, relays)
        record = relayer.record or memory.record
        yield from _of_packets(
            gauge, relays.packets, (None, None) if record is None else record.pending_since
        )


def _of_clients(gauge: _Gauge, relays: facts.Facts) -> Iterator[metrics.Sample]:
    for live in relays.clients:
        host = live.host.value
        yield gauge(metrics.CLIENT_EXPIRY, live.client.expires.timestamp(), host)
        yield gauge(metrics.CLIENT_TRUSTING_PERIOD, live.client.trusting_period.total_seconds(), host)
        yield gauge(metrics.CLIENT_FROZEN, live.client.is_frozen, host)


def _of_packets(
    gauge: _Gauge,
    packets: facts.Packets | None,
    since: tuple[datetime.datetime | None, datetime.datetime | None],
) -> Iterator[metrics.Sample]:
    if packets is None:
        return
    numbers = (packets.unacknowledged_by_consumer, packets.unacknowledged_by_provider)
    for direction, number, moment in zip(_DIRECTIONS, numbers, since, strict=True):
        yield gauge(metrics.PACKETS_PENDING, number, direction)
        yield gauge(metrics.PACKETS_PENDING_SINCE, 0 if moment is None else moment.timestamp(), direction)


def _of_wallets(gauge: _Gauge, facts: ChainFacts) -> Iterator[metrics.Sample]:
    settings, plan = facts.desired.settings, facts.decision.chain
    relays = facts.observed.relays.get(facts.consumer_id)
    if plan is None or plan.relay is None:
        return
    if relays is not None:
        yield gauge(metrics.WALLET_BALANCE, relays.consumer_balance, "consumer", plan.definition.denom)
    price = facts.observed.gas_price
    target = None if price is None else accounts.full_balance(settings, price)
    denom = settings.provider.denom
    identity = (facts.observed.snapshot.chain_id, facts.consumer_id)
    for purpose, address in accounts.provider_addresses(settings, facts.seed, *identity):
        if address in facts.observed.balances:
            yield gauge(metrics.WALLET_BALANCE, facts.observed.balances[address], purpose, denom)
            if target is not None:
                yield gauge(metrics.WALLET_TARGET, target, purpose, denom)


def _of_balance(gauge: _Gauge, facts: ChainFacts) -> Iterator[metrics.Sample]:
    balance, denom = facts.balance, facts.desired.settings.provider.denom
    if balance is None:
        return
    for reward in balance.rewards[:_MOST_DENOMS]:
        labels = (reward.denom, reward.base)
        yield gauge(metrics.REWARDS_OUTSTANDING, float(reward.outstanding), *labels)
        yield gauge(metrics.REWARDS_COMMISSION, float(reward.commission), *labels)
    yield gauge(metrics.CHAIN_FEES, balance.costs.fees, denom)
    yield gauge(metrics.CHAIN_FUNDING, balance.costs.funding, denom)
