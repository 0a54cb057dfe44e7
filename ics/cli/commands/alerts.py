"""`ics alerts test`: pushes one alert to the Alertmanagers of a stack."""

from ics import errors
from ics.cli import options, output
from ics.cli.arguments import alerts
from ics.monitoring import notifications
from ics.reconciler import alertmanagers, wiring


async def _test(args: alerts.Test, stack: wiring.OpenStack) -> int:
    settings = stack.world.settings
    monitoring = settings.monitoring
    if not monitoring.alertmanager:
        raise errors.SettingsError("ics:monitoring.alertmanager: missing; add the address of an Alertmanager")
    alert = notifications.alert_of_test(settings.validator)
    async with alertmanagers.opened() as session:
        found = await alertmanagers.push(session, monitoring, [alert], wiring.now())
    rows = [
        {
            "alertmanager": str(endpoint),
            "taken": error is None,
            "error": None if error is None else str(error),
        }
        for endpoint, error in found.items()
    ]
    lines = [f"{row['alertmanager']}: {'taken' if row['taken'] else 'not taken'}" for row in rows]
    if any(row["taken"] for row in rows):
        lines.append(f"IcsTest ends in {monitoring.resolve_after} s; its receivers should have it by then")
    output.emit(args, rows, lines)
    return options.report_errors([error for error in found.values() if error is not None])


test = options.on_stack(_test)
