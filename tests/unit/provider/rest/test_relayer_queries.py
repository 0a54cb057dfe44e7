"""The provider's side of relaying, read at the height of the pass."""

import datetime

import httpx
import pytest

from ics import errors, model
from ics.config import settings as config_settings
from ics.provider import gateway
from ics.provider.rest import relayer_queries
from tests.unit.relayer import ibc_chain
from tests.unit.relayer import test_queries as expected

NOW = datetime.datetime(2026, 11, 22, 12, 0, 30, tzinfo=datetime.UTC)
BALANCES = {("cosmos1a", "stake"): 5, ("cosmos1b", "stake"): 7}


class Transport(httpx.AsyncBaseTransport):
    """One endpoint at height 7."""

    def __init__(self) -> None:
        self.chain = ibc_chain.fresh(ibc_chain.PROVIDER, balances=BALANCES)
        self.heights: set[str | None] = set()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path.endswith("/node_info"):
            return httpx.Response(200, json={"default_node_info": {"network": "provider-1"}})
        if path.endswith("/node/v1beta1/status"):
            return httpx.Response(200, json={"height": "7", "timestamp": "2026-11-22T12:00:00Z"})
        self.heights.add(request.headers.get(gateway.HEIGHT_HEADER))
        try:
            return httpx.Response(200, json=self.chain.answer(path, dict(request.url.params)))
        except ibc_chain.Refusal as refusal:
            return httpx.Response(refusal.status, json=refusal.body)


async def opened(transport: Transport) -> relayer_queries.IbcQueries:
    settings = config_settings.ProviderSettings.model_validate(
        dict(chain_id="provider-1", rest=("http://a",), rpc=("http://unused",), grpc=("http://unused",))
    )
    found = relayer_queries.IbcQueries(settings, lambda: NOW, transport=transport)
    await found.open()
    return found


async def test_relayer_queries_share_one_height() -> None:
    transport = Transport()
    async with await opened(transport) as provider:
        terms = await provider.provider_params()
        told = await provider.relay_ends("07-tendermint-3")
        sent = await provider.sent("channel-8")
        balances = await provider.balances(["cosmos1b", "cosmos1a", "cosmos1c", "cosmos1a"], "stake")

    assert terms == relayer_queries.ProviderParams(600, "0.66")
    assert (told.ends, told.client) == (expected.ENDS, expected.CLIENT)
    assert sent == relayer_queries.SentPackets((8, 9, 10), 7)
    assert balances == {"cosmos1a": 5, "cosmos1b": 7, "cosmos1c": 0}
    assert transport.heights == {"7"}


async def test_packets_of_missing_channel_fail_as_transient() -> None:
    async with await opened(Transport()) as provider:
        with pytest.raises(errors.Transient, match=r"channel-99.*: not found, although the chain listed it"):
            await provider.sent("channel-99")


async def test_balance_of_invalid_address_fails_as_permanent() -> None:
    async with await opened(Transport()) as provider:
        with pytest.raises(errors.Permanent, match="invalid address"):
            await provider.balances(["nobody"], "stake")


ANSWERS = {
    "/interchain_security/ccv/provider/params": {"params": {"blocks_per_epoch": "600"}},
    "/interchain_security/ccv/provider/blocks_until_next_epoch": {"blocks_until_next_epoch": "593"},
    "/cosmos/base/tendermint/v1beta1/blocks/1": {"block": {"header": {"time": "2026-11-22T11:59:30Z"}}},
}


class Epochs(Transport):
    """The same endpoint, which answers about its epochs."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.path in ANSWERS:
            self.heights.add(request.headers.get(gateway.HEIGHT_HEADER))
            return httpx.Response(200, json=ANSWERS[request.url.path])
        return await super().handle_async_request(request)


async def test_epoch_is_read_with_the_average_time_between_blocks() -> None:
    transport = Epochs()
    async with await opened(transport) as provider:
        assert await provider.epoch() == model.Epoch(blocks_left=593, blocks=600, block_seconds=5.0)
    assert transport.heights == {"7"}
