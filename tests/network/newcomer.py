"""A newcomer at a shell: an empty home, the wheel in an environment of its own, and commands as they are typed."""

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

_USER: Final = "ics:charlie"


@dataclass(frozen=True, slots=True)
class Typed:
    """One command and what it answered, without the paths of this machine."""

    prompt: str
    text: str
    answer: str
    seconds: float
    is_steady: bool
    """Whether it answers the same in every walk, but for keys, heights and times."""


@dataclass
class Newcomer:
    """Somebody who has an empty home and a wheel."""

    home: pathlib.Path
    blocks: list[list[Typed]] = field(default_factory=list)
    """Commands in their order; a block is what the page shows without a word in between."""

    @property
    def project(self) -> pathlib.Path:
        """The folder that `ics init` makes."""
        return self.home / "validators"

    @property
    def seconds(self) -> float:
        """Sum of the commands' own times."""
        return sum(typed.seconds for block in self.blocks for typed in block)

    def pause(self) -> None:
        """Begin another block."""
        self.blocks.append([])

    def type(self, text: str, *, is_fine: bool = True, is_steady: bool = False) -> str:
        """Type a command in the project's folder, or in the home until there is one; return its answer.

        Args:
            text: for a shell.
            is_fine: whether it must succeed.
            is_steady: whether it answers the same in every walk, but for keys, heights and times.
        """
        folder = self.project if (self.project / "Pulumi.yaml").exists() else self.home
        began = time.monotonic()
        done = subprocess.run(
            ["bash", "-c", text],
            cwd=folder,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=300,
        )
        seconds = time.monotonic() - began
        answer = self._plain(done.stdout)
        print(f"$ {text}\n{answer}[{seconds:.1f} s, exit code {done.returncode}]", flush=True)
        assert "Traceback" not in answer, answer
        assert not is_fine or done.returncode == 0, answer
        prompt = self._plain(str(folder))
        self.blocks[-1].append(Typed(prompt, self._plain(text), answer, seconds, is_steady))
        return answer

    @contextlib.contextmanager
    def beside(self, text: str) -> Iterator[None]:
        """Run a command in another terminal for as long as the context lasts; Ctrl-C ends it."""
        with (self.home / "other-terminal.log").open("w+") as log:
            process = subprocess.Popen(
                ["bash", "-c", f"exec {text}"],
                cwd=self.project,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
            try:
                yield
            finally:
                process.send_signal(signal.SIGINT)
                process.wait(60)
                log.seek(0)
                out = log.read()
                print(f"$ {text}\n{out}[exit code {process.returncode}]", flush=True)
        assert "Traceback" not in out, out
        assert process.returncode == 0, out

    def _environment(self) -> dict[str, str]:
        """Return the variables of the shell: nothing of the checkout."""
        path = f"{self.home}/ics/bin:{os.environ['PATH']}"
        # Pip's notice of a newer pip would depend on the day.
        quiet = {"PIP_DISABLE_PIP_VERSION_CHECK": "1"}
        return {"HOME": str(self.home), "PATH": path, "LANG": "C.UTF-8", "COLUMNS": "100", **quiet}

    def _plain(self, text: str) -> str:
        """Return a text without the home's path, and without the user of the kubeconfig, who looks like a setting."""
        text = text.replace(str(self.home), "~").replace(_USER, "USER")
        return re.sub(r"[ \t]+$", "", text, flags=re.MULTILINE)


def wheel(folder: pathlib.Path) -> pathlib.Path:
    """Build the wheel of the checkout, as `make wheel` does."""
    words = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), "."]
    subprocess.run(words, cwd=places.CHECKOUT, check=True, capture_output=True)
    (found,) = folder.glob("*.whl")
    return found
