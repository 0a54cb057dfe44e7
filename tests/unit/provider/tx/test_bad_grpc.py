"""gRPC endpoints that lie about gas, heights and outcomes: nothing is paid above its limit, or twice."""

import datetime

import pytest
from cosmpy.protos.cosmos.base.node.v1beta1 import query_pb2 as node
from cosmpy.protos.cosmos.base.tendermint.v1beta1 import query_pb2 as tendermint

from ics import errors, model
from ics.conditions import Reason
from ics.config import endpoint, settings
from ics.provider import heads
from ics.provider.tx import grpc, messages, signers, transactions
from ics.reconciler import outcome
from tests.unit.provider.tx import test_transactions as scene

TOP_UP = model.TopUp(
    consumer_id="5", chain_id="c-1", purpose="relayer", address="cosmos1relayer", amount=500, denom="stake"
)


class Greedy(scene.Endpoint):
    """Says that every transaction needs a trillion gas."""

    def simulate(self, signed: grpc.Signed) -> int:
        return 10**12


class Boastful(scene.Endpoint):
    """Claims a height far ahead."""

    def head(self) -> heads.Head:
        return heads.Head(self.chain.chain_id, 10**15, self.chain.now.isoformat())

    def height(self) -> int:
        return 10**15


class Denying(scene.Endpoint):
    """Denies every transaction, and that it takes long."""

    def find(self, tx_hash: str) -> grpc.TxResult | None:
        return None

    def height(self) -> int:
        return super().height() + (100 if self.broadcasts else 0)


def sending(
    chain: scene.Chain,
    *kinds: type[scene.Endpoint],
    floor: model.ActedBlock | None = None,
    max_gas: dict[str, int] | None = None,
    authority: signers.TxAuthority = scene.OWN,
) -> tuple[transactions.Transactions, dict[str, scene.Endpoint]]:
    made = {
        f"http://{number}:9090": kind(f"http://{number}:9090", chain) for number, kind in enumerate(kinds)
    }
    values = {"rest": ["http://x"], "rpc": ["http://x"], "grpc": list(made), "max_gas": max_gas or {}}
    provider = settings.ProviderSettings.model_validate({"chain_id": "provider-1", **values})

    async def accepted() -> model.ActedBlock | None:
        return floor

    found = transactions.Transactions(
        provider,
        authority,
        scene.ACCOUNT,
        lambda: chain.now,
        chain.ask_price,
        connect=lambda url, *_: made[url.url],
        sleep=chain.sleep,
        floor=accepted,
    )
    return found, made


async def test_gas_above_the_limit_is_not_signed() -> None:
    chain = scene.Chain()
    sender, made = sending(chain, Greedy, Greedy)
    with pytest.raises(
        transactions.GasRefused, match=r"needs 1500000000000 gas, but it may use 1 to 1000000"
    ) as caught:
        await sender.send(scene.OPT_IN)
    assert not chain.executed
    assert not any(one.broadcasts for one in made.values())

    collector = outcome.Collector()
    collector.transaction_error(caught.value, Reason.TRANSACTION_FAILED, "5")
    assert [condition.reason for condition in collector.conditions] == [Reason.GAS_REFUSED]


async def test_endpoint_that_asks_for_less_gas_is_used_instead() -> None:
    chain = scene.Chain()
    sender, made = sending(chain, Greedy, scene.Endpoint)
    await sender.send(scene.OPT_IN)
    assert [draft.gas for draft in chain.executed] == [150_002]
    assert not made["http://0:9090"].broadcasts
    assert (await sender.estimate(scene.OTHER)).gas == 150_002


async def test_limit_is_settable_per_kind_of_transaction() -> None:
    sender, _ = sending(scene.Chain(), scene.Endpoint, max_gas={"opt-in": 150_001})
    with pytest.raises(transactions.GasRefused, match=r"raise ics:provider\.max_gas\.opt-in"):
        await sender.send(scene.OPT_IN)
    await sender.send(scene.OTHER)


def test_every_transaction_has_a_limit() -> None:
    assert messages.GAS_KINDS.keys() == messages.TYPES.keys()
    assert set(messages.GAS_KINDS.values()) == set(settings.GasKind)


async def test_claimed_height_does_not_make_a_transaction_valid_for_ever() -> None:
    chain = scene.Chain()
    sender, _ = sending(chain, Boastful, scene.Endpoint, floor=model.ActedBlock(100, scene.START))
    await sender.send(scene.OPT_IN)
    assert [draft.timeout_height for draft in chain.executed] == [120]


async def test_payment_that_one_endpoint_denies_is_not_sent_again() -> None:
    chain = scene.Chain(held=10**6)
    sender, made = sending(chain, Denying, scene.Endpoint)

    found = await sender.send(TOP_UP)

    assert found.height == chain.executed[0].timeout_height - 19
    assert len(chain.executed) == 1
    assert [len(one.broadcasts) for one in made.values()] == [1, 0]


async def test_endpoint_that_claims_an_old_height_keeps_nothing_waiting() -> None:
    class Old(scene.Endpoint):
        def head(self) -> heads.Head:
            return heads.Head(self.chain.chain_id, 5, self.chain.now.isoformat())

    chain = scene.Chain(is_stalled=True)
    sender, _ = sending(chain, scene.Endpoint, Old, floor=model.ActedBlock(100, scene.START))
    with pytest.raises(errors.Transient, match="has expired: nothing was changed"):
        await sender.send(scene.OPT_IN)


async def test_transaction_that_one_endpoint_keeps_to_itself_is_soon_handed_to_the_next() -> None:
    class Hoarder(scene.Endpoint):
        def broadcast(self, signed: grpc.Signed) -> grpc.TxResult:
            self.broadcasts.append(signed.hash)
            return grpc.TxResult(code=0, codespace="", log="", height=0)

    chain = scene.Chain()
    sender, made = sending(chain, Hoarder, scene.Endpoint)
    await sender.send(scene.OPT_IN)
    assert [len(one.broadcasts) for one in made.values()] == [1, 1]
    assert len(chain.executed) == 1
    assert chain.now - scene.START < datetime.timedelta(seconds=10)


def test_time_of_the_newest_block_keeps_its_fraction() -> None:
    """A second less, and a chain with blocks of half a second would seem to be two blocks too far."""
    info = tendermint.GetNodeInfoResponse()
    info.default_node_info.network = "provider-1"
    status = node.StatusResponse(height=229)
    status.timestamp.FromNanoseconds(1_764_419_718_848_007_416)
    head = grpc.head_of(info, status, endpoint.Endpoint.model_validate("http://a:9090"))
    assert (head.height, head.moment.microsecond) == (229, 848_007)
