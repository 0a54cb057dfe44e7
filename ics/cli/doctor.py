"""`ics doctor`: every check, with the mend of what is not well."""

import argparse
import asyncio
import os
from pathlib import Path
from typing import Any

from ics import stack
from ics.cli import passes, present


def register(subparsers: Any) -> None:
    """Add the command; it sets `run`, which takes the namespace and returns an exit code."""
    text = (
        "check settings, endpoints, keys, account, cluster and chains, and say how to mend what is not well"
    )
    passes.command(subparsers, "doctor", text).set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from ics.doctor import examination, findings  # what it asks with takes a while to load

    root = args.project.resolve() if args.project else stack.project_root(Path.cwd())
    found = asyncio.run(examination.examine(root, args.stack, os.environ, args.set))
    code = findings.exit_code(found)
    if args.json:
        print(present.dump({"exit_code": code, "findings": [one.as_dict() for one in found]}))
        return code
    counts = [sum(one.level is level for one in found) for level in findings.Level]
    print("\n".join(one.line() for one in found))
    print(f"{counts[0]} ok, {counts[1]} to know, {counts[2]} to mend")
    return code
