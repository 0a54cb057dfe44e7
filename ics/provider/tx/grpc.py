"""Client of one gRPC endpoint of the provider for transactions, on top of cosmpy; every call blocks.

cosmpy is imported when a `Ledger` is created, so that a pass without a transaction does not load it. Its stubs and
transactions are used, but not its `LedgerClient`, whose calls have no deadline and which lacks the node service.
"""

import contextlib
import datetime
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ics import errors, model
from ics.config import settings
from ics.config.endpoint import Endpoint
from ics.cosmos import canonical_json
from ics.keys import derivation
from ics.provider import gateway, heads
from ics.provider.tx import channels, messages, signers

CALL_SECONDS = 10.0
"""Deadline of one call in seconds."""

_SEND = messages.TYPES[model.TopUp]
_NOT_ANSWERED = frozenset(
    {
        "CANCELLED",
        "DEADLINE_EXCEEDED",
        "RESOURCE_EXHAUSTED",
        "UNAVAILABLE",
        "PERMISSION_DENIED",
        "UNAUTHENTICATED",
    }
)
"""Codes that no application of a chain answers: the endpoint is down, overloaded, or refuses this client."""
_CONSUMER_ID = re.compile(r"[0-9]{1,20}")
_FOREIGN = re.compile(r"http2 header with status|content-type|http status|trying to connect an http1")


class Unanswered(errors.Transient):
    """The endpoint did not answer; it may have processed the request nevertheless."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TxResult:
    """Result of a transaction in the mempool or in a block."""

    code: int
    """0: success; other values depend on the codespace."""
    codespace: str
    log: str
    height: int
    """Height of its block; 0 if it is not in a block yet."""
    consumer_id: str = ""
    """Id of the consumer chain that it created; empty: none."""


@dataclass(frozen=True, slots=True)
class Sequence:
    """Account number and next sequence of an account."""

    number: int
    """Account number on the chain."""
    next: int
    """Sequence of the account's next transaction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A transaction before it is signed."""

    transaction: messages.Transaction
    sequence: Sequence
    gas: int
    fee: int
    """Amount in the denomination of the gas price."""
    timeout_height: int
    """Height of the last block that may include it."""


@dataclass(frozen=True, slots=True)
class Signed:
    """A signed transaction, ready to be broadcast."""

    raw: bytes
    """Serialized TxRaw; it contains no secret."""

    @property
    def hash(self) -> str:
        """Transaction hash: sha256 in upper-case hex."""
        return canonical_json.sha256_hex(self.raw).upper()


