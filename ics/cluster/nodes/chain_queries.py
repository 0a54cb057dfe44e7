"""What a consumer chain tells of the relaying to it: its own node is asked, through the API server's proxy.

The answers are of the node's newest blocks, and may lie a block or two apart.
"""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ics import errors as ics_errors
from ics import names
from ics.cluster.api import client, requests
from ics.cluster.api import errors as api_errors
from ics.cluster.nodes import decode
from ics.consumer.peers import ports
from ics.relayer import ibc, queries

TIMEOUT = 5.0
"""Seconds for one answer."""
_SERVICES = {ports.POD_RPC: "RPC", ports.POD_REST: "REST gateway"}


@dataclass(frozen=True, slots=True)
class Told:
    """The consumer's side."""

    ends: ibc.Ends
    client: ibc.Client | None
    """The client of the provider that its genesis made."""
    transfer_id: str
    """Its `distribution_transmission_channel`, empty while there is none."""
    time: datetime.datetime
    """Of its newest block."""
    balance: int
    """What the relayer holds."""


@dataclass(frozen=True, slots=True)
class Received:
    """The consumer's side of the CCV channel."""

    unacknowledged: tuple[int, ...]
    """Sequences of the packets to the provider whose acknowledgement it has not seen."""
    last: int
    """Sequence of the last VSC packet that it took, 0 before the first."""
    rewards: int = 0
    """Transfers whose acknowledgement it has not seen."""


async def told(kube: client.Client, namespace: str, provider_chain_id: str, address: str, denom: str) -> Told:
    """Client, connections and channels of the consumer, its newest block's time, the relayer's balance.

    Args:
        kube: client.
        namespace: of the chain.
        provider_chain_id: the chain that its client follows.
        address: of the relayer on the consumer.
        denom: of the balance.

    Raises:
        Transient: its node gives no answer, has no block, or is still syncing.
        Permanent: a right is missing, or the node refuses a question.
    """
    node = _Node(kube, namespace)
    time, side, params, balance = await queries.together(
        node.newest_block(),
        queries.told_whole(node.ask, provider_chain_id),
        queries.need(node.ask, "/interchain_security/ccv/consumer/params"),
        queries.balance(node.ask, address, denom),
    )
    return Told(side.ends, side.client, ibc.transfer_channel(params), time, balance)


async def received(kube: client.Client, namespace: str, channel_id: str, transfer_id: str = "") -> Received:
    """Packets on an open CCV channel, and on the transfer channel if one is given; raises like `told`."""
    node = _Node(kube, namespace)

    async def rewards() -> int:
        if not transfer_id:
            return 0
        return len(await queries.unacknowledged(node.ask, ibc.TRANSFER_PORT, transfer_id))

    return Received(
        *await queries.together(
            queries.unacknowledged(node.ask, ibc.CONSUMER_PORT, channel_id),
            queries.last_received(node.ask, ibc.CONSUMER_PORT, channel_id),
            rewards(),
        )
    )


@dataclass(frozen=True, slots=True)
class _Node:
    """The chain's one pod."""

    kube: client.Client
    namespace: str

    async def newest_block(self) -> datetime.datetime:
        status = decode.result(await self._get(ports.POD_RPC, "/status", {}))
        return ibc.newest_block(status)

    async def ask(self, path: str, params: Mapping[str, str]) -> Mapping[str, Any] | None:
        try:
            return await self._get(ports.POD_REST, path, params)
        except api_errors.Absent:
            return None

    async def _get(self, port: int, path: str, params: Mapping[str, str]) -> Mapping[str, Any]:
        request = requests.proxy(self.namespace, names.NODE_POD, port, path, params)
        try:
            return (await self.kube.send(request, TIMEOUT)).body
        except api_errors.Missing:
            raise ics_errors.Transient("the consumer's node has no pod: relaying waits for it") from None
        except ics_errors.Transient as error:
            is_own = isinstance(error, api_errors.Troubled)
            words = str(error) if is_own else decode.error_text(error)
            words = words.replace("its RPC", f"its {_SERVICES[port]}")
            raise ics_errors.Transient(f"the consumer's node: {words}") from error
