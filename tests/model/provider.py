"""The provider chain: phases, key assignment and epochs as in interchain-security v7, and its endpoints, which may err.

Key assignment: x/ccv/provider/keeper/key_assignment.go. A key that is or was assigned is refused; a replaced key stays
known while the chain is LAUNCHED, and is forgotten at once before. The next epoch's update exchanges the two at once.
"""

import dataclasses
import datetime
import enum
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from ics import errors, model
from ics.conditions import Condition
from ics.consumer import rewards
from ics.cosmos import addresses, gas_prices, light
from ics.provider.rest import relayer_queries
from ics.relayer import queries
from tests.model import consumer, stack

BLOCK = datetime.timedelta(seconds=30)
EPOCH = 3
"""Blocks per epoch."""
_START = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
_ACTIVE = (model.Phase.REGISTERED, model.Phase.INITIALIZED, model.Phase.LAUNCHED)


@dataclass(slots=True)
class Provider:
    """State of the provider chain."""

    height: int = 100
    time: datetime.datetime = _START
    phase: model.Phase = model.Phase.INITIALIZED
    connection_id: str = ""
    is_opted_in: bool = False
    is_jailed: bool = False
    assigned: bytes | None = None
    """Public key that the validator assigned."""
    known: dict[bytes, bytes] = field(default_factory=dict)
    """Keys that are or were assigned: public key by address."""
    listed: bytes | None = None
    """Key with which the validator is in the consumer's set, as of the last epoch or the launch."""
    packets: list[dict[bytes, int]] = field(default_factory=list)
    """Validator updates that were sent and not received yet."""
    chain: consumer.Chain | None = None
    """The consumer chain once it is launched."""
    initial: tuple[tuple[bytes, int], ...] = ()
    stopped_at: datetime.datetime | None = None
    past: list["Answer"] = field(default_factory=list)
    """What an endpoint answered at each height."""

    def advance(self) -> None:
        """Make a block, and at the end of an epoch a packet if the set has changed."""
        self.past = [*self.past[-9:], self.answer()]
        self.height += 1
        self.time += BLOCK
        if self.phase is not model.Phase.LAUNCHED or self.height % EPOCH:
            return
        if self.member() != self.listed:
            self.listed = self.member()
            self.packets.append(_members(self.listed))

    def member(self) -> bytes | None:
        """Return the key with which the next epoch has this validator in the set, None if it is not."""
        return (self.assigned or stack.KEY) if self.is_opted_in and not self.is_jailed else None

    def launch(self) -> None:
        """Launch the chain with the validators of now."""
        self.phase = model.Phase.LAUNCHED
        self.listed = self.member()
        own = () if self.listed is None else ((self.listed, stack.POWER),)
        self.initial = (*own, (stack.OTHER_KEY, consumer.OTHERS))
        self.chain = consumer.Chain([(1, _members(self.listed))])
        self.advance()

    def relay(self) -> None:
        """Bring all packets to the consumer."""
        assert self.chain is not None
        for packet in self.packets:
            self.chain.update(packet)
        self.packets = []

    def assign(self, key: bytes) -> None:
        """Assign a key.

        Raises:
            Permanent: as the chain refuses it.
        """
        address = addresses.consensus_address(key)
        if self.phase not in _ACTIVE:
            raise errors.Permanent("cannot assign a key in this phase")
        if address in self.known:
            raise errors.Permanent("a validator has or had assigned this consumer key already")
        if self.assigned is not None and self.phase is not model.Phase.LAUNCHED:
            del self.known[addresses.consensus_address(self.assigned)]
        self.assigned = key
        self.known[address] = key

    def opt_in(self, key: bytes | None) -> None:
        """Opt in, with a key to assign or without.

        Raises:
            Permanent: as the chain refuses it.
        """
        if self.phase not in _ACTIVE:
            raise errors.Permanent("cannot opt in in this phase")
        if key is not None:
            self.assign(key)
        self.is_opted_in = True

    def answer(self) -> "Answer":
        """Return what an honest endpoint answers now."""
        return Answer(
            self._snapshot(), frozenset(self.known), stack.launch(self.initial) if self.initial else None
        )

    def _snapshot(self) -> model.Snapshot:
        has_client = self.phase in (model.Phase.LAUNCHED, model.Phase.STOPPED)
        summary = model.ConsumerSummary(
            consumer_id=stack.CONSUMER,
            chain_id=stack.CHAIN_ID,
            phase=self.phase,
            client_id="07-tendermint-0" if has_client else "",
            top_n=0,
            name="example",
        )
        has_detail = self.phase not in (model.Phase.REGISTERED, model.Phase.DELETED)
        return model.Snapshot(
            chain_id=stack.PROVIDER,
            height=self.height,
            time=self.time.isoformat(),
            validators=stack.validators(is_jailed=self.is_jailed),
            consumers=(model.Consumer(summary, self._detail() if has_detail else None),),
            must_validate=frozenset({stack.CONSUMER} if self.listed and has_client else ()),
        )

    def _detail(self) -> model.ConsumerDetail:
        key = self.member() if self.phase is model.Phase.INITIALIZED else self.listed
        own = () if key is None else (model.ConsumerValidator(stack.VALCONS, key, stack.POWER),)
        is_stopped = self.phase is model.Phase.STOPPED
        return model.ConsumerDetail(
            owner=stack.OWNER,
            spawn_time="2026-01-01T00:00:00Z",
            initial_height=1,
            genesis_hash=stack.genesis_hash(),
            binary_hash=b"",
            unbonding_period=540,
            connection_id=self.connection_id,
            opted_in=frozenset({stack.VALCONS} if self.is_opted_in else ()),
            validators=() if is_stopped else own,
            own_consumer_address=None
            if self.assigned is None
            else addresses.consensus_address(self.assigned),
            stopped_at=self.stopped_at,
        )


