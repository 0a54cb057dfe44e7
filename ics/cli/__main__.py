"""The command `ics`."""

import argparse
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence

from ics import errors
from ics.cli import (
    by_hand,
    consumer,
    doctor,
    endpoint,
    hermes_status,
    joining,
    keys,
    passes,
    peers,
    retained,
    show,
    watch,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        0 when all is as it should be, 1 when trying again may help, 2 when something must be changed first.
    """
    args = parser().parse_args(arguments)
    try:
        with _terminated_as_interrupted():
            code: int = args.run(args)
        sys.stdout.flush()
    except errors.SettingsError as error:
        for problem in error.problems:
            print(f"ics: {problem}", file=sys.stderr)
        return 2
    except errors.IcsError as error:
        print(f"ics: {error}", file=sys.stderr)
        return passes.exit_code(error)
    except KeyboardInterrupt:
        print("ics: interrupted; the next pass goes on from here", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # Its reader, `head` say, has gone. What is left to print goes nowhere, at the interpreter's end too.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code


@contextlib.contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """SIGTERM ends a command as Ctrl-C does, in order, so that the Lease is given back.

    Only where signals can be handled and nobody else handles this one; `ics watch` sets its own handling.
    """
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return

    def interrupt(number: int, frame: object) -> None:
        # Supervisors may send it twice, to the process and to its group: that must not break the end. Not
        # SIG_IGN, which programs that are started meanwhile would inherit.
        signal.signal(signal.SIGTERM, lambda *_: None)
        if callable(signal.getsignal(signal.SIGINT)):
            signal.raise_signal(signal.SIGINT)
        else:
            # A shell starts what is in its background with SIGINT ignored.
            raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def parser() -> argparse.ArgumentParser:
    """All commands and their arguments."""
    top = argparse.ArgumentParser(
        prog="ics", description="consumer chains of one validator of an ICS provider"
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for group in (
        passes,
        watch,
        joining,
        by_hand,
        consumer,
        hermes_status,
        retained,
        doctor,
        endpoint,
        peers,
        keys,
        show,
    ):
        group.register(commands)
    return top


if __name__ == "__main__":
    sys.exit(main())
