"""A chain in trouble does not slow the others."""

import pytest

from ics import errors, model
from ics.cluster.nodes import observe
from ics.reconciler.daemon import sender as daemon_sender

FIRST, SECOND = model.OptIn("0", "c-1", None), model.OptIn("1", "d-1", None)


class Sender:
    """Sends, but for what it refuses."""

    def __init__(self) -> None:
        self.refuses: set[object] = {FIRST}
        self.tried: list[object] = []

    async def send(self, transaction: model.Intent | model.OptOut) -> object:
        self.tried.append(transaction)
        if transaction in self.refuses:
            raise errors.Transient(f"try {len(self.tried)}")
        return "sent"

    async def await_pending(self) -> int:
        return 0


async def test_failed_transaction_is_retried_with_backoff() -> None:
    now = 0.0
    inner = Sender()
    sender = daemon_sender.BackoffSender(inner, lambda: now, lambda: 1.0)
    said = []
    for now in (0.0, 1.0, 1.9, 2.0, 5.9, 6.0, 13.9, 14.0, 29.9, 30.0, 59.9, 60.0, 89.9, 90.0):
        with pytest.raises(errors.Transient) as caught:
            await sender.send(FIRST)
        said.append((now, str(caught.value)))
    times = [now for now, text in said if text != ([""] + [t for _, t in said])[said.index((now, text))]]

    assert times == [0.0, 2.0, 6.0, 14.0, 30.0, 60.0, 90.0]
    assert len(inner.tried) == 7
    assert await sender.send(SECOND) == "sent"


async def test_success_resets_transaction_backoff() -> None:
    now = 0.0
    inner = Sender()
    sender = daemon_sender.BackoffSender(inner, lambda: now, lambda: 1.0)
    with pytest.raises(errors.Transient):
        await sender.send(FIRST)
    inner.refuses.clear()
    now = 2.0
    assert await sender.send(FIRST) == "sent"
    inner.refuses.add(FIRST)
    now = 2.1
    with pytest.raises(errors.Transient, match="try 3"):
        await sender.send(FIRST)


def test_silent_node_gets_full_timeout_only_occasionally() -> None:
    clock = iter((0.0, 0.0, 1.0, 59.0, 60.0, 60.0, 61.0))
    nodes = observe.AdaptiveTimeouts(lambda: next(clock), lambda: 1.0)
    waited = []
    for _ in range(5):
        waited.append(nodes.timeout("0"))
        nodes.record_answer("0", False, waited[-1])
    assert waited == [observe.TIMEOUT, observe.HASTY, observe.HASTY, observe.TIMEOUT, observe.HASTY]
    nodes = observe.AdaptiveTimeouts(lambda: 0.0, lambda: 1.0)
    nodes.record_answer("0", False, observe.TIMEOUT)
    assert (nodes.timeout("0"), nodes.timeout("1")) == (observe.HASTY, observe.TIMEOUT)
    nodes.record_answer("0", True, observe.HASTY)
    assert nodes.timeout("0") == observe.TIMEOUT
