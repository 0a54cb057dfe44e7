"""The command `ics`.

Its commands are imported by `parser` only: that takes a second, and SIGTERM must be handled before.
"""

import argparse
import os
import signal
import sys
from collections.abc import Sequence

from ics import errors
from ics.cli import signals


def run() -> int:
    """Run the process `ics`."""
    return signals.run_process(main)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        0 when all is as it should be, 1 when trying again may help, 2 when something must be changed first.
    """
    try:
        code = _stoppable(parser().parse_args(arguments))
        sys.stdout.flush()
    except errors.SettingsError as error:
        for problem in error.problems:
            print(f"ics: {problem}", file=sys.stderr)
        return 2
    except errors.IcsError as error:
        from ics.cli import options

        print(f"ics: {error}", file=sys.stderr)
        return options.exit_code(error)
    except KeyboardInterrupt:
        print("ics: interrupted; the next pass goes on from here", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # Its reader, `head` say, has gone. What is left to print goes nowhere, at the interpreter's end too.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code


def _stoppable(args: argparse.Namespace) -> int:
    """Run the command; SIGTERM ends it as Ctrl-C does, in order, so that the Lease is given back.

    To a command that stays SIGTERM is no failure. Once it has begun its first pass it handles SIGTERM itself.
    """
    is_told = False

    def interrupt() -> None:
        nonlocal is_told
        is_told = True
        if callable(signal.getsignal(signal.SIGINT)):
            signal.raise_signal(signal.SIGINT)
        else:
            # A shell starts what is in its background with SIGINT ignored.
            raise KeyboardInterrupt

    try:
        with signals.sigterm_handler().calling(interrupt):
            code: int = args.run(args)
    except KeyboardInterrupt:
        if not is_told or not getattr(args, "stays", False):
            raise
        print("ics: stopped before the first pass", file=sys.stderr)
        return 0
    return code


def parser() -> argparse.ArgumentParser:
    """All commands and their arguments."""
    from ics.cli.commands import (
        consumer,
        doctor,
        endpoint,
        keys,
        peers,
        recovery,
        relayer,
        show,
        stack,
        validator,
        watch,
    )

    top = argparse.ArgumentParser(
        prog="ics", description="consumer chains of one validator of an ICS provider"
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for group in (
        stack,
        watch,
        validator,
        consumer,
        relayer,
        recovery,
        doctor,
        endpoint,
        peers,
        keys,
        show,
    ):
        group.register(commands)
    return top


if __name__ == "__main__":
    sys.exit(run())
