"""One gRPC endpoint of the provider for transactions, with cosmpy's messages and keys; every call blocks.

cosmpy is loaded when a `Ledger` is made, so that a pass without a transaction does not pay for it. Its
stubs and transactions are used and not its `LedgerClient`, whose calls have no deadline and which has
the node service not.
"""

import datetime
import hashlib
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ics import errors, model
from ics.config import settings, urls
from ics.keys import derivation
from ics.provider import gateway, heads
from ics.provider.tx import messages, signers

CALL_SECONDS = 10.0
"""Deadline of one call."""

_SEND = messages.TYPES[model.TopUp]
_BUSY = frozenset({"CANCELLED", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "UNAVAILABLE"})


class Unanswered(errors.Transient):
    """No answer came: what was asked may have been done all the same."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the chain said of a transaction, in its mempool or in a block."""

    code: int
    """0: good; the meaning of others depends on the codespace."""
    codespace: str
    log: str
    height: int
    """Of the block it is in; 0 when it is in none yet."""
    consumer_id: str = ""
    """Of the consumer chain that it created; empty: it created none."""


@dataclass(frozen=True, slots=True)
class Sequence:
    """Where an account stands."""

    number: int
    """The chain's number of the account."""
    next: int
    """Sequence that the next transaction must carry."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A transaction before it is signed."""

    order: messages.Order
    sequence: Sequence
    gas: int
    fee: int
    """In the denomination of the gas price."""
    timeout_height: int
    """Last block that may take it."""


@dataclass(frozen=True, slots=True)
class Signed:
    """A transaction that can be broadcast."""

    raw: bytes
    """TxRaw, as it goes over the wire; it holds no secret."""

    @property
    def hash(self) -> str:
        """Upper-case hex of its sha256, the name under which the chain knows it."""
        return hashlib.sha256(self.raw).hexdigest().upper()


