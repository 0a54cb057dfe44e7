"""Events of passes as counters."""

import dataclasses

import pytest

from ics import errors, model
from ics.cosmos import gas_prices
from ics.monitoring import metrics
from ics.reconciler import counters, wiring
from tests.unit import factories

OPT_IN = model.OptIn("0", "consumer1-1", b"k" * 32)


@pytest.mark.parametrize(
    ("error", "result"),
    [
        (None, "confirmed"),
        (errors.Permanent("no funds"), "refused"),
        (errors.SettingsError("ics:account: missing"), "refused"),
        (gas_prices.TooExpensive("too expensive"), "refused"),
        (errors.Transient("no endpoint"), "unknown"),
    ],
)
async def test_attempts_are_counted_by_their_results(
    error: errors.IcsError | None, result: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Transactions:
        async def send(self, transaction: object) -> str:
            if error is not None:
                raise error
            return "sent"

    async def price() -> gas_prices.GasPrice:
        raise AssertionError("the sender is replaced")

    async def read(*_: object) -> model.Secret:
        raise AssertionError("the sender is replaced")

    async def opened(_: object) -> Transactions:
        return Transactions()

    monkeypatch.setattr(wiring.AccountSender, "open", opened)
    sender = wiring.AccountSender(factories.settings(), read, price, None)
    for transaction in (OPT_IN, model.OptOut("0", "consumer1-1")):
        if error is None:
            assert await sender.send(transaction) == "sent"
        else:
            with pytest.raises(type(error)):
                await sender.send(transaction)

    # One by hand is not counted: its command shows the result.
    assert sender.totals.counts == {(metrics.TRANSACTIONS, ("opt-in", result)): 1}
    start = counters.initial()
    assert start.added(sender.totals).counts == {
        **start.counts,
        (metrics.TRANSACTIONS, ("opt-in", result)): 1,
    }


def test_counters_of_a_single_pass_have_no_wakeups() -> None:
    families = {family for family, _ in counters.initial().counts}
    assert families == {metrics.PASSES, metrics.CHANGES, metrics.DRIFT, metrics.TRANSACTIONS}
    assert dataclasses.replace(counters.initial()).durations.counts == ()
