"""Sending and confirmation of one transaction at a time.

No transaction is executed twice. A transaction is signed again only after the chain rejected the previous attempt
(its sequence was used, or the mempool was full), so that no attempt can be pending. If a broadcast got no answer,
the transaction is looked up by its hash until its timeout height has passed, after which no block may include it.
Its hash is recorded in a journal before the broadcast, so that the same holds after a crash.

What one endpoint alone says decides neither about a payment nor about a refusal; see `ics.provider.tx.ledgers`.
"""

import asyncio
import contextlib
import datetime
import operator
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from ics import errors, model
from ics.config import settings
from ics.config.endpoint import Endpoint
from ics.consumer import costs
from ics.cosmos import coins, gas_prices
from ics.keys import derivation
from ics.provider import gateway, heads
from ics.provider.tx import descriptions, grpc, ledgers, messages, prices, refusals, signers

_TIMEOUT_BLOCKS = 20
"""Number of blocks for which a transaction is valid (TxBody.timeout_height)."""
_TRIES = 5
"""Attempts to send a transaction that the mempool does not accept."""
_CONFIRM_SECONDS = 60
"""Seconds after which the outcome of an unconfirmed transaction is reported as unknown."""
_PATIENCE_BLOCKS = 3
"""Blocks after which a transaction that is in none of them is handed to the other endpoints, too."""
_DOUBT_BLOCKS = 5
"""Blocks in which another endpoint must include a transaction, if it denies that the first one has done so."""
_WITNESS_TRIES = 20
"""Looks at the others, 0.5 s apart, until one has the block of a result."""
_MOST_BLOCKS = 100
"""Blocks that the chain makes at most while one transaction is prepared."""


# Codes of the codespace "sdk": cosmos-sdk types/errors/errors.go.
_INSUFFICIENT_FUNDS = 5
_OUT_OF_GAS = 11
_INSUFFICIENT_FEE = 13
_ALREADY_IN_MEMPOOL = 19
_MEMPOOL_FULL = 20
_WRONG_SEQUENCE = 32
_INSUFFICIENT_FUNDS_TEXT = "insufficient funds"
_WRONG_SEQUENCE_TEXT = "account sequence mismatch"


@dataclass(frozen=True, slots=True)
class SentTx:
    """A transaction that was included in a block and succeeded."""

    hash: str
    """Upper-case hex."""
    height: int
    consumer_id: str = ""
    """Id of the consumer chain that it created; empty: none."""
    is_earlier: bool = False
    """Whether an earlier run of the command sent it, and ended before it showed the result."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Gas and fee of a transaction according to the chain's simulation."""

    gas: int
    """Gas limit: the simulated gas times the adjustment."""
    fee: int
    denom: str


@dataclass(frozen=True, slots=True)
class _Pending:
    transaction: messages.Transaction | None
    """None: a process that has ended sent it."""
    hash: str
    timeout_height: int

    def can_be_at(self, height: int) -> bool:
        """Return whether a block of this height may include it."""
        return 0 < height <= self.timeout_height


class _NotTaken(errors.Transient):
    """The mempool did not accept the transaction, so that it may be sent again."""


class _FeeRefused(errors.Permanent):
    """The mempool refused the fee (code 13), so that the transaction may be sent again with a higher one."""

    def __init__(self, text: str, gas: int, price: Decimal, required: int | None) -> None:
        super().__init__(text)
        self.gas = gas
        self.price = price
        self.required = required
        """Fee that the refusal names; None: it names none."""


class GasRefused(errors.CostRefused):
    """An endpoint says that a transaction needs more gas than such a transaction may use."""


