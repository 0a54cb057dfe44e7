"""Sending transactions despite full mempools, lost answers, slow blocks, missing funds and wrong chains."""

import asyncio
import dataclasses
import datetime
import hashlib
import math
from decimal import Decimal
from typing import Any

import pytest

from ics import errors, model
from ics.config import endpoint, settings
from ics.cosmos import addresses, coins, gas_prices
from ics.keys import derivation
from ics.provider import gateway, heads
from ics.provider.owner import terms
from ics.provider.owner import transactions as owner_transactions
from ics.provider.tx import grpc, ledgers, messages, signers, transactions

START = datetime.datetime(2026, 11, 22, 12, 0, tzinfo=datetime.UTC)
ACCOUNT = derivation.account_from_hex(model.Secret("11" * 32))
SIGNER = ACCOUNT.address("cosmos")
OPERATOR = addresses.reprefix(SIGNER, "cosmosvaloper")
PRINCIPAL = addresses.encode("cosmos", bytes(20))
"""Of another operator, who may have granted the account its messages."""
OWN = signers.TxAuthority(SIGNER, SIGNER)
OPT_IN = model.OptIn("5", "c-1", bytes(32))
OTHER = model.AssignKey("6", "d-1", bytes(32))
FULL = grpc.TxResult(code=20, codespace="sdk", log="", height=0)


def refused(code: int, log: str, codespace: str = "sdk") -> grpc.TxResult:
    return grpc.TxResult(code=code, codespace=codespace, log=log, height=0)


@dataclasses.dataclass
class Chain:
    """A chain of one account: a block each second of the test's own clock takes what the mempool holds.

    It refuses what the real one refuses: a sequence that is not the next one, the same bytes twice, and
    a transaction after its timeout height.
    """

    now: datetime.datetime = START
    height: int = 100
    sequence: int = 7
    chain_id: str = "provider-1"
    checks: list[grpc.TxResult] = dataclasses.field(default_factory=list)
    """What the next checks answer; when empty, the checks are real."""
    losses: list[str] = dataclasses.field(default_factory=list)
    """`before` or `after`: the next broadcasts get no answer, and did not or did arrive."""
    execution: grpc.TxResult = dataclasses.field(
        default_factory=lambda: grpc.TxResult(code=0, codespace="", log="", height=0)
    )
    simulation: str = ""
    """Error of the simulation."""
    is_known: bool = True
    held: int = 3
    """What the signer has."""
    is_stalled: bool = False
    """The mempool's transactions come into no block."""
    is_indexed: bool = True
    granted: tuple[str, ...] = ()
    allowance: signers.Allowance | None = None
    market: Decimal | None = None
    """Price of a unit of gas, below which the mempool refuses a fee; None: it takes any."""
    claims: list[Decimal] = dataclasses.field(default_factory=list)
    """What the next questions for the price are answered, whatever the market says."""
    silent: int = 0
    """How many of the next looks get no answer."""
    mempool: dict[str, grpc.Draft] = dataclasses.field(default_factory=dict)
    included: dict[str, grpc.TxResult] = dataclasses.field(default_factory=dict)
    executed: list[grpc.Draft] = dataclasses.field(default_factory=list)
    slept: list[float] = dataclasses.field(default_factory=list)
    drafts: dict[bytes, grpc.Draft] = dataclasses.field(default_factory=dict)
    """What was signed, by its bytes."""

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(0)
        before = int((self.now - START).total_seconds())
        self.now += datetime.timedelta(seconds=seconds)
        for _ in range(int((self.now - START).total_seconds()) - before):
            self.block()

    async def ask_price(self) -> gas_prices.GasPrice:
        """As `ics.provider.rest.queries.Queries.gas_price`."""
        price = self.claims.pop(0) if self.claims else self.market
        return gas_prices.GasPrice() if price is None else gas_prices.GasPrice(price, is_market=True)

    def block(self) -> None:
        self.height += 1
        for tx_hash, draft in [] if self.is_stalled else list(self.mempool.items()):
            del self.mempool[tx_hash]
            if draft.timeout_height >= self.height and draft.sequence.next == self.sequence:
                self.sequence += 1
                self.executed.append(draft)
                self.included[tx_hash] = dataclasses.replace(self.execution, height=self.height)


