"""The product's scripts, run by a real shell on files that are laid out for them, and read back.

An outcome is remembered by everything that a script can see: its text, its environment and all files under its mounts.
Only keys, their addresses and what was signed are renamed, in the order in which they appear, for no script looks
into one.
"""

import pathlib
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tests.model import files, laid

_ADDRESS = re.compile(r"(?<![0-9A-F])[0-9A-F]{40}(?![0-9A-F])")
_OPAQUE = re.compile(r'(?<="signbytes": ")[^"]+(?=")|(?<="value": ")[^"]+(?=")')
_RENAMED = re.compile(rf"{_ADDRESS.pattern}|opaque\d{{6}}")
_ROOTED = re.compile(
    r"(?:(?<=[=\s(<>:])|(?<=[=\s(][\"'])|^)/(?=(?:data|run/ics|etc/ics|dev/termination-log)(?![\w.-]))",
    re.MULTILINE,
)
"""Start of an absolute path of a container, in a script or a variable."""
_REMEMBERED = 10_000
"""Outcomes after which all are forgotten."""
RESULT = "/dev/termination-log"
_PATH = "/usr/bin:/bin"
_BUSYBOX = shutil.which("busybox")
_SHELL = f"{_BUSYBOX} sh" if _BUSYBOX else "/bin/sh"
"""The shell of most images, which has the tools in it; else that of this machine."""


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
        path = f"{self._folder.name}/root"
        self._root = laid.Root(pathlib.Path(path), lambda script: _rooted(script, path))
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
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
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
        root = self._root
        wanted: dict[str, files.Entry] = {"dev": files.Folder()}
        for path, entries in trees.items():
            wanted[path[1:]] = files.Folder()
            wanted.update({f"{path[1:]}/{name}": entry for name, entry in entries})
        root.lay(wanted)
        done = subprocess.run(
            [*_SHELL.split(), "-c", _rooted(script, root.path)],
            env={name: _rooted(value, root.path) for name, value in environment.items()} | {"PATH": _PATH},
            capture_output=True,
            text=True,
            check=False,
        )
        found = root.read()
        after = tuple((path, _below(found, path[1:])) for path in trees)
        for path, entries in after:
            if path in read_only and dict(entries) != _complete(dict(trees[path])):
                raise AssertionError(f"{path} is read-only in the container, and the script changed it")
        result = found.get(RESULT[1:])
        return Ran(done.returncode, after, result if isinstance(result, str) else done.stderr)


def _below(found: files.Tree, mount: str) -> tuple[tuple[str, files.Entry], ...]:
    start = f"{mount}/"
    return files.frozen(
        {name.removeprefix(start): entry for name, entry in found.items() if name.startswith(start)}
    )


def _complete(tree: files.Tree) -> files.Tree:
    return {
        name: entry
        for name, entry in tree.items()
        if not isinstance(entry, files.Folder) or not any(other.startswith(f"{name}/") for other in tree)
    }


def _rooted(text: str, root: str) -> str:
    """Return a text whose absolute paths of a container are below a folder of this machine."""
    return _ROOTED.sub(f"{root}/", text).replace("\n/bin/sh ", f"\n{_SHELL} ")


def _name(item: tuple[str, files.Entry]) -> str:
    return item[0]


class _Renaming:
    """Keys, their addresses and signed bytes as numbers, and back."""

    def __init__(self) -> None:
        self._numbers: dict[str, str] = {}

    def to(self, text: str) -> str:
        return _OPAQUE.sub(self._content, _ADDRESS.sub(self._number, text))

    def back(self, text: str) -> str:
        names = {number: found for found, number in self._numbers.items()}
        return _RENAMED.sub(lambda found: names.get(found[0], found[0]), text)

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

    def _content(self, found: "re.Match[str]") -> str:
        return self._numbers.setdefault(found[0], f"opaque{len(self._numbers) + 1:06}")
