"""The channel of a consumer, played on a pair of chains that refuse what the real ones refuse."""

import dataclasses
import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ics.relayer import handshake, ibc
from ics.relayer.handshake import Message
from ics.relayer.ibc import Side, State

CLIENTS = {Side.PROVIDER: "07-tendermint-7", Side.CONSUMER: "07-tendermint-0"}
START = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
End = ibc.ConnectionEnd | ibc.ChannelEnd


class RefusedError(Exception):
    """The chain refused the message."""


class Chains:
    """Both chains with what ibc-go and the CCV modules do to their ends. Ids begin where others ended."""

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

    def send(self, step: handshake.Step) -> None:
        assert (step.client_id, step.other_client_id) == (CLIENTS[step.side], CLIENTS[step.side.other])
        if step.message.is_of_connection:
            self._connection(step)
        else:
            self._channel(step)

    def _id(self, side: Side, kind: str) -> str:
        self.next_id[side] += 1
        return f"{kind}-{self.next_id[side]}"

    def _connection(self, step: handshake.Step) -> None:
        here, there = self.connections[step.side], self.connections[step.side.other]
        if step.message in (Message.CONNECTION_INIT, Message.CONNECTION_TRY):
            is_init = step.message is Message.CONNECTION_INIT
            if not is_init:
                self._prove(there[step.other_connection_id], State.INIT, "")
            state = State.INIT if is_init else State.TRYOPEN
            new = self._id(step.side, "connection")
            here[new] = ibc.ConnectionEnd(
                new, state, step.client_id, step.other_client_id, step.other_connection_id
            )
            return
        needed, proven = self._states(step)
        self._check(here[step.connection_id], needed, step.other_connection_id)
        self._prove(there[step.other_connection_id], proven, step.connection_id)
        here[step.connection_id] = dataclasses.replace(
            here[step.connection_id], state=State.OPEN, counterparty_id=step.other_connection_id
        )

    def _channel(self, step: handshake.Step) -> None:
        here, there = self.channels[step.side], self.channels[step.side.other]
        if self.connections[step.side][step.connection_id].state is not State.OPEN:
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
            state=State.OPEN,
            counterparty_id=step.other_channel_id,
            version=there[step.other_channel_id].version,
        )
        if step.port == ibc.CONSUMER_PORT and not self.transfer_id:
            self.transfer_id = self._id(Side.CONSUMER, "channel")
            ports = (ibc.TRANSFER_PORT, State.INIT, step.connection_id, ibc.TRANSFER_PORT)
            here[self.transfer_id] = ibc.ChannelEnd(self.transfer_id, *ports, "", False, "ics20-1")

    def _add(self, step: handshake.Step) -> None:
        is_init = step.message is Message.CHANNEL_INIT
        if is_init and step.side is Side.PROVIDER:
            raise RefusedError("the consumer begins")
        version = "1" if is_init else self.channels[step.side.other][step.other_channel_id].version
        if not is_init:
            self._prove(self.channels[step.side.other][step.other_channel_id], State.INIT, "")
        if step.port == ibc.PROVIDER_PORT:
            self._refuse_second()
            version = "\n&cosmos1pool\x12\x011"
        new = self._id(step.side, "channel")
        self.channels[step.side][new] = ibc.ChannelEnd(
            new,
            step.port,
            State.INIT if is_init else State.TRYOPEN,
            step.connection_id,
            step.other_port,
            step.other_channel_id,
            step.port != ibc.TRANSFER_PORT,
            version,
        )

    def _refuse_second(self) -> None:
        ends = self.channels[Side.PROVIDER].values()
        if any(end.port == ibc.PROVIDER_PORT and end.state is not State.TRYOPEN for end in ends):
            raise RefusedError("there is a CCV channel")

    def _states(self, step: handshake.Step) -> tuple[State, State]:
        is_ack = step.message in (Message.CONNECTION_ACK, Message.CHANNEL_ACK)
        return (State.INIT, State.TRYOPEN) if is_ack else (State.TRYOPEN, State.OPEN)

    def _check(self, end: End, state: State, counterparty: str) -> None:
        if end.state is not state or end.counterparty_id not in ("", counterparty):
            raise RefusedError(f"{end} is not {state}")

    def _prove(self, end: End, state: State, counterparty: str) -> None:
        if end.state is not state or end.counterparty_id != counterparty:
            raise RefusedError(f"{end} is not {state} with {counterparty!r}")

    def open_ccv(self) -> list[str]:
        """Ids on the provider of CCV channels that are open on both sides."""
        there = self.channels[Side.CONSUMER]
        return [
            end.id
            for end in self.channels[Side.PROVIDER].values()
            if end.port == ibc.PROVIDER_PORT
            and end.state is State.OPEN
            and there[end.counterparty_id].state is State.OPEN
            and there[end.counterparty_id].counterparty_id == end.id
        ]