class Ledger:
    """One gRPC endpoint, with the account that signs."""

    def __init__(
        self, url: str, provider: settings.Provider, party: signers.Party, account: derivation.Account
    ) -> None:
        """Load cosmpy and prepare; nothing is asked yet.

        Args:
            url: `http://HOST:PORT` or `https://HOST:PORT` of the gRPC server.
            provider: chain id and gas price.
            party: whose transactions they are.
            account: what signs.
        """
        from cosmpy.aerial import wallet
        from cosmpy.crypto import keypairs
        from cosmpy.protos.cosmos.auth.v1beta1 import query_pb2_grpc as auth
        from cosmpy.protos.cosmos.authz.v1beta1 import query_pb2_grpc as authz
        from cosmpy.protos.cosmos.bank.v1beta1 import query_pb2_grpc as bank
        from cosmpy.protos.cosmos.base.node.v1beta1 import query_pb2_grpc as node
        from cosmpy.protos.cosmos.base.tendermint.v1beta1 import query_pb2_grpc as tendermint
        from cosmpy.protos.cosmos.feegrant.v1beta1 import query_pb2_grpc as feegrant
        from cosmpy.protos.cosmos.tx.v1beta1 import service_pb2_grpc as tx

        _, self._denom = messages.gas_price(provider.gas_price)
        self.url = url
        self._chain_id = provider.chain_id
        self._party = party
        key = keypairs.PrivateKey(account.private_key.reveal())
        self._wallet = wallet.LocalWallet(key, prefix=party.prefix)
        self.address = str(self._wallet.address())
        stubs = channel(url)
        self._auth, self._bank = auth.QueryStub(stubs), bank.QueryStub(stubs)
        self._node, self._tendermint = node.ServiceStub(stubs), tendermint.ServiceStub(stubs)
        self._authz, self._feegrant = authz.QueryStub(stubs), feegrant.QueryStub(stubs)
        self._txs = tx.ServiceStub(stubs)

    def head(self) -> heads.Head:
        """Chain and newest committed state of the endpoint."""
        from cosmpy.protos.cosmos.base.tendermint.v1beta1 import query_pb2

        info = self._call(self._tendermint.GetNodeInfo, query_pb2.GetNodeInfoRequest())
        status = self._status()
        moment = datetime.datetime.fromtimestamp(status.timestamp.seconds, datetime.UTC)
        return heads.Head(info.default_node_info.network, status.height, moment.isoformat())

    def height(self) -> int:
        """Newest committed height."""
        return int(self._status().height)

    def _status(self) -> Any:
        from cosmpy.protos.cosmos.base.node.v1beta1 import query_pb2

        return self._call(self._node.Status, query_pb2.StatusRequest())

    def sequence(self) -> Sequence | None:
        """Where the signing account stands; None when the chain does not know it (it never had funds)."""
        from cosmpy.protos.cosmos.auth.v1beta1 import query_pb2

        # AccountInfo answers for every kind of account, vesting ones too.
        request = query_pb2.QueryAccountInfoRequest(address=self.address)
        try:
            info = self._call(self._auth.AccountInfo, request).info
        except gateway.NotFound:
            return None
        return Sequence(number=info.account_number, next=info.sequence)

    def balance(self, address: str) -> int:
        """What an account holds in the denomination of the gas price."""
        from cosmpy.protos.cosmos.bank.v1beta1 import query_pb2

        request = query_pb2.QueryBalanceRequest(address=address, denom=self._denom)
        return int(self._call(self._bank.Balance, request).balance.amount)

    def granted(self) -> frozenset[str]:
        """Type URLs of the messages that the principal lets the signer send (authz)."""
        from cosmpy.protos.cosmos.authz.v1beta1 import authz_pb2, query_pb2

        request = query_pb2.QueryGrantsRequest(granter=self._party.principal, grantee=self.address)
        found = set()
        for grant in self._of_module("authz", self._authz.Grants, request).grants:
            if grant.authorization.type_url.endswith(".SendAuthorization"):
                found.add(_SEND)
            elif grant.authorization.Is(authz_pb2.GenericAuthorization.DESCRIPTOR):
                found.add(authz_pb2.GenericAuthorization.FromString(grant.authorization.value).msg)
        return frozenset(found)

    def allowance(self) -> signers.Allowance | None:
        """What the fee granter pays for the signer; None: nothing (feegrant)."""
        from cosmpy.protos.cosmos.feegrant.v1beta1 import feegrant_pb2, query_pb2

        request = query_pb2.QueryAllowanceRequest(granter=self._party.fee_granter, grantee=self.address)
        try:
            answer = self._of_module("feegrant", self._feegrant.Allowance, request)
        except gateway.Refused as error:
            if "not found" in str(error):
                return None
            raise
        found = answer.allowance.allowance
        if not found.Is(feegrant_pb2.AllowedMsgAllowance.DESCRIPTOR):
            return signers.Allowance(None)
        limited = feegrant_pb2.AllowedMsgAllowance.FromString(found.value)
        return signers.Allowance(frozenset(limited.allowed_messages))

    def sign(self, draft: Draft) -> Signed:
        """Sign a transaction; nothing is asked or sent."""
        from cosmpy.aerial import coins, tx

        fee = [coins.Coin(draft.fee, self._denom)] if draft.fee else None
        transaction = tx.Transaction()
        transaction.add_message(messages.build(draft.order, self._party))
        transaction.seal(
            tx.SigningCfg.direct(self._wallet.public_key(), draft.sequence.next),
            fee=tx.TxFee(fee, draft.gas, granter=self._party.fee_granter or None),
            timeout_height=draft.timeout_height,
        )
        transaction.sign(self._wallet.signer(), self._chain_id, draft.sequence.number, deterministic=True)
        return Signed(transaction.complete().tx.SerializeToString())

    def simulate(self, signed: Signed) -> int:
        """Gas that a transaction would use.

        Raises:
            Refused: the chain would not take it; the message is the chain's own text.
        """
        from cosmpy.protos.cosmos.tx.v1beta1 import service_pb2

        answer = self._call(
            self._txs.Simulate, service_pb2.SimulateRequest(tx_bytes=signed.raw), names_url=False
        )
        return int(answer.gas_info.gas_used)

    def broadcast(self, signed: Signed) -> Verdict:
        """Hand a transaction to the mempool and answer what its check said.

        Raises:
            Unanswered: it may have arrived or not.
        """
        from cosmpy.protos.cosmos.tx.v1beta1 import service_pb2

        request = service_pb2.BroadcastTxRequest(
            tx_bytes=signed.raw, mode=service_pb2.BroadcastMode.BROADCAST_MODE_SYNC
        )
        return _verdict(self._call(self._txs.BroadcastTx, request).tx_response)

    def find(self, tx_hash: str) -> Verdict | None:
        """The transaction in its block, None when it is in none that the endpoint has indexed.

        Raises:
            Refused: the endpoint indexes no transactions.
        """
        from cosmpy.protos.cosmos.tx.v1beta1 import service_pb2

        try:
            answer = self._call(self._txs.GetTx, service_pb2.GetTxRequest(hash=tx_hash), names_url=False)
        except gateway.NotFound:
            return None
        return _verdict(answer.tx_response)

    def _of_module(self, module: str, method: Callable[..., Any], request: Any) -> Any:
        """Ask a module that not every provider chain has (interchain-security-pd has neither)."""
        try:
            return self._call(method, request)
        except gateway.Refused as error:
            if "unknown service" not in str(error):
                raise
            setting = "ics:granter" if module == "authz" else "ics:fee_granter"
            raise errors.SettingsError(
                f"{setting}: {self._chain_id} has no {module} module: remove the setting, and give the key of the"
                " account itself as ics:account"
            ) from None

    def _call(self, method: Callable[..., Any], request: Any, *, names_url: bool = True) -> Any:
        import grpc

        try:
            return method(request, timeout=CALL_SECONDS)
        except grpc.RpcError as error:
            name = error.code().name
            text = gateway.one_line(error.details() or name)
            if names_url or name in _BUSY:
                text = f"{urls.shown(self.url)}: {text}"
            if name in _BUSY:
                raise Unanswered(text) from None
            raise (gateway.NotFound if name == "NOT_FOUND" else gateway.Refused)(text) from None


def channel(url: str) -> Any:
    """A gRPC channel to an `http://` or `https://` address."""
    import grpc

    parts = urllib.parse.urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    if parts.scheme == "https":
        return grpc.secure_channel(f"{host}:{parts.port or 443}", grpc.ssl_channel_credentials())
    return grpc.insecure_channel(f"{host}:{parts.port or 80}")


def _verdict(response: Any) -> Verdict:
    return Verdict(
        code=response.code,
        codespace=response.codespace,
        log=gateway.one_line(response.raw_log),
        height=response.height,
        consumer_id=_created(response.events),
    )


def _created(events: Any) -> str:
    for event in events:
        found = {attribute.key: attribute.value for attribute in event.attributes}
        if event.type == "create_consumer":
            return str(found["consumer_id"])
    return ""
