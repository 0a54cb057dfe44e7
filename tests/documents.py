"""The commands in the documents, as data, and how they are run; see `docs/README.md` for the convention."""

import dataclasses
import os
import pathlib
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

ROOT = pathlib.Path(__file__).resolve().parents[1]
KINDS = ("offline", "network", "pulumi", "devnet", "make", "story")
"""What the word after `console` says: who runs the block."""
_FENCE = re.compile(r"^(?P<indent> *)```(?P<info>[^`]*)$")
_BARE = re.compile(r"^ {4,}(\$ |ics |python |reconcile|pulumi |make |kubectl |\.venv/|[A-Z_]+=\S+ ics )")
_TABLES = re.compile(r"`(ics [^`]*)`")


@dataclass(frozen=True, slots=True)
class Command:
    """One command and what the document shows of its output."""

    line: int
    text: str
    shows: tuple[str, ...] = ()
    """In this order; `…` stands for anything, alone on its line for any lines."""

    def pattern(self) -> re.Pattern[str]:
        """What the output must match."""
        parts = [r".*" if line.strip() == "…" else _line_pattern(line) for line in self.shows]
        return re.compile(r".*".join(parts), re.DOTALL)


def _line_pattern(line: str) -> str:
    words = re.split(r"( +)", line.strip())
    return "".join(" +" if word.isspace() else re.escape(word).replace("…", "[^\n]*") for word in words)


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block of commands, or a file that the reader writes."""

    page: str
    """Path from the root."""
    line: int
    kind: str
    value: str = ""
    """Of `story=` or `file=`."""
    commands: tuple[Command, ...] = ()
    content: str = ""
    """Of a file."""


class Broken(Exception):
    """A block that does not keep to the convention."""

    def __init__(self, where: str, why: str) -> None:
        super().__init__(f"{where}: {why}: see docs/README.md")


def pages() -> list[pathlib.Path]:
    """Every document; the README's list of commands is none to be typed."""
    return sorted((ROOT / "docs").glob("*.md"))


def blocks(page: pathlib.Path) -> list[Block]:
    """The blocks of a page that a reader acts upon, in order.

    Raises:
        Broken: one does not say who runs it.
    """
    return list(_blocks(str(page.relative_to(ROOT)), page.read_text().splitlines()))


def _blocks(page: str, lines: list[str]) -> Iterator[Block]:
    at = 0
    while at < len(lines):
        opening = _FENCE.match(lines[at])
        if opening is None:
            if _BARE.match(lines[at]):
                raise Broken(f"{page}:{at + 1}", "a command outside of a ```console block")
            at += 1
            continue
        begin, at = at + 1, at + 1
        while at < len(lines) and lines[at].strip() != "```":
            at += 1
        inside = [line[len(opening["indent"]) :] for line in lines[begin:at]]
        at += 1
        block = _block(page, begin, opening["info"].split(), inside)
        if block is not None:
            yield block


def _block(page: str, line: int, info: list[str], inside: list[str]) -> Block | None:
    where = f"{page}:{line}"
    language, words = (info[0], info[1:]) if info else ("", [])
    if language == "console":
        kind, _, value = (words or [""])[0].partition("=")
        if kind not in KINDS or bool(value) != (kind == "story"):
            raise Broken(where, f"say who runs it: ```console {'|'.join(KINDS)}=STORY")
        return Block(page, line, kind, value, tuple(_commands(where, line, inside)))
    for word in words:
        if word.startswith("file="):
            return Block(page, line, "file", word.removeprefix("file="), content="\n".join(inside) + "\n")
    if any(text.startswith("$ ") for text in inside) or language in ("bash", "sh", "shell"):
        raise Broken(where, "commands stand in a ```console block")
    return None


