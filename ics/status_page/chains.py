"""One chain as the page shows it, from its report and its metrics; pure."""

import datetime
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Self

from ics import model
from ics.conditions import Condition, Reason, Severity
from ics.consumer import checklist, status, upgrades
from ics.monitoring import metrics
from ics.status_page import state

_PURPOSES: Final = {
    "relayer": "Hermes, on the provider",
    "evidence": "evidence, on the provider",
    "consumer": "Hermes, on the chain",
}
_DIRECTIONS: Final = {"to_consumer": "to the chain", "to_provider": "to the provider"}
_NO_BLOCKS: Final = frozenset(
    {Reason.CHAIN_HALTED, Reason.WAITING_FOR_QUORUM, Reason.UPGRADE_HALTED, Reason.UPGRADING}
)
"""With these the chain makes no blocks, or the node is being switched."""
_CHECKED: Final = (checklist.State.FAILED, checklist.State.OPEN, checklist.State.OK)
_LOW: Final = 0.25
"""Share of its target below which a balance is low, as in the alert."""


class Readings:
    """Metrics of one pass by name and chain."""

    def __init__(self, samples: Iterable[metrics.Sample]) -> None:
        """Index samples; those of the validator have an empty consumer id."""
        self._values: dict[tuple[str, str], dict[tuple[str, ...], float]] = {}
        for sample in samples:
            of_chain = sample.family.labels[1:2] == ("consumer_id",)
            consumer_id = sample.labels[1] if of_chain else ""
            more = sample.labels[3:] if of_chain else sample.labels[1:]
            self._values.setdefault((sample.family.name, consumer_id), {})[more] = sample.value

    def value(self, family: metrics.Family, consumer_id: str, *more: str) -> float | None:
        """Return a value; None if the pass has none."""
        return self._values.get((family.name, consumer_id), {}).get(more)

    def values(self, family: metrics.Family, consumer_id: str) -> Mapping[tuple[str, ...], float]:
        """Return all values of a metric of one chain by its other labels."""
        return self._values.get((family.name, consumer_id), {})

    def moment(self, family: metrics.Family, consumer_id: str, *more: str) -> datetime.datetime | None:
        """Return a value that is a time; None if there is none, or it is 0."""
        seconds = self.value(family, consumer_id, *more)
        return datetime.datetime.fromtimestamp(seconds, datetime.UTC) if seconds else None


@dataclass(frozen=True, slots=True)
class Wallet:
    """Account of a relayer."""

    purpose: str
    balance: int
    denom: str
    target: int | None
    """None: it is not topped up."""

    @property
    def is_low(self) -> bool:
        """Whether it is empty or far below its target."""
        return self.balance == 0 or (self.target is not None and self.balance < _LOW * self.target)


@dataclass(frozen=True, slots=True)
class Reward:
    """Rewards that are not withdrawn."""

    base: str
    """Denomination where the token was made."""
    commission: float
    outstanding: float
    """Of the validator and its delegators."""


@dataclass(frozen=True, slots=True)
class Costs:
    """What the chain has cost on the provider since the record began."""

    fees: float
    funding: float
    denom: str


@dataclass(frozen=True, slots=True)
class Client:
    """IBC client."""

    host: str
    expires: datetime.datetime
    is_frozen: bool


@dataclass(frozen=True, slots=True)
class Pending:
    """Packets of the CCV channel that are not acknowledged."""

    direction: str
    packets: int
    since: datetime.datetime | None


