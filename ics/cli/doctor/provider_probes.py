"""Queries of the provider's endpoints for `ics doctor`, one by one."""

import asyncio
import contextlib
import datetime
from collections.abc import Callable, Mapping
from typing import Any

from ics import errors, model
from ics.cli.doctor import chain_checks
from ics.config import settings
from ics.config.endpoint import Endpoint
from ics.provider import gateway, heads
from ics.provider.rest import relayer_queries
from ics.provider.tx import channels
from ics.provider.tx import grpc as tx_grpc

_NO_TRANSACTION = "0" * 64
Now = Callable[[], datetime.datetime]


async def rest(url: Endpoint, provider: settings.ProviderSettings, now: Now) -> heads.Head:
    """Return the head of one REST gateway, which must serve the right chain and not lag."""
    async with relayer_queries.IbcQueries(provider.model_copy(update={"rest": (url,)}), now) as asking:
        return await asking.open()


async def rpc(url: Endpoint, provider: settings.ProviderSettings, now: Now) -> None:
    """Check that one RPC address serves the right chain and does not lag."""
    async with relayer_queries.IbcQueries(provider, now) as asking:
        await asking.endpoints.rpc_head(url)


async def grpc(url: Endpoint, provider: settings.ProviderSettings, now: Now) -> heads.Head:
    """Return the head of one gRPC address, which must serve the right chain, not lag, and index transactions.

    Raises:
        SettingsError: it serves another chain, or does not index transactions.
        Transient: it is not reachable, or lags.
    """
    head = await asyncio.to_thread(_grpc_head, url)
    heads.check_chain(head, str(url), "ics:provider.grpc", provider)
    heads.check_lag(head, str(url), now(), provider)
    return head


def _grpc_head(url: Endpoint) -> heads.Head:
    # Importing cosmpy takes half a second.
    from cosmpy.protos.cosmos.base.node.v1beta1 import query_pb2 as node
    from cosmpy.protos.cosmos.base.node.v1beta1 import query_pb2_grpc as node_service
    from cosmpy.protos.cosmos.base.tendermint.v1beta1 import query_pb2 as comet
    from cosmpy.protos.cosmos.base.tendermint.v1beta1 import query_pb2_grpc as comet_service
    from cosmpy.protos.cosmos.tx.v1beta1 import service_pb2 as tx
    from cosmpy.protos.cosmos.tx.v1beta1 import service_pb2_grpc as tx_service

    with contextlib.closing(channels.open_channel(url)) as channel:
        info = _call(url, comet_service.ServiceStub(channel).GetNodeInfo, comet.GetNodeInfoRequest())
        status = _call(url, node_service.ServiceStub(channel).Status, node.StatusRequest())
        try:
            _call(url, tx_service.ServiceStub(channel).GetTx, tx.GetTxRequest(hash=_NO_TRANSACTION))
        except gateway.NotFound:
            pass
        except gateway.Refused as error:
            raise errors.SettingsError(
                f"ics:provider.grpc: {url} cannot look up a transaction ({error}); use a node"
                ' whose config.toml has tx_index.indexer = "kv"'
            ) from error
    return tx_grpc.head_of(info, status, url)


def _call(url: Endpoint, method: Callable[..., Any], request: Any) -> Any:
    import grpc

    try:
        return method(request, timeout=tx_grpc.CALL_SECONDS)
    except grpc.RpcError as error:
        text = f"{url}: {gateway.one_line(url.hide(error.details() or error.code().name))}"
        kinds = {"NOT_FOUND": gateway.NotFound, "UNKNOWN": gateway.Refused, "INTERNAL": gateway.Refused}
        raise kinds.get(error.code().name, errors.Transient)(text) from None


class ProviderProbe(relayer_queries.IbcQueries):
    """Queries of the provider's REST gateways that only `ics doctor` makes; call `open` first."""

    async def account_balance(self, address: str, denom: str) -> chain_checks.AccountBalance:
        """Return the state of an account."""
        held, known = await asyncio.gather(
            self.balances([address], denom), self._ask(f"/cosmos/auth/v1beta1/account_info/{address}", {})
        )
        return chain_checks.AccountBalance(held[address], known is not None)

    async def snapshot_for(
        self, operator_address: str, may_match: Callable[[model.ConsumerSummary], bool]
    ) -> model.Snapshot:
        """Return a snapshot with details of the chains that concern this validator.

        Args:
            operator_address: valoper.
            may_match: whether a definition may be meant for a chain.
        """
        alive = (model.Phase.INITIALIZED, model.Phase.LAUNCHED)
        return await self.snapshot(
            operator_address, lambda one, must: one.phase in alive and (must or may_match(one))
        )


def images(settings: settings.Settings, definitions: Mapping[str, str]) -> dict[str, str]:
    """Return what names each image.

    Args:
        settings: of the stack.
        definitions: by image, the path of a definition that names it.
    """
    named_by = dict(definitions)
    if settings.relayer.enabled:
        named_by[settings.relayer.image] = "ics:relayer.image"
    node = settings.provider_node
    if node.enabled:
        named_by[node.image] = "ics:provider_node.image"
        if node.genesis is not None and node.genesis.url is not None:
            named_by[node.fetch_image] = "ics:provider_node.fetch_image"
    if settings.reconciler.enabled:
        named_by[settings.reconciler.image] = "ics:reconciler.image"
    return named_by