class Endpoint:
    """A gRPC endpoint of the chain, in the place of `ics.provider.tx.grpc.Ledger`."""

    def __init__(self, url: str, chain: Chain) -> None:
        self.url, self.chain, self.address = endpoint.Endpoint(url=url), chain, SIGNER
        self.broadcasts: list[str] = []
        self._handed_over: set[str] = set()

    def head(self) -> heads.Head:
        return heads.Head(self.chain.chain_id, self.chain.height, self.chain.now.isoformat())

    def height(self) -> int:
        return self.chain.height

    def sequence(self) -> grpc.Sequence | None:
        return grpc.Sequence(42, self.chain.sequence) if self.chain.is_known else None

    def balance(self, address: str) -> int:
        return {SIGNER: self.chain.held, PRINCIPAL: 5}.get(address, 0)

    def granted_types(self) -> frozenset[str]:
        return frozenset(self.chain.granted)

    def allowance(self) -> signers.Allowance | None:
        return self.chain.allowance

    def sign(self, draft: grpc.Draft) -> grpc.Signed:
        raw = repr(draft).encode()
        self.chain.drafts[raw] = draft
        return grpc.Signed(raw)

    def simulate(self, signed: grpc.Signed) -> int:
        assert self.chain.drafts[signed.raw].fee == 1
        if self.chain.simulation:
            raise gateway.Refused(self.chain.simulation)
        return 100_001

    def broadcast(self, signed: grpc.Signed) -> grpc.TxResult:
        draft, chain = self.chain.drafts[signed.raw], self.chain
        self.broadcasts.append(signed.hash)
        if chain.checks:
            return chain.checks.pop(0)
        if signed.hash in self._handed_over:
            raise AssertionError("the same transaction was sent twice")
        self._handed_over.add(signed.hash)
        required = math.ceil(draft.gas * (chain.market or 0))
        if draft.fee < required:
            return refused(13, f"insufficient fees; got: {draft.fee}stake required: {required}stake")
        loss = chain.losses.pop(0) if chain.losses else ""
        if loss == "before":
            raise grpc.Unanswered(f"{self.url}: connection reset")
        if draft.sequence.number != 42:
            return refused(4, "signature verification failed")
        if draft.sequence.next != chain.sequence:
            return refused(32, "account sequence mismatch")
        chain.mempool[signed.hash] = draft
        if loss:
            raise grpc.Unanswered(f"{self.url}: connection reset")
        return grpc.TxResult(code=0, codespace="", log="", height=0)

    def find(self, tx_hash: str) -> grpc.TxResult | None:
        if not self.chain.is_indexed:
            raise gateway.Refused("transaction indexing is disabled")
        if self.chain.silent and self.broadcasts:
            self.chain.silent -= 1
            raise grpc.Unanswered(f"{self.url}: no answer")
        return self.chain.included.get(tx_hash)


class Down:
    """An endpoint without a server."""

    def __init__(self, url: str) -> None:
        self.url = endpoint.Endpoint(url=url)

    def head(self) -> heads.Head:
        raise grpc.Unanswered(f"{self.url}: connection refused")


@dataclasses.dataclass
class Journal:
    """What outlives the process."""

    chain: "Chain"
    last: tuple[str, int] | None = None
    orders: dict[str, tuple[str, int]] = dataclasses.field(default_factory=dict)
    fees: list[coins.Coin | None] = dataclasses.field(default_factory=list)

    async def begin(
        self,
        tx_hash: str,
        timeout_height: int,
        transaction: messages.Transaction,
        order: str = "",
        fee: coins.Coin | None = None,
    ) -> None:
        assert not self.chain.mempool, "it was handed over before it was put down"
        self.fees.append(fee)
        self.last = (tx_hash, timeout_height)
        if order:
            self.orders[order] = self.last

    async def ordered(self, order: str) -> tuple[str, int] | None:
        return self.orders.get(order)

    async def finish(self, order: str) -> None:
        self.orders.pop(order, None)

    async def pending(self) -> tuple[str, int] | None:
        return self.last


