"""Sends the one transaction that is due, and says what became of it.

Nothing is ever sent twice. A transaction is made anew only after the chain refused the one before (its
sequence was taken, the mempool was full), so that none can be under way. One whose broadcast got no
answer is looked for by its hash until its timeout height has gone by, after which no block may take it.
Its hash is put down in a journal before it is handed over, so that the same holds after a crash.
"""

import asyncio
import datetime
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias, TypeVar

from ics import errors
from ics.config import settings, urls
from ics.keys import derivation
from ics.provider import gateway, heads
from ics.provider.tx import descriptions, grpc, messages, refusals, signers

TIMEOUT_BLOCKS = 20
"""How many blocks a transaction stays valid (TxBody.timeout_height)."""
TRIES = 5
"""How often a transaction that the chain did not take at all is made anew."""
CONFIRM_SECONDS = 60
"""How long a transaction is looked for before its outcome is called unknown."""
SHUN_SECONDS = 300
"""How long an address that gave no answer is asked last: each question that gets none takes its time."""

_T = TypeVar("_T")


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
class Sent:
    """A transaction that is in a block and did what it was for."""

    hash: str
    """Upper-case hex."""
    height: int
    consumer_id: str = ""
    """Of the consumer chain that it created; empty: it created none."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a transaction would take, as the chain has simulated it."""

    gas: int
    """With the adjustment: what would be offered."""
    fee: int
    denom: str


@dataclass(frozen=True, slots=True)
class _Pending:
    order: messages.Order | None
    """None: a process that is no more had begun it."""
    hash: str
    timeout_height: int


class _NotTaken(errors.Transient):
    """The chain took nothing: the transaction may be made anew."""


class Endpoint(Protocol):
    """What is asked of a gRPC endpoint; `ics.provider.tx.grpc.Ledger` is the real one."""

    url: str
    address: str

    def head(self) -> heads.Head:
        """Chain and newest committed state of the endpoint."""

    def height(self) -> int:
        """Newest committed height."""

    def sequence(self) -> grpc.Sequence | None:
        """Where the signing account stands, None when the chain does not know it."""

    def balance(self, address: str) -> int:
        """What an account holds in the denomination of the gas price."""

    def granted(self) -> frozenset[str]:
        """Type URLs of the messages that the principal lets the signer send."""

    def allowance(self) -> signers.Allowance | None:
        """What the fee granter pays for the signer; None: nothing."""

    def sign(self, draft: grpc.Draft) -> grpc.Signed:
        """Sign a transaction."""

    def simulate(self, signed: grpc.Signed) -> int:
        """Gas that a transaction would use."""

    def broadcast(self, signed: grpc.Signed) -> grpc.Verdict:
        """Hand a transaction to the mempool."""

    def find(self, tx_hash: str) -> grpc.Verdict | None:
        """The transaction in its block, None when it is in none."""


class Journal(Protocol):
    """Keeps which transaction is under way where no crash of this process reaches."""

    async def begin(self, tx_hash: str, timeout_height: int) -> None:
        """Put a transaction down before it is handed over; the one before it is forgotten."""

    async def begun(self) -> tuple[str, int] | None:
        """Hash and timeout height of the last one, None if there was none on this chain."""


Connect: TypeAlias = Callable[[str, settings.Provider, signers.Party, derivation.Account], Endpoint]


