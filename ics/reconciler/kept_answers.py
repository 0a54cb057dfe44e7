"""Answers of earlier passes about what changes slowly: the terms of chains, and the balances of relayers' accounts.

Terms change by governance, or weeks after an owner's order; a balance is read again before anything is paid. So a chain
that was joined long ago needs no question about them in each pass. No chain is joined by these answers, and no key,
phase or membership depends on them.

The daemon remembers them. Passes from cron keep them on the Lease, with the time at which each chain was last asked
for this validator's key (the key itself is not kept). A record that is lost, edited or of another provider means that
a pass asks for everything.
"""

import datetime
import json
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from ics import model

LIFETIME = datetime.timedelta(minutes=10)
"""Age from which the daemon asks for terms again."""
ROUTINE = datetime.timedelta(hours=1)
"""Age from which passes from cron ask for anything again. A relayer that spends its whole daily budget needs three
hours for half of a full account."""
_LARGEST = 96 * 1024
"""Bytes of the record. All annotations of an object have 256 KiB together, and each transaction is recorded in some of
them first. It is enough for everything about 500 chains; of more, the balances that do not fit are asked for again."""


class KeptAnswers:
    """The last answers, with the provider's block time at which they were read."""

    def __init__(
        self, terms: datetime.timedelta = LIFETIME, balances: datetime.timedelta = datetime.timedelta()
    ) -> None:
        """Start without any, as each process does.

        Args:
            terms: age from which terms are asked for again.
            balances: the same of balances; 0: each pass asks for them.
        """
        self._terms, self._lifetime = terms, balances
        self._slashing: tuple[datetime.datetime, model.SlashingParams] | None = None
        self._queued: dict[str, tuple[datetime.datetime, model.InfractionParameters]] = {}
        self._balances: dict[str, tuple[datetime.datetime, int]] = {}
        """Of accounts that are not empty, by address."""
        self._keys: dict[str, datetime.datetime] = {}
        """When the chains were asked for this validator's key, by consumer id."""
        self._reused: frozenset[str] = frozenset()
        """Accounts whose balances this pass did not ask for."""
        self._recorded = ""

    # -- terms -------------------------------------------------------------------------------------

    def slashing(self, now: datetime.datetime) -> model.SlashingParams | None:
        """Return the parameters of the provider's slashing module, None if they are too old."""
        if self._slashing is None or not _is_fresh(self._slashing[0], now, self._terms):
            return None
        return self._slashing[1]

    def queued(self, now: datetime.datetime) -> Mapping[str, model.InfractionParameters]:
        """Return the queued terms that are not too old, by consumer id."""
        return {
            one: terms for one, (read, terms) in self._queued.items() if _is_fresh(read, now, self._terms)
        }

    def keep_terms(
        self,
        now: datetime.datetime,
        slashing: model.SlashingParams | None,
        queued: Mapping[str, model.InfractionParameters],
    ) -> None:
        """Keep the answers that a pass has just read; one that is known keeps its time, so that no record changes.

        Args:
            now: the provider's block time.
            slashing: None if it was not read.
            queued: by consumer id, of the chains that were asked about.
        """
        known = self.queued(now)
        if slashing is not None and slashing != self.slashing(now):
            self._slashing = (now, slashing)
        self._queued |= {one: (now, terms) for one, terms in queued.items() if terms != known.get(one)}

    # -- balances ----------------------------------------------------------------------------------

    def balances(self, now: datetime.datetime) -> dict[str, int]:
        """Return the balances of accounts that need not be asked for in this pass, by address."""
        reused = {
            address: amount
            for address, (read, amount) in self._balances.items()
            if _is_fresh(read, now, self._lifetime)
        }
        self._reused = frozenset(reused)
        return reused

    def pays(self, intents: Iterable[model.Intent], checked: frozenset[str]) -> bool:
        """Return whether a payment is due that rests on a reused balance.

        Args:
            intents: due transactions.
            checked: accounts whose balances are known.
        """
        due = {intent.address for intent in intents if isinstance(intent, model.TopUp)}
        return not due.isdisjoint(self._reused & checked)

    def forget_balances(self) -> frozenset[str]:
        """Forget the reused balances, and return their accounts, which this pass asks for."""
        reused, self._reused = self._reused, frozenset()
        return reused

    def keep_balances(
        self, now: datetime.datetime, checked: frozenset[str], balances: Mapping[str, int]
    ) -> None:
        """Keep what a pass has read; the balances of empty accounts are asked for again.

        Args:
            now: the provider's block time.
            checked: accounts whose balances are known, and no others are kept.
            balances: by address.
        """
        kept = {one: self._balances[one] for one in self._reused & checked if one in self._balances}
        read = {one: (now, balances.get(one, 0)) for one in checked - self._reused}
        self._balances = kept | {one: answer for one, answer in read.items() if answer[1] > 0}

    # -- keys --------------------------------------------------------------------------------------

    def asked_keys(self, now: datetime.datetime) -> frozenset[str]:
        """Return the chains that were asked for this validator's key not long ago."""
        return frozenset(one for one, read in self._keys.items() if _is_fresh(read, now, self._terms))

    def keep_keys(self, now: datetime.datetime, asked: Iterable[str], listed: frozenset[str]) -> None:
        """Keep the time at which chains were asked for this validator's key.

        Args:
            now: the provider's block time.
            asked: consumer ids of chains whose assigned key is that in their set; all others are asked again.
            listed: all consumer ids of which anything is kept.
        """
        self._keys |= dict.fromkeys(asked, now)
        self._keys = {one: read for one, read in self._keys.items() if one in listed}
        self._queued = {one: answer for one, answer in self._queued.items() if one in listed}

    # -- the record --------------------------------------------------------------------------------

    def load(self, text: str, scope: str) -> None:
        """Take the answers on record; of a record that was edited, or is of another provider, nothing.

        Args:
            text: as `encode` returns it; empty: none.
            scope: chain id of the provider and denomination of the balances.
        """
        self._recorded = text
        try:
            self._load(json.loads(text or "{}"), scope)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError, ArithmeticError, OSError):
            self._queued, self._balances, self._keys, self._slashing = {}, {}, {}, None

    def _load(self, record: Any, scope: str) -> None:
        if record.get("scope") != scope:
            return
        self._slashing = None if record["slashing"] is None else _decoded(*record["slashing"])
        self._keys = {str(one): _moment(read) for one, read in record["keys"].items()}
        nothing = model.InfractionParameters()
        self._queued = {str(one): (_moment(read), nothing) for one, read in record["queues"].items()}
        self._balances = {
            str(one): (_moment(read), amount)
            for one, (read, amount) in record["balances"].items()
            if isinstance(amount, int) and amount > 0
        }

    def unrecorded(self, scope: str) -> str:
        """Return the record that replaces the loaded one; empty: it is the same."""
        record = self.encode(scope)
        return "" if record == self._recorded else record

    def encode(self, scope: str) -> str:
        """Return the record: penalties, keys' times, empty queues and balances.

        What an owner has queued is always asked for.
        """
        nothing = model.InfractionParameters()
        parts: dict[str, dict[str, Any]] = {
            "keys": {one: _seconds(read) for one, read in self._keys.items()},
            "queues": {
                one: _seconds(read) for one, (read, terms) in self._queued.items() if terms == nothing
            },
            "balances": {one: [_seconds(read), amount] for one, (read, amount) in self._balances.items()},
        }
        penalties = None if self._slashing is None else _encoded(*self._slashing)
        record: dict[str, Any] = {"scope": scope, "slashing": penalties, **{name: {} for name in parts}}
        room = _LARGEST - len(_encode(record))
        for name, answers in parts.items():
            record[name] = _fitting(answers, room)
            room -= len(_encode(record[name]))
        return _encode(record)


