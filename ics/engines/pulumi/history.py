"""Limit of the history that a backend in a folder keeps of a stack.

After each update Pulumi copies the whole state into `history` and `backups`, and deletes neither (`addToHistory` and
`backupStack` in pkg/backend/diy of Pulumi 3.272). In a bucket its own rules limit them.
"""

import os
import re
from collections.abc import Iterable
from pathlib import Path

from ics.engines.pulumi import location, processes, stack

_FOLDERS = ("history", "backups")
_TIME = re.compile(r"[-.](?P<nanoseconds>[0-9]{16,20})\.")


def prune(pulumi_stack: stack.Stack, where: stack.Location) -> None:
    """Delete the oldest updates from history and backups of a stack, beyond `ics:pulumi.history`.

    Args:
        pulumi_stack: the stack.
        where: its backend; nothing is done unless it is a folder.
    """
    folder = where.backend.folder(pulumi_stack.root, processes.home()) if where.backend else None
    project = location.project_name(pulumi_stack.root)
    if folder is None or not project:
        return
    for kind in _FOLDERS:
        inside = Path(folder, ".pulumi", kind, project, pulumi_stack.name)
        if inside.is_dir():
            for name in expired(os.listdir(inside), pulumi_stack.limits.history):
                (inside / name).unlink(missing_ok=True)


def expired(names: Iterable[str], kept: int) -> list[str]:
    """Return the files of all updates but the newest; files whose names contain no time are none of them.

    Args:
        names: of the files in one folder; several belong to one update.
        kept: number of updates to keep.
    """
    times = {name: int(found["nanoseconds"]) for name in names if (found := _TIME.search(name))}
    old = set(sorted(set(times.values()), reverse=True)[kept:])
    return sorted(name for name, at in times.items() if at in old)
