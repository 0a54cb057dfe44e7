"""`ics doctor`: prints the finding of each check."""

import asyncio
import os

from ics.cli import output, terminal
from ics.cli.arguments import doctor
from ics.cli.doctor import findings
from ics.cli.doctor import run as checks


def run(args: doctor.Doctor) -> int:
    """Run every check, print its finding, and return the exit code."""
    results = asyncio.run(checks.examine(args.root(), args.stack_name(), os.environ, args.set))
    code = findings.exit_code(results)
    if args.is_data:
        output.write_data(args, {"exit_code": code, "findings": [finding.as_dict() for finding in results]})
        return code
    terminal.write(*(finding.line() for finding in results), findings.summary(results))
    return code
