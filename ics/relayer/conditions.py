"""Conditions of one chain's relayer: accounts, clients, channels, Jobs, and the Hermes instances; pure."""

import datetime
from collections.abc import Iterable, Mapping
from decimal import Decimal

from ics import errors, model, names
from ics.conditions import Condition, Reason, Severity
from ics.cosmos import gas_prices
from ics.relayer import accounts, facts, handshake, inputs

_YOUNG = datetime.timedelta(seconds=120)
"""Age below which an instance counts as starting: it pulls an image and waits for both chains."""
_LOOPS = 3
"""Number of restarts from which a container counts as crash-looping."""
_UNPULLED = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName")


def transfer_channel(
    chain: inputs.Inputs, state: handshake.HandshakeState, has_stalled: bool
) -> list[Condition]:
    """Return the condition of a transfer channel that is not open yet.

    Args:
        chain: inputs of the chain's relayer.
        state: of the handshakes.
        has_stalled: whether validator updates no longer wait for this handshake.
    """
    if state.is_closed or state.ccv is None or state.transfer is not None:
        return []
    if state.step is None or not has_stalled:
        message = "the transfer channel for rewards is not open yet"
        return [Condition.new(Reason.TRANSFER_OPENING, message, chain.consumer_id)]
    message = (
        "the transfer channel for rewards did not open within ten minutes: validator updates are relayed"
        " without it,"
        " rewards stay on the chain, and its handshake is retried every six hours;"
        " check the output of ics hermes"
        f" status {chain.consumer_id} --verbose"
    )
    return [Condition.new(Reason.TRANSFER_STALLED, message, chain.consumer_id)]


def pending_packets(chain: inputs.Inputs) -> Condition:
    """Return the condition of packets that stay pending although both chains produce blocks."""
    message = "a packet has not been acknowledged for a minute although both chains run; Hermes is restarted"
    return Condition.new(Reason.PACKETS_PENDING, message, chain.consumer_id)


def failed_step(chain: inputs.Inputs, jobs: Iterable[str]) -> list[Condition]:
    """Return the condition of a failed handshake step, from the names of its Jobs."""
    message = _failed(chain, "a step of the handshake", jobs)
    return [Condition.new(Reason.STEP_FAILED, message, chain.consumer_id)] if message else []


def failed_jobs(chain: inputs.Inputs, action: str, jobs: Iterable[str]) -> list[Condition]:
    """Return the condition of failed Jobs for the same action, the latest last."""
    message = _failed(chain, action, jobs)
    return [Condition.new(Reason.JOB_FAILED, message, chain.consumer_id)] if message else []


def _failed(chain: inputs.Inputs, action: str, jobs: Iterable[str]) -> str:
    """Return the message about Jobs for the same action, the latest last; empty if none failed.

    It contains no Job names, because they change with each retry and the text should not.
    """
    failed = [name for name in jobs if chain.memory.jobs.get(name) is model.JobState.FAILED]
    if not failed:
        return ""
    last_error = next(filter(None, map(chain.memory.last_words.get, reversed(failed))), "")
    reason = f" ({last_error})" if last_error else ""
    logs = f"kubectl -n {chain.namespace} logs -l {names.COMPONENT}={names.RELAYER_STEP}"
    return f"{action} failed{reason} and is retried; check {logs}"


def invalid_config(chain: inputs.Inputs, error: errors.SettingsError) -> Condition:
    """Return the condition of settings that Hermes would not accept."""
    message = f"the relayer's config cannot be generated, so a running relayer is not changed: {error}"
    return Condition.new(Reason.RELAYER_CONFIG_INVALID, message, chain.consumer_id)


def of_channels(
    chain: inputs.Inputs,
    facts: facts.Facts,
    state: handshake.HandshakeState,
    funded: frozenset[str],
) -> list[Condition]:
    """Return the conditions of the relayer's account, both clients and the CCV channel.

    Args:
        chain: inputs of the chain's relayer.
        facts: of both chains.
        state: of the handshake.
        funded: accounts that the consumer's genesis funds.
    """
    conditions = []
    account = accounts.consumer_account(chain)
    if facts.consumer_balance == 0 and account not in funded:
        message = (
            f"this validator's relayer {account} was not published at the launch, so the genesis does not"
            " fund it and"
            " it relays nothing on this chain; other validators' relayers do"
        )
        conditions.append(Condition.new(Reason.RELAYER_UNFUNDED, message, chain.consumer_id))
    elif facts.consumer_balance == 0:
        message = (
            f"the relayer's account {account} on {chain.chain_id} is empty; send it {chain.definition.denom}"
        )
        conditions.append(
            Condition.new(Reason.WALLET_EMPTY, message, chain.consumer_id, severity=Severity.CRITICAL)
        )
    if facts.is_halted:
        message = (
            "no block for half a minute: nothing is relayed until two thirds of the voting power sign again"
        )
        conditions.append(Condition.new(Reason.CONSUMER_HALTED, message, chain.consumer_id))
    conditions += [condition for live in facts.clients for condition in _of_client(chain, live)]
    if state.is_closed:
        message = "the CCV channel is closed: validator updates no longer reach the chain; ask its owner"
        conditions.append(Condition.new(Reason.CHANNEL_CLOSED, message, chain.consumer_id))
    elif state.ccv is None:
        message = "the CCV channel is not open yet: validator updates do not reach the chain"
        conditions.append(Condition.new(Reason.CHANNEL_OPENING, message, chain.consumer_id))
    if state.leftovers:
        ends = ", ".join(f"{left.id} on the {left.side}" for left in state.leftovers)
        message = f"unused connection or channel ends: {ends} (harmless)"
        conditions.append(Condition.new(Reason.HANDSHAKE_LEFTOVERS, message, chain.consumer_id))
    return conditions


