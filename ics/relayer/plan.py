"""What this validator's relayer of one consumer chain should be doing; pure.

Before the CCV channel is open, handshake steps and client updates are single Jobs; from then on a
Deployment relays. The two never run at the same time, because they sign with the same accounts.
"""

import dataclasses
import datetime
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ics import errors, model, names
from ics.conditions import Condition, Reason, Severity
from ics.config import chain_definition
from ics.consumer import context
from ics.consumer.peers import description, ports
from ics.cosmos import addresses, canonical_json, genesis
from ics.keys import derivation
from ics.relayer import accounts, facts, handshake, hermes, ibc

KEY_NAME = "relayer"
"""Name of the signing key in every key store."""
RETRY = datetime.timedelta(seconds=15)
"""Added to the wait before each further try of one step."""
STUCK = datetime.timedelta(seconds=60)
"""A packet that is under way for so long was missed by Hermes."""
TRANSFER_TRIED = datetime.timedelta(minutes=10)
"""How long validator updates wait for the handshake of the transfer channel, whose steps Hermes' own
Deployment cannot take: both sign with one account."""
TRANSFER_EVERY = datetime.timedelta(hours=6)
"""How often that handshake is given so much time again."""
CHECK = "hermes-check-"
"""How the names of the Jobs begin that let Hermes check a config."""
UPDATE = "hermes-clients-"
"""Likewise of those that update clients."""
RETRIES_COUNTED = 8
"""The wait grows no further after so many tries."""


@dataclass(frozen=True, slots=True)
class Task:
    """One Job that is due now."""

    name: str
    commands: tuple[tuple[str, ...], ...]
    """Arguments of `hermes`, run one after the other."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A setup that Hermes has not accepted yet."""

    setup: model.Setup
    record: model.RelayingRecord
    """To be remembered when it does."""


@dataclass(frozen=True, slots=True)
class Relayer:
    """All that the cluster needs of one chain's relayer."""

    base: model.Setup | None
    """Names both chains and no channel: for Jobs and for the watch for evidence. Like the other, it was
    accepted by Hermes of its own image, or is what runs already. None: there is neither."""
    relays: model.Setup | None
    """What the Deployment runs with; None: there is no Deployment."""
    consumer_mnemonic: model.Secret
    provider_mnemonic: model.Secret
    evidence_mnemonic: model.Secret
    candidate: Candidate | None = None
    task: Task | None = None
    record: model.RelayingRecord | None = None
    """To be remembered; None: what is remembered stays."""
    finding: handshake.Finding | None = None
    restarts: bool = False
    """Packets are stuck though both chains go on: Hermes looks for them anew only when it starts."""
    conditions: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True)
class Scene:
    """The chain whose relayer is planned."""

    consumer_id: str
    chain_id: str
    definition: chain_definition.Definition
    ports: ports.Ports
    detail: model.ConsumerDetail
    genesis: bytes
    memory: model.ChainMemory
    is_stopped: bool = False
    """Its packets are relayed to the end; no handshake is worth its while any more."""


def plan(facts: context.ChainContext, scene: Scene) -> Relayer | None:
    """The relayer of a launched chain; None when it has none (yet).

    It begins `ics:relayer.delay` after the genesis time, by the provider's clock, so that all validators
    begin at about the same time whenever their passes run.
    """
    settings = facts.settings
    document = json.loads(scene.genesis)
    if not settings.relayer.enabled or not _is_due(facts, document):
        return None
    kept = _kept(facts, scene)
    found = facts.seen.relays.get(scene.consumer_id)
    if found is None:
        problem = facts.seen.relay_problems.get(scene.consumer_id)
        conditions = (
            ()
            if problem is None
            else (Condition.new(Reason.RELAYING_UNREADABLE, problem, scene.consumer_id),)
        )
        return dataclasses.replace(kept, conditions=conditions)
    finding = handshake.decide(found.provider, found.consumer, found.transfer_id)
    record = remembered(scene.memory.relaying, finding.mark, found.provider_time)
    record = _opened(record, found, finding)
    record, is_stuck = _watched(record, found)
    planned = dataclasses.replace(
        kept,
        finding=finding,
        record=record if record != scene.memory.relaying else None,
        restarts=is_stuck and scene.memory.has_hermes,
        conditions=(
            *_conditions(facts, scene, found, finding, document),
            *([_stuck(scene)] if is_stuck else []),
            *_transfer(scene, found, finding, record),
        ),
    )
    is_open = finding.ccv is not None and (
        finding.step is None or scene.is_stopped or not _tries_transfer(record, found)
    )
    try:
        planned = _with_base(scene, _setup(facts, scene, found, handshake.Finding()), record, planned)
        if is_open:
            planned = _relaying(scene, _setup(facts, scene, found, finding), record, planned)
    except errors.SettingsError as error:
        # Hermes takes fewer chain ids and prices than the chains do; the node runs all the same.
        planned = dataclasses.replace(planned, conditions=(*planned.conditions, _invalid(scene, error)))
    if is_open or any(live.is_dead for live in found.clients):
        return planned
    return _opening(facts, scene, found, finding, record, planned, document)


