"""Reconcile a stack: one pass, as from cron (`--once`), continuously (`--watch`), or show the plan (`--plan`).

Exit code 0: converged. 1: a temporary problem, the next run tries again. 2: something must be changed first.
"""

import argparse
import sys
from pathlib import Path

from ics.cli import __main__ as commands
from ics.cli import signals


def main() -> int:
    """Run `ics up`, `ics watch` or `ics plan` on the project in this file's folder."""
    parser = argparse.ArgumentParser(prog="reconcile.py", description=__doc__)
    parser.add_argument(
        "--stack", metavar="NAME", required=True, help="The stack, from stacks/Pulumi.NAME.yaml."
    )
    parser.add_argument("--json", action="store_true", help="Print JSON.")
    parser.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], help="Override a setting.")
    parser.add_argument(
        "--confirm", metavar="NAME", action="append", default=[], help="Allow the named change."
    )
    parser.add_argument("--engine", choices=("pulumi", "apply"), help="Override `ics:engine` for this run.")
    parser.add_argument(
        "--exit-code", action="store_true", help="With --plan: exit with 3 if there is anything to do."
    )
    parser.add_argument("--metrics-file", metavar="PATH", help="With --once: write the metrics to this file.")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--once", action="store_true", help="Run one pass (the default).")
    mode.add_argument("--watch", action="store_true", help="Reconcile until stopped, triggered by events.")
    mode.add_argument("--plan", action="store_true", help="Show what a pass would do; change nothing.")
    args = parser.parse_args()
    if args.exit_code and not args.plan:
        parser.error("--exit-code requires --plan")
    if args.confirm and args.watch:
        parser.error(
            "--confirm is for one pass; run `ics up --confirm NAME`, for which a running --watch pauses"
        )
    if args.metrics_file and (args.watch or args.plan):
        parser.error("--metrics-file is for one pass; --watch serves its metrics on ics:daemon.port")
    command = [
        "plan" if args.plan else "watch" if args.watch else "up",
        "--stack",
        args.stack,
        "--project",
        str(Path(__file__).parent),
    ]
    command += ["--json"] if args.json else []
    for override in args.set:
        command += ["--set", override]
    command += ["--engine", args.engine] if args.engine else []
    command += ["--exit-code"] if args.exit_code else []
    command += ["--metrics-file", args.metrics_file] if args.metrics_file else []
    # A user waits for a pass with a confirmation, so it may request the Lease.
    command += ["--unattended"] if command[0] == "up" and not args.confirm else []
    for name in args.confirm:
        command += ["--confirm", name]
    return commands.main(command)


if __name__ == "__main__":
    sys.exit(signals.run_process(main))
