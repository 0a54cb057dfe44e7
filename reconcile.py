"""The reconciler: one pass over a stack for cron (`--once`), pass after pass (`--watch`), or what one would
do (`--preview`).

Exit code 0: converged. 1: trouble that may pass, the next run tries again. 2: something must be mended.
"""

import argparse
import sys
from pathlib import Path

from ics.cli import __main__ as commands
from ics.cli import signals


def main() -> int:
    """Run `ics up`, `ics watch` or `ics plan` on the project in this file's folder."""
    parser = argparse.ArgumentParser(prog="reconcile.py", description=__doc__)
    parser.add_argument("--stack", metavar="NAME", required=True, help="stacks/Pulumi.NAME.yaml")
    parser.add_argument("--json", action="store_true", help="JSON on stdout")
    parser.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], help="override a setting")
    parser.add_argument("--confirm", metavar="NAME", action="append", default=[], help="confirm a change")
    parser.add_argument("--engine", choices=("pulumi", "apply"), help="the engine for this time")
    parser.add_argument(
        "--exit-code", action="store_true", help="with --preview: 3 if there is something to do"
    )
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--once", action="store_true", help="one pass (the default)")
    mode.add_argument("--watch", action="store_true", help="stay, woken by events, until it is told to stop")
    mode.add_argument("--preview", action="store_true", help="say what a pass would do; change nothing")
    args = parser.parse_args()
    if args.exit_code and not args.preview:
        parser.error("--exit-code goes with --preview")
    if args.confirm and args.watch:
        parser.error(
            "--confirm is for one pass: run `ics up --confirm NAME` beside --watch, which steps aside for it"
        )
    command = [
        "plan" if args.preview else "watch" if args.watch else "up",
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
    # A pass with a confirmation is somebody's who waits for it.
    command += ["--unattended"] if command[0] == "up" and not args.confirm else []
    for name in args.confirm:
        command += ["--confirm", name]
    return commands.main(command)


if __name__ == "__main__":
    sys.exit(signals.run_process(main))
