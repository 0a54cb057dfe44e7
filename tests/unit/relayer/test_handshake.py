"""The handshake of a consumer's channels, on simulated chains that refuse what real ones refuse."""

import dataclasses
import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ics.relayer import handshake, ibc
from ics.relayer.handshake import Message
from ics.relayer.ibc import EndState, Side

CLIENTS = {Side.PROVIDER: "07-tendermint-7", Side.CONSUMER: "07-tendermint-0"}
START = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
End = ibc.ConnectionEnd | ibc.ChannelEnd


class RefusedError(Exception):
    """The chain refused the message."""


class Chains:
    """Both chains with the effects of ibc-go and the CCV modules on their ends. Ids start above 0."""

    def __init__(self) -> None:
        self.connections: dict[Side, dict[str, ibc.ConnectionEnd]] = {side: {} for side in Side}
        self.channels: dict[Side, dict[str, ibc.ChannelEnd]] = {side: {} for side in Side}
        self.next_id = {Side.PROVIDER: 40, Side.CONSUMER: 0}
        self.transfer_id = ""

    def facts(self) -> tuple[ibc.Ends, ibc.Ends, str]:
        ends = {
            side: ibc.Ends(
                CLIENTS[side], tuple(self.connections[side].values()), tuple(self.channels[side].values())
            )
            for side in Side
        }
        return ends[Side.PROVIDER], ends[Side.CONSUMER], self.transfer_id

    def send(self, step: handshake.HandshakeStep) -> None:
        assert (step.client_id, step.other_client_id) == (CLIENTS[step.side], CLIENTS[step.side.other])
        if step.message.is_of_connection:
            self._connection(step)
        else:
            self._channel(step)

    def _id(self, side: Side, kind: str) -> str:
        self.next_id[side] += 1
        return f"{kind}-{self.next_id[side]}"

    def _connection(self, step: handshake.HandshakeStep) -> None:
        here, there = self.connections[step.side], self.connections[step.side.other]
        if step.message in (Message.CONNECTION_INIT, Message.CONNECTION_TRY):
            is_init = step.message is Message.CONNECTION_INIT
            if not is_init:
                self._prove(there[step.other_connection_id], EndState.INIT, "")
            state = EndState.INIT if is_init else EndState.TRYOPEN
            new = self._id(step.side, "connection")
            here[new] = ibc.ConnectionEnd(
                id=new,
                state=state,
                client_id=step.client_id,
                counterparty_client_id=step.other_client_id,
                counterparty_id=step.other_connection_id,
            )
            return
        needed, proven = self._states(step)
        self._check(here[step.connection_id], needed, step.other_connection_id)
        self._prove(there[step.other_connection_id], proven, step.connection_id)
        here[step.connection_id] = dataclasses.replace(
            here[step.connection_id], state=EndState.OPEN, counterparty_id=step.other_connection_id
        )

    def _channel(self, step: handshake.HandshakeStep) -> None:
        here, there = self.channels[step.side], self.channels[step.side.other]
        if self.connections[step.side][step.connection_id].state is not EndState.OPEN:
            raise RefusedError("the connection is not open")
        if step.message in (Message.CHANNEL_INIT, Message.CHANNEL_TRY):
            self._add(step)
            return
        needed, proven = self._states(step)
        self._check(here[step.channel_id], needed, step.other_channel_id)
        self._prove(there[step.other_channel_id], proven, step.channel_id)
        if step.message is Message.CHANNEL_CONFIRM and step.port == ibc.PROVIDER_PORT:
            self._refuse_second()
        here[step.channel_id] = dataclasses.replace(
            here[step.channel_id],
            state=EndState.OPEN,
            counterparty_id=step.other_channel_id,
            version=there[step.other_channel_id].version,
        )
        if step.port == ibc.CONSUMER_PORT and not self.transfer_id:
            self.transfer_id = self._id(Side.CONSUMER, "channel")
            here[self.transfer_id] = ibc.ChannelEnd(
                id=self.transfer_id,
                port=ibc.TRANSFER_PORT,
                state=EndState.INIT,
                connection_id=step.connection_id,
                counterparty_port=ibc.TRANSFER_PORT,
                counterparty_id="",
                is_ordered=False,
                version="ics20-1",
            )

    def _add(self, step: handshake.HandshakeStep) -> None:
        is_init = step.message is Message.CHANNEL_INIT
        if is_init and step.side is Side.PROVIDER:
            raise RefusedError("the consumer begins")
        version = "1" if is_init else self.channels[step.side.other][step.other_channel_id].version
        if not is_init:
            self._prove(self.channels[step.side.other][step.other_channel_id], EndState.INIT, "")
        if step.port == ibc.PROVIDER_PORT:
            self._refuse_second()
            version = "\n&cosmos1pool\x12\x011"
        new = self._id(step.side, "channel")
        self.channels[step.side][new] = ibc.ChannelEnd(
            id=new,
            port=step.port,
            state=EndState.INIT if is_init else EndState.TRYOPEN,
            connection_id=step.connection_id,
            counterparty_port=step.other_port,
            counterparty_id=step.other_channel_id,
            is_ordered=step.port != ibc.TRANSFER_PORT,
            version=version,
        )

    def _refuse_second(self) -> None:
        ends = self.channels[Side.PROVIDER].values()
        if any(end.port == ibc.PROVIDER_PORT and end.state is not EndState.TRYOPEN for end in ends):
            raise RefusedError("there is a CCV channel")

    def _states(self, step: handshake.HandshakeStep) -> tuple[EndState, EndState]:
        is_ack = step.message in (Message.CONNECTION_ACK, Message.CHANNEL_ACK)
        return (EndState.INIT, EndState.TRYOPEN) if is_ack else (EndState.TRYOPEN, EndState.OPEN)

    def _check(self, end: End, state: EndState, counterparty: str) -> None:
        if end.state is not state or end.counterparty_id not in ("", counterparty):
            raise RefusedError(f"{end} is not {state}")

    def _prove(self, end: End, state: EndState, counterparty: str) -> None:
        if end.state is not state or end.counterparty_id != counterparty:
            raise RefusedError(f"{end} is not {state} with {counterparty!r}")

    def open_ccv(self) -> list[str]:
        """Ids on the provider of CCV channels that are open on both sides."""
        there = self.channels[Side.CONSUMER]
        return [
            end.id
            for end in self.channels[Side.PROVIDER].values()
            if end.port == ibc.PROVIDER_PORT
            and end.state is EndState.OPEN
            and there[end.counterparty_id].state is EndState.OPEN
            and there[end.counterparty_id].counterparty_id == end.id
        ]


