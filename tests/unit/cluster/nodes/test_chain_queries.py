"""Queries to a consumer node through the API server's pod proxy."""

import datetime
import decimal
import json
from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from ics import errors, model
from ics.cluster.api import client, kubeconfig
from ics.cluster.nodes import chain_queries
from ics.relayer import ibc
from tests.unit.relayer import ibc_chain

POD = "/api/v1/namespaces/n/pods/node-0"
SYNC = {
    "latest_block_height": "596",
    "latest_block_time": "2026-11-22T12:42:31.5Z",
    "catching_up": False,
}
AT = datetime.datetime(2026, 11, 22, 12, 42, 31, 500000, tzinfo=datetime.UTC)
GONE = {"kind": "Status", "apiVersion": "v1", "code": 404, "message": 'pods "node-0" not found'}
REFUSED = {
    "kind": "Status",
    "code": 503,
    "message": "error trying to reach service: dial tcp 10.232.1.5:1317: connect: connection refused",
}


class Proxy(httpx.AsyncBaseTransport):
    """An API server with one pod."""

    def __init__(self, chain: ibc_chain.Chain, sync: dict[str, Any] | None = None) -> None:
        self.chain, self.sync = chain, sync or SYNC
        self.rest: tuple[int, dict[str, Any]] | None = None
        """What every question to port 1317 is answered with."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path == f"{POD}:26657/proxy/status":
            return httpx.Response(200, json={"jsonrpc": "2.0", "id": -1, "result": {"sync_info": self.sync}})
        prefix = f"{POD}:1317/proxy"
        if not path.startswith(prefix):
            return httpx.Response(404, json=GONE)
        if self.rest is not None:
            return httpx.Response(self.rest[0], json=self.rest[1])
        try:
            answer = self.chain.answer(path.removeprefix(prefix), dict(request.url.params))
        except ibc_chain.Refusal as refusal:
            return httpx.Response(refusal.status, content=json.dumps(refusal.body))
        return httpx.Response(200, json=answer)


def kube(proxy: Proxy) -> client.KubeClient:
    return client.KubeClient(kubeconfig.Access(server="https://h"), proxy)


async def told(
    proxy: Proxy, address: str = "consumer1me", namespace: str = "n"
) -> chain_queries.ConsumerSide:
    return await chain_queries.read_side(kube(proxy), namespace, "provider-1", address, "stake")


async def test_consumer_side_is_read_completely() -> None:
    chain = ibc_chain.fresh(ibc_chain.CONSUMER)

    found = await told(Proxy(chain))

    ends = ibc.Ends(
        "07-tendermint-0",
        (
            ibc.ConnectionEnd(
                id="connection-0",
                state=ibc.EndState.OPEN,
                client_id="07-tendermint-0",
                counterparty_client_id="07-tendermint-3",
                counterparty_id="connection-4",
            ),
        ),
        (
            ibc.ChannelEnd(
                id="channel-0",
                port="consumer",
                state=ibc.EndState.OPEN,
                connection_id="connection-0",
                counterparty_port="provider",
                counterparty_id="channel-8",
                is_ordered=True,
                version="1",
            ),
            ibc.ChannelEnd(
                id="channel-1",
                port="transfer",
                state=ibc.EndState.OPEN,
                connection_id="connection-0",
                counterparty_port="transfer",
                counterparty_id="channel-9",
                is_ordered=False,
                version="1",
            ),
        ),
    )
    own = ibc.IbcClient(
        id="07-tendermint-0",
        chain_id="provider-1",
        trusting_period=datetime.timedelta(seconds=396),
        updated=ibc_chain.TIME,
    )
    assert found == chain_queries.ConsumerSide(
        ends=ends, client=own, transfer_id="channel-1", time=AT, balance=100
    )


async def test_prices_of_consumers_fee_market_are_read() -> None:
    class Market(ibc_chain.Chain):
        def answer(self, path: str, params: Mapping[str, str]) -> dict[str, Any]:
            if path == "/feemarket/v1/gas_prices":
                return {"prices": [{"denom": "untrn", "amount": "0.005300000000000000"}]}
            return super().answer(path, params)

    chain = ibc_chain.fresh(ibc_chain.CONSUMER)
    found = await told(Proxy(Market(**vars(chain))))

    assert found.market == {"untrn": decimal.Decimal("0.0053")}
    assert (await told(Proxy(chain))).market is None


async def test_consumer_side_before_first_connection_has_client_only() -> None:
    chain = ibc_chain.fresh(ibc_chain.CONSUMER, connections={}, channels={}, transfer_id="")

    found = await told(Proxy(chain))

    assert (found.ends, found.transfer_id) == (ibc.Ends("07-tendermint-0"), "")


async def test_client_of_another_provider_is_ignored() -> None:
    chain = ibc_chain.fresh(ibc_chain.CONSUMER, clients={"07-tendermint-1": "other-1"})

    found = await told(Proxy(chain))

    assert (found.ends, found.client) == (ibc.Ends(""), None)


async def test_received_packets_are_read_with_and_without_rewards() -> None:
    proxy = Proxy(ibc_chain.fresh(ibc_chain.CONSUMER))

    assert await chain_queries.read_received(kube(proxy), "n", "channel-0") == chain_queries.Received((8,), 5)
    with_rewards = await chain_queries.read_received(kube(proxy), "n", "channel-0", "channel-1")
    assert with_rewards == chain_queries.Received((8,), 5, 2)


@pytest.mark.parametrize(
    ("rest", "kind", "says"),
    [
        ((404, GONE), errors.Transient, "the consumer's node has no pod; relaying waits for it"),
        ((503, REFUSED), errors.Transient, "the consumer's node: its REST gateway refuses connections"),
        (
            (500, {"code": 13, "message": "panic", "details": []}),
            errors.Transient,
            "the consumer's node: its REST gateway answers 500: panic",
        ),
    ],
)
async def test_failing_node_raises_its_error(
    rest: tuple[int, dict[str, Any]], kind: type[errors.IcsError], says: str
) -> None:
    proxy = Proxy(ibc_chain.fresh(ibc_chain.CONSUMER))
    proxy.rest = rest

    with pytest.raises(kind) as caught:
        await told(proxy)

    assert str(caught.value) == says


async def test_missing_pod_is_transient_error() -> None:
    with pytest.raises(errors.Transient, match="has no pod"):
        await told(Proxy(ibc_chain.fresh(ibc_chain.CONSUMER)), namespace="elsewhere")


async def test_syncing_node_is_not_trusted() -> None:
    chain = ibc_chain.fresh(ibc_chain.CONSUMER)

    with pytest.raises(errors.Transient, match="still syncing"):
        await told(Proxy(chain, SYNC | {"catching_up": True}))


async def test_balance_of_invalid_address_is_permanent_error() -> None:
    with pytest.raises(errors.Permanent) as caught:
        await told(Proxy(ibc_chain.fresh(ibc_chain.CONSUMER)), "nobody")

    assert str(caught.value) == (
        "its REST gateway answers 400 to /proxy/cosmos/bank/v1beta1/balances/nobody/by_denom: "
        "invalid address: decoding bech32 failed: invalid separator index -1"
    )


class Slashing(Proxy):
    """A node whose chain counts missed blocks; its answers are those of interchain-security-cd v7.0.1."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answers = {
            ":1317/proxy/cosmos/slashing/v1beta1/params": {
                "params": {"signed_blocks_window": "101", "min_signed_per_window": "0.500000000000000000"}
            },
            ":1317/proxy/cosmos/slashing/v1beta1/signing_infos/consumervalcons1me": {
                "val_signing_info": {"start_height": "12", "index_offset": "7", "missed_blocks_counter": "20"}
            },
            ":26657/proxy/commit": {
                "result": {"signed_header": {"header": {"height": "576", "time": "2026-11-22T12:41:51.5Z"}}}
            },
        }
        found = answers.get(request.url.path.removeprefix(POD))
        if found is None:
            return await super().handle_async_request(request)
        if "commit" in request.url.path:
            assert request.url.params["height"] == "576"
        return httpx.Response(200, json=found)