def _is_due(facts: context.ChainContext, document: Mapping[str, Any]) -> bool:
    began = genesis.moment(document)
    if began is None:
        return True  # a node that was started from it, by an older release perhaps, told its own time
    return facts.snapshot.moment - began >= datetime.timedelta(seconds=facts.settings.relayer.delay)


def remembered(
    before: model.RelayingRecord | None, mark: str, now: datetime.datetime
) -> model.RelayingRecord:
    """What is remembered of the handshake: its mark, and since when and by whom it stands so."""
    if before is not None and before.mark == mark:
        return before
    is_ours = before is not None and before.acted_on == before.mark
    if before is None:
        return model.RelayingRecord(mark, now)
    return dataclasses.replace(before, mark=mark, since=now, is_ours=is_ours, acted_on="")


def _opened(
    record: model.RelayingRecord, found: facts.Facts, finding: handshake.Finding
) -> model.RelayingRecord:
    since = None if finding.ccv is None else record.open_since or found.provider_time
    return dataclasses.replace(record, open_since=since)


def _open_for(record: model.RelayingRecord, found: facts.Facts) -> datetime.timedelta:
    return found.provider_time - (record.open_since or found.provider_time)


def _tries_transfer(record: model.RelayingRecord, found: facts.Facts) -> bool:
    """Whether the transfer channel's handshake goes before the relaying of validator updates."""
    return _open_for(record, found) % TRANSFER_EVERY < TRANSFER_TRIED


def _transfer(
    scene: Scene, found: facts.Facts, finding: handshake.Finding, record: model.RelayingRecord
) -> list[Condition]:
    if finding.is_closed or finding.ccv is None or finding.transfer is not None:
        return []
    if finding.step is None or _open_for(record, found) < TRANSFER_TRIED:
        message = "the transfer channel for rewards is not open yet"
        return [Condition.new(Reason.TRANSFER_OPENING, message, scene.consumer_id)]
    message = (
        "the transfer channel for rewards did not open within ten minutes: validator updates are relayed without it,"
        " rewards stay on the chain, and its handshake is tried again every six hours: see what Hermes said in ics"
        f" hermes status {scene.consumer_id} --verbose"
    )
    return [Condition.new(Reason.TRANSFER_STALLED, message, scene.consumer_id)]


def _watched(record: model.RelayingRecord, found: facts.Facts) -> tuple[model.RelayingRecord, bool]:
    """Keep the packets that were the oldest and since when they are; True when one is for too long.

    That there are packets under way says nothing: on a busy channel there always are.
    """
    oldest = (0, 0) if found.packets is None else found.packets.oldest
    since = found.provider_time if any(oldest) else None
    anew = dataclasses.replace(record, pending=oldest, pending_since=since)
    is_there = any(old and old == now for old, now in zip(record.pending, oldest, strict=True))
    # Hermes is not to blame while the chain stands still.
    if not is_there or record.pending_since is None or found.is_halted:
        return anew, False
    is_stuck = found.provider_time - record.pending_since >= STUCK
    return (anew, True) if is_stuck else (record, False)


def _stuck(scene: Scene) -> Condition:
    message = "a packet has not been acknowledged for a minute though both chains go on: Hermes is restarted"
    return Condition.new(Reason.PACKETS_PENDING, message, scene.consumer_id)


def _step_failed(scene: Scene, jobs: Iterable[str]) -> list[Condition]:
    message = _failed(scene, "a step of the handshake", jobs)
    return [Condition.new(Reason.STEP_FAILED, message, scene.consumer_id)] if message else []


