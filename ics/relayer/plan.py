"""Plan of this validator's relayer for one consumer chain; pure.

Until the CCV channel is open, single Jobs execute handshake steps and client updates; afterwards a Deployment
relays. The two never run at the same time, because they sign with the same accounts.
"""

import dataclasses
import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from ics import errors, model
from ics.conditions import Condition, Reason
from ics.config.endpoint import Endpoint
from ics.cosmos import addresses, canonical_json, gas_prices
from ics.keys import derivation
from ics.relayer import conditions, facts, genesis_facts, handshake, hermes, ibc, inputs

KEY_NAME = "relayer"
"""Name of the signing key in every keystore."""
_RETRY = datetime.timedelta(seconds=15)
"""Increment of the wait before each retry of the same step."""
_STUCK = datetime.timedelta(seconds=60)
"""Time in flight after which Hermes must have missed a packet."""
_TRANSFER_TRIED = datetime.timedelta(minutes=10)
"""Time for which validator updates wait for the handshake of the transfer channel; its Jobs and the relaying
Deployment sign with the same account."""
_TRANSFER_EVERY = datetime.timedelta(hours=6)
"""Interval at which that handshake is tried again for the same time."""
CHECK = "hermes-check-"
"""Name prefix of Jobs that check a config with Hermes."""
UPDATE = "hermes-clients-"
"""Name prefix of Jobs that update clients."""
_RETRIES_COUNTED = 8
"""Number of tries after which the wait no longer grows."""


@dataclass(frozen=True, slots=True)
class Task:
    """One Job that is due now."""

    name: str
    commands: tuple[tuple[str, ...], ...]
    """Arguments of `hermes`, run one after the other."""


@dataclass(frozen=True, slots=True)
class CandidateSetup:
    """A setup that Hermes has not accepted yet."""

    setup: inputs.Setup
    record: inputs.RelayingRecord
    """Record to store when Hermes accepts it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayerPlan:
    """Plan of one chain's relayer: everything its cluster objects depend on."""

    base: inputs.Setup | None
    """Setup with both chains but no channels, for Jobs and the evidence watch. Like `relays`, it is already
    running or was accepted by the Hermes of its image. None if there is none yet."""
    relays: inputs.Setup | None
    """Setup of the relaying Deployment; None if there is no Deployment."""
    consumer_mnemonic: model.Secret
    provider_mnemonic: model.Secret
    evidence_mnemonic: model.Secret
    candidate: CandidateSetup | None = None
    task: Task | None = None
    record: inputs.RelayingRecord | None = None
    """Record to store; None if the stored one does not change."""
    state: handshake.HandshakeState | None = None
    restarts: bool = False
    """Whether to restart Hermes, which searches for stuck packets only at its start."""
    conditions: tuple[Condition, ...] = ()


def compute(chain: inputs.Inputs) -> RelayerPlan | None:
    """Plan the relayer of a launched chain; None if it should not run (yet).

    It starts `ics:relayer.delay` after the genesis time, in provider time, so that all validators start at
    about the same time, independent of the times of their passes.
    """
    settings = chain.settings
    if not settings.relayer.enabled:
        return None
    launched = genesis_facts.of(chain.genesis)
    if not _is_due(chain, launched.time):
        return None
    kept = _keep_running(chain)
    facts, asked = chain.facts, chain.gas_price
    if facts is None or asked is None:
        problem = chain.problem
        if problem is None:
            return kept
        unreadable = Condition.new(Reason.RELAYING_UNREADABLE, problem, chain.consumer_id)
        return dataclasses.replace(kept, conditions=(unreadable,))
    state = handshake.assess(facts.provider, facts.consumer, facts.transfer_id)
    record = _update_record(chain.memory.record, state.fingerprint, facts.provider_time)
    record = _update_open_since(record, facts, state)
    record, is_stuck = _watch_packets(record, facts)
    planned = dataclasses.replace(
        kept,
        state=state,
        record=record if record != chain.memory.record else None,
        restarts=is_stuck and chain.memory.has_hermes,
        conditions=(
            *conditions.of_channels(chain, facts, state, launched.funded),
            *conditions.of_prices(chain, asked, facts.consumer_market),
            *([conditions.pending_packets(chain)] if is_stuck else []),
            *conditions.transfer_channel(
                chain, state, record.open_for(facts.provider_time) >= _TRANSFER_TRIED
            ),
        ),
    )
    is_open = state.ccv is not None and (
        state.step is None or chain.is_stopped or not _tries_transfer(record, facts)
    )
    try:
        unrelayed = _setup(chain, facts, asked, handshake.HandshakeState())
        planned = _with_base(chain, unrelayed, record, planned)
        if is_open:
            planned = _with_relaying(chain, _setup(chain, facts, asked, state), record, planned)
    except errors.SettingsError as error:
        # Hermes accepts fewer chain ids and prices than the chains do; this must not affect the node.
        planned = dataclasses.replace(
            planned, conditions=(*planned.conditions, conditions.invalid_config(chain, error))
        )
    if is_open or any(live.is_dead for live in facts.clients):
        return planned
    return _with_job(chain, facts, state, record, planned, launched)