class Ledger:
    """One gRPC endpoint with the signing account."""

    def __init__(
        self,
        url: Endpoint,
        provider: settings.ProviderSettings,
        authority: signers.TxAuthority,
        account: derivation.Account,
    ) -> None:
        """Import cosmpy and initialize without sending requests.

        Args:
            url: the gRPC server.
            provider: chain id and gas price.
            authority: principal, signer and fee granter of the transactions.
            account: the signing account.
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

        self._denom = provider.denom
        self.url = url
        self._chain_id = provider.chain_id
        self._party = authority
        key = keypairs.PrivateKey(account.private_key.reveal())
        self._wallet = wallet.LocalWallet(key, prefix=authority.prefix)
        self.address = str(self._wallet.address())
        stubs = channels.open_channel(url)
        self._auth, self._bank = auth.QueryStub(stubs), bank.QueryStub(stubs)
        self._node, self._tendermint = node.ServiceStub(stubs), tendermint.ServiceStub(stubs)
        self._authz, self._feegrant = authz.QueryStub(stubs), feegrant.QueryStub(stubs)
        self._txs = tx.ServiceStub(stubs)

    def head(self) -> heads.Head:
        """Return the chain id and the newest committed state of the endpoint."""
        from cosmpy.protos.cosmos.base.tendermint.v1beta1 import query_pb2

        info = self._call(self._tendermint.GetNodeInfo, query_pb2.GetNodeInfoRequest())
        return head_of(info, self._status(), self.url)

    def height(self) -> int:
        """Return the newest committed height."""
        return int(self._status().height)

    def _status(self) -> Any:
        from cosmpy.protos.cosmos.base.node.v1beta1 import query_pb2

        return self._call(self._node.Status, query_pb2.StatusRequest())

    def sequence(self) -> Sequence | None:
        """Return the signing account's sequence, or None if the chain does not know it (it never had funds)."""
        from cosmpy.protos.cosmos.auth.v1beta1 import query_pb2

        # AccountInfo supports every kind of account, including vesting accounts.
        request = query_pb2.QueryAccountInfoRequest(address=self.address)
        try:
            info = self._call(self._auth.AccountInfo, request).info
        except gateway.NotFound:
            return None
        return Sequence(number=info.account_number, next=info.sequence)

    def balance(self, address: str) -> int:
        """Return an account's balance in the denomination of the gas price."""
        from cosmpy.protos.cosmos.bank.v1beta1 import query_pb2

        request = query_pb2.QueryBalanceRequest(address=address, denom=self._denom)
        with self._decoding():
            return int(self._call(self._bank.Balance, request).balance.amount)

    def granted_types(self) -> frozenset[str]:
        """Return the type URLs of the messages that the principal allows the signer to send (authz)."""
        from cosmpy.protos.cosmos.authz.v1beta1 import authz_pb2, query_pb2

        request = query_pb2.QueryGrantsRequest(granter=self._party.principal, grantee=self.address)
        type_urls = set()
        with self._decoding():
            for grant in self._of_module("authz", self._authz.Grants, request).grants:
                if grant.authorization.type_url.endswith(".SendAuthorization"):
                    type_urls.add(_SEND)
                elif grant.authorization.Is(authz_pb2.GenericAuthorization.DESCRIPTOR):
                    type_urls.add(authz_pb2.GenericAuthorization.FromString(grant.authorization.value).msg)
        return frozenset(type_urls)

    def allowance(self) -> signers.Allowance | None:
        """Return the fee granter's allowance for the signer, or None if there is none (feegrant)."""
        from cosmpy.protos.cosmos.feegrant.v1beta1 import feegrant_pb2, query_pb2

        request = query_pb2.QueryAllowanceRequest(granter=self._party.fee_granter, grantee=self.address)
        try:
            answer = self._of_module("feegrant", self._feegrant.Allowance, request)
        except gateway.Refused as error:
            if "not found" in str(error):
                return None
            raise
        allowance = answer.allowance.allowance
        if not allowance.Is(feegrant_pb2.AllowedMsgAllowance.DESCRIPTOR):
            return signers.Allowance(None)
        with self._decoding():
            limited = feegrant_pb2.AllowedMsgAllowance.FromString(allowance.value)
        return signers.Allowance(frozenset(limited.allowed_messages))

    def sign(self, draft: Draft) -> Signed:
        """Sign a transaction without sending a request."""
        from cosmpy.aerial import coins, tx

        fee = [coins.Coin(draft.fee, self._denom)] if draft.fee else None
        transaction = tx.Transaction()
        transaction.add_message(messages.build(draft.transaction, self._party))
        transaction.seal(
            tx.SigningCfg.direct(self._wallet.public_key(), draft.sequence.next),
            fee=tx.TxFee(fee, draft.gas, granter=self._party.fee_granter or None),
            timeout_height=draft.timeout_height,
            memo=messages.memo(draft.transaction),
        )
        transaction.sign(self._wallet.signer(), self._chain_id, draft.sequence.number, deterministic=True)
        return Signed(transaction.complete().tx.SerializeToString())

    def simulate(self, signed: Signed) -> int:
        """Return the gas that a transaction would use.

        Raises:
            Refused: the chain rejects the transaction; the message is the chain's own text.
        """
        from cosmpy.protos.cosmos.tx.v1beta1 import service_pb2

        answer = self._call(
            self._txs.Simulate, service_pb2.SimulateRequest(tx_bytes=signed.raw), names_url=False
        )
        return int(answer.gas_info.gas_used)

    def broadcast(self, signed: Signed) -> TxResult:
        """Broadcast a transaction and return the result of the mempool's check.

        Raises:
            Unanswered: it is unknown whether the transaction arrived.
        """
        from cosmpy.protos.cosmos.tx.v1beta1 import service_pb2

        request = service_pb2.BroadcastTxRequest(
            tx_bytes=signed.raw, mode=service_pb2.BroadcastMode.BROADCAST_MODE_SYNC
        )
        answer = self._call(self._txs.BroadcastTx, request)
        with self._decoding():
            return _verdict(answer.tx_response)

    def find(self, tx_hash: str) -> TxResult | None:
        """Return the result of an included transaction, or None if the endpoint has not indexed it.

        Raises:
            Refused: the endpoint does not index transactions.
        """
        from cosmpy.protos.cosmos.tx.v1beta1 import service_pb2

        try:
            answer = self._call(self._txs.GetTx, service_pb2.GetTxRequest(hash=tx_hash), names_url=False)
        except gateway.NotFound:
            return None
        with self._decoding():
            return _verdict(answer.tx_response)

    @contextlib.contextmanager
    def _decoding(self) -> Iterator[None]:
        """Turn an answer that is not as the chain's into `Unanswered`."""
        from google.protobuf import message

        try:
            yield
        except (ValueError, KeyError, message.DecodeError):
            raise Unanswered(f"{self.url}: an answer has an unexpected format") from None

    def _of_module(self, module: str, method: Callable[..., Any], request: Any) -> Any:
        """Query a module that some provider chains lack (interchain-security-pd has neither authz nor feegrant)."""
        try:
            return self._call(method, request)
        except gateway.Refused as error:
            if "unknown service" not in str(error):
                raise
            setting = "ics:granter" if module == "authz" else "ics:fee_granter"
            raise errors.SettingsError(
                f"{setting}: {self._chain_id} has no {module} module; remove the setting and use the key of the"
                " account itself as ics:account"
            ) from None

    def _call(self, method: Callable[..., Any], request: Any, *, names_url: bool = True) -> Any:
        import grpc

        try:
            return method(request, timeout=CALL_SECONDS)
        except grpc.RpcError as error:
            name = error.code().name
            text = gateway.one_line(self.url.hide(error.details() or name))
            if names_url or name in _NOT_ANSWERED:
                text = f"{self.url}: {text}"
            if name in _NOT_ANSWERED or is_foreign(text):
                raise Unanswered(text) from None
            raise (gateway.NotFound if name == "NOT_FOUND" else gateway.Refused)(text) from None