def _commands(where: str, line: int, inside: list[str]) -> Iterator[Command]:
    text, begun, shows = "", 0, list[str]()
    is_open = False
    for number, content in enumerate(inside, line + 1):
        if is_open:
            text += "\n" + content
        elif content.startswith("$ "):
            if text:
                yield Command(begun, text, tuple(shows))
            text, begun, shows = content.removeprefix("$ "), number, []
        elif not text:
            raise Broken(where, "the first line of a console block is a command: write $ before it")
        elif content.strip():
            shows.append(content)
            continue
        is_open = text.endswith("\\")
    if not text:
        raise Broken(where, "no command in it")
    yield Command(begun, text, tuple(shows))


def named(page: pathlib.Path) -> list[str]:
    """The `ics …` commands that are named in the running text and the tables of a page."""
    return _TABLES.findall(re.sub(r"^ *```.*?^ *```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE))


def check_story(block: Block) -> None:
    """Make sure that the story that a block names is there and runs each of its commands.

    Raises:
        Broken: it does not.
    """
    story = ROOT / block.value
    if not story.is_file():
        raise Broken(f"{block.page}:{block.line}", f"there is no {block.value}")
    text = story.read_text()
    for command in block.commands:
        words = [word for word in shlex.split(command.text) if re.fullmatch(r"[a-z][-a-z]+", word)]
        key = words[1] if words[0] in ("ics", "pulumi", "kubectl") and len(words) > 1 else words[0]
        if f'"{key}"' not in text:
            raise Broken(f"{block.page}:{command.line}", f'{block.value} has no "{key}"')


@dataclass(frozen=True, slots=True)
class Reader:
    """Somebody who does what a page says, in a project of their own."""

    root: pathlib.Path
    """The project's folder."""
    environment: Mapping[str, str]
    placeholders: Mapping[str, str]

    def follow(self, block: Block) -> None:
        """Write the file, or run the commands one after the other; each must succeed and show what is shown."""
        if block.kind == "file":
            path = self.root / block.value
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(self._filled(block.content))
            path.chmod(0o600)
            return
        for command in block.commands:
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", self._filled(command.text)],
                cwd=self.root,
                env=dict(self.environment),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=180,
                check=False,
            )
            where = f"{block.page}:{command.line}: $ {command.text}"
            assert done.returncode == 0, f"{where}\nexit code {done.returncode}:\n{done.stdout}"
            assert "Traceback" not in done.stdout, f"{where}\n{done.stdout}"
            assert command.pattern().search(done.stdout), (
                f"{where}\nshows {command.shows}, not\n{done.stdout}"
            )

    def _filled(self, text: str) -> str:
        def value(found: re.Match[str]) -> str:
            return self.placeholders.get(found[0], found[0])

        return re.sub(r"(?<![A-Z_])[A-Z][A-Z_]+(?![A-Z_])", value, text)


def reader(
    folder: pathlib.Path, root: pathlib.Path, placeholders: Mapping[str, str], python: str = sys.executable
) -> Reader:
    """A reader with a home and an `ics` on the path.

    Args:
        folder: an empty one.
        root: the project's folder.
        placeholders: what the words in capitals stand for.
        python: what runs `ics`, as words of a shell.
    """
    programs, home = folder / "bin", folder / "home"
    programs.mkdir()
    home.mkdir()
    for name, command in (("ics", f"{python} -m ics.cli.__main__"), ("python", sys.executable)):
        (programs / name).write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        (programs / name).chmod(0o755)
    environment = {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "HOME": str(home),
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "LANG": "C.UTF-8",
    }
    return Reader(root, environment, placeholders)


def with_kubectl(found: Reader, kubeconfig: pathlib.Path) -> Reader:
    """The reader with a cluster for `kubectl`, which is searched where the local network has it too."""
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache"))
    built = sorted(cache.glob("ics-operator/kubernetes-*"))
    path = ":".join([found.environment["PATH"], *map(str, built)])
    return dataclasses.replace(
        found, environment={**found.environment, "PATH": path, "KUBECONFIG": str(kubeconfig)}
    )


def own_environment() -> dict[str, str]:
    """What this process has, with its Python first on the path."""
    return {**os.environ, "PATH": f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}"}