def _is_due(chain: inputs.Inputs, genesis_time: datetime.datetime | None) -> bool:
    if genesis_time is None:
        return False
    return chain.now - genesis_time >= datetime.timedelta(seconds=chain.settings.relayer.delay)


def _update_record(
    before: inputs.RelayingRecord | None, fingerprint: str, now: datetime.datetime
) -> inputs.RelayingRecord:
    """Return the handshake's record: fingerprint, its first appearance, and whether we caused it."""
    if before is not None and before.fingerprint == fingerprint:
        return before
    is_ours = before is not None and before.acted_on == before.fingerprint
    if before is None:
        return inputs.RelayingRecord(fingerprint=fingerprint, since=now)
    return dataclasses.replace(before, fingerprint=fingerprint, since=now, is_ours=is_ours, acted_on="")


def _update_open_since(
    record: inputs.RelayingRecord, facts: facts.Facts, state: handshake.HandshakeState
) -> inputs.RelayingRecord:
    since = None if state.ccv is None else record.open_since or facts.provider_time
    return dataclasses.replace(record, open_since=since)


def _tries_transfer(record: inputs.RelayingRecord, facts: facts.Facts) -> bool:
    """Return whether the transfer channel's handshake has priority over relaying validator updates."""
    return record.open_for(facts.provider_time) % _TRANSFER_EVERY < _TRANSFER_TRIED


def _watch_packets(record: inputs.RelayingRecord, facts: facts.Facts) -> tuple[inputs.RelayingRecord, bool]:
    """Update the record of the oldest packets; return whether one has been in flight for too long.

    Packets in flight alone do not indicate a problem: on a busy channel there are always some.
    """
    now = facts.provider_time
    oldest = (0, 0) if facts.packets is None else facts.packets.oldest
    to_consumer, to_provider = (
        None if not packet else since if packet == before and since is not None else now
        for packet, before, since in zip(oldest, record.pending, record.pending_since, strict=True)
    )
    updated = dataclasses.replace(record, pending=oldest, pending_since=(to_consumer, to_provider))
    # Hermes cannot relay while the chain is halted.
    if facts.is_halted or not any(_is_stuck(since, record.restarted, now) for since in updated.pending_since):
        return updated, False
    return dataclasses.replace(updated, restarted=now), True


def _is_stuck(
    since: datetime.datetime | None, restarted: datetime.datetime | None, now: datetime.datetime
) -> bool:
    """Return whether a packet has been in flight for too long since it was seen and since the last restart."""
    return since is not None and now - max(since, restarted or since) >= _STUCK


def _keep_running(chain: inputs.Inputs) -> RelayerPlan:
    """Return a plan that keeps the running setups, even if a chain does not answer now."""
    identity = (chain.provider_chain_id, chain.consumer_id)
    accounts = (
        derivation.RELAYER_INFO,
        derivation.relayer_info(*identity),
        derivation.evidence_info(*identity),
    )
    mnemonics = [derivation.derive_mnemonic(chain.seed, info) for info in accounts]
    return RelayerPlan(
        base=chain.memory.hermes_base,
        relays=chain.memory.hermes,
        consumer_mnemonic=mnemonics[0],
        provider_mnemonic=mnemonics[1],
        evidence_mnemonic=mnemonics[2],
    )


def _with_base(
    chain: inputs.Inputs, wanted: inputs.Setup, record: inputs.RelayingRecord, planned: RelayerPlan
) -> RelayerPlan:
    accepted = _fingerprint(wanted)
    if accepted == record.accepted_base:
        return dataclasses.replace(planned, base=wanted)
    return _request_check(chain, planned, wanted, dataclasses.replace(record, accepted_base=accepted))


