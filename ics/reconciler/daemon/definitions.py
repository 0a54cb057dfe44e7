"""Chain definitions of the daemon, which are read again when a file has changed or a genesis is missing.

Passes never wait for this: an address that does not answer is a problem of its own chain and does not delay others.
"""

import asyncio
import random
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeAlias

from ics import aio, errors
from ics.config import chain_definition, stack_file
from ics.reconciler.daemon import wakeups

_EVERY = 1.0
"""Seconds between two checks of the files."""
_LONGEST_PAUSE = 30.0
"""Maximum seconds between two attempts to fetch a genesis file, because a launch may be near."""

_Stamp: TypeAlias = tuple[tuple[str, int, int, int] | None, ...]
"""Path, inode, size in bytes and modification time in ns of each file; None: the file does not exist."""


class Definitions:
    """Latest valid definitions of one stack."""

    def __init__(
        self,
        root: Path,
        fetch: stack_file.Fetch,
        monotonic: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """Initialize without reading files.

        Args:
            root: the project's folder.
            fetch: fetches the content of an address.
            monotonic: returns the seconds of a monotonic clock.
            jitter: draws a number from 0 to 1.
        """
        self._root = root
        self._fetch = fetch
        self._monotonic = monotonic
        self._jitter = jitter
        self._known: tuple[chain_definition.Definition, ...] = ()
        self._read: tuple[_Stamp, _Stamp] = ((), ())
        """Stamps of the definition and genesis files when they were read."""
        self._seen: tuple[_Stamp, _Stamp] = ((), ())
        """Stamps at the last check."""
        self._failures = 0
        self._due = 0.0
        self.loaded: tuple[chain_definition.LoadedDefinition, ...] = ()
        """The latest definitions that were valid as a whole."""
        self.problem = ""
        """Why the current files are not loaded; empty: they are."""
        self.invalid: tuple[chain_definition.InvalidDefinition, ...] = ()
        """Definitions that were invalid when all of them were read first; without earlier ones, only their chains are
        left alone."""

    async def load(self) -> None:
        """Read all definitions for the first time; those that are invalid are put aside."""
        files = _stamp(stack_file.definition_files(self._root))
        self._known, self.invalid = stack_file.read_each_definition(self._root)
        self._read = files, _stamp(stack_file.genesis_files(self._root, self._known))
        await self._get()

    async def check(self) -> bool:
        """Read the definitions again if necessary, and return whether anything changed.

        A changed file is read once it is unchanged for two checks, because it may still be written.
        """
        before, self._seen = self._seen, self._stamps()
        is_changed = self._seen != self._read and self._seen == before
        was = self.loaded, self.problem, self.invalid
        try:
            await self._catch_up(is_changed)
        except Exception:
            # After an unexpected error, the next check must read the files again.
            self._read = (), ()
            raise
        return was != (self.loaded, self.problem, self.invalid)

    async def run(self, wake: Callable[[wakeups.Wakeup], None]) -> None:
        """Check the files forever, and wake the reconciler after a change."""
        while True:
            await asyncio.sleep(_EVERY)
            if await self.check():
                wake(wakeups.Wakeup(wakeups.DEFINITIONS))

    async def _catch_up(self, is_changed: bool) -> None:
        if is_changed:
            self._failures = 0
            try:
                self._read_definitions()
                self.problem = ""
            except errors.SettingsError as error:
                self.problem = str(error)
        if is_changed or (self._failures and self._monotonic() >= self._due):
            await self._get()

    def _read_definitions(self) -> None:
        # Stamped before reading, so that concurrent changes are read again.
        files = _stamp(stack_file.definition_files(self._root))
        try:
            self._known = stack_file.read_definitions(self._root)
            self.invalid = ()
        finally:
            self._read = files, _stamp(stack_file.genesis_files(self._root, self._known))

    async def _get(self) -> None:
        self.loaded = await stack_file.attach_genesis(self._root, self._known, self._fetch, self.loaded)
        is_complete = all(loaded.genesis is not None or not loaded.problem for loaded in self.loaded)
        self._failures = 0 if is_complete else self._failures + 1
        self._due = self._monotonic() + aio.backoff(max(self._failures, 1), _LONGEST_PAUSE, self._jitter())

    def _stamps(self) -> tuple[_Stamp, _Stamp]:
        files = _stamp(stack_file.definition_files(self._root))
        return files, _stamp(stack_file.genesis_files(self._root, self._known))


def _stamp(paths: Iterable[Path]) -> _Stamp:
    return tuple(_stamp_of(path) for path in paths)


def _stamp_of(path: Path) -> tuple[str, int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return str(path), status.st_ino, status.st_size, status.st_mtime_ns
