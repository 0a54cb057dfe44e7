"""Queries about relaying to a consumer chain's own node, through the API server's proxy.

The answers refer to the node's newest blocks and may differ by a block or two.
"""

import datetime
import decimal
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ics import errors, model, names
from ics.cluster.api import client, requests
from ics.cluster.api import errors as api_errors
from ics.cluster.nodes import decode
from ics.consumer.peers import ports
from ics.cosmos import answers, upgrade_plans
from ics.relayer import ibc, queries

_TIMEOUT = 5.0
"""Timeout of one query in seconds."""
_SLASHING = "/cosmos/slashing/v1beta1"
_AVERAGED_BLOCKS = 20
"""Blocks over which the time between two is averaged."""
_SERVICES = {ports.POD_RPC: "RPC", ports.POD_REST: "REST gateway"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerSide:
    """The consumer's side of relaying."""

    ends: ibc.Ends
    client: ibc.IbcClient | None
    """The client of the provider that the consumer's genesis created."""
    transfer_id: str
    """The consumer's `distribution_transmission_channel`; empty if there is none yet."""
    time: datetime.datetime
    """Time of the newest block."""
    balance: int
    """Balance of the relayer."""
    market: Mapping[str, decimal.Decimal] | None = None
    """Gas prices of the chain's fee market by denomination; None: it has none."""


@dataclass(frozen=True, slots=True)
class Received:
    """The consumer's side of the CCV channel."""

    unacknowledged: tuple[int, ...]
    """Sequences of packets to the provider that are not acknowledged on the consumer."""
    last: int
    """Sequence of the last VSC packet received, 0 before the first."""
    rewards: int = 0
    """Number of transfers that are not acknowledged on the consumer."""


async def read_side(
    kube: client.KubeClient, namespace: str, provider_chain_id: str, address: str, denom: str
) -> ConsumerSide:
    """Read the consumer's client, connections, channels and newest block time, and the relayer's balance.

    Args:
        kube: client.
        namespace: namespace of the chain.
        provider_chain_id: chain id that the consumer's client tracks.
        address: address of the relayer on the consumer.
        denom: denomination of the balance.

    Raises:
        Transient: the node does not answer, has no block, or is still syncing.
        Permanent: a permission is missing, or the node rejects a query.
    """
    node = _Node(kube, namespace)
    time, side, params, balance, market = await queries.gather(
        node.newest_block(),
        queries.find_client(node.ask, provider_chain_id),
        queries.require(node.ask, "/interchain_security/ccv/consumer/params"),
        queries.balance(node.ask, address, denom),
        queries.fee_market(node.ask),
    )
    return ConsumerSide(
        ends=side.ends,
        client=side.client,
        transfer_id=ibc.transfer_channel(params),
        time=time,
        balance=balance,
        market=market,
    )


async def read_received(
    kube: client.KubeClient, namespace: str, channel_id: str, transfer_id: str = ""
) -> Received:
    """Read the packets on an open CCV channel, and on a transfer channel if given; raise like `read_side`."""
    node = _Node(kube, namespace)

    async def rewards() -> int:
        if not transfer_id:
            return 0
        return len(await queries.unacknowledged(node.ask, ibc.TRANSFER_PORT, transfer_id))

    return Received(
        *await queries.gather(
            queries.unacknowledged(node.ask, ibc.CONSUMER_PORT, channel_id),
            queries.last_received(node.ask, ibc.CONSUMER_PORT, channel_id),
            rewards(),
        )
    )


async def read_signing_window(kube: client.KubeClient, namespace: str, address: str) -> model.SigningWindow:
    """Read the consumer's slashing module about one key, and the average time between its blocks.

    Args:
        kube: client.
        namespace: namespace of the chain.
        address: valcons of the key, with the consumer's prefix.

    Raises:
        Transient: the node does not answer, has no block, or is still syncing; or the chain does not know the key.
        Permanent: a permission is missing, or the node rejects a query.
    """
    node = _Node(kube, namespace)
    status, params, info = await queries.gather(
        node.status(),
        queries.require(node.ask, f"{_SLASHING}/params"),
        queries.require(node.ask, f"{_SLASHING}/signing_infos/{address}"),
    )
    latest = ibc.newest_block(status)
    height, earliest = decode.height(status), status["sync_info"]["earliest_block_height"].integer()
    earlier = max(height - _AVERAGED_BLOCKS, earliest, 1)
    seconds = 0.0
    if earlier < height:
        header = (await node.commit(earlier))["signed_header"]["header"]
        seconds = (latest - header["time"].moment()).total_seconds() / (height - earlier)
    allowance, about = _allowance(params), info["val_signing_info"]
    return model.SigningWindow(
        height=height,
        start_height=about["start_height"].integer(),
        blocks=allowance.blocks,
        allowed=allowance.allowed,
        missed=about["missed_blocks_counter"].integer(),
        block_seconds=seconds,
    )


async def read_upgrade_plan(
    kube: client.KubeClient, namespace: str, *, with_times: bool, pod: str = names.NODE_POD
) -> model.UpgradePlan:
    """Read which upgrade a chain has planned, and how fast its blocks are.

    Args:
        kube: client.
        namespace: namespace of the node.
        with_times: whether the time between two blocks is read even if the chain has planned nothing.
        pod: of the node.

    Raises:
        Transient: the node does not answer.
        Permanent: a permission is missing, or an answer has an unexpected shape.
    """
    node = _Node(kube, namespace, pod)
    scheduled = await _scheduled(node)
    seconds = await _block_seconds(node) if scheduled is not None or with_times else 0.0
    return model.UpgradePlan(scheduled=scheduled, block_seconds=seconds)


async def _scheduled(node: "_Node") -> model.ScheduledUpgrade | None:
    """Return the planned upgrade (x/upgrade v0.1.4, query `CurrentPlan`); a chain without the module has none."""
    try:
        answer = await node.ask("/cosmos/upgrade/v1beta1/current_plan", {})
    except api_errors.NotImplementedByChain:
        return None
    return upgrade_plans.scheduled(answer)


async def _block_seconds(node: "_Node") -> float:
    """Return the average time between the last blocks of a chain, 0 before the second one."""
    status = await node.status()
    height, earliest = decode.height(status), status["sync_info"]["earliest_block_height"].integer()
    earlier = max(height - _AVERAGED_BLOCKS, earliest, 1)
    latest = decode.block_time(status)
    if earlier >= height or latest is None:
        return 0.0
    header = (await node.commit(earlier))["signed_header"]["header"]
    return max((latest - header["time"].moment()).total_seconds() / (height - earlier), 0.0)


async def read_missed_blocks(
    kube: client.KubeClient, namespace: str, address: str, known: model.Allowance | None
) -> model.MissedBlocks:
    """Read how many blocks a key has missed; raises as `read_signing_window`.

    Args:
        kube: client.
        namespace: namespace of the chain.
        address: valcons of the key, with the consumer's prefix.
        known: what the chain allows, if it was read a while ago; it changes by governance only.
    """
    node = _Node(kube, namespace)

    async def allowance() -> model.Allowance:
        return known or _allowance(await queries.require(node.ask, f"{_SLASHING}/params"))

    allowed, info = await queries.gather(
        allowance(), queries.require(node.ask, f"{_SLASHING}/signing_infos/{address}")
    )
    return model.MissedBlocks(info["val_signing_info"]["missed_blocks_counter"].integer(), allowed)


def _allowance(params: answers.Field) -> model.Allowance:
    """Decode the parameters of the slashing module."""
    found = params["params"]
    blocks = found["signed_blocks_window"].integer()
    required = round(blocks * decimal.Decimal(found["min_signed_per_window"].text()))
    return model.Allowance(blocks, blocks - required)


@dataclass(frozen=True, slots=True)
class _Node:
    """The chain's one pod."""

    kube: client.KubeClient
    namespace: str
    pod: str = names.NODE_POD

    async def newest_block(self) -> datetime.datetime:
        return ibc.newest_block(await self.status())

    async def status(self) -> answers.Field:
        return decode.result("/status", await self._get(ports.POD_RPC, "/status", {}))

    async def commit(self, height: int) -> answers.Field:
        answer = await self._get(ports.POD_RPC, "/commit", {"height": str(height)})
        return decode.result("/commit", answer)

    async def ask(self, path: str, params: Mapping[str, str]) -> answers.Field | None:
        try:
            return answers.Field(path, await self._get(ports.POD_REST, path, params))
        except api_errors.ChainNotFound:
            return None

    async def _get(self, port: int, path: str, params: Mapping[str, str]) -> Mapping[str, Any]:
        request = requests.proxy(self.namespace, self.pod, port, path, params)
        try:
            return (await self.kube.send(request, _TIMEOUT)).body
        except api_errors.ObjectNotFound:
            raise errors.Transient("the consumer's node has no pod; relaying waits for it") from None
        except errors.Transient as error:
            is_own = isinstance(error, api_errors.ChainUnavailable)
            text = str(error) if is_own else decode.error_text(error)
            text = text.replace("its RPC", f"its {_SERVICES[port]}")
            raise errors.Transient(f"the consumer's node: {text}") from error
