"""gRPC endpoints of one stack: which one is asked first, and what the others say about the same.

No number and no refusal of a single endpoint decides about a payment: one that lies about an account's sequence could
have two transactions executed, and one that refuses what the chain accepts could keep an opt-in from ever arriving. So
whatever costs money is asked of all endpoints that answer soon, and the value in the middle counts.
"""

import asyncio
import datetime
import statistics
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Protocol, TypeAlias, TypeVar

from ics import errors, model
from ics.config import settings
from ics.config.endpoint import Endpoint
from ics.keys import derivation
from ics.provider import heads
from ics.provider.tx import grpc, signers

AVOID_SECONDS = 300
"""Seconds for which an endpoint that did not answer is tried last, because each timeout costs time."""
_WITNESS_SECONDS = 3.0
"""Time in which another endpoint must say the same, or does not count."""
_LATE_BLOCKS = 2
"""Blocks behind from which an endpoint's state is not compared with that of others."""
_T = TypeVar("_T")


class TxEndpoint(Protocol):
    """Calls to a gRPC endpoint; implemented by `ics.provider.tx.grpc.Ledger`."""

    url: Endpoint
    address: str

    def head(self) -> heads.Head:
        """Return the chain id and the newest committed state of the endpoint."""

    def height(self) -> int:
        """Return the newest committed height."""

    def sequence(self) -> grpc.Sequence | None:
        """Return the signing account's sequence, or None if the chain does not know it."""

    def balance(self, address: str) -> int:
        """Return an account's balance in the denomination of the gas price."""

    def granted_types(self) -> frozenset[str]:
        """Return the type URLs of the messages that the principal allows the signer to send."""

    def allowance(self) -> signers.Allowance | None:
        """Return the fee granter's allowance for the signer, or None if there is none."""

    def sign(self, draft: grpc.Draft) -> grpc.Signed:
        """Sign a transaction."""

    def simulate(self, signed: grpc.Signed) -> int:
        """Return the gas that a transaction would use."""

    def broadcast(self, signed: grpc.Signed) -> grpc.TxResult:
        """Broadcast a transaction."""

    def find(self, tx_hash: str) -> grpc.TxResult | None:
        """Return the result of an included transaction, or None if it is not in a block."""


Floor: TypeAlias = Callable[[], Awaitable[model.ActedBlock | None]]
"""Returns the block that a pass acted upon; None: none is known."""
Connect: TypeAlias = Callable[
    [Endpoint, settings.ProviderSettings, signers.TxAuthority, derivation.Account], TxEndpoint
]