class Transactions:
    """The signing account of one validator or owner; one transaction is under way at most."""

    def __init__(
        self,
        provider: settings.Provider,
        party: signers.Party,
        account: derivation.Account,
        now: Callable[[], datetime.datetime],
        *,
        journal: Journal | None = None,
        connect: Connect = grpc.Ledger,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Prepare; nothing is asked yet.

        Args:
            provider: endpoints, gas price and adjustment.
            party: in whose name transactions are sent, see `ics.provider.tx.signers`.
            account: what signs.
            now: the present, aware of its zone.
            journal: of transactions; None: what is under way is not known after a crash.
            connect: makes the client of an endpoint.
            sleep: waits that many seconds.

        Raises:
            SettingsError: the gas price is none.
        """
        self._price, self._denom = messages.gas_price(provider.gas_price)
        self._provider = provider
        self.party = party
        self._account = account
        self._now = now
        self._journal = journal
        self._connect = connect
        self._sleep = sleep
        self._turn = asyncio.Lock()
        self._pending: _Pending | None = None
        self._ledgers: dict[str, Endpoint] = {}
        self._shunned: dict[str, datetime.datetime] = {}

    async def send(self, order: messages.Order) -> Sent:
        """Simulate, sign, broadcast and confirm one transaction.

        Raises:
            SettingsError: every endpoint answers for another chain, or an endpoint indexes nothing.
            Transient: no endpoint is usable, the chain did not take it, or its outcome is unknown; the
                message says which, with the hash.
            Permanent: the chain refused it; the message has the chain's own text.
        """
        async with self._turn:
            endpoint, head = await self._open()
            earlier = await self._settle(endpoint, head.height)
            if earlier is not None and earlier[0] == order:
                return earlier[1]
            for left in reversed(range(TRIES)):
                try:
                    return await self._send_once(endpoint, order)
                except _NotTaken as error:
                    if not left:
                        raise errors.Transient(
                            f"{descriptions.name(order)}: the chain took none of {TRIES} tries: {error}"
                        ) from error
                await self._sleep(2.0 ** (TRIES - 1 - left))
            raise AssertionError("unreachable")  # pragma: no cover

    async def estimate(self, order: messages.Order) -> Estimate:
        """Have the chain try a transaction without sending it.

        Raises:
            SettingsError: as `send`.
            Transient: no endpoint is usable.
            Permanent: the chain would refuse it; the message has the chain's own text.
        """
        async with self._turn:
            endpoint, _ = await self._open()
            draft, _ = await asyncio.to_thread(self._prepare, endpoint, order)
            return Estimate(draft.gas, draft.fee, self._denom)

    async def missing_grants(self, types: Iterable[str]) -> list[str]:
        """Why the account could not send messages of these types: one line, with the mend, for each grant.

        Args:
            types: type URLs, such as `messages.OF_VALIDATOR`.

        Raises:
            IcsError: no endpoint is usable.
        """
        endpoint, _ = await self._open()
        return await asyncio.to_thread(self._missing_grants, endpoint, tuple(types))

    def _missing_grants(self, endpoint: Endpoint, types: Sequence[str]) -> list[str]:
        lines: list[str] = []
        if self.party.is_grantee:
            granted = endpoint.granted()
            lines += [signers.missing_grant(self.party, one, granted) for one in types]
        if self.party.fee_granter:
            allowance = endpoint.allowance()
            lines += [signers.missing_allowance(self.party, one, allowance) for one in types]
        return list(dict.fromkeys(line for line in lines if line))

    async def earlier(self) -> int:
        """Wait for the outcome of the transaction that a process which is no more had handed over.

        Returns:
            The block that took it, 0 if none did or there was none: nothing older may be acted upon.

        Raises:
            SettingsError: as `send`.
            Transient: no endpoint is usable, or the outcome is still unknown.
        """
        begun = None if self._journal is None else await self._journal.begun()
        if begun is None:
            return 0
        async with self._turn:
            endpoint, head = await self._open()
            pending = _Pending(None, *begun)
            found = await asyncio.to_thread(self._find, endpoint, pending.hash)
            if found is None and not _is_over(pending, head.height):
                found = await self._confirm(endpoint, pending, "")
        return 0 if found is None else found.height

    # -- endpoints ---------------------------------------------------------------------------------

    async def _open(self) -> tuple[Endpoint, heads.Head]:
        problems: list[errors.IcsError] = []
        for url in self._in_turn():
            try:
                endpoint = await self._ledger(url)
                head = await asyncio.to_thread(endpoint.head)
                heads.check_chain(head, urls.shown(url), "ics:provider.grpc", self._provider)
                heads.check_lag(head, urls.shown(url), self._now(), self._provider)
            except errors.IcsError as error:
                problems.append(error)
                if isinstance(error, grpc.Unanswered):
                    self._shunned[url] = self._now() + datetime.timedelta(seconds=SHUN_SECONDS)
            else:
                self._shunned.pop(url, None)
                return endpoint, head
        raise heads.none_usable(problems)

    def _in_turn(self) -> list[str]:
        """The addresses in the order of the settings, those last that gave no answer just now."""
        now = self._now()
        return sorted(self._provider.grpc, key=lambda url: url in self._shunned and now < self._shunned[url])

    async def _ledger(self, url: str) -> Endpoint:
        if url not in self._ledgers:
            self._ledgers[url] = await asyncio.to_thread(
                self._connect, url, self._provider, self.party, self._account
            )
        return self._ledgers[url]

    # -- one transaction ---------------------------------------------------------------------------

    async def _send_once(self, endpoint: Endpoint, order: messages.Order) -> Sent:
        what = descriptions.name(order)
        draft, signed = await asyncio.to_thread(self._prepare, endpoint, order)
        # Asked before anything is sent: an endpoint without an index could never confirm it.
        if await asyncio.to_thread(self._find, endpoint, signed.hash) is not None:
            raise errors.Transient(f"{what}: transaction {signed.hash} is in a block already: look again")
        if self._journal is not None:
            await self._journal.begin(signed.hash, draft.timeout_height)
        self._pending = _Pending(order, signed.hash, draft.timeout_height)
        lost = ""
        try:
            verdict = await asyncio.to_thread(endpoint.broadcast, signed)
        except (grpc.Unanswered, gateway.Refused) as error:
            # Neither error comes from the check of the transaction: it may have arrived before.
            lost = f"its broadcast failed ({error}), "
        else:
            if verdict.code and not _is_sdk(verdict, _ALREADY_IN_MEMPOOL):
                self._pending = None
                if _is_sdk(verdict, _WRONG_SEQUENCE) or _is_sdk(verdict, _MEMPOOL_FULL):
                    raise _NotTaken(verdict.log or "the mempool is full")
                raise await asyncio.to_thread(self._explain, endpoint, what, draft, verdict)
        included = await self._confirm(endpoint, self._pending, lost)
        self._pending = None
        if included is None:
            raise errors.Transient(
                f"{what}: {lost}transaction {signed.hash} came into no block up to {draft.timeout_height} and"
                " cannot any more: nothing was done"
            )
        if included.code:
            raise await asyncio.to_thread(self._explain, endpoint, what, draft, included)
        return Sent(signed.hash, included.height, included.consumer_id)

    def _prepare(self, endpoint: Endpoint, order: messages.Order) -> tuple[grpc.Draft, grpc.Signed]:
        what = descriptions.name(order)
        missing = self._missing_grants(endpoint, [messages.TYPES[type(order)]])
        if missing:
            raise errors.Permanent(f"{what}: {'; '.join(missing)}")
        sequence = endpoint.sequence()
        if sequence is None:
            raise errors.Permanent(
                f"{what}: account {endpoint.address} is unknown to {self._provider.chain_id}: "
                f"send it some {self._denom} for fees"
            )
        last = endpoint.height() + TIMEOUT_BLOCKS
        # A fee of 1 makes the simulation pay as well: paying costs up to half of the gas of such a message.
        trial = grpc.Draft(order, sequence, gas=0, fee=1 if self._price else 0, timeout_height=last)
        try:
            used = endpoint.simulate(endpoint.sign(trial))
        except gateway.Refused as error:
            if _WRONG_SEQUENCE_TEXT in str(error):
                raise _NotTaken(str(error)) from error
            if _INSUFFICIENT_FUNDS_TEXT in str(error):
                raise errors.Permanent(
                    f"{what}: the chain refuses it: {error}: {self._poor(endpoint, trial)}"
                ) from error
            raise errors.Permanent(f"{what}: the chain refuses it: {refusals.told(str(error))}") from error
        gas = messages.gas_limit(used, self._provider.gas_adjustment)
        draft = grpc.Draft(order, sequence, gas, messages.fee(gas, self._price), last)
        return draft, endpoint.sign(draft)

    def _find(self, endpoint: Endpoint, tx_hash: str) -> grpc.Verdict | None:
        try:
            return endpoint.find(tx_hash)
        except gateway.Refused as error:
            raise errors.SettingsError(
                f"ics:provider.grpc: {urls.shown(endpoint.url)} cannot look a transaction up ({error}): "
                'give a node whose config.toml has tx_index.indexer = "kv"'
            ) from error

    async def _confirm(self, endpoint: Endpoint, pending: _Pending, lost: str) -> grpc.Verdict | None:
        """Look for a transaction until it is in a block, or can be in none: then None."""
        trouble = ""
        end = self._now() + datetime.timedelta(seconds=CONFIRM_SECONDS)
        while self._now() < end:
            try:
                # The height first: a block after it cannot have been missed by the look that follows.
                height = await asyncio.to_thread(endpoint.height)
                found = await asyncio.to_thread(endpoint.find, pending.hash)
            except errors.IcsError as error:
                trouble = f"last look: {error}, "
            else:
                if found is not None:
                    return found
                if _is_over(pending, height):
                    return None
            await self._sleep(0.5)
        raise errors.Transient(
            f"{_what(pending)}: {lost}{trouble}the outcome of transaction {pending.hash} "
            f"is unknown; it is valid up to block {pending.timeout_height}, nothing is sent before that"
        )

    async def _settle(self, endpoint: Endpoint, height: int) -> tuple[messages.Order, Sent] | None:
        """What became of an earlier transaction whose outcome was unknown; it did its work when answered."""
        pending = self._pending
        if pending is None:
            return None
        found = await asyncio.to_thread(self._find, endpoint, pending.hash)
        if found is None and not _is_over(pending, height):
            raise errors.Transient(
                f"{_what(pending)}: transaction {pending.hash} may still come into a block "
                f"up to {pending.timeout_height} (now {height}): nothing else is sent before that"
            )
        self._pending = None
        if found is None or found.code or pending.order is None:
            return None
        return pending.order, Sent(pending.hash, found.height, found.consumer_id)

    def _explain(
        self, endpoint: Endpoint, what: str, draft: grpc.Draft, verdict: grpc.Verdict
    ) -> errors.IcsError:
        """The error of a transaction that the chain refused, with the mend where it is known."""
        log = refusals.told(verdict.log)
        said = f"{what}: the chain refuses it (code {verdict.code} of {verdict.codespace}): {log}"
        if _is_sdk(verdict, _WRONG_SEQUENCE):
            return errors.Transient(f"{said}: another transaction of the account came first")
        if _is_sdk(verdict, _INSUFFICIENT_FUNDS):
            return errors.Permanent(f"{said}: {self._poor(endpoint, draft)}")
        if _is_sdk(verdict, _INSUFFICIENT_FEE):
            return errors.Permanent(f"{said}: raise ics:provider.gas_price (now {self._provider.gas_price})")
        if _is_sdk(verdict, _OUT_OF_GAS):
            return errors.Permanent(
                f"{said}: raise ics:provider.gas_adjustment (now {self._provider.gas_adjustment})"
            )
        return errors.Permanent(said)

    def _poor(self, endpoint: Endpoint, draft: grpc.Draft) -> str:
        spent = messages.spends(draft.order, self._denom)
        payer = self.party.fee_granter or self.party.signer
        fee = f"cannot pay the fee of at least {draft.fee}{self._denom}"
        if not spent or payer == self.party.principal:
            more = f" and the {spent}{self._denom} to send" if spent else ""
            return f"{self._held(endpoint, payer)} and {fee}{more}: send it some {self._denom}"
        principal = self._held(endpoint, self.party.principal)
        return (
            f"{self._held(endpoint, payer)} and pays the fee of at least {draft.fee}{self._denom}, {principal} and"
            f" pays the {spent}{self._denom} to send: send {self._denom} to the one that lacks it"
        )

    def _held(self, endpoint: Endpoint, address: str) -> str:
        try:
            return f"account {address} has {endpoint.balance(address)}{self._denom}"
        except errors.IcsError:
            return f"account {address} has a balance that could not be read"


def _what(pending: _Pending) -> str:
    return "an earlier run's order" if pending.order is None else descriptions.name(pending.order)


def _is_sdk(verdict: grpc.Verdict, code: int) -> bool:
    return verdict.codespace == "sdk" and verdict.code == code


def _is_over(pending: _Pending, height: int) -> bool:
    # A block is indexed a moment after it is committed: one block more than the last that could take it.
    return height > pending.timeout_height + 1
