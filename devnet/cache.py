"""A cache of built things outside the checkout: each entry is a folder that is whole or absent.

An entry's name carries the hash of its recipe, so that a changed recipe is another entry. It is built
in a folder beside its place and renamed when it is whole; a kill leaves only that folder, which the
next build removes. A file lock per entry keeps two runs from building the same thing at once.
"""

import fcntl
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from devnet import places
from devnet.progress import Progress


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one entry is made."""

    name: str
    version: str
    ingredients: tuple[str | bytes, ...]
    """All that decides the result: sources, flags, keys of other entries."""
    build: Callable[[Path], None]
    """Fills the empty folder that it is given."""
    estimate: float
    """Seconds that it takes on two cores with nothing built yet."""

    @property
    def key(self) -> str:
        """The entry's folder name."""
        digest = hashlib.sha256()
        for part in self.ingredients:
            data = part.encode() if isinstance(part, str) else part
            digest.update(len(data).to_bytes(8, "big") + data)
        return f"{self.name}-{self.version}-{digest.hexdigest()[:12]}"


def find(recipe: Recipe) -> Path | None:
    """The entry's folder, if it has been built."""
    folder = places.cache() / recipe.key
    return folder if folder.is_dir() else None


def ensure(recipe: Recipe, progress: Progress) -> Path:
    """The entry's folder, built first if it is not there."""
    if found := find(recipe):
        return found
    folder = places.cache() / recipe.key
    with locked(recipe.key, progress):
        if folder.is_dir():
            return folder
        unfinished = folder.with_name(f"{recipe.key}.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        began = time.monotonic()
        with progress.step(f"building {recipe.name} {recipe.version}", _estimate(recipe)):
            recipe.build(unfinished)
        unfinished.rename(folder)
        _remember(recipe, time.monotonic() - began)
    return folder


@contextmanager
def locked(name: str, progress: Progress) -> Iterator[None]:
    """Holds the lock of that name; waits, and says so, while another run holds it."""
    path = places.cache() / "locks" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with progress.step(f"waiting for another run that holds the lock {path}"):
                fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _timings() -> Path:
    return places.cache() / "timings.json"


def _estimate(recipe: Recipe) -> float:
    try:
        return float(json.loads(_timings().read_text())[recipe.name])
    except (OSError, ValueError, KeyError):
        return recipe.estimate


def _remember(recipe: Recipe, seconds: float) -> None:
    try:
        known = json.loads(_timings().read_text())
    except (OSError, ValueError):
        known = {}
    known[recipe.name] = round(seconds, 1)
    temporary = _timings().with_suffix(f".{os.getpid()}")
    temporary.write_text(json.dumps(known, indent=1, sort_keys=True))
    temporary.replace(_timings())