@dataclass(frozen=True, slots=True)
class Missed:
    """Missed blocks of the window of the chain's slashing module."""

    blocks: int
    allowed: int
    window: int

    @property
    def is_near(self) -> bool:
        """Whether more than half of what is allowed is missed, as in the alert."""
        return self.blocks * 2 > self.allowed


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainView:
    """One chain."""

    report: status.ChainReport
    is_ours: bool
    """Whether the validator has joined it, would join it, or runs its node."""
    spawn: datetime.datetime | None
    """Of a chain that is not launched."""
    missed: Missed | None
    missing_peers: int
    ccv_open: bool | None
    """None: not known yet."""
    transfer_open: bool | None
    wallets: tuple[Wallet, ...]
    rewards: tuple[Reward, ...]
    costs: Costs | None
    """None: not known."""
    clients: tuple[Client, ...]
    pending: tuple[Pending, ...]
    relayer_up: bool | None
    in_set: bool | None
    key_matches: bool | None
    image: str
    volume: tuple[int, int] | None
    """Bytes used, and in total."""

    @classmethod
    def of(cls, report: status.ChainReport, readings: Readings) -> Self:
        """Return a chain with what the metrics of the same pass say about it."""
        consumer_id = report.consumer_id

        def flag(family: metrics.Family, *more: str) -> bool | None:
            value = readings.value(family, consumer_id, *more)
            return None if value is None else bool(value)

        is_awaited = report.phase is model.Phase.INITIALIZED
        used = readings.value(metrics.VOLUME_USED, consumer_id)
        total = readings.value(metrics.VOLUME_SIZE, consumer_id)
        return cls(
            report=report,
            is_ours=readings.value(metrics.CHAIN_WANTED, consumer_id) is not None,
            spawn=readings.moment(metrics.CHAIN_SPAWN_TIME, consumer_id) if is_awaited else None,
            missed=_missed(readings, consumer_id),
            missing_peers=int(readings.value(metrics.NODE_PEERS_MISSING, consumer_id) or 0),
            ccv_open=flag(metrics.CHANNEL_OPEN, "ccv"),
            transfer_open=flag(metrics.CHANNEL_OPEN, "transfer"),
            wallets=_wallets(readings, consumer_id),
            rewards=_rewards(readings, consumer_id),
            costs=_costs(readings, consumer_id),
            clients=_clients(readings, consumer_id),
            pending=_pending(readings, consumer_id),
            relayer_up=flag(metrics.RELAYER_UP, "hermes"),
            in_set=flag(metrics.CHAIN_IN_SET),
            key_matches=flag(metrics.CHAIN_KEY_MATCHES),
            image=next((labels[2] for labels in readings.values(metrics.CHAIN_INFO, consumer_id)), ""),
            volume=None if used is None or total is None else (int(used), int(total)),
        )

    @property
    def worst(self) -> Condition | None:
        """The condition that is the chain's state; None: all is well."""
        return self.report.conditions[0] if self.report.conditions else None

    @property
    def tone(self) -> str:
        """Name of the colour of its state: critical, warning, info or ok."""
        return "critical" if self.misses else tone(self.report.conditions)

    @property
    def state(self) -> str:
        """The word for its state."""
        if self.worst is not None:
            return self.worst.reason.value
        return Reason.NOT_SIGNING.value if self.misses else "ok"

    @property
    def must_sign(self) -> bool:
        """Whether the running chain expects this validator's signature."""
        return bool(self.in_set)

    @property
    def signs(self) -> bool:
        """Whether its node signed the last commit."""
        return self.report.node is not None and self.report.node.signing

    @property
    def misses(self) -> bool:
        """Whether the chain makes blocks that this validator should sign and does not, as in the alert."""
        reasons = {condition.reason for condition in self.report.conditions}
        return self.must_sign and not self.signs and not reasons & _NO_BLOCKS

    @property
    def upgrade(self) -> upgrades.NodeUpgrade | None:
        """Its coming upgrade; None: none is known."""
        found = self.report.upgrade
        return None if found is None or not found.height else found

    @property
    def upgrade_name(self) -> str:
        """Name of the coming upgrade."""
        found = self.upgrade
        if found is None:
            return ""
        if found.scheduled is not None and found.scheduled.height == found.height:
            return found.scheduled.name
        return "" if found.next is None else found.next.label

    @property
    def checklist(self) -> tuple[checklist.Entry, ...]:
        """Its checklist, failed and open items first."""
        entries = () if self.report.checklist is None else self.report.checklist.entries
        return tuple(sorted(entries, key=lambda entry: _CHECKED.index(entry.state)))

    @property
    def checks(self) -> tuple[int, int]:
        """Number of items of its checklist that are ok, and of all."""
        entries = () if self.report.checklist is None else self.report.checklist.entries
        return sum(entry.state is checklist.State.OK for entry in entries), len(entries)


@dataclass(frozen=True, slots=True)
class Coming:
    """A time that the operator waits for."""

    chain_id: str
    consumer_id: str
    """Empty: the provider."""
    what: str
    moment: datetime.datetime
    tone: str
    text: str
    """How far the preparations are."""


@dataclass(frozen=True, slots=True)
class Concern:
    """What calls for action about one chain, or about the validator."""

    view: ChainView | None
    """None: the validator."""
    conditions: tuple[Condition, ...]
    """At least warnings, the worst first; none if all that is known is that the chain misses blocks."""

    @property
    def tone(self) -> str:
        """Name of its colour."""
        return tone(self.conditions) if self.view is None else self.view.tone


def tone(conditions: Sequence[Condition]) -> str:
    """Return the name of the colour of conditions."""
    return max(condition.severity for condition in conditions).name.lower() if conditions else "ok"


def all_of(page: state.PageState) -> tuple[ChainView, ...]:
    """Return all chains, those that need the operator first, then by consumer id."""
    if page.report is None:
        return ()
    readings = Readings(page.samples)
    views = [ChainView.of(chain, readings) for chain in page.report.chains]
    return tuple(sorted(views, key=_rank))


def _rank(view: ChainView) -> tuple[bool, bool, int, int]:
    severity = -1 if view.worst is None else view.worst.severity
    return not view.is_ours, not view.misses, -severity, int(view.report.consumer_id)


def concerns(page: state.PageState, views: Sequence[ChainView]) -> tuple[Concern, ...]:
    """Return what calls for action, the worst first, and before everything chains that miss blocks."""
    if page.report is None:
        return ()
    found = [Concern(view, _urgent(view.report.conditions)) for view in views]
    found.append(Concern(None, _urgent(page.report.conditions)))
    shown = [one for one in found if one.conditions or (one.view is not None and one.view.misses)]
    return tuple(sorted(shown, key=_urgency))


