"""The folder that `ics export` writes: only files of its own are overwritten or removed."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ics import engines, errors, names
from ics.manifests import export

_LONGEST_LINE = 400
"""Bytes of a first line that is read."""


@dataclass(frozen=True, slots=True)
class Update:
    """What was done, as paths in the folder."""

    written: tuple[str, ...]
    unchanged: tuple[str, ...]
    removed: tuple[str, ...]
    kept: tuple[str, ...]
    """Files of objects that the stack no longer renders, but that a pass would not delete either: of paused chains,
    retained ones, and StatefulSets, for which a pass asks first."""


def update(folder: Path, wanted: export.Export, set_id: str, request: engines.ApplyRequest) -> Update:
    """Write the files that differ, and remove those of objects that a pass would delete.

    Args:
        folder: is created if it does not exist.
        wanted: its content.
        set_id: whose files are written and removed; those of other stacks, and of others, are left alone.
        request: what a pass would ask the engine to apply.

    Raises:
        SettingsError: a file is not of this stack's exports, and nothing was written; or one cannot be written.
    """
    try:
        found = _marks(folder)
        _check(folder, wanted, found, set_id)
        own = {path: mark for path, mark in found.items() if mark is not None and mark.set_id == set_id}
        stale = {path: mark for path, mark in own.items() if path not in wanted.files}
        kept = {path for path, mark in stale.items() if _is_kept(path, mark, request)}
        differing = [path for path in wanted.files if _differs(folder / path, wanted.files[path])]
        for path in differing:
            _replace(folder / path, wanted.files[path])
        removed = sorted(stale.keys() - kept)
        _remove(folder, removed)
    except OSError as error:
        where = error.filename or folder
        raise errors.SettingsError(
            f"--output-dir {folder}: {where}: {error.strerror}; name a folder that you can write to"
        ) from error
    unchanged = sorted(wanted.files.keys() - set(differing))
    return Update(tuple(differing), tuple(unchanged), tuple(removed), tuple(sorted(kept)))


def _marks(folder: Path) -> dict[str, export.Mark | None]:
    """Return the files that could be of an export, with their marks; None: it is not."""
    files = [*folder.glob(f"*/*{export.EXTENSION}"), folder / export.SECRETS]
    return {
        str(file.relative_to(folder)): _mark(file)
        for file in sorted(files)
        if file.is_symlink() or file.exists()
    }


def _mark(file: Path) -> export.Mark | None:
    # A link could lead anywhere, so nothing is written or removed through one.
    if file.is_symlink() or file.parent.is_symlink() or not file.is_file():
        return None
    with file.open("rb") as content:
        return export.mark_of(content.readline(_LONGEST_LINE).decode(errors="replace"))


def _is_kept(path: str, mark: export.Mark, request: engines.ApplyRequest) -> bool:
    """Return whether a pass would not delete an object, as `ics.engines.guard` and the engines have it."""
    kind, _, name = Path(path).stem.partition(".")
    is_extra = bool(mark.consumer_id) and names.is_extra_node(name)
    asks_first = kind == "statefulset" and mark.consumer_id not in request.ended and not is_extra
    return mark.is_retained or mark.consumer_id in request.paused or asks_first


def _check(folder: Path, wanted: export.Export, found: Mapping[str, export.Mark | None], set_id: str) -> None:
    problems = []
    for path in wanted.files:
        if (folder / path).parent != folder and (folder / path).parent.is_symlink():
            problems.append(f"--output-dir {folder}: the folder of {path} is a link; remove the link")
            continue
        mark = found.get(path)
        if path in found and (mark is None or mark.set_id != set_id):
            owner = "not written by ics export" if mark is None else "of another stack"
            problems.append(f"--output-dir {folder}: {path} is {owner}; move it away, or name another folder")
    if problems:
        raise errors.SettingsError(*problems)


def _differs(file: Path, content: str) -> bool:
    return not file.exists() or file.read_bytes() != content.encode()


def _replace(file: Path, content: str) -> None:
    """Replace a file as a whole."""
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        unfinished.write_bytes(content.encode())
        unfinished.replace(file)
    finally:
        unfinished.unlink(missing_ok=True)


def _remove(folder: Path, paths: list[str]) -> None:
    """Remove files, and the folders that they leave empty."""
    for path in paths:
        (folder / path).unlink(missing_ok=True)
    for inner in sorted({(folder / path).parent for path in paths} - {folder}):
        if not any(inner.iterdir()):
            inner.rmdir()