def sender(
    chain: Chain, authority: signers.TxAuthority = OWN, journal: Journal | None = None, **others: Chain | None
) -> tuple[transactions.Transactions, Endpoint]:
    own = Endpoint("http://a:9090", chain)
    made: dict[str, Any] = {own.url.url: own}
    for name, other in others.items():
        url = f"http://{name}:9090"
        made[url] = Down(url) if other is None else Endpoint(url, other)
    provider = settings.ProviderSettings.model_validate(
        dict(
            chain_id="provider-1", rest=("http://unused",), rpc=("http://unused",), grpc=tuple(reversed(made))
        )
    )
    found = transactions.Transactions(
        provider,
        authority,
        ACCOUNT,
        lambda: chain.now,
        chain.ask_price,
        journal=journal,
        connect=lambda url, *_: made[url.url],
        sleep=chain.sleep,
    )
    return found, own


def draft(
    transaction: messages.Transaction = OPT_IN, sequence: int = 7, timeout_height: int = 120, fee: int = 151
) -> grpc.Draft:
    # 100001 gas x 1.5 = 150001.5, rounded up; x 0.001stake, rounded up.
    return grpc.Draft(
        transaction=transaction,
        sequence=grpc.Sequence(42, sequence),
        gas=150_002,
        fee=fee,
        timeout_height=timeout_height,
    )


def tx_hash(of: grpc.Draft) -> str:
    return hashlib.sha256(repr(of).encode()).hexdigest().upper()


async def test_send_returns_block_of_inclusion() -> None:
    chain = Chain()
    sending, endpoint = sender(chain)

    found = await sending.send(OPT_IN)

    assert found == transactions.SentTx(tx_hash(draft()), 101)
    assert chain.executed == [draft()]
    assert endpoint.broadcasts == [found.hash]


async def test_send_uses_next_usable_endpoint() -> None:
    chain = Chain()
    old = Chain(now=START - datetime.timedelta(seconds=61))
    sending, _ = sender(chain, old=old, down=None)

    assert await sending.send(OPT_IN) == transactions.SentTx(tx_hash(draft()), 101)
    assert old.executed == []


async def test_silent_endpoint_is_tried_last_for_a_while() -> None:
    chain = Chain()
    asked: list[str] = []

    class Noted(Endpoint):
        def head(self) -> heads.Head:
            asked.append(self.url.url)
            if "down" in self.url.url:
                raise grpc.Unanswered(f"{self.url}: no answer")
            return super().head()

    provider = settings.ProviderSettings.model_validate(
        dict(
            chain_id="provider-1",
            rest=("http://x",),
            rpc=("http://x",),
            grpc=("http://down:9090", "http://a:9090"),
        )
    )
    sending = transactions.Transactions(
        provider,
        OWN,
        ACCOUNT,
        lambda: chain.now,
        chain.ask_price,
        connect=lambda url, *_: Noted(url.url, chain),
        sleep=chain.sleep,
    )
    down = "http://down:9090"
    for order in (OPT_IN, OTHER):
        await sending.send(order)
        assert asked.count(down) == 1
    chain.now += datetime.timedelta(seconds=ledgers.AVOID_SECONDS)
    await sending.send(OPT_IN)

    assert asked.count(down) == 2