def _urgent(conditions: Sequence[Condition]) -> tuple[Condition, ...]:
    return tuple(one for one in conditions if one.severity >= Severity.WARNING)


def _urgency(concern: Concern) -> tuple[bool, int]:
    is_missing = concern.view is not None and concern.view.misses
    return not is_missing, -max((one.severity for one in concern.conditions), default=Severity.INFO)


def coming(page: state.PageState, views: Sequence[ChainView]) -> tuple[Coming, ...]:
    """Return launches and upgrades that the validator takes part in, in the order of their times."""
    found = []
    for view in views:
        report = view.report
        if view.spawn is not None and view.is_ours:
            found.append(_launch(view, view.spawn))
        upgrade = view.upgrade
        if upgrade is not None and upgrade.expected is not None:
            found.append(_upgrade(report.chain_id, report.consumer_id, view.upgrade_name, upgrade))
    own = None if page.report is None else page.report.provider_upgrade
    if own is not None and own.height and own.expected is not None:
        name = own.scheduled.name if own.scheduled is not None else ""
        found.append(_upgrade(page.identity.provider_chain_id, "", name, own))
    return tuple(sorted(found, key=lambda one: one.moment))


def _launch(view: ChainView, moment: datetime.datetime) -> Coming:
    report = view.report
    good, number = view.checks
    if report.checklist is not None and report.checklist.of_state(checklist.State.FAILED):
        tone = "critical"
    elif good < number:
        tone = "warning"
    else:
        tone = "ok"
    text = f"{good} of {number} checks are ok" if number else f"{report.participation.value}"
    if any(condition.reason is Reason.STAGED for condition in report.conditions):
        text += ", the node is staged"
    return Coming(report.chain_id, report.consumer_id, "launches", moment, tone, text)


def _upgrade(chain_id: str, consumer_id: str, name: str, upgrade: upgrades.NodeUpgrade) -> Coming:
    is_ready = upgrade.state in (upgrades.State.READY, upgrades.State.HALTED, upgrades.State.UPGRADING)
    is_wrong = upgrade.state in (upgrades.State.MISSING, upgrades.State.FAILED, upgrades.State.DIFFERS)
    tone = "ok" if is_ready else "critical" if is_wrong else "warning"
    what = f"upgrades to {name}" if name else "upgrades"
    moment = upgrade.expected
    if moment is None:
        raise AssertionError("only upgrades whose time is known are listed")
    return Coming(
        chain_id, consumer_id, what, moment, tone, f"at height {upgrade.height:,}, {upgrade.state.value}"
    )


def _missed(readings: Readings, consumer_id: str) -> Missed | None:
    blocks = readings.value(metrics.MISSED_BLOCKS, consumer_id)
    allowed = readings.value(metrics.ALLOWED_MISSED_BLOCKS, consumer_id)
    window = readings.value(metrics.WINDOW_BLOCKS, consumer_id)
    if blocks is None or allowed is None or window is None:
        return None
    return Missed(int(blocks), int(allowed), int(window))


def _wallets(readings: Readings, consumer_id: str) -> tuple[Wallet, ...]:
    targets = readings.values(metrics.WALLET_TARGET, consumer_id)
    return tuple(
        Wallet(
            _PURPOSES.get(purpose, purpose),
            int(balance),
            denom,
            int(targets[purpose, denom]) if (purpose, denom) in targets else None,
        )
        for (purpose, denom), balance in readings.values(metrics.WALLET_BALANCE, consumer_id).items()
    )


def _rewards(readings: Readings, consumer_id: str) -> tuple[Reward, ...]:
    commission = readings.values(metrics.REWARDS_COMMISSION, consumer_id)
    outstanding = readings.values(metrics.REWARDS_OUTSTANDING, consumer_id)
    return tuple(Reward(labels[1], commission.get(labels, 0), value) for labels, value in outstanding.items())


def _costs(readings: Readings, consumer_id: str) -> Costs | None:
    funding = readings.values(metrics.CHAIN_FUNDING, consumer_id)
    for (denom,), fees in readings.values(metrics.CHAIN_FEES, consumer_id).items():
        return Costs(fees, funding.get((denom,), 0), denom)
    return None


def _clients(readings: Readings, consumer_id: str) -> tuple[Client, ...]:
    found = []
    for (host,), frozen in readings.values(metrics.CLIENT_FROZEN, consumer_id).items():
        expires = readings.moment(metrics.CLIENT_EXPIRY, consumer_id, host)
        if expires is not None:
            found.append(Client(host, expires, bool(frozen)))
    return tuple(found)


def _pending(readings: Readings, consumer_id: str) -> tuple[Pending, ...]:
    return tuple(
        Pending(
            _DIRECTIONS.get(direction, direction),
            int(packets),
            readings.moment(metrics.PACKETS_PENDING_SINCE, consumer_id, direction),
        )
        for (direction,), packets in readings.values(metrics.PACKETS_PENDING, consumer_id).items()
    )
