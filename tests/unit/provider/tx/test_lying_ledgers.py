"""A gRPC endpoint that lies about accounts, refusals and results: what the chain takes arrives, and only once."""

import datetime

import pytest

from ics import errors, model
from ics.provider import gateway
from ics.provider.tx import grpc, ledgers, signers
from tests.unit.provider.tx import test_bad_grpc
from tests.unit.provider.tx import test_transactions as scene

TOP_UP = test_bad_grpc.TOP_UP


class Liar(scene.Endpoint):
    """Keeps each transaction that it gets, to hand it to the chain later."""

    def broadcast(self, signed: grpc.Signed) -> grpc.TxResult:
        self.broadcasts.append(signed.hash)
        return self.verdict()

    def verdict(self) -> grpc.TxResult:
        return grpc.TxResult(code=0, codespace="", log="", height=0)

    def hand_over(self) -> None:
        """Hand over what was kept."""
        for raw, draft in self.chain.drafts.items():
            signed = grpc.Signed(raw)
            if signed.hash in self.broadcasts:
                self.chain.mempool.setdefault(signed.hash, draft)


def refusing(code: int, log: str, codespace: str = "sdk") -> type[Liar]:
    class Refusing(Liar):
        def verdict(self) -> grpc.TxResult:
            return scene.refused(code, log, codespace)

    return Refusing


def counting(change: int, *, number: int = 42, code: int = 0) -> type[Liar]:
    class Counting(Liar):
        def sequence(self) -> grpc.Sequence | None:
            return grpc.Sequence(number, self.chain.sequence + change)

        def verdict(self) -> grpc.TxResult:
            return scene.refused(code, "account sequence mismatch")

    return Counting


def holding(amount: int) -> type[Liar]:
    class Holding(Liar):
        def balance(self, address: str) -> int:
            return amount

    return Holding


def claiming(code: int, ahead: int = 0) -> type[Liar]:
    class Claiming(Liar):
        def find(self, tx_hash: str) -> grpc.TxResult | None:
            if tx_hash not in self.broadcasts:
                return None
            return grpc.TxResult(code=code, codespace="sdk", log="", height=self.chain.height + ahead)

    return Claiming


class Unknowing(Liar):
    def sequence(self) -> grpc.Sequence | None:
        return None


class Rejecting(Liar):
    def simulate(self, signed: grpc.Signed) -> int:
        raise gateway.Refused("a validator has or had assigned this consumer key already")


class Outrunning(Liar):
    def simulate(self, signed: grpc.Signed) -> int:
        raise gateway.Refused("account sequence mismatch, expected 8, got 7")


class Unindexed(Liar):
    def find(self, tx_hash: str) -> grpc.TxResult | None:
        raise gateway.Refused("transaction indexing is disabled")


class Finding(Liar):
    def find(self, tx_hash: str) -> grpc.TxResult | None:
        return grpc.TxResult(code=0, codespace="", log="", height=self.chain.height)


LIARS = {
    "keeps it": Liar,
    "insufficient funds": refusing(5, "poor"),
    "fee beyond the ceiling": refusing(13, "required: 999999999999stake"),
    "fee without a number": refusing(13, "insufficient fee"),
    "full": refusing(20, ""),
    "wrong sequence": refusing(32, "account sequence mismatch"),
    "unauthorized": refusing(4, "signature verification failed"),
    "wrong phase": refusing(27, "wrong phase", "provider"),
    "sequence above": counting(1),
    "sequence far above": counting(10**12),
    "sequence above, and refuses": counting(1, code=32),
    "sequence below": counting(-1),
    "sequence below, and refuses": counting(-1, code=32),
    "another account": counting(0, number=43),
    "no coins": holding(0),
    "many coins": holding(10**30),
    "no such account": Unknowing,
    "simulation rejects": Rejecting,
    "simulation saw another sequence": Outrunning,
    "no index": Unindexed,
    "everything is in a block": Finding,
    "succeeded": claiming(0),
    "succeeded in a later block": claiming(0, 10**15),
    "ran out of gas": claiming(11),
}


@pytest.fixture(params=list(LIARS.values()), ids=list(LIARS))
def liar(request: pytest.FixtureRequest) -> type[Liar]:
    kind: type[Liar] = request.param
    return kind