def _job_failed(scene: Scene, what: str, jobs: Iterable[str]) -> list[Condition]:
    message = _failed(scene, what, jobs)
    return [Condition.new(Reason.JOB_FAILED, message, scene.consumer_id)] if message else []


def _failed(scene: Scene, what: str, jobs: Iterable[str]) -> str:
    """What is told of Jobs that tried the same, the last one last; empty when none failed.

    None is named: each has another name, and the text should stay while the trouble does.
    """
    failed = [name for name in jobs if scene.memory.jobs.get(name) is model.JobState.FAILED]
    if not failed:
        return ""
    said = next(filter(None, map(scene.memory.last_words.get, reversed(failed))), "")
    words = f"Hermes said: {said}: " if said else ""
    logs = f"kubectl -n {scene.memory.namespace} logs -l {names.COMPONENT}={names.RELAYING_STEP}"
    return f"{what} failed here, and is tried again: {words}read {logs}"


def _invalid(scene: Scene, error: errors.SettingsError) -> Condition:
    message = f"no config can be made for the relayer of this chain, so what runs is left as it is: {error}"
    return Condition.new(Reason.RELAYER_CONFIG_INVALID, message, scene.consumer_id)


def _kept(facts: context.ChainContext, scene: Scene) -> Relayer:
    """What runs, left as it is: a chain that does not answer now is no reason to stop its relayer."""
    identity = (facts.snapshot.chain_id, scene.consumer_id)
    accounts = (
        derivation.RELAYER_INFO,
        derivation.relayer_info(*identity),
        derivation.evidence_info(*identity),
    )
    words = [derivation.derive_mnemonic(facts.seed, info) for info in accounts]
    return Relayer(
        base=scene.memory.hermes_base,
        relays=scene.memory.hermes,
        consumer_mnemonic=words[0],
        provider_mnemonic=words[1],
        evidence_mnemonic=words[2],
    )


def _with_base(scene: Scene, wanted: model.Setup, record: model.RelayingRecord, planned: Relayer) -> Relayer:
    mark = fingerprint(wanted)
    if mark == record.accepted_base:
        return dataclasses.replace(planned, base=wanted)
    return _asking(scene, planned, wanted, dataclasses.replace(record, accepted_base=mark))


def _asking(scene: Scene, planned: Relayer, setup: model.Setup, record: model.RelayingRecord) -> Relayer:
    """One question at a time, and none while a step runs: Jobs of a chain never overlap."""
    is_busy = any(
        state is model.JobState.RUNNING and not name.startswith(CHECK)
        for name, state in scene.memory.jobs.items()
    )
    if is_busy or planned.candidate is not None:
        return planned
    failed = _job_failed(scene, "the check of a config", [check_name(setup)])
    conditions = (*planned.conditions, *failed)
    return dataclasses.replace(planned, candidate=Candidate(setup, record), conditions=conditions)


def _relaying(scene: Scene, wanted: model.Setup, record: model.RelayingRecord, planned: Relayer) -> Relayer:
    mark = fingerprint(wanted)
    if mark == record.accepted_config:
        return dataclasses.replace(planned, relays=wanted)
    return _asking(scene, planned, wanted, dataclasses.replace(record, accepted_config=mark))


def _opening(
    facts: context.ChainContext,
    scene: Scene,
    found: facts.Facts,
    finding: handshake.Finding,
    record: model.RelayingRecord,
    planned: Relayer,
    document: Mapping[str, Any],
) -> Relayer:
    """The Job that is due: the next step of the handshake, or an update of the clients meanwhile."""
    order = handshake.ranking(creators(facts, scene, document))
    own = _own_address(facts, scene)
    jobs = scene.memory.jobs
    base = f"hermes-step-{digest(finding.mark)[:8]}"
    # Old Jobs are removed, so the number of the last one counts.
    numbers = [name.rpartition("-")[2] for name in jobs if name.startswith(f"{base}-")]
    before = sorted(int(number) for number in numbers if number.isdecimal())
    update = _client_update(facts, scene, found, order, own)
    updates = [name for name in jobs if update is not None and name.startswith(UPDATE)]
    planned = dataclasses.replace(
        planned,
        relays=None,
        conditions=(
            *planned.conditions,
            *_step_failed(scene, [f"{base}-{n}" for n in before]),
            *_job_failed(scene, "an update of the IBC clients", sorted(updates)),
        ),
    )
    running = model.JobState.RUNNING in jobs.values()
    if running or scene.memory.has_hermes or planned.base is None:
        return planned
    tries = 1 + max(before, default=-1)
    wait = RETRY * min(tries, RETRIES_COUNTED)
    acts = handshake.acts_at(order, own, record.since, record.is_ours)
    if finding.step is not None and acts is not None and found.provider_time >= acts + wait:
        command = hermes.command(finding.step, facts.snapshot.chain_id, scene.chain_id)
        task = Task(f"{base}-{tries}", (command,))
        acted = dataclasses.replace(record, acted_on=record.mark)
        return dataclasses.replace(planned, task=task, record=acted, candidate=None)
    return planned if update is None else dataclasses.replace(planned, task=update, candidate=None)


