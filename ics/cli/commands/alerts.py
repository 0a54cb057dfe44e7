"""`ics alerts test`: pushes one alert to the Alertmanagers of a stack."""

import argparse

from ics import errors
from ics.cli import options, output
from ics.monitoring import notifications
from ics.reconciler import alertmanagers, wiring


def register(parser: argparse.ArgumentParser, name: str) -> None:
    """Add the commands of the group; each sets `run`, which takes the arguments and returns an exit code."""
    commands = parser.add_subparsers(dest="alerts_command", required=True, metavar="COMMAND")
    text = "Push the alert IcsTest, a warning that ends on its own, to every Alertmanager of the stack."
    options.add_command(commands, "test", text).set_defaults(run=options.on_stack(_test))


async def _test(args: argparse.Namespace, stack: wiring.OpenStack) -> int:
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
