"""`ics doctor`: prints the finding of each check."""

import argparse
import asyncio
import os
from pathlib import Path

from ics.cli import options, output, terminal
from ics.cli.doctor import findings, run
from ics.config import stack_file


def register(parser: argparse.ArgumentParser, name: str) -> None:
    """Add the arguments and set `run`, which takes them and returns an exit code."""
    options.add_stack(parser)
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    root = args.project.resolve() if args.project else stack_file.project_root(Path.cwd())
    results = asyncio.run(run.examine(root, args.stack, os.environ, args.set))
    code = findings.exit_code(results)
    if args.json:
        terminal.write_json(
            output.dump({"exit_code": code, "findings": [finding.as_dict() for finding in results]})
        )
        return code
    terminal.write(*(finding.line() for finding in results), findings.summary(results))
    return code
