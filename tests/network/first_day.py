"""A newcomer at a shell: an empty home, the wheel in an environment of its own, and commands as they are typed.

What is typed and what is answered is kept, so that the page `docs/first-day.md` is what really happened.
"""

import contextlib
import os
import pathlib
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from devnet import places

_LONGEST: Final = 30
"""Lines of an answer that are kept: its beginning, and the end."""
_KEPT: Final = 20


@dataclass(frozen=True, slots=True)
class Typed:
    """One command."""

    text: str
    out: str
    code: int
    seconds: float


@dataclass
class Newcomer:
    """Somebody who has an empty home and a wheel."""

    home: pathlib.Path
    typed: list[Typed | str] = field(default_factory=list)
    """Commands, and what is written between them."""

    @property
    def project(self) -> pathlib.Path:
        """The folder that `ics init` makes."""
        return self.home / "validators"

    def note(self, text: str) -> None:
        """Write a paragraph between the commands."""
        self.typed.append(text)

    def type(self, text: str, *, is_fine: bool = True) -> Typed:
        """Type a command in the project's folder, or in the home until there is one.

        Args:
            text: for a shell.
            is_fine: whether it must succeed.
        """
        folder = self.project if (self.project / "Pulumi.yaml").exists() else self.home
        began = time.monotonic()
        done = subprocess.run(
            ["bash", "-c", text],
            cwd=folder,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=300,
        )
        found = Typed(text, done.stdout, done.returncode, time.monotonic() - began)
        self.typed.append(found)
        print(f"$ {text}\n{found.out}[{found.seconds:.1f} s, exit code {found.code}]", flush=True)
        assert "Traceback" not in found.out, found.out
        assert not is_fine or found.code == 0, found.out
        return found

    @contextlib.contextmanager
    def beside(self, text: str) -> Iterator[None]:
        """Run a command in another terminal for as long as the context lasts; Ctrl-C ends it."""
        began = time.monotonic()
        process = subprocess.Popen(
            ["bash", "-c", f"exec {text}"],
            cwd=self.project,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            yield
        finally:
            process.send_signal(signal.SIGINT)
            out, _ = process.communicate(timeout=60)
            print(f"$ {text}\n{out}[{time.monotonic() - began:.1f} s in all]", flush=True)
            self.typed.append(Typed(text, out, process.returncode, 0.0))
        assert process.returncode == 0, out

    def environment(self) -> dict[str, str]:
        """The variables of the shell: nothing of the checkout."""
        path = os.environ["PATH"]
        kept = {name: os.environ[name] for name in ("LANG", "LC_ALL") if name in os.environ}
        return {**kept, "HOME": str(self.home), "PATH": f"{self.home}/ics/bin:{path}", "COLUMNS": "100"}

    @property
    def seconds(self) -> float:
        """Sum of the commands' own times."""
        return sum(one.seconds for one in self.typed if isinstance(one, Typed))

    def transcript(self) -> str:
        """Return everything as Markdown, without the paths of this machine."""
        parts: list[str] = []
        block: list[str] = []
        for one in [*self.typed, ""]:
            if isinstance(one, Typed):
                block.append(f"$ {self._plain(one.text)}")
                block += self._lines(one.out)
                block.append(f"# {one.seconds:.1f} s")
                continue
            if block:
                parts.append("\n".join(["```text", *block, "```"]))
                block = []
            if one:
                parts.append(one)
        return "\n\n".join(parts) + "\n"

    def _lines(self, out: str) -> list[str]:
        lines = self._plain(out).rstrip("\n").split("\n") if out.strip() else []
        if len(lines) > _LONGEST:
            left = len(lines) - _KEPT
            lines = [*lines[: _KEPT // 2], f"… {left} more lines", *lines[-_KEPT // 2 :]]
        return lines

    def _plain(self, text: str) -> str:
        text = text.replace(str(self.home), "~").replace(str(places.CHECKOUT), "~/checkout")
        return re.sub(r"[ \t]+$", "", text, flags=re.MULTILINE)


def wheel(folder: pathlib.Path) -> pathlib.Path:
    """Build the wheel of the checkout, as its maintainers do."""
    words = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), "."]
    subprocess.run(words, cwd=places.CHECKOUT, check=True, capture_output=True)
    (found,) = folder.glob("*.whl")
    return found