def take_steps(chains: Chains, most: int = 100) -> list[Message]:
    """Take one step after another, as a single creator does."""
    taken: list[Message] = []
    while len(taken) < most and (step := handshake.assess(*chains.facts()).step):
        chains.send(step)
        taken.append(step.message)
    return taken


HANDSHAKES = [
    Message.CONNECTION_INIT,
    Message.CONNECTION_TRY,
    Message.CONNECTION_ACK,
    Message.CONNECTION_CONFIRM,
    Message.CHANNEL_INIT,
    Message.CHANNEL_TRY,
    Message.CHANNEL_ACK,
    Message.CHANNEL_CONFIRM,
    Message.CHANNEL_TRY,
    Message.CHANNEL_ACK,
    Message.CHANNEL_CONFIRM,
]


def test_single_creator_opens_connection_and_both_channels() -> None:
    chains = Chains()
    assert take_steps(chains) == HANDSHAKES
    finding = handshake.assess(*chains.facts())
    assert finding == handshake.HandshakeState(
        connection=ibc.Pair("connection-41", "connection-1"),
        ccv=ibc.Pair("channel-42", "channel-2"),
        transfer=ibc.Pair("channel-43", "channel-3"),
        step=None,
        leftovers=(),
        fingerprint=finding.fingerprint,
    )


