"""Notifications of a single pass, as from cron."""

import contextlib
from collections.abc import AsyncIterator, Sequence

from ics import errors
from ics.cli import terminal
from ics.monitoring import notifications
from ics.reconciler import alertmanagers, notifier, outcome, wiring


@contextlib.asynccontextmanager
async def pushed(stack: wiring.OpenStack, result: Sequence[outcome.Outcome]) -> AsyncIterator[None]:
    """Push the conditions of the pass that the context runs; an Alertmanager that takes none is only reported.

    Args:
        stack: of the pass.
        result: has its outcome at the end of the context.
    """
    settings = stack.world.settings
    try:
        yield
    except errors.IcsError as error:
        await _push(stack, notifier.of_failure(settings, error))
        raise
    await _push(stack, notifier.of_pass(settings, result[0].report))


async def _push(stack: wiring.OpenStack, alerts: Sequence[notifications.Notification]) -> None:
    monitoring = stack.world.settings.monitoring
    if not (monitoring.alertmanager and alerts):
        return
    async with alertmanagers.opened() as session:
        found = await alertmanagers.push(session, monitoring, alerts, wiring.now())
    for error in found.values():
        if error is not None:
            terminal.problem(f"alerts were not pushed: {error}")