def _members(key: bytes | None) -> dict[bytes, int]:
    return {} if key is None else {addresses.consensus_address(key): stack.POWER}


@dataclass(frozen=True, slots=True)
class Answer:
    """What one endpoint answers at one height."""

    snapshot: model.Snapshot
    known: frozenset[bytes]
    """Addresses that the provider maps to a validator."""
    launch: model.Launch | None

    @property
    def detail(self) -> model.ConsumerDetail | None:
        """The chain's detail."""
        return self.snapshot.consumers[0].detail


class Lie(enum.Enum):
    """A wrong answer of one endpoint."""

    INITIALIZED = "the chain is not launched"
    LAUNCHED = "the chain is launched"
    STOPPED = "the owner has removed the chain"
    DELETED = "the chain is deleted"
    UNASSIGNED = "no key is assigned"
    OTHER_KEY = "another key is assigned"
    LEFT = "the validator has not joined"
    UNKNOWN_KEYS = "no key was ever assigned"

    def told(self, answer: Answer) -> Answer:
        """Return the answer with this in it."""
        if self is Lie.UNKNOWN_KEYS:
            return dataclasses.replace(answer, known=frozenset())
        if self in _PHASES:
            return _with_summary(answer, _PHASES[self])
        if self is Lie.UNASSIGNED:
            return _with_detail(answer, own_consumer_address=None)
        if self is Lie.OTHER_KEY:
            return _with_detail(answer, own_consumer_address=b"x" * 20)
        told = _with_detail(answer, opted_in=frozenset(), validators=())
        return dataclasses.replace(
            told, snapshot=dataclasses.replace(told.snapshot, must_validate=frozenset())
        )


_PHASES: Mapping[Lie, model.Phase] = {
    Lie.INITIALIZED: model.Phase.INITIALIZED,
    Lie.LAUNCHED: model.Phase.LAUNCHED,
    Lie.STOPPED: model.Phase.STOPPED,
    Lie.DELETED: model.Phase.DELETED,
}


def _with_summary(answer: Answer, phase: model.Phase) -> Answer:
    (found,) = answer.snapshot.consumers
    changed = model.Consumer(dataclasses.replace(found.summary, phase=phase), found.detail)
    return dataclasses.replace(answer, snapshot=dataclasses.replace(answer.snapshot, consumers=(changed,)))


def _with_detail(answer: Answer, **changes: object) -> Answer:
    (found,) = answer.snapshot.consumers
    if found.detail is None:
        return answer
    changed = model.Consumer(found.summary, dataclasses.replace(found.detail, **changes))  # type: ignore[arg-type]
    return dataclasses.replace(answer, snapshot=dataclasses.replace(answer.snapshot, consumers=(changed,)))


def _with_key_of_set(detail: model.ConsumerDetail) -> model.ConsumerDetail:
    own = next((m for m in detail.validators if m.consensus_address == stack.VALCONS), None)
    if own is None or own.consumer_key == stack.KEY:
        return detail
    address = addresses.consensus_address(own.consumer_key)
    return dataclasses.replace(detail, own_consumer_address=address, is_key_of_set=True)