def take_steps(chains: Chains, most: int = 100) -> list[Message]:
    """Takes one step after the other, as one creator alone does."""
    taken: list[Message] = []
    while len(taken) < most and (step := handshake.decide(*chains.facts()).step):
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


def test_a_creator_alone_opens_connection_ccv_channel_and_transfer_channel() -> None:
    chains = Chains()
    assert take_steps(chains) == HANDSHAKES
    finding = handshake.decide(*chains.facts())
    assert finding == handshake.Finding(
        connection=ibc.Pair("connection-41", "connection-1"),
        ccv=ibc.Pair("channel-42", "channel-2"),
        transfer=ibc.Pair("channel-43", "channel-3"),
        step=None,
        leftovers=(),
        mark=finding.mark,
    )


@pytest.mark.parametrize("taken", range(len(HANDSHAKES)))
def test_a_successor_continues_where_the_creator_was_killed(taken: int) -> None:
    chains = Chains()
    take_steps(chains, taken)
    assert take_steps(chains) == HANDSHAKES[taken:]
    assert chains.open_ccv() == ["channel-42"]
    assert handshake.decide(*chains.facts()).leftovers == ()


def test_the_first_step_names_the_existing_clients() -> None:
    assert handshake.decide(*Chains().facts()).step == handshake.Step(
        Message.CONNECTION_INIT, Side.CONSUMER, "07-tendermint-0", "07-tendermint-7"
    )