def _request_check(
    chain: inputs.Inputs, planned: RelayerPlan, setup: inputs.Setup, record: inputs.RelayingRecord
) -> RelayerPlan:
    """Plan the check of a setup by Hermes, unless another Job of the chain runs: they never overlap."""
    is_busy = any(
        job_state is model.JobState.RUNNING and not name.startswith(CHECK)
        for name, job_state in chain.memory.jobs.items()
    )
    if is_busy or planned.candidate is not None:
        return planned
    failed = conditions.failed_jobs(chain, "the check of a config", [check_name(setup)])
    return dataclasses.replace(
        planned, candidate=CandidateSetup(setup, record), conditions=(*planned.conditions, *failed)
    )


def _with_relaying(
    chain: inputs.Inputs, wanted: inputs.Setup, record: inputs.RelayingRecord, planned: RelayerPlan
) -> RelayerPlan:
    accepted = _fingerprint(wanted)
    if accepted == record.accepted_config:
        return dataclasses.replace(planned, relays=wanted)
    return _request_check(chain, planned, wanted, dataclasses.replace(record, accepted_config=accepted))


def _with_job(
    chain: inputs.Inputs,
    facts: facts.Facts,
    state: handshake.HandshakeState,
    record: inputs.RelayingRecord,
    planned: RelayerPlan,
    launched: genesis_facts.GenesisFacts,
) -> RelayerPlan:
    """Plan the due Job: the next step of the handshake, or else an update of the clients."""
    order = handshake.ranking(_creators(chain, launched))
    own = _own_address(chain)
    jobs = chain.memory.jobs
    base = f"hermes-step-{canonical_json.sha256_hex(state.fingerprint.encode())[:8]}"
    # Old Jobs are deleted, so the number of tries comes from the last Job's name.
    numbers = [name.rpartition("-")[2] for name in jobs if name.startswith(f"{base}-")]
    before = sorted(int(number) for number in numbers if number.isdecimal())
    update = _client_update(chain, facts, order, own)
    updates = [name for name in jobs if update is not None and name.startswith(UPDATE)]
    planned = dataclasses.replace(
        planned,
        relays=None,
        conditions=(
            *planned.conditions,
            *conditions.failed_step(chain, [f"{base}-{n}" for n in before]),
            *conditions.failed_jobs(chain, "an update of the IBC clients", sorted(updates)),
        ),
    )
    running = model.JobState.RUNNING in jobs.values()
    if running or chain.memory.has_hermes or planned.base is None:
        return planned
    tries = 1 + max(before, default=-1)
    wait = _RETRY * min(tries, _RETRIES_COUNTED)
    acts = handshake.acts_at(order, own, record.since, record.is_ours)
    if state.step is not None and acts is not None and facts.provider_time >= acts + wait:
        command = hermes.command(state.step, chain.provider_chain_id, chain.chain_id)
        task = Task(f"{base}-{tries}", (command,))
        acted = dataclasses.replace(record, acted_on=record.fingerprint)
        return dataclasses.replace(planned, task=task, record=acted, candidate=None)
    return planned if update is None else dataclasses.replace(planned, task=update, candidate=None)


def _client_update(chain: inputs.Inputs, facts: facts.Facts, order: tuple[str, ...], own: str) -> Task | None:
    """Return the due update of the clients, because Hermes refreshes only clients of open channels."""
    commands = []
    for live in facts.clients:
        acts = handshake.acts_at(order, own, live.client.refresh_from)
        if acts is not None and live.now >= acts and facts.can_update(live):
            commands.append(hermes.update_client(chain.host_chain_id(live), live.client.id))
    if not commands:
        return None
    stamp = facts.provider_time.strftime("%H%M%S")
    return Task(f"{UPDATE}{stamp}", tuple(commands))