@dataclass(slots=True)
class Endpoint:
    """The endpoint that one pass reads; every question of the pass gets its answer from one state."""

    answer: Answer

    async def open(self, floor: model.ActedBlock | None) -> object:
        """Refuse if this endpoint lags behind what was acted upon."""
        height = self.answer.snapshot.height
        if floor is not None and height < floor.height:
            raise errors.Transient(f"the endpoint is at height {height}, below {floor.height}")
        return None

    async def check_rpc(self) -> None:
        """Agree."""

    def endpoint_states(self) -> tuple[model.EndpointState, ...]:
        return ()

    def conditions(self) -> tuple[Condition, ...]:
        """Return nothing."""
        return ()

    async def snapshot(
        self, operator_address: str, interest: Callable[[model.ConsumerSummary, bool], bool]
    ) -> model.Snapshot:
        """Return the state, with details only of a chain that is of interest."""
        (found,) = self.answer.snapshot.consumers
        must = stack.CONSUMER in self.answer.snapshot.must_validate
        if interest(found.summary, must):
            return self.answer.snapshot
        return dataclasses.replace(self.answer.snapshot, consumers=(model.Consumer(found.summary),))

    async def details(
        self, summaries: Sequence[model.ConsumerSummary], *, takes_key_of_set: bool = False
    ) -> tuple[Mapping[str, model.ConsumerDetail], Mapping[str, str]]:
        """Return the details at the same height, if that will do with the key that the last epoch put into the set."""
        (found,) = self.answer.snapshot.consumers
        detail = found.detail
        if detail is not None and takes_key_of_set and found.summary.phase is model.Phase.LAUNCHED:
            detail = _with_key_of_set(detail)
        return {one.consumer_id: detail for one in summaries if detail is not None}, {}

    async def epoch_end(self) -> int:
        """Return when the next epoch begins."""
        return self.answer.snapshot.height + max(-self.answer.snapshot.height % EPOCH, 1)

    async def client_view(self, client_id: str) -> light.ClientView:
        """Refuse: no definition asks for a state sync."""
        raise AssertionError(f"unexpected question about {client_id}")

    async def dissent(self, consumer_id: str, snapshot: model.Snapshot) -> tuple[str, ...]:
        """Contradict nothing: there is one endpoint."""
        return ()

    async def is_outvoted(self, consumer_id: str, snapshot: model.Snapshot) -> bool:
        """Return that nothing contradicts: there is one endpoint."""
        return False

    async def is_key_used(self, consumer_id: str, consumer_address: str) -> bool:
        """Return whether the provider maps this address to a validator."""
        return addresses.decode(consumer_address)[1] in self.answer.known

    async def slashing_params(self) -> model.SlashingParams:
        """Return the penalties of the provider's own slashing module."""
        return model.SlashingParams(
            slash_fraction_double_sign=Decimal("0.05"),
            slash_fraction_downtime=Decimal("0.01"),
            downtime_jail_duration=600_000_000_000,
        )

    async def queued_terms(self, consumer_id: str) -> model.InfractionParameters:
        """Return that nothing is queued."""
        return model.InfractionParameters()

    async def launch(self, consumer_id: str, with_details: bool = True) -> model.Launch:
        """Return the data of the launch."""
        if self.answer.launch is None:
            raise errors.Transient("the chain is not launched")
        return self.answer.launch

    async def provider_params(self) -> relayer_queries.ProviderParams:
        """Fail: no relayer runs, and a stopped chain's packets remain unknown."""
        raise errors.Transient("not answered")

    async def relay_ends(self, client_id: str) -> queries.ChainSide:
        """Fail: no relayer runs, and a stopped chain's packets remain unknown."""
        raise errors.Transient("not answered")

    async def sent(self, channel_id: str) -> relayer_queries.SentPackets:
        """Fail: no relayer runs, and a stopped chain's packets remain unknown."""
        raise errors.Transient("not answered")

    async def epoch(self) -> model.Epoch:
        """Return the schedule of updates."""
        left = EPOCH - self.answer.snapshot.height % EPOCH
        return model.Epoch(blocks_left=left, blocks=EPOCH, block_seconds=BLOCK.total_seconds())

    async def gas_price(self) -> gas_prices.GasPrice:
        """No price is asked, so the least one of the settings is paid."""
        return gas_prices.GasPrice()

    async def balances(self, addresses: Iterable[str], denom: str) -> Mapping[str, int]:
        """Fail: no relayer runs, and a stopped chain's packets remain unknown."""
        raise errors.Transient("not answered")

    async def validator_rewards(self, operator_address: str) -> rewards.ValidatorRewards:
        """Fail: nothing depends on rewards."""
        raise errors.Transient("not answered")

    async def reward_origin(self, denom: str) -> rewards.Origin | None:
        """Fail, as `validator_rewards`."""
        raise errors.Transient("not answered")