@pytest.mark.parametrize("taken", range(len(HANDSHAKES)))
def test_successor_continues_handshake_after_any_step(taken: int) -> None:
    chains = Chains()
    take_steps(chains, taken)
    assert take_steps(chains) == HANDSHAKES[taken:]
    assert chains.open_ccv() == ["channel-42"]
    assert handshake.assess(*chains.facts()).leftovers == ()


def test_first_step_uses_existing_clients() -> None:
    assert handshake.assess(*Chains().facts()).step == handshake.HandshakeStep(
        message=Message.CONNECTION_INIT,
        side=Side.CONSUMER,
        client_id="07-tendermint-0",
        other_client_id="07-tendermint-7",
    )


def test_step_names_both_existing_ends() -> None:
    chains = Chains()
    take_steps(chains, 6)
    assert handshake.assess(*chains.facts()).step == handshake.HandshakeStep(
        message=Message.CHANNEL_ACK,
        side=Side.CONSUMER,
        client_id="07-tendermint-0",
        other_client_id="07-tendermint-7",
        connection_id="connection-1",
        other_connection_id="connection-41",
        port="consumer",
        other_port="provider",
        channel_id="channel-2",
        other_channel_id="channel-42",
    )


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=60))
def test_racing_creators_open_exactly_one_channel(moves: list[tuple[int, bool]]) -> None:
    """Four creators observe and act at any time; a step from stale facts is refused or left over."""
    chains = Chains()
    plans: dict[int, handshake.HandshakeStep | None] = {}
    for creator, looks in moves:
        if looks:
            plans[creator] = handshake.assess(*chains.facts()).step
        elif step := plans.pop(creator, None):
            try:
                chains.send(step)
            except RefusedError:
                continue
    take_steps(chains)
    finding = handshake.assess(*chains.facts())
    assert finding.ccv is not None
    assert chains.open_ccv() == [finding.ccv.provider]
    assert finding.transfer is not None
    assert finding.step is None
    known = {finding.connection.provider, finding.ccv.provider} if finding.connection else set()
    ids = {end.id for end in chains.channels[Side.PROVIDER].values() if end.port == ibc.PROVIDER_PORT}
    ids |= chains.connections[Side.PROVIDER].keys()
    assert {each.id for each in finding.leftovers if each.side == "provider"} == ids - known


def test_most_advanced_of_several_handshakes_continues() -> None:
    chains = Chains()
    init = handshake.assess(*chains.facts()).step
    assert init is not None
    chains.send(init)
    try_open = handshake.assess(*chains.facts()).step
    assert try_open is not None
    chains.send(init)
    chains.send(try_open)
    finding = handshake.assess(*chains.facts())
    assert finding.step is not None
    assert (finding.step.message, finding.step.connection_id) == (Message.CONNECTION_ACK, "connection-1")
    assert finding.leftovers == (handshake.Leftover("consumer", "connection-2", EndState.INIT),)


def test_handshake_started_on_provider_is_continued() -> None:
    chains = Chains()
    chains.send(
        handshake.HandshakeStep(
            message=Message.CONNECTION_INIT,
            side=Side.PROVIDER,
            client_id=CLIENTS[Side.PROVIDER],
            other_client_id=CLIENTS[Side.CONSUMER],
        )
    )
    assert take_steps(chains) == HANDSHAKES[1:]


