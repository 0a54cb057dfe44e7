"""A file on the volume of a chain's node that grows, as the state of the chain would."""

import contextlib
import os
import pathlib
import threading
from collections.abc import Iterator

from tests.network import operators

MIB = 2**20
PIECE = MIB // 4
"""Bytes that are written a second."""


class Ballast:
    """Something that fills the volume of a node beside it."""

    def __init__(self, operator: operators.Operator, namespace: str) -> None:
        self._operator, self._namespace = operator, namespace
        self.failed: list[OSError] = []
        """Why it could not be written; a full volume is a reason."""

    @property
    def path(self) -> pathlib.Path:
        return self._operator.kube.volume(self._namespace) / "ballast"

    @property
    def size(self) -> int:
        """Bytes of the volume."""
        found = os.statvfs(self.path.parent)
        return found.f_blocks * found.f_frsize

    @property
    def used(self) -> int:
        """Bytes in use."""
        found = os.statvfs(self.path.parent)
        return (found.f_blocks - found.f_bfree) * found.f_frsize

    def fill(self, percent: int) -> None:
        """Write at once until that share of the volume is in use."""
        with self.path.open("ab") as file:
            while self.used * 100 < self.size * percent:
                file.write(bytes(MIB))
                file.flush()

    @contextlib.contextmanager
    def growing(self) -> Iterator[None]:
        """Write a piece every second."""
        over = threading.Event()

        def write() -> None:
            try:
                with self.path.open("ab") as file:
                    while not over.wait(1.0):
                        file.write(bytes(PIECE))
                        file.flush()
            except OSError as error:
                self.failed.append(error)

        thread = threading.Thread(target=write)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