def test_a_step_names_both_ends_of_what_exists() -> None:
    chains = Chains()
    take_steps(chains, 6)
    assert handshake.decide(*chains.facts()).step == handshake.Step(
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
def test_however_creators_race_just_one_channel_opens(moves: list[tuple[int, bool]]) -> None:
    """Four creators look and act at any time; what one does on stale facts is refused or left over."""
    chains = Chains()
    plans: dict[int, handshake.Step | None] = {}
    for creator, looks in moves:
        if looks:
            plans[creator] = handshake.decide(*chains.facts()).step
        elif step := plans.pop(creator, None):
            try:
                chains.send(step)
            except RefusedError:
                continue
    take_steps(chains)
    finding = handshake.decide(*chains.facts())
    assert finding.ccv is not None
    assert chains.open_ccv() == [finding.ccv.provider]
    assert finding.transfer is not None
    assert finding.step is None
    known = {finding.connection.provider, finding.ccv.provider} if finding.connection else set()
    ids = {end.id for end in chains.channels[Side.PROVIDER].values() if end.port == ibc.PROVIDER_PORT}
    ids |= chains.connections[Side.PROVIDER].keys()
    assert {each.id for each in finding.leftovers if each.side == "provider"} == ids - known


def test_the_furthest_of_several_handshakes_goes_on() -> None:
    chains = Chains()
    init = handshake.decide(*chains.facts()).step
    assert init is not None
    chains.send(init)
    try_open = handshake.decide(*chains.facts()).step
    assert try_open is not None
    chains.send(init)
    chains.send(try_open)
    finding = handshake.decide(*chains.facts())
    assert finding.step is not None
    assert (finding.step.message, finding.step.connection_id) == (Message.CONNECTION_ACK, "connection-1")
    assert finding.leftovers == (handshake.Leftover("consumer", "connection-2", State.INIT),)


def test_a_handshake_that_was_begun_on_the_provider_is_continued_too() -> None:
    chains = Chains()
    chains.send(
        handshake.Step(Message.CONNECTION_INIT, Side.PROVIDER, CLIENTS[Side.PROVIDER], CLIENTS[Side.CONSUMER])
    )
    assert take_steps(chains) == HANDSHAKES[1:]


def test_ends_over_other_clients_and_other_channels_are_none_of_ours() -> None:
    chains = Chains()
    other = ibc.ConnectionEnd(
        "connection-9", State.OPEN, "07-tendermint-70", "07-tendermint-0", "connection-1"
    )
    chains.connections[Side.PROVIDER]["connection-9"] = other
    take_steps(chains)
    ours = handshake.decide(*chains.facts())
    foreign = ibc.ChannelEnd(
        "channel-5", "transfer", State.TRYOPEN, "connection-41", "transfer", "channel-90", False, "ics20-1"
    )
    chains.channels[Side.PROVIDER]["channel-5"] = foreign
    assert dataclasses.replace(handshake.decide(*chains.facts()), mark="") == dataclasses.replace(
        ours, mark=""
    )
    assert ours.leftovers == ()


def test_a_connection_that_could_never_open_is_left_over_and_another_is_begun() -> None:
    chains = Chains()
    odd = ibc.ConnectionEnd(
        "connection-0", State.INIT, CLIENTS[Side.CONSUMER], CLIENTS[Side.PROVIDER], "", is_plain=False
    )
    chains.connections[Side.CONSUMER]["connection-0"] = odd
    finding = handshake.decide(*chains.facts())
    assert finding.step is not None
    assert finding.step.message is Message.CONNECTION_INIT
    assert finding.leftovers == (handshake.Leftover("consumer", "connection-0", State.INIT),)


@pytest.mark.parametrize("side", Side)
def test_no_other_channel_is_begun_after_one_was_closed(side: Side) -> None:
    chains = Chains()
    take_steps(chains)
    ccv = handshake.decide(*chains.facts()).ccv
    assert ccv is not None
    id_ = ccv.provider if side is Side.PROVIDER else ccv.consumer
    chains.channels[side][id_] = dataclasses.replace(chains.channels[side][id_], state=State.CLOSED)
    finding = handshake.decide(*chains.facts())
    assert (finding.is_closed, finding.ccv, finding.step) == (True, None, None)


def test_facts_of_different_moments_are_waited_out() -> None:
    chains = Chains()
    take_steps(chains, 7)
    _, consumer, _ = chains.facts()
    stale = dataclasses.replace(
        consumer,
        channels=tuple(
            dataclasses.replace(e, state=State.INIT, counterparty_id="") for e in consumer.channels
        ),
    )
    take_steps(chains, 1)
    provider, _, _ = chains.facts()
    finding = handshake.decide(provider, stale)
    assert (finding.is_closed, finding.step) == (False, None)


def test_nothing_is_done_before_both_clients_are_known() -> None:
    assert handshake.decide(ibc.Ends("07-tendermint-7"), ibc.Ends("")).step is None


def test_the_mark_changes_with_every_step_and_only_then() -> None:
    chains = Chains()
    marks = [handshake.decide(*chains.facts()).mark]
    while take_steps(chains, 1):
        assert handshake.decide(*chains.facts()).mark == handshake.decide(*chains.facts()).mark
        marks.append(handshake.decide(*chains.facts()).mark)
    assert len(set(marks)) == len(HANDSHAKES) + 1


def test_creators_act_in_the_order_of_power_then_address() -> None:
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