@pytest.mark.parametrize(
    ("chain", "kind", "says"),
    [
        (
            Chain(chain_id="other-1"),
            errors.SettingsError,
            "ics:provider.grpc: http://a:9090 belongs to chain 'other-1', not 'provider-1'; "
            "correct the URL or ics:provider.chain_id",
        ),
        (
            Chain(is_known=False),
            errors.Permanent,
            f"opt-in to consumer 5 (c-1): account {SIGNER} does not exist on provider-1; "
            "send it some stake for fees",
        ),
        (
            Chain(simulation="a validator has or had assigned this consumer key already"),
            errors.Permanent,
            "opt-in to consumer 5 (c-1): rejected by the chain: "
            "a validator has or had assigned this consumer key already",
        ),
        (
            Chain(simulation="0stake is smaller than 1stake: insufficient funds"),
            errors.Permanent,
            "opt-in to consumer 5 (c-1): rejected by the chain: "
            "0stake is smaller than 1stake: insufficient funds; "
            f"account {SIGNER} has 3stake and cannot pay the fee of at least 1stake; send it some stake",
        ),
        (
            Chain(checks=[refused(5, "poor")]),
            errors.Permanent,
            "opt-in to consumer 5 (c-1): rejected by the chain (code 5 of sdk): poor; "
            f"account {SIGNER} has 3stake and cannot pay the fee of at least 151stake; send it some stake",
        ),
        (
            Chain(checks=[refused(13, "insufficient fee")]),
            errors.Permanent,
            "opt-in to consumer 5 (c-1): rejected by the chain (code 13 of sdk): insufficient fee; "
            "raise ics:provider.gas_price (now 0.001stake)",
        ),
        (
            Chain(checks=[refused(13, "got: 151stake required: 3002stake")]),
            gas_prices.TooExpensive,
            "opt-in to consumer 5 (c-1): rejected by the chain (code 13 of sdk): got: 151stake required: 3002stake;"
            " that is more than the ceiling of 0.02stake for a unit of gas; raise ics:provider.max_gas_price, or wait",
        ),
        (
            Chain(execution=refused(13, "required: 300stake")),
            errors.Transient,
            "opt-in to consumer 5 (c-1): rejected by the chain (code 13 of sdk): required: 300stake: "
            "the gas price rose while it waited for its block",
        ),
        (
            Chain(checks=[refused(27, "wrong phase", "provider")]),
            errors.Permanent,
            "opt-in to consumer 5 (c-1): rejected by the chain (code 27 of provider): wrong phase",
        ),
        (
            Chain(execution=refused(11, "out of gas")),
            errors.Permanent,
            "opt-in to consumer 5 (c-1): rejected by the chain (code 11 of sdk): out of gas; "
            "raise ics:provider.gas_adjustment (now 1.5)",
        ),
        (
            Chain(execution=refused(32, "mismatch")),
            errors.Transient,
            "opt-in to consumer 5 (c-1): rejected by the chain (code 32 of sdk): mismatch: "
            "another transaction of the account was included first",
        ),
        (
            Chain(is_indexed=False),
            errors.SettingsError,
            "ics:provider.grpc: http://a:9090 cannot look up transactions "
            "(transaction indexing is disabled); "
            'use a node with tx_index.indexer = "kv" in its config.toml',
        ),
    ],
)
async def test_refused_transaction_raises_chain_error(
    chain: Chain, kind: type[errors.IcsError], says: str
) -> None:
    sending, endpoint = sender(chain)

    with pytest.raises(errors.IcsError) as caught:
        await sending.send(OPT_IN)

    assert (type(caught.value), str(caught.value)) == (kind, says)
    assert len(endpoint.broadcasts) <= 1


async def test_top_up_with_insufficient_funds_is_refused() -> None:
    sending, _ = sender(Chain(simulation="spendable balance 3stake is smaller: insufficient funds"))

    with pytest.raises(errors.Permanent) as caught:
        await sending.send(
            model.TopUp(
                consumer_id="5",
                chain_id="c-1",
                purpose="relayer",
                address="cosmos1x",
                amount=1000,
                denom="stake",
            )
        )

    assert str(caught.value) == (
        "top-up of the relayer account of consumer 5 (c-1): rejected by the chain: "
        "spendable balance 3stake is smaller: insufficient funds; "
        f"account {SIGNER} has 3stake and cannot pay the fee of at least 1stake and the 1000stake to send; "
        "send it some stake"
    )


@pytest.mark.parametrize(
    "check", [FULL, refused(32, "account sequence mismatch, expected 8, got 7: incorrect account sequence")]
)
async def test_unaccepted_transaction_is_rebuilt_with_backoff(check: grpc.TxResult) -> None:
    chain = Chain(checks=[check] * 4)
    sending, endpoint = sender(chain)

    found = await sending.send(OPT_IN)

    # Tries at 0, 1, 3, 7 and 15 s; each draft has its own timeout height.
    last = draft(timeout_height=135)
    assert found == transactions.SentTx(tx_hash(last), 116)
    assert chain.slept[:4] == [1.0, 2.0, 4.0, 8.0]
    assert chain.executed == [last]
    assert len(endpoint.broadcasts) == 5


async def test_send_fails_while_mempool_stays_full() -> None:
    chain = Chain(checks=[FULL] * 5)
    sending, _ = sender(chain)

    with pytest.raises(errors.Transient) as caught:
        await sending.send(OPT_IN)

    assert (
        str(caught.value)
        == "opt-in to consumer 5 (c-1): the chain accepted none of 5 attempts: the mempool is full"
    )
    assert chain.slept == [1.0, 2.0, 4.0, 8.0]
    assert await sending.send(OPT_IN) == transactions.SentTx(tx_hash(draft(timeout_height=135)), 116)


