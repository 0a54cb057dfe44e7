"""Files of volumes and pods, in memory, with symbolic links as a pod sees them."""

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Link:
    """A symbolic link."""

    target: str


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder without files."""


Entry = str | Link | Folder
Tree = dict[str, Entry]
"""Files of one volume by their relative paths; folders of files are implied."""


@dataclass(slots=True)
class Mounts:
    """The file system of one container: trees by mount path."""

    trees: dict[str, Tree] = field(default_factory=dict)

    def real(self, path: str) -> tuple[Tree, str]:
        """Return the tree and the relative path of a file after all links.

        Raises:
            FileNotFoundError: nothing is mounted there.
        """
        done = "/"
        parts = [part for part in path.split("/") if part]
        for _ in range(200):
            if not parts:
                return self._at(done)
            done = posixpath.normpath(posixpath.join(done, parts.pop(0)))
            if self._is_mounted(done):
                tree, name = self._at(done)
                entry = tree.get(name)
                if isinstance(entry, Link):
                    parts = [part for part in entry.target.split("/") if part] + parts
                    done = "/"
        raise FileNotFoundError(f"{path}: too many links")

    def read(self, path: str) -> str | None:
        """Return the content of a file, None if it does not exist."""
        tree, name = self.real(path)
        entry = tree.get(name)
        return entry if isinstance(entry, str) else None

    def write(self, path: str, content: str) -> None:
        """Write a file; its folder must exist.

        Raises:
            FileNotFoundError: the folder does not exist.
        """
        tree, name = self.real(path)
        folder = posixpath.dirname(name)
        if folder and not any(other == folder or other.startswith(f"{folder}/") for other in tree):
            raise FileNotFoundError(path)
        if isinstance(tree.get(folder), Folder):
            del tree[folder]
        tree[name] = content

    def _is_mounted(self, path: str) -> bool:
        return any(path == mount or path.startswith(f"{mount}/") for mount in self.trees)

    def _at(self, path: str) -> tuple[Tree, str]:
        mounts = [mount for mount in self.trees if path == mount or path.startswith(f"{mount}/")]
        if not mounts:
            raise FileNotFoundError(path)
        mount = max(mounts, key=len)
        return self.trees[mount], path[len(mount) + 1 :]


def frozen(tree: Mapping[str, Entry]) -> tuple[tuple[str, Entry], ...]:
    """Return a tree as a value that can be compared and hashed."""
    return tuple(sorted(tree.items(), key=lambda item: item[0]))