def _client_update(
    facts: context.ChainContext, scene: Scene, found: facts.Facts, order: tuple[str, ...], own: str
) -> Task | None:
    """Hermes refreshes only clients of open channels; until then a client would expire by itself."""
    commands = []
    for live in found.clients:
        acts = handshake.acts_at(order, own, live.client.refresh_from)
        if acts is not None and live.now >= acts and found.has_news(live):
            commands.append(hermes.update_client(_host(facts, scene, live), live.client.id))
    if not commands:
        return None
    stamp = found.provider_time.strftime("%H%M%S")
    return Task(f"{UPDATE}{stamp}", tuple(commands))


def creators(
    facts: context.ChainContext, scene: Scene, document: Mapping[str, Any]
) -> list[handshake.Creator]:
    """The initial validators, each with whether its relayer was funded in the genesis."""
    funded = genesis.funded_accounts(document)
    by_valcons = {validator.consensus_address: validator for validator in facts.snapshot.validators}
    known = {m.consumer_key: by_valcons.get(m.consensus_address) for m in scene.detail.validators}
    found = []
    for key, power in genesis.initial_validators(document["app_state"]["ccvconsumer"]):
        validator = known.get(key)
        relayer = description.parse(validator.details).relayer if validator else None
        account = addresses.reprefix(relayer, scene.definition.bech32_prefix) if relayer else ""
        address = addresses.consensus_address(key).hex()
        found.append(handshake.Creator(address, power, account in funded))
    return found


def _account(facts: context.ChainContext, scene: Scene) -> str:
    """With which this validator's Hermes signs on the consumer, whatever its description says."""
    account = accounts.relayer_address(facts.settings, facts.seed)
    return addresses.reprefix(account, scene.definition.bech32_prefix)


def _own_address(facts: context.ChainContext, scene: Scene) -> str:
    valcons = facts.own.consensus_address
    mine = [m.consumer_key for m in scene.detail.validators if m.consensus_address == valcons]
    return addresses.consensus_address(mine[0]).hex() if mine else ""


def _host(facts: context.ChainContext, scene: Scene, live: facts.LiveClient) -> str:
    """Chain id of the chain that a client lives on."""
    return facts.snapshot.chain_id if live.host is ibc.Side.PROVIDER else scene.chain_id


def _conditions(
    facts: context.ChainContext,
    scene: Scene,
    found: facts.Facts,
    finding: handshake.Finding,
    document: Mapping[str, Any],
) -> list[Condition]:
    conditions = []
    account = _account(facts, scene)
    if found.consumer_balance == 0 and account not in genesis.funded_accounts(document):
        message = (
            f"this validator's relayer {account} was not published at the launch and is not funded in the genesis: it"
            " relays nothing on this chain; others do"
        )
        conditions.append(Condition.new(Reason.RELAYER_UNFUNDED, message, scene.consumer_id))
    elif found.consumer_balance == 0:
        message = (
            f"the relayer's account {account} on {scene.chain_id} is empty: send it {scene.definition.denom}"
        )
        conditions.append(
            Condition.new(Reason.WALLET_EMPTY, message, scene.consumer_id, severity=Severity.CRITICAL)
        )
    if found.is_halted:
        message = "the chain has made no block for half a minute: nothing can be relayed until two thirds sign again"
        conditions.append(Condition.new(Reason.CONSUMER_HALTED, message, scene.consumer_id))
    conditions += [one for live in found.clients for one in _of_client(facts, scene, live)]
    if finding.is_closed:
        message = "the CCV channel is closed: validator updates reach the chain no more; ask its owner"
        conditions.append(Condition.new(Reason.CHANNEL_CLOSED, message, scene.consumer_id))
    elif finding.ccv is None:
        message = "the CCV channel is not open yet: validator updates do not reach the chain"
        conditions.append(Condition.new(Reason.CHANNEL_OPENING, message, scene.consumer_id))
    if finding.leftovers:
        names = ", ".join(f"{left.id} on the {left.side}" for left in finding.leftovers)
        message = f"ends of handshakes that came to nothing: {names}; they do no harm"
        conditions.append(Condition.new(Reason.HANDSHAKE_LEFTOVERS, message, scene.consumer_id))
    return conditions