def head_of(info: Any, status: Any, url: Endpoint) -> heads.Head:
    """Decode the answers of `GetNodeInfo` and of the node service's `Status`.

    Raises:
        Unanswered: the time is not one.
    """
    try:
        moment = datetime.datetime.fromtimestamp(status.timestamp.seconds, datetime.UTC)
        moment += datetime.timedelta(microseconds=status.timestamp.nanos // 1000)
    except (ValueError, OverflowError, OSError):
        raise Unanswered(f"{url}: its newest block has an impossible time") from None
    return heads.Head(info.default_node_info.network, int(status.height), moment.isoformat())


def is_foreign(text: str) -> bool:
    """Return whether a gRPC error says that the server's answer is not gRPC, such as a page of a proxy."""
    return _FOREIGN.search(text.lower()) is not None


def _verdict(response: Any) -> TxResult:
    return TxResult(
        code=response.code,
        codespace=response.codespace,
        log=gateway.one_line(response.raw_log),
        height=response.height,
        consumer_id=_created(response.events),
    )


def _created(events: Any) -> str:
    for event in events:
        attributes = {attribute.key: attribute.value for attribute in event.attributes}
        if event.type == "create_consumer":
            if not _CONSUMER_ID.fullmatch(attributes["consumer_id"]):
                raise ValueError("not a consumer id")
            return str(attributes["consumer_id"])
    return ""
