"""Geneses that are too large for a ConfigMap: what a node's own pod has to fetch, check and complete; pure.

The pod gets an order of some kilobytes with everything that the launch decided, so that every validator's pod results
in the same bytes as `ics.consumer.genesis.build_genesis` would. The order is kept like a genesis: a changed
definition does not change that of a running chain.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from typing import Any, Final

from ics import errors
from ics.cosmos import canonical_json, coins, genesis, genesis_stream

FILE: Final = "order.json"
"""Key of the ConfigMap with an order."""
REFUSED: Final = "refused: "
"""Start of the message of a pod that will never accept the file."""
_ACCOUNTS: Final = ("app_state", "auth", "accounts")
_BALANCES: Final = ("app_state", "bank", "balances")
_WHOLE: Final = (("app_state", "bank", "supply"), ("app_state", "ccvconsumer"))
"""What is looked at in full."""
_OPENED: Final = ((), ("app_state",), ("app_state", "auth"), ("app_state", "bank"), ("consensus",))
"""Objects whose members are looked at one by one."""

Fund = tuple[tuple[str, tuple[coins.Coin, ...]], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What the genesis of one launched chain is made of."""

    url: str
    sha256: str
    """Of the published file, packed or unpacked."""
    pattern: str | None
    """Of the chain ids that the base may carry; None: the file is final, and used unchanged."""
    chain_id: str
    initial_height: int
    genesis_time: str | None
    """RFC 3339; None: that of the file."""
    ccv: str
    """The provider's CCV state as canonical JSON."""
    fund: Fund = ()
    """Accounts to fund, with the consumer's prefix; those that are special in the file get nothing."""
    reward_denoms: tuple[str, ...] = ()
    provider_reward_denoms: tuple[str, ...] = ()
    relayers: tuple[str, ...] = ()
    """Accounts of the published relayers on the consumer, of which the report says whether they are funded."""
    image: str
    """Image of this program that completes it; kept, so that an upgrade of this program restarts no node."""

    def encode(self) -> bytes:
        """Return the canonical bytes of the order."""
        fund = [
            [address, [[coin.denom, str(coin.amount)] for coin in amounts]] for address, amounts in self.fund
        ]
        values = {
            "url": self.url,
            "sha256": self.sha256,
            "pattern": self.pattern,
            "chain_id": self.chain_id,
            "initial_height": self.initial_height,
            "genesis_time": self.genesis_time,
            "ccv": json.loads(self.ccv),
            "fund": fund,
            "reward_denoms": list(self.reward_denoms),
            "provider_reward_denoms": list(self.provider_reward_denoms),
            "relayers": list(self.relayers),
            "image": self.image,
        }
        return canonical_json.encode(values)

    @property
    def digest(self) -> str:
        """Return the sha256 of the order, lower-case hex."""
        return canonical_json.sha256_hex(self.encode())

    def outline(self, report: "Report | None") -> genesis.Json:
        """Return the part of the genesis that this program itself reads.

        Args:
            report: of the pod; without it, the genesis time may be unknown, and of the accounts only those that the
                order funds are known.
        """
        funded = {address for address, _ in self.fund}
        if report is not None:
            funded = set(report.funded_of(self.relayers))
        return {
            "chain_id": self.chain_id,
            "initial_height": self.initial_height,
            "genesis_time": self.genesis_time if report is None else report.genesis_time,
            "app_state": {
                "ccvconsumer": json.loads(self.ccv),
                "bank": {"balances": [{"address": one, "coins": [{}]} for one in sorted(funded)]},
            },
        }