def _creators(chain: inputs.Inputs, launched: genesis_facts.GenesisFacts) -> list[handshake.Creator]:
    """Return the initial validators, with whether the genesis funded their relayers."""
    valcons_of = {member.consumer_key: member.consensus_address for member in chain.detail.validators}
    result = []
    for key, power in genesis_facts.initial_validators(chain.genesis):
        relayer = chain.published_relayers.get(valcons_of.get(key, ""))
        account = addresses.reprefix(relayer, chain.definition.bech32_prefix) if relayer else ""
        address = addresses.consensus_address(key).hex()
        # On a chain with Ethereum's accounts that of another's relayer is not known, so each published one counts.
        is_known = chain.definition.address_type == "cosmos"
        is_funded = account in launched.funded if is_known else bool(relayer)
        result.append(handshake.Creator(address, power, is_funded))
    return result


def _own_address(chain: inputs.Inputs) -> str:
    valcons = chain.own_valcons
    mine = [m.consumer_key for m in chain.detail.validators if m.consensus_address == valcons]
    return addresses.consensus_address(mine[0]).hex() if mine else ""


def _setup(
    chain: inputs.Inputs,
    facts: facts.Facts,
    asked: gas_prices.GasPrice,
    state: handshake.HandshakeState,
) -> inputs.Setup:
    """Return the setup for a state's open channels; raises SettingsError if Hermes would refuse it."""
    settings = chain.settings
    price, most = _prices(settings.provider.gas_bounds, asked)
    on_consumer = gas_prices.GasPrice(is_market=facts.consumer_market is not None)
    consumer_price, consumer_most = _prices(chain.definition.gas_bounds, on_consumer)
    provider = hermes.HermesChain(
        chain_id=chain.provider_chain_id,
        bech32_prefix=settings.account_prefix,
        rpc=_for_hermes("rpc", settings.provider.rpc),
        grpc=_for_hermes("grpc", settings.provider.grpc),
        key_name=KEY_NAME,
        gas_price=price,
        max_gas_price=most,
        trusting_period=hermes.trusting_period(facts.provider_unbonding, facts.trusting_fraction),
        channels=hermes.relayed_channels(state, ibc.Side.PROVIDER),
        gas_multiplier=settings.provider.gas_adjustment,
    )
    consumer = hermes.HermesChain(
        chain_id=chain.chain_id,
        bech32_prefix=chain.definition.bech32_prefix,
        pk_type=chain.definition.pk_type if chain.definition.address_type == "ethermint" else "",
        # The Service in the relayer's own namespace.
        rpc=f"http://node:{chain.rpc_port}",
        grpc=f"http://node:{chain.grpc_port}",
        key_name=KEY_NAME,
        gas_price=consumer_price,
        max_gas_price=consumer_most,
        trusting_period=hermes.trusting_period(chain.detail.unbonding_period, facts.trusting_fraction),
        channels=hermes.relayed_channels(state, ibc.Side.CONSUMER),
    )
    config = hermes.config_toml(provider, consumer, hermes.HermesOptions(key_store_folder=hermes.KEY_STORE))
    return inputs.Setup(settings.relayer.image, config)


def _prices(bounds: gas_prices.Bounds, asked: gas_prices.GasPrice) -> tuple[str, Decimal | None]:
    """Return the price in Hermes' config, and the highest one on a chain with a fee market.

    With a fee market Hermes itself asks for the price, so that its config stays the same while the price moves.
    """
    price = bounds.floor if asked.is_market else min(max(bounds.floor, asked.amount), bounds.ceiling)
    return gas_prices.format_price(price, bounds.denom), bounds.ceiling if asked.is_market else None


def _for_hermes(name: str, listed: Sequence[Endpoint]) -> str:
    """Return the first address that Hermes can use: it sends no headers, and no path before a gRPC service's name.

    Raises:
        SettingsError: there is none.
    """
    for endpoint in listed:
        has_path = name == "grpc" and endpoint.url.count("/") + endpoint.url.count("?") > 2
        if not endpoint.has_headers and not has_path:
            return endpoint.url
    raise errors.SettingsError(
        f"ics:provider.{name}: Hermes can use none of the addresses, because it sends no headers"
        f"{', and no path or query with gRPC' if name == 'grpc' else ''}; add one without"
    )


def _fingerprint(setup: inputs.Setup) -> str:
    """Return the sha256 in hex of image and config; another image may refuse the same config."""
    return canonical_json.sha256_hex(f"{setup.image}\n{setup.config}".encode())


def check_name(setup: inputs.Setup) -> str:
    """Return the name of the Job that checks a config."""
    return f"{CHECK}{_fingerprint(setup)[:16]}"
