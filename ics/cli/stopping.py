"""The orderly end of a process that stays, at SIGTERM and SIGINT."""

import asyncio
import contextlib
import signal
from collections.abc import Callable, Iterator

from ics import errors
from ics.cli import signals
from ics.reconciler.daemon import daemon


@contextlib.contextmanager
def by_signals(end: Callable[[], object]) -> Iterator[None]:
    """Stop daemons in order at SIGTERM and SIGINT; at a second SIGINT, or if the pass takes too long, at once.

    Args:
        end: asks them to stop.

    SIGTERM is not handled by the event loop, which would restore the default action when it is closed.

    Raises:
        Transient: the pass took too long.
    """
    running, current = asyncio.get_running_loop(), asyncio.current_task()
    if current is None:
        raise AssertionError("this runs in a task")
    is_too_long = False

    def cut_off() -> None:
        nonlocal is_too_long
        is_too_long = True
        current.cancel()

    def stop() -> None:
        running.call_later(daemon.STOPPING, cut_off)
        end()

    def interrupt() -> None:
        running.remove_signal_handler(signal.SIGINT)
        stop()

    # Once the loop handles one signal, every signal wakes it.
    running.add_signal_handler(signal.SIGINT, interrupt)
    try:
        with signals.sigterm_handler().calling(lambda: running.call_soon_threadsafe(stop)):
            yield
    except asyncio.CancelledError:
        if not is_too_long:
            raise
        raise errors.Transient(
            "stopped in the middle of a pass that took too long: the Lease expires by its timeout, then the next"
            " reconciler continues from there"
        ) from None
    finally:
        running.remove_signal_handler(signal.SIGINT)