async def test_send_fails_if_simulation_sees_old_sequence() -> None:
    chain = Chain(simulation="account sequence mismatch, expected 8, got 7: incorrect account sequence")
    sending, endpoint = sender(chain)

    with pytest.raises(errors.Transient, match="accepted none of 5 attempts: account sequence mismatch"):
        await sending.send(OPT_IN)

    assert endpoint.broadcasts == []


@pytest.mark.parametrize("losses", [["after"], []])
async def test_send_finds_transaction_after_lost_broadcast_answer(losses: list[str]) -> None:
    chain = Chain(losses=losses, checks=[] if losses else [refused(19, "")], silent=3)
    sending, endpoint = sender(chain)
    if not losses:  # "already in the mempool": an earlier broadcast of the same bytes did arrive
        chain.mempool[tx_hash(draft())] = draft()

    found = await sending.send(OPT_IN)

    assert found == transactions.SentTx(tx_hash(draft()), 101)
    assert (chain.executed, endpoint.broadcasts) == ([draft()], [found.hash])


async def test_send_waits_for_timeout_height_after_lost_broadcast() -> None:
    chain = Chain(losses=["before"])
    sending, endpoint = sender(chain)

    with pytest.raises(errors.Transient) as caught:
        await sending.send(OPT_IN)

    assert str(caught.value) == (
        "opt-in to consumer 5 (c-1): its broadcast failed (http://a:9090: connection reset), transaction "
        f"{tx_hash(draft())} was not included in any block up to 120 and has expired: nothing was changed"
    )
    assert chain.height == 122
    assert len(endpoint.broadcasts) == 1
    assert await sending.send(OPT_IN) == transactions.SentTx(tx_hash(draft(timeout_height=142)), 123)


async def slow_chain(chain: Chain) -> tuple[transactions.Transactions, Endpoint]:
    """A transaction whose outcome is unknown: no look at it was answered."""
    sending, endpoint = sender(chain)
    with pytest.raises(errors.Transient) as caught:
        await sending.send(OPT_IN)
    assert str(caught.value) == (
        "opt-in to consumer 5 (c-1): last lookup: http://a:9090: no answer, the outcome of transaction "
        f"{tx_hash(draft())} is unknown; it is valid up to block 120, no transaction is sent before that"
    )
    return sending, endpoint


async def test_repeated_send_returns_result_of_open_transaction() -> None:
    chain = Chain(silent=120)
    sending, endpoint = await slow_chain(chain)

    assert await sending.send(OPT_IN) == transactions.SentTx(tx_hash(draft()), 101)
    assert endpoint.broadcasts == [tx_hash(draft())]


async def test_next_send_waits_for_open_transaction() -> None:
    chain = Chain(silent=120)
    sending, _ = await slow_chain(chain)

    found = await sending.send(OTHER)

    expected = draft(OTHER, 8, 180)
    assert found == transactions.SentTx(tx_hash(expected), 161)
    assert chain.executed == [draft(), expected]


async def test_send_is_refused_while_outcome_is_open() -> None:
    chain = Chain(silent=120, is_stalled=True)
    sending, endpoint = await slow_chain(chain)
    chain.height = 121

    with pytest.raises(errors.Transient) as caught:
        await sending.send(OTHER)

    assert str(caught.value) == (
        f"opt-in to consumer 5 (c-1): transaction {tx_hash(draft())} may still be included in a block up to 120 "
        "(now 121): no other transaction is sent before that"
    )
    chain.height, chain.is_stalled = 122, False
    chain.mempool.clear()
    assert (await sending.send(OTHER)).hash == tx_hash(draft(OTHER, 7, 142))
    assert len(endpoint.broadcasts) == 2


async def test_concurrent_sends_run_one_after_the_other() -> None:
    chain = Chain()
    sending, _ = sender(chain)

    found = await asyncio.gather(sending.send(OPT_IN), sending.send(OTHER))

    assert [sent.height for sent in found] == [101, 102]
    assert [d.sequence.next for d in chain.executed] == [7, 8]


async def test_estimate_sends_no_transaction() -> None:
    chain = Chain()
    sending, endpoint = sender(chain)

    assert await sending.estimate(OPT_IN) == transactions.Estimate(150_002, 151, "stake")
    assert (endpoint.broadcasts, chain.executed) == ([], [])