async def test_signing_window_is_read_with_the_average_time_between_blocks() -> None:
    sync = SYNC | {"earliest_block_height": "1"}
    proxy = Slashing(ibc_chain.fresh(ibc_chain.CONSUMER), sync)
    found = await chain_queries.read_signing_window(kube(proxy), "n", "consumervalcons1me")
    assert found == model.SigningWindow(
        height=596, start_height=12, blocks=101, allowed=51, missed=20, block_seconds=2.0
    )


@pytest.mark.parametrize("known", [None, model.Allowance(7, 3)])
async def test_missed_blocks_are_read_within_the_allowance(known: model.Allowance | None) -> None:
    proxy = Slashing(ibc_chain.fresh(ibc_chain.CONSUMER), SYNC)
    found = await chain_queries.read_missed_blocks(kube(proxy), "n", "consumervalcons1me", known)
    assert found == model.MissedBlocks(20, known or model.Allowance(101, 51))


async def test_signing_window_of_a_key_that_the_chain_does_not_know_is_unknown() -> None:
    sync = SYNC | {"earliest_block_height": "1"}
    proxy = Slashing(ibc_chain.fresh(ibc_chain.CONSUMER), sync)
    with pytest.raises(errors.IcsError, match="consumervalcons1other"):
        await chain_queries.read_signing_window(kube(proxy), "n", "consumervalcons1other")


