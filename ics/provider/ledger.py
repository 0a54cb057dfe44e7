"""One gRPC endpoint of the provider for transactions, through cosmpy; every call blocks.

cosmpy is loaded when a `Ledger` is made (0.4 s), so that a pass without a transaction does not pay for it.
Its own calls have no deadline; the stubs of its `LedgerClient` are called with one, in one place.
"""

import datetime
import hashlib
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ics import config, errors, keys, model
from ics.provider import decode, gateway, messages

CALL_SECONDS = 10.0
"""Deadline of one call."""

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

    intent: model.Intent | model.OptOut
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
        self, url: str, provider: config.Provider, operator_address: str, account: keys.Account
    ) -> None:
        """Load cosmpy and prepare; nothing is asked yet.

        Args:
            url: `http://HOST:PORT` or `https://HOST:PORT` of the gRPC server.
            provider: chain id and gas price.
            operator_address: valoper for which the account signs.
            account: what signs.
        """
        from cosmpy.aerial import client, wallet
        from cosmpy.aerial import config as network
        from cosmpy.crypto import keypairs

        price, self._denom = messages.gas_price(provider.gas_price)
        self.url = url
        self._chain_id = provider.chain_id
        self._operator_address = operator_address
        prefix = operator_address.partition("valoper1")[0]
        self._wallet = wallet.LocalWallet(keypairs.PrivateKey(account.private_key.reveal()), prefix=prefix)
        self.address = str(self._wallet.address())
        self._client = client.LedgerClient(
            network.NetworkConfig(
                chain_id=provider.chain_id,
                url=f"grpc+{urllib.parse.urlsplit(url).scheme}://{urllib.parse.urlsplit(url).netloc}",
                fee_minimum_gas_price=float(price),
                fee_denomination=self._denom,
                staking_denomination=self._denom,
            )
        )

    def head(self) -> decode.Head:
        """Newest block that the endpoint has."""
        from cosmpy.protos.cosmos.base.tendermint.v1beta1 import query_pb2

        answer = self._call(self._client.tendermint.GetLatestBlock, query_pb2.GetLatestBlockRequest())
        header = answer.block.header
        moment = datetime.datetime.fromtimestamp(header.time.seconds, datetime.UTC)
        return decode.Head(chain_id=header.chain_id, height=header.height, time=moment.isoformat())

    def sequence(self) -> Sequence | None:
        """Where the signing account stands; None when the chain does not know it (it never had funds)."""
        from cosmpy.protos.cosmos.auth.v1beta1 import query_pb2

        # AccountInfo answers for every kind of account, vesting ones too.
        request = query_pb2.QueryAccountInfoRequest(address=self.address)
        try:
            info = self._call(self._client.auth.AccountInfo, request).info
        except gateway.NotFound:
            return None
        return Sequence(number=info.account_number, next=info.sequence)

    def balance(self) -> int:
        """What the signing account holds in the denomination of the gas price."""
        from cosmpy.protos.cosmos.bank.v1beta1 import query_pb2

        request = query_pb2.QueryBalanceRequest(address=self.address, denom=self._denom)
        return int(self._call(self._client.bank.Balance, request).balance.amount)

    def sign(self, draft: Draft) -> Signed:
        """Sign a transaction; nothing is asked or sent."""
        from cosmpy.aerial import tx

        transaction = tx.Transaction()
        transaction.add_message(messages.build(draft.intent, self._operator_address, self.address))
        transaction.seal(
            tx.SigningCfg.direct(self._wallet.public_key(), draft.sequence.next),
            fee=tx.TxFee(f"{draft.fee}{self._denom}" if draft.fee else None, draft.gas),
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

        answer = self._call(self._client.txs.Simulate, service_pb2.SimulateRequest(tx_bytes=signed.raw))
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
        return _verdict(self._call(self._client.txs.BroadcastTx, request).tx_response)

    def find(self, tx_hash: str) -> Verdict | None:
        """The transaction in its block, None when it is in none that the endpoint has indexed.

        Raises:
            Refused: the endpoint indexes no transactions.
        """
        from cosmpy.protos.cosmos.tx.v1beta1 import service_pb2

        try:
            answer = self._call(self._client.txs.GetTx, service_pb2.GetTxRequest(hash=tx_hash))
        except gateway.NotFound:
            return None
        return _verdict(answer.tx_response)

    def _call(self, method: Callable[..., Any], request: Any) -> Any:
        import grpc

        try:
            return method(request, timeout=CALL_SECONDS)
        except grpc.RpcError as error:
            name = error.code().name
            text = gateway.one_line(error.details() or name)
            if name in _BUSY:
                raise Unanswered(f"{gateway.shown(self.url)}: {text}") from None
            raise (gateway.NotFound if name == "NOT_FOUND" else gateway.Refused)(text) from None


def _verdict(response: Any) -> Verdict:
    return Verdict(
        code=response.code,
        codespace=response.codespace,
        log=gateway.one_line(response.raw_log),
        height=response.height,
    )