class Ledgers:
    """The gRPC endpoints of one account."""

    def __init__(
        self,
        provider: settings.ProviderSettings,
        authority: signers.TxAuthority,
        account: derivation.Account,
        now: Callable[[], datetime.datetime],
        floor: Floor | None,
        connect: Connect,
    ) -> None:
        """Initialize without sending requests; the arguments are those of `transactions.Transactions`."""
        self._provider = provider
        self._authority = authority
        self._account = account
        self._now = now
        self._floor = floor
        self._connect = connect
        self._connected: dict[Endpoint, TxEndpoint] = {}
        self._shunned: dict[Endpoint, datetime.datetime] = {}
        self._low: list[Endpoint] = []
        """Endpoints that gave a lower sequence than others when it was asked for last."""

    async def open(
        self, without: Mapping[Endpoint, errors.IcsError] | None = None
    ) -> tuple[TxEndpoint, heads.Head]:
        """Return the first usable endpoint with its newest block.

        Args:
            without: endpoints that are not asked again, with the reasons.

        Raises:
            SettingsError: all endpoints belong to another chain.
            Transient: no endpoint is usable; the message lists all.
        """
        floor = await self.floor()
        problems: list[errors.IcsError] = []
        for url in self.in_turn():
            if without and url in without:
                problems.append(without[url])
                continue
            try:
                endpoint = await self.at(url)
                head = await self.head(endpoint)
                for doubt in heads.doubts({url: head}, floor, self._provider.min_block_time).values():
                    raise doubt
            except errors.IcsError as error:
                problems.append(error)
                if isinstance(error, grpc.Unanswered):
                    self.avoid(url)
            else:
                self._shunned.pop(url, None)
                return endpoint, head
        raise heads.none_usable(problems)

    async def floor(self) -> model.ActedBlock | None:
        """Return the block that a pass acted upon; None: none is known."""
        return None if self._floor is None else await self._floor()

    async def at(self, url: Endpoint) -> TxEndpoint:
        """Return the client of an address."""
        if url not in self._connected:
            self._connected[url] = await asyncio.to_thread(
                self._connect, url, self._provider, self._authority, self._account
            )
        return self._connected[url]

    async def head(self, endpoint: TxEndpoint) -> heads.Head:
        """Return an endpoint's newest block after checking its chain and age; raises as `heads`."""
        head = await asyncio.to_thread(endpoint.head)
        heads.check_chain(head, str(endpoint.url), "ics:provider.grpc", self._provider)
        heads.check_lag(head, str(endpoint.url), self._now(), self._provider)
        return head

    def avoid(self, url: Endpoint) -> None:
        """Try an endpoint last for a while, and do not ask it about what others say."""
        self._shunned[url] = self._now() + datetime.timedelta(seconds=AVOID_SECONDS)

    def avoid_low(self) -> None:
        """Avoid the endpoints that gave a lower sequence than others, after the chain has refused the lower one."""
        for url in self._low:
            self.avoid(url)

    def in_turn(self) -> list[Endpoint]:
        """Return the addresses in the order of the settings, with those to be avoided last."""
        return sorted(self._provider.grpc, key=self._is_shunned)

    def _is_shunned(self, url: Endpoint) -> bool:
        return url in self._shunned and self._now() < self._shunned[url]

    async def others(self, endpoint: TxEndpoint) -> list[TxEndpoint]:
        """Return the other endpoints that belong to the chain, are up to date and answer soon."""
        found = await self.ask_others(endpoint, lambda other: other)
        return list(found.values())

    async def _witnesses(self, endpoint: TxEndpoint) -> Collection[Endpoint]:
        """Return the other endpoints whose state can be compared with this one's, because they do not lag.

        What counts as lagging is decided by the block that a pass acted upon, else by the height in the middle.

        Raises:
            Unbelievable: the others contradict this endpoint's height.
            Transient: this endpoint lags.
        """
        floor = await self.floor()
        own = await self.head(endpoint)
        found = {**await self.ask_others(endpoint, lambda other: other.head()), endpoint.url: own}
        doubted = heads.doubts(found, floor, self._provider.min_block_time)
        if endpoint.url in doubted:
            raise doubted[endpoint.url]
        heights = {url: head.height for url, head in found.items() if url not in doubted}
        newest = statistics.median_low(heights.values()) if floor is None else floor.height
        if own.height < newest - _LATE_BLOCKS:
            raise heads.behind(str(endpoint.url), own, newest)
        late = {url for url, height in heights.items() if height < newest - _LATE_BLOCKS}
        return heights.keys() - late - {endpoint.url}

    async def ask_others(
        self,
        endpoint: TxEndpoint,
        ask: Callable[[TxEndpoint], _T],
        among: Collection[Endpoint] | None = None,
    ) -> Mapping[Endpoint, _T]:
        """Ask the other endpoints at once.

        Args:
            endpoint: the one whose word is judged.
            ask: asks one endpoint; it blocks.
            among: those to ask; None: all.

        Returns:
            What they say; an endpoint that does not answer soon, or not properly, is left out.
        """

        async def answer(url: Endpoint) -> _T:
            other = await self.at(url)
            await self.head(other)
            return await asyncio.to_thread(ask, other)

        listed = (url for url in self._provider.grpc if among is None or url in among)
        urls = [url for url in listed if url != endpoint.url and not self._is_shunned(url)]
        asked = {url: asyncio.ensure_future(answer(url)) for url in urls}
        if not asked:
            return {}
        try:
            done, _ = await asyncio.wait(asked.values(), timeout=_WITNESS_SECONDS)
        finally:
            for task in asked.values():
                task.cancel()
            outcomes = await asyncio.gather(*asked.values(), return_exceptions=True)
        said: dict[Endpoint, _T] = {}
        for (url, task), outcome in zip(asked.items(), outcomes, strict=True):
            if task not in done or isinstance(outcome, grpc.Unanswered):
                self.avoid(url)
            elif isinstance(outcome, BaseException):
                if not isinstance(outcome, errors.IcsError):
                    raise outcome
            else:
                said[url] = outcome
        return said

    async def sequence(self, endpoint: TxEndpoint) -> grpc.Sequence | None:
        """Return the signing account's sequence; None if no endpoint knows the account.

        Of several answers the one in the middle counts, of two the lower one: too low a sequence is refused, too high a
        one would be executed later, beside the transaction that replaced it.

        Raises:
            IcsError: the endpoint does not answer, or the others contradict its height.
        """
        among = await self._witnesses(endpoint)
        own = await asyncio.to_thread(endpoint.sequence)
        said = {endpoint.url: own, **await self.ask_others(endpoint, lambda other: other.sequence(), among)}
        known = sorted(filter(None, said.values()), key=lambda each: (each.next, each.number))
        self._low = [url for url, each in said.items() if each is not None and each.next < known[-1].next]
        return known[(len(known) - 1) // 2] if known else None

    async def balance(self, endpoint: TxEndpoint, address: str) -> int:
        """Return an account's balance: of several answers the one in the middle, of two the lower one.

        Raises:
            IcsError: the endpoint does not answer, or the others contradict its height.
        """
        among = await self._witnesses(endpoint)
        own = await asyncio.to_thread(endpoint.balance, address)
        said = await self.ask_others(endpoint, lambda other: other.balance(address), among)
        return statistics.median_low([own, *said.values()])