class Journal(Protocol):
    """Record of transactions that survives a crash of this process."""

    async def begin(
        self,
        tx_hash: str,
        timeout_height: int,
        transaction: messages.Transaction,
        order: str = "",
        fee: coins.Coin | None = None,
    ) -> None:
        """Record a transaction before its broadcast; it replaces the previous one, and that of the same order."""

    async def pending(self) -> tuple[str, int] | None:
        """Return hash and timeout height of the last transaction, or None if there was none on this chain."""

    async def ordered(self, order: str) -> tuple[str, int] | None:
        """Return hash and timeout height of an order's transaction until `finish`, or None."""

    async def finish(self, order: str) -> None:
        """Forget an order whose result its user has seen."""


class Transactions:
    """Transactions of one validator or owner; at most one is pending at a time."""

    def __init__(
        self,
        provider: settings.ProviderSettings,
        authority: signers.TxAuthority,
        account: derivation.Account,
        now: Callable[[], datetime.datetime],
        ask_price: prices.AskPrice,
        *,
        journal: Journal | None = None,
        floor: ledgers.Floor | None = None,
        connect: ledgers.Connect = grpc.Ledger,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Initialize without sending requests.

        Args:
            provider: endpoints, gas price and adjustment.
            authority: principal, signer and fee granter, see `ics.provider.tx.signers`.
            account: the signing account.
            now: returns the current time with its zone.
            ask_price: asks for the gas price, see `ics.provider.rest.queries.Queries.gas_price`.
            journal: journal of transactions; None: pending transactions are forgotten after a crash.
            floor: returns the block that a pass acted upon, from which endpoints' heights are judged.
            connect: creates the client of an endpoint.
            sleep: waits for a number of seconds.
        """
        self._bounds, self._denom = provider.gas_bounds, provider.denom
        self._ask_price = ask_price
        self._provider = provider
        self.party = authority
        self._ledgers = ledgers.Ledgers(provider, authority, account, now, floor, connect)
        self._now = now
        self._journal = journal
        self._sleep = sleep
        self._turn = asyncio.Lock()
        self._pending: _Pending | None = None

    async def order(self, transaction: messages.Transaction) -> SentTx:
        """Send a transaction that a user orders, unless an earlier run of the same command has sent it already.

        The order stays in the journal until `finish`: a command that is killed and run again sends nothing twice.

        Raises:
            IcsError: as `send`.
        """
        order = messages.order_name(transaction, self.party)
        recorded = None if self._journal is None else await self._journal.ordered(order)
        if recorded is not None:
            result = await self._outcome(recorded)
            if result is not None and not result.code:
                return SentTx(recorded[0], result.height, result.consumer_id, is_earlier=True)
        await self.await_pending()
        return await self.send(transaction, order)

    async def finish(self, transaction: messages.Transaction) -> None:
        """Forget an order whose result the user has seen, so that the same command may order it once more."""
        if self._journal is not None:
            await self._journal.finish(messages.order_name(transaction, self.party))

    async def send(self, transaction: messages.Transaction, order: str = "") -> SentTx:
        """Simulate, sign, broadcast and confirm one transaction.

        Args:
            transaction: the transaction.
            order: name of a user's order in the journal, see `order`; empty: it can be sent again after a crash,
                because it is computed from the state of the chain.

        Raises:
            SettingsError: all endpoints belong to another chain, or an endpoint does not index transactions.
            Transient: no endpoint is usable, the chain did not accept it, or its outcome is unknown; the
                message says which, with the hash.
            Permanent: the chain rejected it; the message contains the chain's own text.
        """
        async with self._turn:
            endpoint, head = await self._ledgers.open()
            earlier = await self._settle(endpoint, head.height)
            if earlier is not None and earlier[0] == transaction:
                return earlier[1]
            price = await self._current_price(transaction)
            refused: list[str] = []
            for remaining_tries in reversed(range(_TRIES)):
                try:
                    endpoint, draft, signed = await self._prepared(endpoint, head, transaction, price)
                    await self._check_refused(endpoint, transaction, refused)
                    refused.append(signed.hash)
                    return await self._send_once(endpoint, draft, signed, price, order)
                except _FeeRefused as error:
                    if not remaining_tries:
                        raise errors.Transient(
                            f"{error}: its price rose with each of {_TRIES} attempts"
                        ) from error
                    price = await self._higher_price(transaction, error)
                except _NotTaken as error:
                    if not remaining_tries:
                        self._ledgers.avoid_low()
                        raise errors.Transient(
                            f"{descriptions.name(transaction)}: the chain accepted none of {_TRIES} attempts: {error}"
                        ) from error
                await self._sleep(2.0 ** (_TRIES - 1 - remaining_tries))
            raise AssertionError("unreachable")  # pragma: no cover

    async def _check_refused(
        self, endpoint: ledgers.TxEndpoint, transaction: messages.Transaction, refused: Sequence[str]
    ) -> None:
        """Check that no block includes an attempt that was refused: whoever refused it may have passed it on.

        Raises:
            Transient: a block does; the next pass reads what it changed.
        """
        for tx_hash in refused:
            find = operator.methodcaller("find", tx_hash)
            found: Mapping[Endpoint, object] = await self._ledgers.ask_others(endpoint, find)
            if any(found.values()) or await asyncio.to_thread(endpoint.find, tx_hash) is not None:
                raise errors.Transient(
                    f"{descriptions.name(transaction)}: transaction {tx_hash} was refused, and yet is in a block; run"
                    " another pass"
                )

    async def _prepared(
        self,
        endpoint: ledgers.TxEndpoint,
        head: heads.Head,
        transaction: messages.Transaction,
        price: Decimal,
    ) -> tuple[ledgers.TxEndpoint, grpc.Draft, grpc.Signed]:
        """Simulate and sign a transaction with the first endpoint that gives a usable answer.

        Raises:
            Transient, Permanent: as `send`; only if no reachable endpoint would take it.
        """
        refused: dict[Endpoint, errors.IcsError] = {}
        while True:
            try:
                sequence = await self._ledgers.sequence(endpoint)
                draft, signed = await asyncio.to_thread(
                    self._prepare, endpoint, sequence, head.height, transaction, price
                )
                await self._check_reserve(endpoint, draft)
                await self._check_need(endpoint, transaction)
                return endpoint, draft, signed
            except errors.IcsError as error:
                refused[endpoint.url] = error
                if isinstance(error, grpc.Unanswered):
                    self._ledgers.avoid(endpoint.url)
            try:
                endpoint, head = await self._ledgers.open(refused)
            except errors.IcsError:
                answered = (each for each in refused.values() if not isinstance(each, grpc.Unanswered))
                raise next(answered, next(iter(refused.values()))) from None

    async def estimate(self, transaction: messages.Transaction) -> Estimate:
        """Simulate a transaction without sending it.

        Raises:
            SettingsError: as `send`.
            Transient: no endpoint is usable.
            Permanent: the chain would reject it; the message contains the chain's own text.
        """
        async with self._turn:
            price = await self._current_price(transaction)
            _, draft, _ = await self._prepared(*await self._ledgers.open(), transaction, price)
            return Estimate(draft.gas, draft.fee, self._denom)

    async def missing_grants(self, types: Iterable[str]) -> list[str]:
        """Return one line with a remedy for each grant that the account needs for these types and lacks.

        Args:
            types: type URLs, such as `messages.OF_VALIDATOR`.

        Raises:
            IcsError: no endpoint is usable.
        """
        endpoint, _ = await self._ledgers.open()
        return await asyncio.to_thread(self._missing_grants, endpoint, tuple(types))

    def _missing_grants(self, endpoint: ledgers.TxEndpoint, types: Sequence[str]) -> list[str]:
        lines: list[str] = []
        if self.party.is_grantee:
            granted = endpoint.granted_types()
            lines += [signers.missing_grant(self.party, type_url, granted) for type_url in types]
        if self.party.fee_granter:
            allowance = endpoint.allowance()
            lines += [signers.missing_allowance(self.party, type_url, allowance) for type_url in types]
        return list(dict.fromkeys(line for line in lines if line))

    async def await_pending(self) -> int:
        """Wait for the outcome of the last transaction of a process that has ended.

        Returns:
            Height of the block that includes it, or 0: state below this height must not be used.

        Raises:
            SettingsError: as `send`.
            Transient: no endpoint is usable, or the outcome is still unknown.
        """
        last = None if self._journal is None else await self._journal.pending()
        result = None if last is None else await self._outcome(last)
        return 0 if result is None else result.height

    async def _outcome(self, recorded: tuple[str, int]) -> grpc.TxResult | None:
        """Wait for the result of a recorded transaction; None: no block includes it, and none will."""
        async with self._turn:
            endpoint, head = await self._ledgers.open()
            pending = _Pending(None, *recorded)
            result, is_over = await self._result(endpoint, pending, head.height)
            if result is None and not is_over:
                result = await self._confirm(endpoint, pending, "")
        return result

    # -- gas price ---------------------------------------------------------------------------------

    async def _current_price(self, transaction: messages.Transaction) -> Decimal:
        """Return the price to pay for a unit of gas: the chain's own, within the bounds of the settings."""
        return await prices.current(self._bounds, self._ask_price, transaction)

    async def _higher_price(self, transaction: messages.Transaction, refusal: "_FeeRefused") -> Decimal:
        """Return a higher price than the chain refused: what it asks now, or the fee that the refusal names.

        Raises:
            TooExpensive: it is above the ceiling.
            Permanent: the chain asks no higher price, so it is not known what to pay.
        """
        asked, required = await self._current_price(transaction), refusal.required or 0
        ceiling, gas = self._bounds.ceiling, refusal.gas
        if required > messages.fee(gas, ceiling):
            raise gas_prices.TooExpensive(
                f"{refusal}; that is more than the ceiling of {gas_prices.format_price(ceiling, self._denom)} for a"
                " unit of gas; raise ics:provider.max_gas_price, or wait"
            ) from refusal
        price = min(max(asked, gas_prices.price_of(required, gas)), ceiling)
        if price <= refusal.price:
            raise errors.Permanent(
                f"{refusal}; raise ics:provider.gas_price (now {self._provider.gas_price})"
            ) from refusal
        return price

    # -- one transaction ---------------------------------------------------------------------------

    async def _send_once(
        self, endpoint: ledgers.TxEndpoint, draft: grpc.Draft, signed: grpc.Signed, price: Decimal, order: str
    ) -> SentTx:
        transaction = draft.transaction
        what = descriptions.name(transaction)
        if self._journal is not None:
            fee = coins.Coin(self._denom, draft.fee)
            await self._journal.begin(signed.hash, draft.timeout_height, transaction, order, fee)
        self._pending = _Pending(transaction, signed.hash, draft.timeout_height)
        endpoint, verdict, lost = await self._broadcast(endpoint, signed)
        if verdict is not None and not _is_taken(verdict):
            self._pending = None
            if _is_sdk(verdict, _WRONG_SEQUENCE) or _is_sdk(verdict, _MEMPOOL_FULL):
                raise _NotTaken(verdict.log or "the mempool is full")
            if _is_sdk(verdict, _INSUFFICIENT_FEE):
                required = gas_prices.required_fee(verdict.log, self._denom)
                raise _FeeRefused(_rejection(what, verdict), draft.gas, price, required)
            raise await asyncio.to_thread(self._explain, endpoint, what, draft, verdict)
        included = await self._confirm(endpoint, self._pending, lost, signed)
        self._pending = None
        if included is None:
            # It may have kept the transaction to itself, so the next attempt goes to another first.
            self._ledgers.avoid(endpoint.url)
            raise errors.Transient(
                f"{what}: {lost}transaction {signed.hash} was not included in any block up to"
                f" {draft.timeout_height} and has expired: nothing was changed"
            )
        if included.code:
            raise await asyncio.to_thread(self._explain, endpoint, what, draft, included)
        return SentTx(signed.hash, included.height, included.consumer_id)

    async def _broadcast(
        self, endpoint: ledgers.TxEndpoint, signed: grpc.Signed
    ) -> tuple[ledgers.TxEndpoint, grpc.TxResult | None, str]:
        """Hand a transaction to an endpoint, and to the others if that one refuses it.

        It is the same transaction, so no block includes it twice, whoever refuses it and passes it on nevertheless.

        Returns:
            The endpoint that knows most about it; what the mempool says, None if it may have arrived; then also why.
        """
        verdicts: list[grpc.TxResult] = []
        others: list[ledgers.TxEndpoint] | None = None
        while True:
            try:
                verdict = await asyncio.to_thread(endpoint.broadcast, signed)
            except (grpc.Unanswered, gateway.Refused) as error:
                # Neither error comes from the check of the transaction, so it may have arrived.
                return endpoint, None, f"its broadcast failed ({error}), "
            if _is_taken(verdict):
                return endpoint, verdict, ""
            verdicts.append(verdict)
            others = await self._ledgers.others(endpoint) if others is None else others
            if not others:
                return endpoint, _most_common(verdicts), ""
            endpoint = others.pop(0)

    def _prepare(
        self,
        endpoint: ledgers.TxEndpoint,
        sequence: grpc.Sequence | None,
        height: int,
        transaction: messages.Transaction,
        price: Decimal,
    ) -> tuple[grpc.Draft, grpc.Signed]:
        what = descriptions.name(transaction)
        missing = self._missing_grants(endpoint, [messages.TYPES[type(transaction)]])
        if missing:
            raise errors.Permanent(f"{what}: {'; '.join(missing)}")
        if sequence is None:
            raise errors.Permanent(
                f"{what}: account {endpoint.address} does not exist on {self._provider.chain_id}; "
                f"send it some {self._denom} for fees"
            )
        # A transaction that is valid for too long would keep all others waiting.
        last = min(endpoint.height(), height + _MOST_BLOCKS) + _TIMEOUT_BLOCKS
        # A fee of 1 lets the simulation include the payment, up to half of the gas of such a message.
        trial = grpc.Draft(
            transaction=transaction,
            sequence=sequence,
            gas=0,
            fee=1 if price else 0,
            timeout_height=last,
        )
        try:
            used = endpoint.simulate(endpoint.sign(trial))
        except gateway.Refused as error:
            if _WRONG_SEQUENCE_TEXT in str(error):
                raise _NotTaken(str(error)) from error
            if _INSUFFICIENT_FUNDS_TEXT in str(error):
                raise errors.Permanent(
                    f"{what}: rejected by the chain: {error}; {self._insufficient_funds(endpoint, trial)}"
                ) from error
            raise errors.Permanent(
                f"{what}: rejected by the chain: {refusals.explain(str(error))}"
            ) from error
        gas = messages.gas_limit(used, self._provider.gas_adjustment)
        kind = messages.GAS_KINDS[type(transaction)]
        largest = self._provider.largest_gas(kind)
        if not 0 < gas <= largest:
            raise GasRefused(
                f"{what}: {endpoint.url} says that it needs {gas} gas, but it may use 1 to {largest};"
                f" nothing was signed. If that is right, raise ics:provider.max_gas.{kind.value}"
            )
        draft = grpc.Draft(
            transaction=transaction,
            sequence=sequence,
            gas=gas,
            fee=messages.fee(gas, price),
            timeout_height=last,
        )
        signed = endpoint.sign(draft)
        # An endpoint without an index could never confirm it.
        if self._find(endpoint, signed.hash) is not None:
            raise errors.Transient(
                f"{what}: transaction {signed.hash} is already in a block; run another pass"
            )
        return draft, signed

    async def _check_reserve(self, endpoint: ledgers.TxEndpoint, draft: grpc.Draft) -> None:
        """Refuse a top-up for which the account that pays the fees would spend what it keeps for opt-ins.

        Raises:
            BelowReserve: it would have less than `ics:provider.reserve_gas` costs at most.
        """
        if not isinstance(draft.transaction, model.TopUp):
            return
        payer = self.party.fee_granter or self.party.signer
        spent = draft.fee
        if payer == self.party.principal:
            spent += costs.spends(draft.transaction, self._denom)
        reserve = messages.fee(self._provider.reserve_gas, self._bounds.ceiling)
        held = await self._ledgers.balance(endpoint, payer)
        if held - spent < reserve:
            raise gas_prices.BelowReserve(
                f"{descriptions.name(draft.transaction)}: not sent: account {payer} has {held}{self._denom}, of which"
                f" {reserve}{self._denom} are kept for the fees of opt-ins (ics:provider.reserve_gas); send it some"
                f" {self._denom}"
            )

    async def _check_need(self, endpoint: ledgers.TxEndpoint, transaction: messages.Transaction) -> None:
        """Refuse a top-up of an account that has enough, although a REST gateway said that it has not.

        Raises:
            Transient: it has enough.
        """
        if not isinstance(transaction, model.TopUp) or not transaction.enough:
            return
        held = await self._ledgers.balance(endpoint, transaction.address)
        if held >= transaction.enough:
            raise errors.Transient(
                f"{descriptions.name(transaction)}: not sent: account {transaction.address} has"
                f" {held}{self._denom}, which is enough, although an endpoint of ics:provider.rest says less"
            )

    def _find(self, endpoint: ledgers.TxEndpoint, tx_hash: str) -> grpc.TxResult | None:
        try:
            return endpoint.find(tx_hash)
        except gateway.Refused as error:
            raise errors.SettingsError(
                f"ics:provider.grpc: {endpoint.url} cannot look up transactions ({error}); "
                'use a node with tx_index.indexer = "kv" in its config.toml'
            ) from error

    async def _confirm(
        self, endpoint: ledgers.TxEndpoint, pending: _Pending, lost: str, signed: grpc.Signed | None = None
    ) -> grpc.TxResult | None:
        """Return the result of a transaction once it is included, or None once it has expired.

        Args:
            endpoint: that took it.
            pending: the transaction.
            lost: what is known about its broadcast, for messages.
            signed: itself, which the other endpoints get if it is in no block after a while; None: not known.
        """
        trouble, first = "", 0
        doubted: tuple[grpc.TxResult, int] | None = None
        deadline = self._now() + datetime.timedelta(seconds=_CONFIRM_SECONDS)
        while self._now() < deadline:
            try:
                # The height is read first, so that the following lookup covers all blocks up to it.
                height = await asyncio.to_thread(endpoint.height)
                result = await asyncio.to_thread(endpoint.find, pending.hash)
            except errors.IcsError as error:
                trouble = f"last lookup: {error}, "
            else:
                if doubted is not None and result is None and height >= doubted[1]:
                    # It has had the transaction for long enough, so it denies what the first one says.
                    self._ledgers.avoid(endpoint.url)
                    return doubted[0]
                if result is not None:
                    if await self._stands(endpoint, pending, result):
                        return result
                    if not result.code and doubted is None and pending.can_be_at(result.height):
                        doubted = result, max(height, result.height) + _DOUBT_BLOCKS
                    endpoint = await self._instead(endpoint, signed)
                elif _is_over(pending, height):
                    result, is_over = await self._look_elsewhere(endpoint, pending, height)
                    if result is not None or is_over:
                        return result
                first = first or height
                if signed is not None and height >= first + _PATIENCE_BLOCKS:
                    # The endpoint may keep it to itself; the same bytes are never included twice.
                    await self._offer(await self._ledgers.others(endpoint), signed)
                    signed = None
            await self._sleep(0.5)
        self._ledgers.avoid(endpoint.url)
        raise errors.Transient(
            f"{_what(pending)}: {lost}{trouble}the outcome of transaction {pending.hash} "
            f"is unknown; it is valid up to block {pending.timeout_height}, no transaction is sent before that"
        )

    async def _instead(self, endpoint: ledgers.TxEndpoint, signed: grpc.Signed | None) -> ledgers.TxEndpoint:
        """Return the endpoint that is asked instead of one that the others contradict; it gets the transaction, too."""
        others = await self._ledgers.others(endpoint)
        self._ledgers.avoid(endpoint.url)
        if signed is not None:
            await self._offer(others[:1], signed)
        return others[0] if others else endpoint

    async def _offer(self, others: Iterable[ledgers.TxEndpoint], signed: grpc.Signed) -> None:
        """Hand a transaction that one endpoint has taken to others; what those say does not matter."""
        for other in others:
            with contextlib.suppress(errors.IcsError):
                await asyncio.to_thread(other.broadcast, signed)

    async def _stands(self, endpoint: ledgers.TxEndpoint, pending: _Pending, result: grpc.TxResult) -> bool:
        """Return whether most endpoints that must know say the same about a transaction's result.

        A failure that one endpoint invents would have the transaction sent, and perhaps paid, a second time; a success
        would leave it unsent.
        """

        def ask(other: ledgers.TxEndpoint) -> tuple[int, grpc.TxResult | None]:
            return other.height(), other.find(pending.hash)

        if not pending.can_be_at(result.height):
            return False
        for _ in range(_WITNESS_TRIES):
            said = list((await self._ledgers.ask_others(endpoint, ask)).values())
            found = [each for _, each in said if each is not None]
            same = sum(_essence(each) == _essence(result) for each in found)
            denying = sum(each is None and height > result.height + 1 for height, each in said)
            against = len(found) - same + denying
            if same + against or not said:
                break
            await self._sleep(0.5)
        return 1 + same > against

    async def _look_elsewhere(
        self, endpoint: ledgers.TxEndpoint, pending: _Pending, height: int
    ) -> tuple[grpc.TxResult | None, bool]:
        """Look up a transaction that one endpoint does not have at all others that are reachable.

        What one endpoint alone denies, or calls expired, is not sent, and perhaps paid, a second time.

        Returns:
            Its result, None if no endpoint has it; and whether all say that no block may include it any more.
        """
        is_over = _is_over(pending, height)
        floor = await self._ledgers.floor()
        for url in self._ledgers.in_turn():
            if url == endpoint.url:
                continue
            try:
                other = await self._ledgers.at(url)
                head = await self._ledgers.head(other)
                result = await asyncio.to_thread(other.find, pending.hash)
            except errors.IcsError:
                continue  # what is not reachable cannot contradict
            if result is not None:
                return result, is_over
            # One below a block that was acted upon lags, or lies, and so cannot keep everything waiting.
            if floor is None or head.height >= floor.height:
                is_over = is_over and _is_over(pending, head.height)
        return None, is_over

    async def _result(
        self, endpoint: ledgers.TxEndpoint, pending: _Pending, height: int
    ) -> tuple[grpc.TxResult | None, bool]:
        """Look up a transaction of earlier; returns as `_look_elsewhere`."""
        result = await asyncio.to_thread(self._find, endpoint, pending.hash)
        if result is None:
            return await self._look_elsewhere(endpoint, pending, height)
        return (result, False) if await self._stands(endpoint, pending, result) else (None, False)

    async def _settle(
        self, endpoint: ledgers.TxEndpoint, height: int
    ) -> tuple[messages.Transaction, SentTx] | None:
        """Return the pending transaction of an earlier call if it has succeeded meanwhile, otherwise None."""
        pending = self._pending
        if pending is None:
            return None
        result, is_over = await self._result(endpoint, pending, height)
        if result is None and not is_over:
            raise errors.Transient(
                f"{_what(pending)}: transaction {pending.hash} may still be included in a block "
                f"up to {pending.timeout_height} (now {height}): no other transaction is sent before that"
            )
        self._pending = None
        if result is None or result.code or pending.transaction is None:
            return None
        return pending.transaction, SentTx(pending.hash, result.height, result.consumer_id)

    def _explain(
        self, endpoint: ledgers.TxEndpoint, what: str, draft: grpc.Draft, result: grpc.TxResult
    ) -> errors.IcsError:
        """Return the error of a transaction that the chain rejected, with the remedy if it is known."""
        text = _rejection(what, result)
        if _is_sdk(result, _WRONG_SEQUENCE):
            return errors.Transient(f"{text}: another transaction of the account was included first")
        if _is_sdk(result, _INSUFFICIENT_FUNDS):
            return errors.Permanent(f"{text}; {self._insufficient_funds(endpoint, draft)}")
        if _is_sdk(result, _INSUFFICIENT_FEE):
            # It was in the block, so its sequence may still be used: only a new pass may send it again.
            return errors.Transient(f"{text}: the gas price rose while it waited for its block")
        if _is_sdk(result, _OUT_OF_GAS):
            return errors.Permanent(
                f"{text}; raise ics:provider.gas_adjustment (now {self._provider.gas_adjustment})"
            )
        return errors.Permanent(text)

    def _insufficient_funds(self, endpoint: ledgers.TxEndpoint, draft: grpc.Draft) -> str:
        spent = costs.spends(draft.transaction, self._denom)
        payer = self.party.fee_granter or self.party.signer
        fee = f"cannot pay the fee of at least {draft.fee}{self._denom}"
        if not spent or payer == self.party.principal:
            more = f" and the {spent}{self._denom} to send" if spent else ""
            return f"{self._balance(endpoint, payer)} and {fee}{more}; send it some {self._denom}"
        principal = self._balance(endpoint, self.party.principal)
        return (
            f"{self._balance(endpoint, payer)} and pays the fee of at least {draft.fee}{self._denom}, {principal}"
            f" and pays the {spent}{self._denom} to send; send {self._denom} to the account that lacks it"
        )

    def _balance(self, endpoint: ledgers.TxEndpoint, address: str) -> str:
        try:
            return f"account {address} has {endpoint.balance(address)}{self._denom}"
        except errors.IcsError:
            return f"account {address} has a balance that could not be read"


def _what(pending: _Pending) -> str:
    return (
        "transaction of an earlier run"
        if pending.transaction is None
        else descriptions.name(pending.transaction)
    )


def _rejection(what: str, result: grpc.TxResult) -> str:
    log = refusals.explain(result.log)
    return f"{what}: rejected by the chain (code {result.code} of {result.codespace}): {log}"


def _is_sdk(result: grpc.TxResult, code: int) -> bool:
    return result.codespace == "sdk" and result.code == code


def _essence(result: grpc.TxResult) -> tuple[int, int, str]:
    return result.code, result.height, result.consumer_id


def _is_taken(verdict: grpc.TxResult) -> bool:
    return not verdict.code or _is_sdk(verdict, _ALREADY_IN_MEMPOOL)


def _most_common(verdicts: Sequence[grpc.TxResult]) -> grpc.TxResult:
    """Return what most endpoints say; of as many the one after which the transaction may be sent again."""
    kinds = [(each.codespace, each.code) for each in verdicts]

    def rank(verdict: grpc.TxResult) -> tuple[int, bool]:
        is_repeatable = any(
            _is_sdk(verdict, code) for code in (_INSUFFICIENT_FEE, _MEMPOOL_FULL, _WRONG_SEQUENCE)
        )
        return kinds.count((verdict.codespace, verdict.code)), is_repeatable

    return max(verdicts, key=rank)


def _is_over(pending: _Pending, height: int) -> bool:
    # A block is indexed shortly after it is committed, so wait for one block after the last possible one.
    return height > pending.timeout_height + 1
