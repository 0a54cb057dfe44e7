"""SIGTERM and Ctrl-C, from the start of a process to the end of its interpreter.

Only the standard library is imported here: the handler is installed before anything large is loaded.
"""

import atexit
import contextlib
import os
import signal
from collections.abc import Callable, Iterator


class SigtermHandler:
    """Handler of SIGTERM: the first one asks the process to stop, any later one changes nothing.

    Supervisors may send it twice, to the process and to its group. It is never SIG_IGN while commands run:
    programs that they start would inherit that.
    """

    def __init__(self) -> None:
        """Record SIGTERM only, until there is something to stop."""
        self.is_received = False
        self._action: Callable[[], object] | None = None

    def __call__(self, number: int, frame: object) -> None:
        """Handle the signal, in the main thread."""
        is_first, self.is_received = not self.is_received, True
        if is_first and self._action is not None:
            self._action()

    @contextlib.contextmanager
    def calling(self, action: Callable[[], object]) -> Iterator[None]:
        """Call `action` at SIGTERM for as long as the context lasts; at once if it has come before.

        After the context SIGTERM is only recorded: what could be stopped has ended.
        """
        self._action = action
        try:
            if self.is_received:
                action()
            yield
        finally:
            self._action = None


def sigterm_handler() -> SigtermHandler:
    """Return the handler of this process; where `run_process` has installed none, one that is never called."""
    installed = signal.getsignal(signal.SIGTERM)
    return installed if isinstance(installed, SigtermHandler) else SigtermHandler()


def run_process(main: Callable[[], int]) -> int:
    """Run `main` as the whole of this process, and return its exit code, which no later signal changes."""
    signal.signal(signal.SIGTERM, SigtermHandler())
    # The first function that is registered runs last, once all threads have ended.
    atexit.register(_ignore_signals)
    code = main()
    settle(code)
    return code


def settle(code: int) -> None:
    """Let Ctrl-C end the process with this exit code: the work is done, and only closing is left, which may hang."""
    signal.signal(signal.SIGINT, lambda number, frame: os._exit(code))


def _ignore_signals() -> None:
    """Ignore both: as it ends, the interpreter replaces Python handlers by the default action, but not SIG_IGN."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
