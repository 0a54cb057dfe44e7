"""Cache of build results outside the checkout; each entry is a folder that is complete or absent.

The name of an entry contains the hash of its recipe, so that a changed recipe results in a new entry. It is built in
a temporary folder and renamed when it is complete; a killed build leaves only the temporary folder, which the next
build removes. A file lock per entry prevents two runs from building it concurrently.
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
    """Recipe of one entry."""

    name: str
    version: str
    ingredients: tuple[str | bytes, ...]
    """All inputs of the build: sources, flags, keys of other entries."""
    build: Callable[[Path], None]
    """Fills the given empty folder."""
    estimate: float
    """Duration in seconds on two cores without previous builds."""

    @property
    def key(self) -> str:
        """Folder name of the entry."""
        digest = hashlib.sha256()
        for part in self.ingredients:
            data = part.encode() if isinstance(part, str) else part
            digest.update(len(data).to_bytes(8, "big") + data)
        return f"{self.name}-{self.version}-{digest.hexdigest()[:12]}"


def find(recipe: Recipe) -> Path | None:
    """Return the entry's folder, or None if it has not been built."""
    folder = places.cache() / recipe.key
    return folder if folder.is_dir() else None


def ensure(recipe: Recipe, progress: Progress) -> Path:
    """Return the entry's folder, and build it first if necessary."""
    if existing := find(recipe):
        return existing
    folder = places.cache() / recipe.key
    with locked(recipe.key, progress):
        if folder.is_dir():
            return folder
        unfinished = folder.with_name(f"{recipe.key}.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        started = time.monotonic()
        with progress.step(f"building {recipe.name} {recipe.version}", _estimate(recipe)):
            recipe.build(unfinished)
        unfinished.rename(folder)
        _remember(recipe, time.monotonic() - started)
    return folder


@contextmanager
def locked(name: str, progress: Progress) -> Iterator[None]:
    """Hold the lock of that name; report when waiting for another run."""
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
        timings = json.loads(_timings().read_text())
    except (OSError, ValueError):
        timings = {}
    timings[recipe.name] = round(seconds, 1)
    temporary = _timings().with_suffix(f".{os.getpid()}")
    temporary.write_text(json.dumps(timings, indent=1, sort_keys=True))
    temporary.replace(_timings())