def parse(content: bytes) -> Order:
    """Return an order from its bytes.

    Raises:
        SettingsError: they are not an order.
    """
    values = canonical_json.parse(content, "the order of a genesis")
    try:
        fund = tuple(
            (str(address), tuple(coins.Coin(str(denom), int(amount)) for denom, amount in amounts))
            for address, amounts in values["fund"]
        )
        return Order(
            url=str(values["url"]),
            sha256=str(values["sha256"]),
            pattern=None if values["pattern"] is None else str(values["pattern"]),
            chain_id=str(values["chain_id"]),
            initial_height=int(values["initial_height"]),
            genesis_time=None if values["genesis_time"] is None else str(values["genesis_time"]),
            ccv=canonical_json.encode(genesis.unwrap_ccv(values["ccv"])).decode(),
            fund=fund,
            reward_denoms=tuple(map(str, values["reward_denoms"])),
            provider_reward_denoms=tuple(map(str, values["provider_reward_denoms"])),
            relayers=tuple(map(str, values["relayers"])),
            image=str(values["image"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise errors.SettingsError(
            f"the order of a genesis: malformed: {error!r}; let it be created again"
        ) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a pod says about the genesis that it has prepared."""

    sha256: str
    size: int
    """Bytes."""
    genesis_time: str
    funded: str
    """Hex of a number whose bit N says whether relayer N of the order has coins."""
    peak: int = 0
    """Peak memory of the process that completed it, in KiB."""

    def funded_of(self, relayers: Iterable[str]) -> Iterator[str]:
        """Yield the relayers that have coins."""
        bits = int(self.funded or "0", 16)
        return (address for at, address in enumerate(relayers) if bits >> at & 1)

    def encode(self) -> bytes:
        """Return the report as a termination message, which takes 4096 bytes."""
        return canonical_json.encode({name: getattr(self, name) for name in self.__slots__})


@dataclass(frozen=True, slots=True)
class Ordered:
    """A genesis that the node's pod prepares."""

    order: Order
    report: Report | None = None
    """Of the pod that prepared it first; None: it is not prepared yet."""

    def outline(self) -> bytes:
        """Return the part of the genesis that this program itself reads, as canonical JSON."""
        return canonical_json.encode(self.order.outline(self.report))


def parse_report(text: str) -> Report | str | None:
    """Return a report, or the text of a failure; None if there is neither yet.

    Args:
        text: the termination message of the container, which only this program writes.
    """
    if not text:
        return None
    try:
        values = canonical_json.parse(text, "report")
        return Report(
            sha256=str(values["sha256"]),
            size=int(values["size"]),
            genesis_time=str(values["genesis_time"]),
            funded=format(int(str(values["funded"]) or "0", 16), "x"),
            peak=int(values["peak"]),
        )
    except (errors.SettingsError, KeyError, TypeError, ValueError):
        return text


@dataclass(frozen=True, slots=True)
class Prepared:
    """A checked genesis, of which the file's large parts are still in the file."""

    document: Mapping[str, Any]
    genesis_time: str
    funded: str
    """See `Report`."""


def prepare(source: genesis_stream.Source, order: Order) -> Prepared:
    """Check a published file, and complete it if it is a base; `genesis_stream.chunks` yields its bytes.

    Args:
        source: the file, unpacked.
        order: the order.

    Raises:
        SettingsError: it is not a genesis, or not one that can be completed.
        Permanent: it is not that of the chain.
    """
    addresses = {*order.relayers, *(address for address, _ in order.fund)}

    index = genesis_stream.Index(source, lambda path, element: _is_of(path, element, addresses))
    document = _opened(source, index.root, (), addresses)
    if not isinstance(document, dict) or not isinstance(document.get("app_state"), dict):
        raise errors.SettingsError(
            "the genesis file has no app_state; use the file that `init` or the launch team writes"
        )
    ccv = json.loads(order.ccv)
    if order.pattern is not None:
        genesis.check_base(document, order.pattern)
        special = genesis.special_accounts(document)
        document = genesis.complete(
            document,
            chain_id=order.chain_id,
            initial_height=order.initial_height,
            genesis_time=order.genesis_time,
            ccv=ccv,
            fund=[(address, amounts) for address, amounts in order.fund if address not in special],
            reward_denoms=order.reward_denoms,
            provider_reward_denoms=order.provider_reward_denoms,
        )
    genesis.verify(document, chain_id=order.chain_id, initial_height=order.initial_height, ccv=ccv)
    funded = genesis.funded_accounts(document)
    bits = sum(1 << at for at, address in enumerate(order.relayers) if address in funded)
    return Prepared(document, str(document["genesis_time"]), format(bits, "x"))


def _opened(
    source: genesis_stream.Source,
    part: genesis_stream.Part,
    path: genesis_stream.Path,
    addresses: Set[str],
) -> Any:
    """Return a part as far as it is looked at; everything else stays in the file."""
    if isinstance(part, genesis_stream.Small):
        # A small module that is not looked at stays there, too, so that memory is bounded by few of them.
        is_seen = len(path) < 2 or path[:2] in _OPENED or any(path == one[: len(path)] for one in _WHOLE)
        return genesis_stream.parsed(source, part) if is_seen else part
    if path in _WHOLE:
        return genesis_stream.whole(source, part)
    if isinstance(part, genesis_stream.LargeObject):
        if path not in _OPENED:
            return part
        return {key: _opened(source, member, (*path, key), addresses) for key, member in part.members}
    if path in (_ACCOUNTS, _BALANCES):
        return [_element(source, one, path, addresses) for one in part.parts]
    return part


def _element(
    source: genesis_stream.Source,
    part: genesis_stream.Part | genesis_stream.Picked,
    path: genesis_stream.Path,
    addresses: Set[str],
) -> Any:
    """Return an account or balance in full if it is one of the addresses'; else it stays in the file."""
    if isinstance(part, genesis_stream.LargeObject) and _is_of(path, _head(source, part), addresses):
        return genesis_stream.whole(source, part)
    return genesis_stream.parsed(source, part.span) if isinstance(part, genesis_stream.Picked) else part


def _head(source: genesis_stream.Source, part: genesis_stream.Part) -> Any:
    """Return an element that is larger than the reader's window without its long lists."""
    if isinstance(part, genesis_stream.LargeObject):
        return {key: _head(source, member) for key, member in part.members}
    return genesis_stream.parsed(source, part) if isinstance(part, genesis_stream.Small) else None


def _is_of(path: genesis_stream.Path, element: Any, addresses: Set[str]) -> bool:
    """Return whether an element is an account or balance of one of the addresses."""
    if path not in (_ACCOUNTS, _BALANCES) or not isinstance(element, Mapping):
        return False
    found = genesis.account_address(element) if path == _ACCOUNTS else element.get("address")
    return isinstance(found, str) and found in addresses
