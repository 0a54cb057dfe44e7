"""Files of a container, laid out in a folder of this machine for a script, and read back.

Only what differs from what lies there is written, and only what a script has changed is read: files that are laid out
get a time of modification long ago, which every change replaces.
"""

import os
import pathlib
from collections.abc import Callable, Mapping

from tests.model import files

_LONG_AGO = (1, 1)


class Root:
    """A folder that stands for the root of a container."""

    def __init__(self, folder: pathlib.Path, rooted: Callable[[str], str]) -> None:
        """Begin with an empty folder.

        Args:
            folder: its path.
            rooted: returns a script as it must be to find its files below this folder.
        """
        folder.mkdir()
        self.path = str(folder)
        self._rooted = rooted
        self._files: dict[str, files.Entry] = {}
        self._folders: set[str] = set()
        self._numbers: dict[str, int] = {}
        """Inodes of the files that were written here."""

    def lay(self, wanted: Mapping[str, files.Entry]) -> None:
        """Let exactly these files and folders lie there.

        Args:
            wanted: files, links and folders by their paths relative to the root; folders of files are implied.
        """
        folders = {path for path, entry in wanted.items() if isinstance(entry, files.Folder)}
        for path in wanted:
            while (path := os.path.dirname(path)) and path not in folders:
                folders.add(path)
        for path in [path for path, entry in self._files.items() if wanted.get(path) != entry]:
            os.unlink(f"{self.path}/{path}")
            del self._files[path]
            self._numbers.pop(path, None)
        for path in sorted(self._folders - folders, reverse=True):
            os.rmdir(f"{self.path}/{path}")
        for path in sorted(folders - self._folders):
            os.mkdir(f"{self.path}/{path}")
        self._folders = folders
        for path, entry in wanted.items():
            if path not in self._files and not isinstance(entry, files.Folder):
                self._write(path, entry)
                self._files[path] = entry

    def _write(self, path: str, entry: str | files.Link) -> None:
        where = f"{self.path}/{path}"
        if isinstance(entry, files.Link):
            os.symlink(f"{self.path}{entry.target}", where)
            return
        with open(where, "w", encoding="utf-8") as file:
            file.write(self._rooted(entry) if path.endswith(".sh") else entry)
            self._numbers[path] = os.fstat(file.fileno()).st_ino
        os.utime(where, ns=_LONG_AGO)

    def read(self) -> dict[str, files.Entry]:
        """Return all files and links, and the folders that are empty."""
        found: dict[str, files.Entry] = {}
        folders: set[str] = set()
        self._walk("", found, folders)
        self._files = {path: entry for path, entry in found.items() if not isinstance(entry, files.Folder)}
        self._folders = folders
        return found

    def _walk(self, folder: str, found: dict[str, files.Entry], folders: set[str]) -> None:
        with os.scandir(f"{self.path}/{folder}") as entries:
            for entry in entries:
                path = f"{folder}/{entry.name}" if folder else entry.name
                if entry.is_symlink():
                    found[path] = files.Link(os.readlink(entry.path).removeprefix(self.path))
                elif entry.is_dir():
                    folders.add(path)
                    before = len(found)
                    self._walk(path, found, folders)
                    if len(found) == before:
                        found[path] = files.Folder()
                else:
                    found[path] = self._content(path, entry)

    def _content(self, path: str, entry: "os.DirEntry[str]") -> str:
        known = self._files.get(path)
        if (
            isinstance(known, str)
            and self._numbers.get(path) == entry.inode()
            and entry.stat().st_mtime_ns == _LONG_AGO[1]
        ):
            return known
        self._numbers.pop(path, None)
        return pathlib.Path(entry.path).read_text(encoding="utf-8")