class Planning(Slashing):
    """A node whose chain has planned an upgrade; its answers are those of cosmos-sdk v0.50."""

    plan: object = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/cosmos/upgrade/v1beta1/current_plan"):
            if self.plan == "unknown":
                return httpx.Response(501, json={"code": 12, "message": "Not Implemented", "details": []})
            return httpx.Response(200, json={"plan": self.plan})
        return await super().handle_async_request(request)


@pytest.mark.parametrize(
    ("plan", "with_times", "expected"),
    [
        (None, False, model.UpgradePlan()),
        (None, True, model.UpgradePlan(block_seconds=2.0)),
        ("unknown", True, model.UpgradePlan(block_seconds=2.0)),
        (
            {"name": "v2", "time": "0001-01-01T00:00:00Z", "height": "700", "info": "{}"},
            False,
            model.UpgradePlan(scheduled=model.ScheduledUpgrade("v2", 700, "{}"), block_seconds=2.0),
        ),
        (
            {"name": "v2", "height": "700", "info": "x" * 40_000},
            False,
            model.UpgradePlan(scheduled=model.ScheduledUpgrade("v2", 700), block_seconds=2.0),
        ),
        (
            {"name": "v2", "height": "700", "info": {"docker": "x"}},
            False,
            model.UpgradePlan(scheduled=model.ScheduledUpgrade("v2", 700), block_seconds=2.0),
        ),
        ({"name": "old", "time": "2020-01-01T00:00:00Z", "height": "0"}, False, model.UpgradePlan()),
    ],
)
async def test_planned_upgrade_is_read_with_the_time_between_blocks(
    plan: object, with_times: bool, expected: model.UpgradePlan
) -> None:
    proxy = Planning(ibc_chain.fresh(ibc_chain.CONSUMER), SYNC | {"earliest_block_height": "1"})
    proxy.plan = plan
    found = await chain_queries.read_upgrade_plan(kube(proxy), "n", with_times=with_times)
    assert found == expected


@pytest.mark.parametrize("plan", [7, {"name": 1, "height": "2"}, {"name": "v2", "height": "-1"}])
async def test_a_plan_of_another_shape_is_refused(plan: object) -> None:
    proxy = Planning(ibc_chain.fresh(ibc_chain.CONSUMER))
    proxy.plan = plan
    with pytest.raises(errors.Permanent, match="current_plan"):
        await chain_queries.read_upgrade_plan(kube(proxy), "n", with_times=False)
