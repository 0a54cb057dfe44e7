"""The chain definitions of a resident reconciler: read again when a file has changed or a genesis is missing.

Passes never wait for it: an address that gives no answer is its chain's trouble and slows no other.
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

EVERY = 1.0
"""Seconds between two looks at the files."""
LONGEST_PAUSE = 30.0
"""Seconds between two tries to get a genesis file, at most: a launch may be near."""

_Stamp: TypeAlias = tuple[tuple[str, int, int, int] | None, ...]
"""Of each file its path, inode, size in bytes and time of change in ns; None: it is not there."""


class Definitions:
    """The definitions of one stack, as good as they could be had so far."""

    def __init__(
        self,
        root: Path,
        fetch: stack_file.Fetch,
        ticks: Callable[[], float] = time.monotonic,
        luck: Callable[[], float] = random.random,
    ) -> None:
        """Nothing is read yet.

        Args:
            root: the project's folder.
            fetch: fetches what is published at an address.
            ticks: seconds of a clock that is never set.
            luck: draws a number from 0 to 1.
        """
        self._root = root
        self._fetch = fetch
        self._ticks = ticks
        self._luck = luck
        self._known: tuple[chain_definition.Definition, ...] = ()
        self._read: tuple[_Stamp, _Stamp] = ((), ())
        """The files of definitions and of geneses as they were when they were read."""
        self._seen: tuple[_Stamp, _Stamp] = ((), ())
        """As they were at the last look."""
        self._failures = 0
        self._due = 0.0
        self.loaded: tuple[chain_definition.Loaded, ...] = ()
        """The last ones that were right as a whole."""
        self.problem = ""
        """Why the files of now are not what `loaded` holds; empty: they are."""

    async def load(self) -> None:
        """Read all of them.

        Raises:
            SettingsError: a definition is wrong; every one that is, is named. `loaded` stays as it is.
        """
        self._read_definitions()
        await self._get()

    async def look(self) -> bool:
        """Read them again if there is a reason to; whether anything is different now.

        Files that change are left alone until they are the same at two looks: somebody is writing.
        """
        before, self._seen = self._seen, self._stamps()
        is_changed = self._seen != self._read and self._seen == before
        was = self.loaded, self.problem
        try:
            await self._catch_up(is_changed)
        except Exception:
            # Nobody foresaw it: the next look shall not take for read what is not.
            self._read = (), ()
            raise
        return was != (self.loaded, self.problem)

    async def run(self, ring: Callable[[wakeups.Wake], None]) -> None:
        """Look for ever, and wake the reconciler when something is different."""
        while True:
            await asyncio.sleep(EVERY)
            if await self.look():
                ring(wakeups.Wake("definitions"))

    async def _catch_up(self, is_changed: bool) -> None:
        if is_changed:
            self._failures = 0
            try:
                self._read_definitions()
                self.problem = ""
            except errors.SettingsError as error:
                self.problem = str(error)
        if is_changed or (self._failures and self._ticks() >= self._due):
            await self._get()

    def _read_definitions(self) -> None:
        # Stamped before it is read: what is written meanwhile is read again.
        files = _stamp(stack_file.definition_files(self._root))
        try:
            self._known = stack_file.read_definitions(self._root)
        finally:
            self._read = files, _stamp(stack_file.genesis_files(self._root, self._known))

    async def _get(self) -> None:
        self.loaded = await stack_file.with_genesis(self._root, self._known, self._fetch, self.loaded)
        is_whole = all(one.genesis is not None or not one.problem for one in self.loaded)
        self._failures = 0 if is_whole else self._failures + 1
        self._due = self._ticks() + aio.backoff(max(self._failures, 1), LONGEST_PAUSE, self._luck())

    def _stamps(self) -> tuple[_Stamp, _Stamp]:
        files = _stamp(stack_file.definition_files(self._root))
        return files, _stamp(stack_file.genesis_files(self._root, self._known))


def _stamp(paths: Iterable[Path]) -> _Stamp:
    return tuple(_stamp_of(path) for path in paths)


def _stamp_of(path: Path) -> tuple[str, int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return str(path), found.st_ino, found.st_size, found.st_mtime_ns
