"""The parser knows every command, and loads a command's module only when that command is typed."""

import argparse
import re
import subprocess
import sys
import tomllib

import pytest

from ics import VERSION
from ics.cli import __main__ as commands
from ics.cli import parser
from tests import documents

LARGE = {
    "asyncio",
    "httpx",
    "pydantic",
    "yaml",
    "pulumi",
    "ics.model",
    "ics.reconciler",
    "ics.config.settings",
}


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["no-such-command"]])
def test_help_version_and_unknown_command_load_no_command_module(words: list[str]) -> None:
    script = (
        "import sys\nfrom ics.cli import __main__ as commands\ntry:\n"
        f"    commands.main({words!r})\nexcept SystemExit:\n    print('\\nloaded:', *sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=documents.ROOT, capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.rpartition("loaded:")[2].split())
    assert "ics.cli.parser" in loaded
    assert loaded & LARGE == set()


def subcommands(found: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    groups = [action for action in found._actions if isinstance(action, argparse._SubParsersAction)]
    return {name: inner for group in groups for name, inner in group.choices.items()}


def test_command_line_gives_arguments_to_its_command_only() -> None:
    chosen = subcommands(parser.build(["up", "--stack", "alice"]))
    assert "--stack" in chosen["up"].format_usage()
    assert "--stack" not in chosen["status"].format_usage()


def leaves(found: argparse.ArgumentParser) -> list[argparse.ArgumentParser]:
    inner = subcommands(found)
    return [leaf for one in inner.values() for leaf in leaves(one)] if inner else [found]


def test_every_command_has_a_function_and_an_imperative_description() -> None:
    every = leaves(parser.build())
    assert len(every) > 30
    for one in every:
        assert callable(one.get_default("run")), one.prog
        assert re.fullmatch(r"[A-Z][^\n]*\.", one.description or ""), one.prog
        for action in one._actions:
            help_text = action.help or ""
            is_named = isinstance(action, argparse._HelpAction) or not action.option_strings
            assert is_named or re.fullmatch(r"[^\n]+[.]", help_text), f"{one.prog} {action.option_strings}"


def test_no_module_needs_the_package_to_be_installed() -> None:
    """The images hold the code alone."""
    asking = [
        path.name
        for path in (documents.ROOT / "ics").rglob("*.py")
        if re.search(r"""(version|metadata|distribution)\(\s*["']ics-operator["']""", path.read_text())
    ]
    assert asking == []


def test_version_is_that_of_the_package_and_of_the_changelog(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        commands.main(["--version"])
    assert (ended.value.code, capsys.readouterr().out) == (0, f"ics-operator {VERSION}\n")
    build = tomllib.loads((documents.ROOT / "pyproject.toml").read_text())
    assert build["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "ics.VERSION"}
    newest = re.search(r"^## (\S+)", (documents.ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest is not None
    assert newest[1] == VERSION
