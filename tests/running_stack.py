"""Writes the output of a running stack into the README: `make demo`, then `python -m tests.running_stack`."""

import pathlib
import re
import subprocess
import sys

PAGE = pathlib.Path(__file__).resolve().parents[1] / "README.md"
COMMANDS = ("ics status --stack alice", "ics hermes status --stack alice")
BEGIN, END = "<!-- stack: made by python -m tests.running_stack -->\n", "<!-- end of stack -->\n"


def show(command: str) -> str:
    """Run a command of `ics` in the checkout and return it with its output."""
    words = [sys.executable, "-m", "ics.cli.__main__", *command.split()[1:]]
    done = subprocess.run(words, cwd=PAGE.parent, capture_output=True, text=True, check=True)
    return f"$ {command}\n{done.stdout.rstrip()}\n"


def write(page: str, shown: list[str]) -> str:
    """Return the page with the commands and their output in its place for them."""
    pattern = re.compile(f"{re.escape(BEGIN)}.*?{re.escape(END)}", re.DOTALL)
    assert pattern.search(page), f"{PAGE.name} has no place for the running stack"
    block = "```\n" + "\n".join(shown) + "```\n"
    return pattern.sub(lambda _: f"{BEGIN}\n{block}\n{END}", page)


if __name__ == "__main__":
    PAGE.write_text(write(PAGE.read_text(), [show(command) for command in COMMANDS]))
