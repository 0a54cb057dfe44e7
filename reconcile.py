"""Reconcile a stack: one pass, as from cron (`--once`), continuously (`--watch`), or show the plan (`--plan`).

Exit code 0: converged. 1: a temporary problem, the next run tries again. 2: something must be changed first.
"""

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from ics import errors
from ics.cli import __main__ as commands
from ics.cli import command, parser, signals, terminal
from ics.cli.arguments import shared


@dataclass(frozen=True, kw_only=True)
class Reconcile(command.Arguments):
    """Reconcile a stack: one pass, as from cron, continuously, or show the plan."""

    example = "reconcile.py --stack alice --once"

    stack: Annotated[
        str, command.option("--stack", "-s", metavar="NAME", help="The stack, from stacks/Pulumi.NAME.yaml.")
    ]
    set: Annotated[
        list[str], command.option(metavar="KEY=VALUE", help="Override a setting (repeatable).")
    ] = field(default_factory=list)
    confirm: Annotated[
        list[str], command.option(metavar="NAME", help="Allow the named change (repeatable).")
    ] = field(default_factory=list)
    engine: Annotated[
        shared.EngineName | None, command.option(help="Override `ics:engine` for this run.")
    ] = None
    exit_code: Annotated[
        bool, command.option("--exit-code", help="With --plan: exit with 3 if there is anything to do.")
    ] = False
    metrics_file: Annotated[
        str | None, command.option(metavar="PATH", help="With --once: write the metrics to this file.")
    ] = None
    once: Annotated[bool, command.option("--once", help="Run one pass (the default).")] = False
    watch: Annotated[
        bool, command.option("--watch", help="Reconcile until stopped, triggered by events.")
    ] = False
    plan: Annotated[bool, command.option("--plan", help="Show what a pass would do; change nothing.")] = False

    def check(self) -> None:
        """Check what the types do not say.

        Raises:
            SettingsError: options contradict each other.
        """
        super().check()
        if [self.once, self.watch, self.plan].count(True) > 1:
            raise errors.SettingsError("reconcile.py: use one of --once, --watch and --plan")
        if self.exit_code and not self.plan:
            raise errors.SettingsError("reconcile.py: --exit-code requires --plan")
        if self.confirm and self.watch:
            raise errors.SettingsError(
                "reconcile.py: --confirm is for one pass; run `ics up --confirm NAME`, for which a running --watch"
                " pauses"
            )
        if self.metrics_file and (self.watch or self.plan):
            raise errors.SettingsError(
                "reconcile.py: --metrics-file is for one pass; --watch serves its metrics on ics:daemon.port"
            )

    def words(self) -> list[str]:
        """Return the same as a command line of `ics`."""
        words = [
            "plan" if self.plan else "watch" if self.watch else "up",
            "--stack",
            self.stack,
            "--project",
            str(Path(__file__).parent),
        ]
        words += [] if self.format is command.Format.TABLE else ["-o", self.format]
        for override in self.set:
            words += ["--set", override]
        words += ["--engine", self.engine] if self.engine else []
        words += ["--exit-code"] if self.exit_code else []
        words += ["--metrics-file", self.metrics_file] if self.metrics_file else []
        # A user waits for a pass with a confirmation, so it may request the Lease.
        words += ["--unattended"] if words[0] == "up" and not self.confirm else []
        for name in self.confirm:
            words += ["--confirm", name]
        return words


def main() -> int:
    """Run `ics up`, `ics watch` or `ics plan` on the project in this file's folder."""
    terminal.set_up()
    app = command.single(command.Command(Reconcile, ""))
    try:
        call = parser.understood(app, "reconcile.py", sys.argv[1:])
    except errors.SettingsError as error:
        terminal.problem(error)
        return 2
    if isinstance(call, int):
        return call
    args = call.args
    if not isinstance(args, Reconcile):
        raise AssertionError("it has this one command")
    return commands.main(args.words())


if __name__ == "__main__":
    sys.exit(signals.run_process(main))
