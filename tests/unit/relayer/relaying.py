"""Factories for the relaying of one chain: facts of both chains, the plan and the record of a relayer."""

import dataclasses
import datetime
from collections.abc import Mapping
from typing import Any

from ics import model
from ics.consumer import desired
from ics.consumer import observed as consumer_observed
from ics.cosmos import gas_prices
from ics.relayer import facts, handshake, ibc, inputs
from ics.relayer import plan as relayer_plan
from tests.unit import factories

P = model.Phase
START = datetime.datetime(2026, 1, 1, 0, 1, tzinfo=datetime.UTC)
SECOND = datetime.timedelta(seconds=1)

P_CLIENT = ibc.IbcClient(
    id="07-tendermint-0", chain_id="consumer1-1", trusting_period=356 * SECOND, updated=START
)
C_CLIENT = ibc.IbcClient(
    id="07-tendermint-0", chain_id="provider-1", trusting_period=396 * SECOND, updated=START
)
P_CONNECTION = ibc.ConnectionEnd(
    id="connection-0",
    state=ibc.EndState.OPEN,
    client_id=P_CLIENT.id,
    counterparty_client_id=C_CLIENT.id,
    counterparty_id="connection-0",
)
P_CCV = ibc.ChannelEnd(
    id="channel-0",
    port="provider",
    state=ibc.EndState.OPEN,
    connection_id="connection-0",
    counterparty_port="consumer",
    counterparty_id="channel-0",
    is_ordered=True,
    version="1",
)
C_CCV = dataclasses.replace(P_CCV, port="consumer", counterparty_port="provider")
P_TRANSFER = ibc.ChannelEnd(
    id="channel-1",
    port="transfer",
    state=ibc.EndState.OPEN,
    connection_id="connection-0",
    counterparty_port="transfer",
    counterparty_id="channel-1",
    is_ordered=False,
    version="ics20-1",
)

NOTHING = facts.Facts(
    provider=ibc.Ends(P_CLIENT.id),
    consumer=ibc.Ends(C_CLIENT.id),
    provider_client=P_CLIENT,
    consumer_client=C_CLIENT,
    transfer_id="",
    provider_time=START,
    consumer_time=START,
    provider_unbonding=600,
    trusting_fraction="0.66",
    consumer_balance=100,
)
OPEN = dataclasses.replace(
    NOTHING,
    provider=ibc.Ends(P_CLIENT.id, (P_CONNECTION,), (P_CCV, P_TRANSFER)),
    consumer=ibc.Ends(C_CLIENT.id, (P_CONNECTION,), (C_CCV, P_TRANSFER)),
    transfer_id="channel-1",
)
TIME = "2026-01-01T00:01:00.5Z"


def at(facts: facts.Facts, seconds: float) -> facts.Facts:
    """Return these facts with both chains at this many seconds after the start."""
    now = START + seconds * SECOND
    return dataclasses.replace(facts, provider_time=now, consumer_time=now)


def judge(
    facts: facts.Facts | None,
    name: str = "alice",
    time: str = TIME,
    problem: str = "",
    image: str = "hermes:1",
    asked: gas_prices.GasPrice | None = None,
    stack: Mapping[str, Any] | None = None,
    **memory: Any,
) -> desired.Desired:
    """Compute what one of alice and bob wants for their launched chain with these facts of its relaying."""
    chain = factories.consumer(P.LAUNCHED, factories.joined("alice", "bob", own=name))
    kept = factories.memory(name, **{"has_workload": True, "genesis": factories.GENESIS, **memory})
    observed = consumer_observed.Observed(
        spare=factories.SPARE,
        snapshot=factories.snapshot(chain, time=time),
        memory=kept,
        relays={} if facts is None else {"0": facts},
        relay_problems={"0": problem} if problem else {},
        gas_price=gas_prices.GasPrice() if asked is None else asked,
    )
    return factories.judge(observed, name, relayer={"image": image}, **(stack or {}))


def plan(facts: facts.Facts | None, name: str = "alice", **options: Any) -> relayer_plan.RelayerPlan:
    """Return the plan of that validator's relayer; the options are those of `judge`."""
    planned = judge(facts, name, **options).chains[0].relay
    assert planned is not None
    return planned


def record(mark: str, since: datetime.datetime = START, **changes: Any) -> inputs.RelayingRecord:
    """Return a record of a fingerprint and nothing else, with `changes`."""
    base = inputs.RelayingRecord(fingerprint=mark, since=since)
    return dataclasses.replace(base, **changes)


def accepted(
    facts: facts.Facts, name: str = "alice", stack: Mapping[str, Any] | None = None, **changes: Any
) -> inputs.RelayingRecord:
    """Return the record once Hermes has accepted every config that it checks."""
    found = plan(facts, name, stack=stack)
    for _ in ("the config without channels", "the one with them"):
        if found.candidate is None:
            break
        kept = found.candidate.record
        found = plan(facts, name, record=kept, stack=stack)
    return dataclasses.replace(kept, **changes)


MARK = handshake.assess(NOTHING.provider, NOTHING.consumer, "").fingerprint
STARTED = accepted(NOTHING)
LIVE = inputs.Setup("hermes:live", "live")