async def test_send_returns_id_of_created_chain() -> None:
    sending, _ = sender(
        Chain(execution=grpc.TxResult(code=0, codespace="", log="", height=0, consumer_id="12"))
    )

    assert (await sending.send(OPT_IN)).consumer_id == "12"


OPT_IN_TYPE = "/interchain_security.ccv.provider.v1.MsgOptIn"
NO_GRANT = (
    f"{PRINCIPAL} has not granted {SIGNER} an authz authorization for {OPT_IN_TYPE}; run with that account's key: "
    f"tx authz grant {SIGNER} generic --msg-type {OPT_IN_TYPE} --from {PRINCIPAL}"
)


def payer(text: str) -> str:
    return f"ics:fee_granter: {PRINCIPAL} has granted {SIGNER} no fee allowance{text}, or remove the setting"


ALONE = payer(f"; run with that account's key: tx feegrant grant {PRINCIPAL} {SIGNER}")
LIMITED = payer(
    f" for {signers.EXEC}; run with that account's key: tx feegrant grant {PRINCIPAL} {SIGNER}"
    f" --allowed-messages {signers.EXEC}, after tx feegrant revoke of the old one"
)


@pytest.mark.parametrize(
    ("chain", "authority", "missing"),
    [
        (Chain(), signers.TxAuthority(PRINCIPAL, SIGNER), NO_GRANT),
        (Chain(granted=("/other.Msg",)), signers.TxAuthority(PRINCIPAL, SIGNER), NO_GRANT),
        (Chain(granted=(OPT_IN_TYPE,)), signers.TxAuthority(PRINCIPAL, SIGNER, PRINCIPAL), ALONE),
        (
            Chain(granted=(OPT_IN_TYPE,), allowance=signers.Allowance(frozenset([OPT_IN_TYPE]))),
            signers.TxAuthority(PRINCIPAL, SIGNER, PRINCIPAL),
            LIMITED,
        ),
        (Chain(), signers.TxAuthority(PRINCIPAL, SIGNER, PRINCIPAL), f"{NO_GRANT}; {ALONE}"),
    ],
)
async def test_send_without_grant_names_missing_grant(
    chain: Chain, authority: signers.TxAuthority, missing: str
) -> None:
    sending, endpoint = sender(chain, authority)

    with pytest.raises(errors.Permanent) as caught:
        await sending.send(OPT_IN)

    assert str(caught.value) == f"opt-in to consumer 5 (c-1): {missing}"
    assert endpoint.broadcasts == []


@pytest.mark.parametrize(
    ("chain", "authority"),
    [
        (Chain(granted=(OPT_IN_TYPE,)), signers.TxAuthority(PRINCIPAL, SIGNER)),
        (Chain(allowance=signers.Allowance(None)), signers.TxAuthority(SIGNER, SIGNER, PRINCIPAL)),
        (
            Chain(allowance=signers.Allowance(frozenset([OPT_IN_TYPE]))),
            signers.TxAuthority(SIGNER, SIGNER, PRINCIPAL),
        ),
        (
            Chain(granted=(OPT_IN_TYPE,), allowance=signers.Allowance(frozenset([signers.EXEC]))),
            signers.TxAuthority(PRINCIPAL, SIGNER, PRINCIPAL),
        ),
    ],
)
async def test_send_succeeds_with_sufficient_grants(chain: Chain, authority: signers.TxAuthority) -> None:
    sending, _ = sender(chain, authority)

    assert (await sending.send(OPT_IN)).height == 101


async def test_missing_grants_are_listed_together() -> None:
    sending, _ = sender(Chain(granted=(OPT_IN_TYPE,)), signers.TxAuthority(PRINCIPAL, SIGNER, PRINCIPAL))

    found = await sending.missing_grants(messages.OF_VALIDATOR)

    assert len(found) == len(messages.OF_VALIDATOR)  # all types but the one that is granted, and the fees
    assert found[-1] == ALONE
    assert not [line for line in found if f"--msg-type {OPT_IN_TYPE} " in line]


