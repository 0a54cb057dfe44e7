"""The validator's Lease during an update by hand, kept in a thread of the program.

The program ends when all objects are created or changed; then the Lease is returned. A reconciler that sees a launch
gets it at once, because both write the same objects with the same field manager, and the node should not wait.
"""

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ics import errors
from ics.cluster.api import connect, lease
from ics.config import stack_file
from ics.reconciler import wiring

_RENEW = 1.0
"""Seconds between two renewals, each of which shows whether another process asks for the Lease."""
_STEP = 0.2


class LeaseKeeper:
    """Holder of the Lease until `stop`, or until a reconciler asks for it."""

    def __init__(self, report: Callable[[str], None]) -> None:
        """Initialize without sending requests.

        Args:
            report: shows a line to the operator; called in another thread.
        """
        self._report = report
        self._stopping = threading.Event()
        self._settled = threading.Event()
        self._error: BaseException | None = None
        self._thread: threading.Thread | None = None

    def start(
        self, root: Path, name: str, environment: Mapping[str, str], overrides: Sequence[str] = ()
    ) -> None:
        """Acquire the Lease, which a daemon hands over after its pass.

        Args:
            root: the project's folder.
            name: name of the stack.
            environment: environment of the process.
            overrides: settings that override those of the stack file.

        Raises:
            Transient: its holder does not hand it over; the message names the holder.
            SettingsError: settings are invalid.
        """

        def run() -> None:
            try:
                asyncio.run(self._keep_of_stack(root, name, environment, overrides))
            except BaseException as error:
                self._error = error
            finally:
                self._settled.set()

        self._thread = threading.Thread(target=run, name="lease", daemon=True)
        self._thread.start()
        self._settled.wait()
        if self._error is not None:
            raise self._error

    def stop(self) -> None:
        """Return the Lease."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    async def _keep_of_stack(
        self, root: Path, name: str, environment: Mapping[str, str], overrides: Sequence[str]
    ) -> None:
        settings = stack_file.load_settings(root, name, environment, overrides)
        async with connect.open_client(settings.cluster, root, environment) as kube:
            await self.keep(wiring.lease_of(settings, kube, stays=False, yields=True))

    async def keep(self, own: lease.Lease) -> None:
        """Request a Lease and renew it.

        Raises:
            Transient: its holder does not hand it over.
        """
        await own.request(wiring.COMMAND_PATIENCE)
        self._settled.set()
        renewed_at = asyncio.get_running_loop().time()
        try:
            while not self._stopping.is_set():
                await asyncio.sleep(_STEP)
                if asyncio.get_running_loop().time() - renewed_at < _RENEW:
                    continue
                await own.acquire()
                renewed_at = asyncio.get_running_loop().time()
                if own.is_wanted:
                    self._report("a reconciler asked for the Lease because of a launch; this update goes on")
                    return
        except errors.IcsError as error:  # the update cannot be stopped halfway; the operator is informed
            self._report(f"the Lease was lost during this update: {error}")
        finally:
            await own.return_to_holder()
