"""The product's scripts, run by a real /bin/sh on files that are laid out for them, and read back.

An outcome is remembered by everything that a script can see: its text, its environment and all files under its mounts.
Only the addresses of keys are renamed, in the order of their first appearance, because no script looks into one.
"""

import os
import pathlib
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tests.model import files

_ADDRESS = re.compile(r"(?<![0-9A-F])[0-9A-F]{40}(?![0-9A-F])")
_ROOTED = re.compile(
    r"(?:(?<=[=\s(<>:])|(?<=[=\s(][\"'])|^)/(?=(?:data|run/ics|etc/ics|dev/termination-log)(?![\w.-]))",
    re.MULTILINE,
)
"""Start of an absolute path of a container, in a script or a variable."""
RESULT = "/dev/termination-log"
_PATH = "/usr/bin:/bin"


@dataclass(frozen=True, slots=True)
class Ran:
    """What a script did."""

    code: int
    trees: tuple[tuple[str, tuple[tuple[str, files.Entry], ...]], ...]
    """Files afterwards, by mount path."""
    result: str
    """The termination message."""


class Shell:
    """Runs scripts, and remembers what they did."""

    def __init__(self) -> None:
        self._known: dict[object, Ran] = {}
        self._folder = tempfile.TemporaryDirectory(prefix="ics-model-")
        self.ran = 0
        """Scripts that were really run."""
        self.asked = 0

    def run(self, script: str, environment: Mapping[str, str], mounts: files.Mounts, *read_only: str) -> Ran:
        """Run a script over the mounts of a container, which it changes.

        Args:
            script: its text.
            environment: its variables.
            mounts: the container's files.
            read_only: mount paths that the container cannot write to.
        """
        self.asked += 1
        renamed = _Renaming()
        plain = {name: renamed.to(value) for name, value in sorted(environment.items())}
        trees = tuple(
            (
                path,
                tuple(
                    sorted(
                        ((renamed.to(name), renamed.entry(entry)) for name, entry in files.frozen(tree)),
                        key=_name,
                    )
                ),
            )
            for path, tree in sorted(mounts.trees.items())
        )
        question = (script, tuple(plain.items()), trees, read_only)
        known = self._known.get(question)
        if known is None:
            known = self._known[question] = self._really(script, plain, dict(trees), read_only)
        for path, entries in known.trees:
            tree = mounts.trees[path]
            tree.clear()
            tree.update({renamed.back(name): renamed.entry_back(entry) for name, entry in entries})
        return Ran(known.code, known.trees, renamed.back(known.result))

    def _really(
        self,
        script: str,
        environment: Mapping[str, str],
        trees: Mapping[str, tuple[tuple[str, files.Entry], ...]],
        read_only: tuple[str, ...],
    ) -> Ran:
        self.ran += 1
        root = pathlib.Path(self._folder.name, "root")
        shutil.rmtree(root, ignore_errors=True)
        (root / "dev").mkdir(parents=True)
        for path, entries in trees.items():
            _lay(root, path, entries)
        done = subprocess.run(
            ["/bin/sh", "-c", _rooted(script, root)],
            env={name: _rooted(value, root) for name, value in environment.items()} | {"PATH": _PATH},
            capture_output=True,
            text=True,
            check=False,
        )
        after = tuple((path, files.frozen(_found(root, path))) for path in trees)
        for path, entries in after:
            if path in read_only and dict(entries) != _complete(dict(trees[path])):
                raise AssertionError(f"{path} is read-only in the container, and the script changed it")
        result = root / RESULT[1:]
        return Ran(done.returncode, after, result.read_text() if result.exists() else done.stderr)


def _complete(tree: files.Tree) -> files.Tree:
    return {
        name: entry
        for name, entry in tree.items()
        if not isinstance(entry, files.Folder) or not any(other.startswith(f"{name}/") for other in tree)
    }


def _rooted(text: str, root: pathlib.Path) -> str:
    """Return a text whose absolute paths of a container are below a folder of this machine."""
    return _ROOTED.sub(f"{root}/", text)


def _lay(root: pathlib.Path, mount: str, entries: tuple[tuple[str, files.Entry], ...]) -> None:
    base = root / mount[1:]
    base.mkdir(parents=True, exist_ok=True)
    for name, entry in entries:
        path = base / name
        if isinstance(entry, files.Folder):
            path.mkdir(parents=True, exist_ok=True)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(entry, files.Link):
            path.symlink_to(f"{root}{entry.target}")
        else:
            path.write_text(entry)


def _found(root: pathlib.Path, mount: str) -> files.Tree:
    base = root / mount[1:]
    tree: files.Tree = {}
    for folder, folders, names in os.walk(base):
        here = pathlib.Path(folder)
        for name in (*folders, *names):
            path = here / name
            relative = str(path.relative_to(base))
            if path.is_symlink():
                tree[relative] = files.Link(str(path.readlink()).removeprefix(str(root)))
            elif path.is_file():
                tree[relative] = path.read_text()
            elif not any(path.iterdir()):
                tree[relative] = files.Folder()
    return tree


def _name(item: tuple[str, files.Entry]) -> str:
    return item[0]


class _Renaming:
    """Addresses of keys as numbers, and back."""

    def __init__(self) -> None:
        self._numbers: dict[str, str] = {}

    def to(self, text: str) -> str:
        return _ADDRESS.sub(self._number, text)

    def back(self, text: str) -> str:
        names = {number: address for address, number in self._numbers.items()}
        return _ADDRESS.sub(lambda found: names.get(found[0], found[0]), text)

    def entry(self, entry: files.Entry) -> files.Entry:
        return self._changed(entry, self.to)

    def entry_back(self, entry: files.Entry) -> files.Entry:
        return self._changed(entry, self.back)

    def _changed(self, entry: files.Entry, change: Callable[[str], str]) -> files.Entry:
        if isinstance(entry, files.Link):
            return files.Link(change(entry.target))
        return change(entry) if isinstance(entry, str) else entry

    def _number(self, found: "re.Match[str]") -> str:
        return self._numbers.setdefault(found[0], f"{len(self._numbers) + 1:040X}")