async def test_grantee_top_up_with_insufficient_funds_is_refused() -> None:
    top_up = model.TopUp(
        consumer_id="5", chain_id="c-1", purpose="relayer", address="cosmos1x", amount=9, denom="stake"
    )
    chain = Chain(granted=(messages.TYPES[model.TopUp],), simulation="insufficient funds")
    sending, _ = sender(chain, signers.TxAuthority(PRINCIPAL, SIGNER))

    with pytest.raises(errors.Permanent) as caught:
        await sending.send(top_up)

    assert str(caught.value) == (
        "top-up of the relayer account of consumer 5 (c-1): rejected by the chain: insufficient funds; "
        f"account {SIGNER} has 3stake and pays the fee of at least 1stake, account {PRINCIPAL} has 5stake and"
        " pays the 9stake to send; send stake to the account that lacks it"
    )


async def test_send_records_transaction_before_broadcast() -> None:
    chain = Chain()
    journal = Journal(chain)
    sending, _ = sender(chain, journal=journal)

    await sending.send(OPT_IN)

    assert journal.last == (tx_hash(draft()), 120)
    assert journal.fees == [coins.Coin("stake", draft().fee)]


async def test_await_pending_finds_transaction_of_earlier_process() -> None:
    chain = Chain()
    journal = Journal(chain)
    chain.mempool[tx_hash(draft())] = draft()
    journal.last = (tx_hash(draft()), 120)
    fresh, endpoint = sender(chain, journal=journal)

    height = await fresh.await_pending()

    assert (height, endpoint.broadcasts) == (101, [])
    assert chain.executed == [draft()]


async def test_await_pending_returns_0_without_recorded_transaction() -> None:
    chain = Chain()

    assert await sender(chain, journal=Journal(chain))[0].await_pending() == 0
    assert await sender(chain)[0].await_pending() == 0


async def test_await_pending_skips_expired_transaction() -> None:
    chain = Chain(height=500)
    journal = Journal(chain, (tx_hash(draft()), 120))

    assert await sender(chain, journal=journal)[0].await_pending() == 0


async def test_await_pending_waits_for_timeout_height_of_unsent_transaction() -> None:
    chain = Chain()
    journal = Journal(chain, (tx_hash(draft()), 120))

    assert await sender(chain, journal=journal)[0].await_pending() == 0
    assert chain.height > 120


TOP_UP = model.TopUp(
    consumer_id="5", chain_id="c-1", purpose="relayer", address="cosmos1x", amount=9, denom="stake"
)


async def test_transactions_go_on_while_price_rises_tenfold_and_falls_again() -> None:
    """Opt-in, key and top-up at 0.001, 0.01 and 0.001stake: a tenth more than the fee market asks is paid."""
    chain = Chain(held=10**9)
    sending, endpoint = sender(chain)
    fees = []
    for price in ("0.001", "0.002", "0.005", "0.01", "0.005", "0.001"):
        chain.market = Decimal(price)
        for order in (OPT_IN, OTHER, TOP_UP):
            await sending.send(order)
        fees.append({one.fee for one in chain.executed[-3:]})

    assert fees == [{166}, {331}, {826}, {1651}, {826}, {166}]
    assert len(endpoint.broadcasts) == len(chain.executed) == 18


async def test_price_is_looked_up_again_after_insufficient_fee() -> None:
    """The price doubles between the question and the broadcast."""
    chain = Chain(market=Decimal("0.002"), claims=[Decimal("0.001")])
    sending, endpoint = sender(chain)

    await sending.send(OPT_IN)

    assert ([one.fee for one in chain.executed], len(endpoint.broadcasts)) == ([331], 2)


async def test_fee_that_refusal_names_is_paid_within_ceiling() -> None:
    """The REST gateway is of another node, whose minimum is lower."""
    chain = Chain(market=Decimal("0.02"), claims=[Decimal(0)] * 2)
    sending, _ = sender(chain)

    await sending.send(OPT_IN)

    # 150002 gas x 0.02stake, rounded up.
    assert [one.fee for one in chain.executed] == [3001]


async def test_nothing_is_sent_while_price_is_above_ceiling() -> None:
    chain = Chain(market=Decimal("0.020001"))
    sending, endpoint = sender(chain)

    with pytest.raises(gas_prices.TooExpensive) as caught:
        await sending.send(OPT_IN)

    assert str(caught.value) == (
        "opt-in to consumer 5 (c-1): not sent: the chain asks 0.020001stake for a unit of gas, more than the ceiling of"
        " 0.02stake; raise ics:provider.max_gas_price, or wait"
    )
    assert endpoint.broadcasts == []
    chain.market = Decimal("0.02")
    await sending.send(OPT_IN)
    assert [one.fee for one in chain.executed] == [3001]


