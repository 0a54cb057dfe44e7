"""`ics doctor`: every check, with the mend of what is not well."""

import argparse
import asyncio
import os
from pathlib import Path
from typing import Any

from ics.cli import options, output
from ics.config import stack_file


def register(subparsers: Any) -> None:
    """Add the command; it sets `run`, which takes the namespace and returns an exit code."""
    text = (
        "check settings, endpoints, keys, account, cluster and chains, and say how to mend what is not well"
    )
    options.command(subparsers, "doctor", text).set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from ics.cli.doctor import (
        findings,  # what it asks with takes a while to load
        run,
    )

    root = args.project.resolve() if args.project else stack_file.project_root(Path.cwd())
    found = asyncio.run(run.examine(root, args.stack, os.environ, args.set))
    code = findings.exit_code(found)
    if args.json:
        print(output.dump({"exit_code": code, "findings": [one.as_dict() for one in found]}))
        return code
    counts = [sum(one.level is level for one in found) for level in findings.Level]
    print("\n".join(one.line() for one in found))
    print(f"{counts[0]} ok, {counts[1]} to know, {counts[2]} to mend")
    return code