@pytest.mark.parametrize("place", [0, 1, 2])
async def test_liar_among_three_keeps_nothing_from_the_chain(liar: type[Liar], place: int) -> None:
    chain = scene.Chain(held=10**6)
    kinds: list[type[scene.Endpoint]] = [scene.Endpoint] * 2
    kinds.insert(place, liar)
    sender, made = test_bad_grpc.sending(chain, *kinds)

    sent = [await sender.send(order) for order in (scene.OPT_IN, TOP_UP)]

    assert [one.transaction for one in chain.executed] == [scene.OPT_IN, TOP_UP]
    assert [one.hash for one in sent] == list(chain.included)
    assert {one.fee for one in chain.executed} == {151}
    hand_over(chain, made)
    assert len(chain.executed) == 2


async def test_liar_among_two_has_nothing_paid_twice(liar: type[Liar]) -> None:
    """Passes a minute apart, of which each sends what is not executed yet, until the liar hands over what it kept."""
    chain = scene.Chain(held=10**6)
    sender, made = test_bad_grpc.sending(chain, liar, scene.Endpoint)

    for _ in range(12):
        for order in (scene.OPT_IN, TOP_UP):
            if order not in [one.transaction for one in chain.executed]:
                try:
                    await sender.send(order)
                except errors.IcsError:
                    chain.now += datetime.timedelta(seconds=1)
        await chain.sleep(60.0)
    hand_over(chain, made)

    executed = [one.transaction for one in chain.executed]
    # Of two balances the lower one counts, so that the reserve for opt-ins is kept.
    expected = [scene.OPT_IN, TOP_UP][: 1 if liar is LIARS["no coins"] else 2]
    assert sorted(executed, key=str) == sorted(expected, key=str)


def hand_over(chain: scene.Chain, made: dict[str, scene.Endpoint]) -> None:
    for _ in range(3):
        for one in made.values():
            if isinstance(one, Liar):
                one.hand_over()
        chain.block()


async def test_liar_about_grants_keeps_nothing_from_the_chain() -> None:
    class Revoked(Liar):
        def granted_types(self) -> frozenset[str]:
            return frozenset()

    chain = scene.Chain(granted=(scene.OPT_IN_TYPE,))
    sender, _ = test_bad_grpc.sending(
        chain, Revoked, scene.Endpoint, authority=signers.TxAuthority(scene.PRINCIPAL, scene.SIGNER)
    )
    await sender.send(scene.OPT_IN)
    assert len(chain.executed) == 1


async def test_reserve_is_kept_although_one_endpoint_says_that_there_is_more() -> None:
    chain = scene.Chain(held=100_000)
    sender, _ = test_bad_grpc.sending(chain, holding(10**30), scene.Endpoint)
    with pytest.raises(errors.Permanent, match="are kept for the fees of opt-ins"):
        await sender.send(TOP_UP)
    assert not chain.executed


async def test_endpoint_that_hangs_is_not_waited_for_each_time() -> None:
    asked: list[str] = []

    class Down(scene.Endpoint):
        def sequence(self) -> grpc.Sequence | None:
            asked.append(self.url.url)
            raise grpc.Unanswered(f"{self.url}: no answer")

    chain = scene.Chain()
    sender, _ = test_bad_grpc.sending(chain, scene.Endpoint, Down)
    await sender.send(scene.OPT_IN)
    await sender.send(scene.OTHER)
    assert len(asked) == 1
    chain.now += datetime.timedelta(seconds=ledgers.AVOID_SECONDS)
    await sender.send(model.OptIn("7", "e-1", bytes(32)))
    assert len(asked) == 2


@pytest.mark.parametrize("late", [0, 1])
async def test_endpoint_that_lags_does_not_have_an_old_sequence_used(late: int) -> None:
    """It is some blocks behind, and so has not seen the account's last transaction."""
    chain = scene.Chain(sequence=8)
    behind = scene.Chain(height=90, now=scene.START - datetime.timedelta(seconds=10), drafts=chain.drafts)
    floor = model.ActedBlock(100, scene.START)
    sender, made = test_bad_grpc.sending(chain, scene.Endpoint, scene.Endpoint, floor=floor)
    made[f"http://{late}:9090"].chain = behind
    await sender.send(scene.OPT_IN)
    assert [one.sequence.next for one in chain.executed] == [8]
    assert not behind.mempool