async def test_price_that_rises_with_each_attempt_ends_in_the_next_pass() -> None:
    chain = Chain(
        claims=[Decimal(n) / 1000 for n in range(1, 7)], checks=[refused(13, "insufficient fee")] * 5
    )
    sending, endpoint = sender(chain)

    with pytest.raises(errors.Transient, match="insufficient fee: its price rose with each of 5 attempts"):
        await sending.send(OPT_IN)

    assert len(endpoint.broadcasts) == 5


async def test_top_up_leaves_reserve_for_opt_ins() -> None:
    """5,000,000 units of gas at the ceiling of 0.02stake are kept: 100,000stake."""
    chain = Chain(held=100_000 + 151 + 8)
    sending, endpoint = sender(chain)

    with pytest.raises(gas_prices.BelowReserve) as caught:
        await sending.send(TOP_UP)

    assert str(caught.value) == (
        f"top-up of the relayer account of consumer 5 (c-1): not sent: account {SIGNER} has 100159stake, of which"
        " 100000stake are kept for the fees of opt-ins (ics:provider.reserve_gas); send it some stake"
    )
    assert endpoint.broadcasts == []
    await sending.send(OPT_IN)
    chain.held += 1
    await sending.send(TOP_UP)
    assert [one.transaction for one in chain.executed] == [OPT_IN, TOP_UP]


async def test_top_up_on_behalf_of_another_account_leaves_reserve_of_payer() -> None:
    """The grantee pays only the fee; the coins are the principal's, which pays for no opt-in."""
    chain = Chain(granted=(messages.TYPES[model.TopUp],), held=100_000 + 151)
    sending, _ = sender(chain, signers.TxAuthority(PRINCIPAL, SIGNER))

    await sending.send(TOP_UP)

    chain.held -= 1
    with pytest.raises(gas_prices.BelowReserve):
        await sending.send(TOP_UP)


CREATE = owner_transactions.CreateConsumer(terms.parse_creation({"chain_id": "new-1"}, "test"))
LATER = owner_transactions.CreateConsumer(
    terms.parse_creation(
        {"chain_id": "new-1", "initialization_parameters": {"spawn_time": "2035-01-31T12:00:00Z"}}, "test"
    )
)
"""The same command once more, with a spawn time that was given relative to now."""


@pytest.mark.parametrize("is_included", [True, False])
async def test_command_that_was_killed_and_is_run_again_creates_no_second_chain(
    is_included: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain = Chain(execution=grpc.TxResult(code=0, codespace="", log="", height=0, consumer_id="12"))
    journal = Journal(chain)

    async def wait(_: float) -> None:
        # The next block must not come before the command is killed, however slow this machine is.
        await asyncio.Event().wait()

    with monkeypatch.context() as patch:
        patch.setattr(chain, "sleep", wait)
        killed, _ = sender(chain, journal=journal)
    running = asyncio.create_task(killed.order(CREATE))
    while not chain.mempool:
        await asyncio.sleep(0.001)
    running.cancel()
    await asyncio.wait([running])
    if is_included:
        chain.block()

    again, endpoint = sender(chain, journal=journal)
    found = await again.order(LATER)

    assert (found.consumer_id, found.is_earlier, endpoint.broadcasts) == ("12", True, [])
    assert [one.transaction for one in chain.executed] == [CREATE]
    # Once its result was shown, the same command orders another chain.
    await again.finish(LATER)
    assert not (await again.order(LATER)).is_earlier
    assert [one.transaction for one in chain.executed] == [CREATE, LATER]


async def test_order_that_never_reached_the_chain_is_sent_again() -> None:
    chain = Chain()
    journal = Journal(chain)
    name = messages.order_name(CREATE, OWN)
    journal.last = journal.orders[name] = ("AB" * 32, 120)

    again, endpoint = sender(chain, journal=journal)
    found = await again.order(CREATE)

    assert (found.is_earlier, len(endpoint.broadcasts)) == (False, 1)
    assert chain.height > 121, "it is sent only when no block can include the earlier one"
