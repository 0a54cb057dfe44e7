"""The command `ics`.

Importing the module of a command may take a second, so SIGTERM is handled before.
"""

import os
import signal
import sys
from collections.abc import Sequence

from ics import errors, garbage
from ics.cli import command, parser, signals, terminal


def run() -> int:
    """Run the process `ics`."""
    return signals.run_process(main)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: the command line; the default is that of the process.

    Returns:
        0: success. 1: a retry may help. 2: something must be changed first.
    """
    words = sys.argv[1:] if arguments is None else arguments
    garbage.look_less_often()
    # Otherwise pydantic searches the metadata of every installed package for plugins.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    terminal.set_up()
    try:
        call = parser.parse(words)
        code = call if isinstance(call, int) else _run(call)
        sys.stdout.flush()
    except errors.SettingsError as error:
        for problem in error.problems:
            terminal.problem(problem)
        return 2
    except errors.IcsError as error:
        from ics.cli import options

        terminal.problem(error)
        return options.exit_code(error)
    except KeyboardInterrupt:
        terminal.problem("interrupted; the next pass continues from here")
        return 1
    except BrokenPipeError:
        # The reader, such as `head`, has ended. Discard the rest, also what the interpreter flushes as it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        # The interpreter would write the texts of the error as they are.
        terminal.unexpected(error)
        return 1
    return code


def _run(call: command.Call) -> int:
    """Run a command; SIGTERM interrupts it as Ctrl-C does, so that it can return the Lease.

    For a long-running command SIGTERM is not a failure. From its first pass on it handles SIGTERM itself.
    """
    args = call.args
    terminal.choose(color=args.color, level=args.level, is_json=args.log_format is command.LogFormat.JSON)
    is_terminated = False

    def interrupt() -> None:
        nonlocal is_terminated
        is_terminated = True
        if callable(signal.getsignal(signal.SIGINT)):
            signal.raise_signal(signal.SIGINT)
        else:
            # A shell starts background jobs with SIGINT ignored.
            raise KeyboardInterrupt

    try:
        with signals.sigterm_handler().calling(interrupt):
            code = call.run()
    except KeyboardInterrupt:
        if not is_terminated or not call.command.stays:
            raise
        terminal.problem("stopped before the first pass")
        return 0
    return code


if __name__ == "__main__":
    sys.exit(run())