def _fitting(answers: Mapping[str, Any], room: int) -> dict[str, Any]:
    """Return the answers whose text fits into a number of characters, in the order of their names."""
    kept = {}
    for name, answer in sorted(answers.items()):
        room -= len(_encode({name: answer}))
        if room < 0:
            break
        kept[name] = answer
    return kept


def _encode(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def _is_fresh(read: datetime.datetime, now: datetime.datetime, lifetime: datetime.timedelta) -> bool:
    return datetime.timedelta() <= now - read < lifetime


def _encoded(read: datetime.datetime, params: model.SlashingParams) -> list[object]:
    fractions = params.slash_fraction_double_sign, params.slash_fraction_downtime
    return [_seconds(read), *map(str, fractions), params.downtime_jail_duration]


def _decoded(
    read: int, double_sign: str, downtime: str, jail: int
) -> tuple[datetime.datetime, model.SlashingParams]:
    params = model.SlashingParams(
        slash_fraction_double_sign=_fraction(double_sign),
        slash_fraction_downtime=_fraction(downtime),
        downtime_jail_duration=int(jail),
    )
    return _moment(read), params


def _fraction(text: str) -> Decimal:
    value = Decimal(text)
    if not 0 <= value <= 1:
        raise ValueError(f"{value} is not a fraction")
    return value


def _seconds(moment: datetime.datetime) -> int:
    return int(moment.timestamp())


def _moment(seconds: int) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC)