def _of_client(facts: context.ChainContext, scene: Scene, live: facts.LiveClient) -> list[Condition]:
    host, client = _host(facts, scene, live), live.client
    name = f"IBC client {client.id} on {host}"
    if client.is_frozen:
        message = (
            f"{name} is frozen: it was shown that {client.chain_id} signed two blocks of one height, and nothing is"
            f" relayed by it any more; no relayer can mend it: learn with the chain's owner who signed twice; then"
            f" {host}'s governance must recover it"
        )
        return [Condition.new(Reason.CLIENT_FROZEN, message, scene.consumer_id)]
    if client.is_expired(live.now):
        message = f"{name} has expired: no relayer can mend it; that chain's governance must recover it"
        return [Condition.new(Reason.CLIENT_EXPIRED, message, scene.consumer_id)]
    if client.is_expiring(live.now):
        moment = client.expires.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        message = (
            f"{name} has not been updated for two thirds of its trusting period and expires at {moment}, beyond"
            f" repair: before then {client.chain_id} must make blocks, and a relayer run that can pay on {host}: see"
            f" ics hermes status {scene.consumer_id}"
        )
        return [Condition.new(Reason.CLIENT_EXPIRING, message, scene.consumer_id)]
    return []


def _setup(
    facts: context.ChainContext,
    scene: Scene,
    found: facts.Facts,
    finding: handshake.Finding,
) -> model.Setup:
    """Names the channels that are open; of a bare finding none. Raises SettingsError: Hermes takes no such."""
    settings = facts.settings
    provider = hermes.Chain(
        chain_id=facts.snapshot.chain_id,
        bech32_prefix=settings.account_prefix,
        rpc=settings.provider.rpc[0],
        grpc=settings.provider.grpc[0],
        key_name=KEY_NAME,
        gas_price=settings.provider.gas_price,
        trusting_period=hermes.trusting_period(found.provider_unbonding, found.trusting_fraction),
        channels=hermes.relayed(finding, ibc.Side.PROVIDER),
        gas_multiplier=settings.provider.gas_adjustment,
    )
    consumer = hermes.Chain(
        chain_id=scene.chain_id,
        bech32_prefix=scene.definition.bech32_prefix,
        # The Service in the relayer's own namespace.
        rpc=f"http://node:{scene.ports.rpc}",
        grpc=f"http://node:{scene.ports.grpc}",
        key_name=KEY_NAME,
        gas_price=first_price(scene.definition.min_gas_price),
        trusting_period=hermes.trusting_period(scene.detail.unbonding_period, found.trusting_fraction),
        channels=hermes.relayed(finding, ibc.Side.CONSUMER),
    )
    config = hermes.config_toml(provider, consumer, hermes.Options(hermes.KEY_STORE))
    return model.Setup(settings.relayer.image, config)


def first_price(min_gas_price: str) -> str:
    """The price in the first denomination of a node's minimum gas prices."""
    return min_gas_price.split(",")[0].strip()


def fingerprint(setup: model.Setup) -> str:
    """sha256, hex, of image and config: another image may refuse what this one accepts."""
    return digest(f"{setup.image}\n{setup.config}")


def check_name(setup: model.Setup) -> str:
    """Name of the Job that checks a config."""
    return f"{CHECK}{fingerprint(setup)[:16]}"


def digest(text: str) -> str:
    """sha256 of a text, hex."""
    return canonical_json.sha256_hex(text.encode())