def of_prices(
    chain: inputs.Inputs, asked: gas_prices.GasPrice, consumer_market: Mapping[str, Decimal] | None
) -> list[Condition]:
    """Return the conditions of chains that ask more for a unit of gas than Hermes may pay.

    Args:
        chain: inputs of the chain's relayer.
        asked: by the provider.
        consumer_market: prices of the consumer's fee market by denomination; None: it has none.
    """
    bounds = chain.definition.gas_bounds
    on_consumer = Decimal(0)
    if consumer_market is not None:
        on_consumer = consumer_market.get(bounds.denom, Decimal("Infinity"))
    sides = (
        (
            chain.provider_chain_id,
            asked.amount,
            chain.settings.provider.gas_bounds,
            "ics:provider.max_gas_price",
        ),
        (chain.chain_id, on_consumer, bounds, "max_gas_price in the chain's definition"),
    )
    found = []
    for chain_id, amount, limits, setting in sides:
        if amount > limits.ceiling:
            price = gas_prices.format_price(limits.ceiling, limits.denom)
            # Without the chain's price, which may change with every block.
            message = (
                f"{chain_id} asks more than {price} for a unit of gas, so it refuses Hermes' transactions; raise"
                f" {setting}, or wait"
            )
            found.append(Condition.new(Reason.RELAYING_TOO_EXPENSIVE, message, chain.consumer_id))
    return found


def _of_client(chain: inputs.Inputs, live: facts.LiveClient) -> list[Condition]:
    host, client = chain.host_chain_id(live), live.client
    name = f"IBC client {client.id} on {host}"
    if client.is_frozen:
        message = (
            f"{name} is frozen, because {client.chain_id} signed two blocks at one height, and no longer"
            " relays"
            " anything;"
            " find out with the chain's owner which validators signed twice, then recover the client through"
            f" {host}'s governance"
        )
        return [Condition.new(Reason.CLIENT_FROZEN, message, chain.consumer_id)]
    if client.is_expired(live.now):
        message = f"{name} has expired; only that chain's governance can recover it"
        return [Condition.new(Reason.CLIENT_EXPIRED, message, chain.consumer_id)]
    if client.is_expiring(live.now):
        moment = client.expires.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        message = (
            f"{name} has not been updated for two thirds of its trusting period and expires permanently at"
            f" {moment};"
            f" until then {client.chain_id} must produce blocks and a relayer with funds on {host} must run;"
            " see"
            f" ics hermes status {chain.consumer_id}"
        )
        return [Condition.new(Reason.CLIENT_EXPIRING, message, chain.consumer_id)]
    return []


def assess(
    chain: inputs.Inputs, relays: inputs.Setup | None, base: inputs.Setup | None
) -> tuple[Condition, ...]:
    """Return the conditions of Hermes instances that should run and do not.

    Args:
        chain: inputs of the chain's relayer.
        relays: setup of the relaying Hermes; None if none should run.
        base: setup of the evidence watch; None if none should run.
    """
    wanted = (
        (names.HERMES, names.HERMES_NAME, relays),
        (names.EVIDENCE, names.EVIDENCE_NAME, base),
    )
    conditions = []
    for component, name, setup in wanted:
        instance = chain.memory.instances.get(component, inputs.Instance())
        if setup is None or _is_healthy(instance.pod, chain.now):
            continue
        if _is_young(instance, chain.now):
            severity, cause = Severity.INFO, "starting"
        else:
            severity, cause = Severity.WARNING, _cause(instance.pod, setup, component, name, chain.namespace)
        conditions.append(
            Condition.new(
                Reason.HERMES_NOT_READY, f"{name} is not ready: {cause}", chain.consumer_id, severity=severity
            )
        )
    return tuple(conditions)


def _is_healthy(pod: model.PodStatus | None, now: datetime.datetime) -> bool:
    if pod is None or not pod.is_ready:
        return False
    # Without a probe, a running container is always ready, even if it exits soon.
    return pod.restarts < _LOOPS or pod.started is None or now - pod.started >= _YOUNG


def _is_young(instance: inputs.Instance, now: datetime.datetime) -> bool:
    pod = instance.pod
    # A crash-looping pod becomes available for a moment each time.
    loops = pod is not None and pod.restarts >= _LOOPS
    moments = (None if loops else instance.since, None if pod is None else pod.created)
    return all(moment is None for moment in moments) or any(
        moment is not None and now - moment < _YOUNG for moment in moments
    )


def _cause(
    pod: model.PodStatus | None, setup: inputs.Setup, component: str, name: str, namespace: str
) -> str:
    kubectl = f"kubectl -n {namespace}"
    describe = f"{kubectl} describe pods -l {names.COMPONENT}={component}"
    logs = f"see {kubectl} logs deployment/{name}"
    if pod is None:
        return f"it has no pod; see {kubectl} describe replicasets -l {names.COMPONENT}={component}"
    if pod.waiting in _UNPULLED:
        # The reason alternates between these with every attempt, so it is not part of the text.
        return f"cannot pull image {setup.image}; check ics:relayer.image, or run {describe}"
    if pod.restarts >= _LOOPS:
        return f"its container is crash-looping; {logs}"
    if pod.waiting:
        return f"its container is waiting ({pod.waiting}); see {describe}"
    return f"it does not become ready; {logs}"