def test_ends_of_other_clients_and_channels_are_ignored() -> None:
    chains = Chains()
    other = ibc.ConnectionEnd(
        id="connection-9",
        state=EndState.OPEN,
        client_id="07-tendermint-70",
        counterparty_client_id="07-tendermint-0",
        counterparty_id="connection-1",
    )
    chains.connections[Side.PROVIDER]["connection-9"] = other
    take_steps(chains)
    ours = handshake.assess(*chains.facts())
    foreign = ibc.ChannelEnd(
        id="channel-5",
        port="transfer",
        state=EndState.TRYOPEN,
        connection_id="connection-41",
        counterparty_port="transfer",
        counterparty_id="channel-90",
        is_ordered=False,
        version="ics20-1",
    )
    chains.channels[Side.PROVIDER]["channel-5"] = foreign
    assert dataclasses.replace(handshake.assess(*chains.facts()), fingerprint="") == dataclasses.replace(
        ours, fingerprint=""
    )
    assert ours.leftovers == ()


def test_connection_that_cannot_open_is_leftover_and_replaced() -> None:
    chains = Chains()
    odd = ibc.ConnectionEnd(
        id="connection-0",
        state=EndState.INIT,
        client_id=CLIENTS[Side.CONSUMER],
        counterparty_client_id=CLIENTS[Side.PROVIDER],
        counterparty_id="",
        is_plain=False,
    )
    chains.connections[Side.CONSUMER]["connection-0"] = odd
    finding = handshake.assess(*chains.facts())
    assert finding.step is not None
    assert finding.step.message is Message.CONNECTION_INIT
    assert finding.leftovers == (handshake.Leftover("consumer", "connection-0", EndState.INIT),)


@pytest.mark.parametrize("side", Side)
def test_closed_channel_is_not_replaced(side: Side) -> None:
    chains = Chains()
    take_steps(chains)
    ccv = handshake.assess(*chains.facts()).ccv
    assert ccv is not None
    id_ = ccv.provider if side is Side.PROVIDER else ccv.consumer
    chains.channels[side][id_] = dataclasses.replace(chains.channels[side][id_], state=EndState.CLOSED)
    finding = handshake.assess(*chains.facts())
    assert (finding.is_closed, finding.ccv, finding.step) == (True, None, None)


def test_inconsistent_facts_yield_no_step() -> None:
    chains = Chains()
    take_steps(chains, 7)
    _, consumer, _ = chains.facts()
    stale = dataclasses.replace(
        consumer,
        channels=tuple(
            dataclasses.replace(e, state=EndState.INIT, counterparty_id="") for e in consumer.channels
        ),
    )
    take_steps(chains, 1)
    provider, _, _ = chains.facts()
    finding = handshake.assess(provider, stale)
    assert (finding.is_closed, finding.step) == (False, None)


def test_handshake_without_consumer_client_has_no_step() -> None:
    assert handshake.assess(ibc.Ends("07-tendermint-7"), ibc.Ends("")).step is None


def test_fingerprint_changes_with_every_step_only() -> None:
    chains = Chains()
    marks = [handshake.assess(*chains.facts()).fingerprint]
    while take_steps(chains, 1):
        assert handshake.assess(*chains.facts()).fingerprint == handshake.assess(*chains.facts()).fingerprint
        marks.append(handshake.assess(*chains.facts()).fingerprint)
    assert len(set(marks)) == len(HANDSHAKES) + 1


def test_creators_are_ranked_by_power_then_address() -> None:
    creators = [
        handshake.Creator("cosmosvalcons1c", 10, True),
        handshake.Creator("cosmosvalcons1b", 10, True),
        handshake.Creator("cosmosvalcons1a", 300, False),
        handshake.Creator("cosmosvalcons1d", 200, True),
        handshake.Creator("cosmosvalcons1e", 0, True),
    ]
    order = handshake.ranking(creators)
    assert order == ("cosmosvalcons1d", "cosmosvalcons1b", "cosmosvalcons1c")
    waits = [handshake.acts_at(order, address, START) for address in (*order, "cosmosvalcons1a")]
    second = datetime.timedelta(seconds=1)
    assert waits == [START, START + 45 * second, START + 90 * second, None]
    assert handshake.acts_at(order, "cosmosvalcons1c", START, is_ours=True) == START
