"""Parser of the command line.

The arguments of a command are loaded when it is typed, its function, which imports the adapters, when it runs.
"""

import difflib
import importlib
import os
from collections.abc import Sequence
from typing import Annotated, Any, Final

import typer
from typer import main as typer_main

from ics import VERSION, errors
from ics.cli import command, panels, terminal

_PROGRAM: Final = "ics"
_OWN: Final = ("--help", "-h", "--version", "--")


class Ics(command.Group):
    """The first level of commands: their texts are in `panels`, and their modules are not loaded for it."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the arguments, with options of every command also before the command."""
        if args and args[0].startswith("-") and args[0] not in _OWN:
            from ics.cli import early_options

            args = early_options.behind_command(args)
            if not ctx.resilient_parsing and args[0].startswith("-") and args[0] not in _OWN:
                raise typer.BadParameter(
                    f"{args[0]}: not an option before a command; write it behind one, as in `ics status {args[0]}`",
                    ctx,
                )
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of all commands."""
        return list(panels.ENTRIES)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Load a command; None if there is none of this name."""
        if cmd_name not in panels.ENTRIES:
            return None
        module = importlib.import_module(f"ics.cli.arguments.{cmd_name.replace('-', '_')}")
        found = typer_main.get_command(module.APP)
        found.name = cmd_name
        found.help = panels.ENTRIES[cmd_name].text
        return found

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command that is typed, or say which one may be meant."""
        if args and args[0] not in panels.ENTRIES and not args[0].startswith("-"):
            close = difflib.get_close_matches(args[0], panels.ENTRIES, n=2, cutoff=0.65)
            meant = f"; did you mean {' or '.join(close)}?" if close else ""
            raise typer.BadParameter(f"no such command: {args[0]!r}{meant}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the commands under the headings of their panels, and the exit codes."""
        for title, entries in panels.PANELS.items():
            with formatter.section(title):
                formatter.write_dl([(entry.name, entry.text) for entry in entries])
        with formatter.section("Exit codes"):
            formatter.write_dl(list(panels.EXIT_CODES))


def _show_version(is_asked: bool) -> None:
    if is_asked:
        terminal.write(f"ics-operator {VERSION}")
        raise typer.Exit


def _root(
    version: Annotated[
        bool,
        command.option(
            "--version", help="Print the version and exit.", is_eager=True, callback=_show_version
        ),
    ] = False,
) -> None:
    """Run the consumer chains of an ICS validator."""


def app() -> typer.Typer:
    """Return the whole program for typer."""
    found = typer.Typer(add_completion=False, rich_markup_mode=None, cls=Ics)
    found.callback()(_root)
    return found


def parse(words: Sequence[str]) -> command.Call | int:
    """Return what a command line asks for, or the exit code if it only asked for help or the version.

    Raises:
        SettingsError: it is not understood.
    """
    return understood(app(), _PROGRAM, words)


def understood(program: typer.Typer, name: str, words: Sequence[str]) -> command.Call | int:
    """Do the same as `parse` for any program.

    Raises:
        SettingsError: the command line is not understood.
    """
    root = typer_main.get_command(program)
    if f"_{_PROGRAM.upper()}_COMPLETE" in os.environ:
        # It registers the shells; typer calls it only with options of its own, --install-completion and such.
        from typer.completion import completion_init  # type: ignore[attr-defined]

        completion_init()
    root.context_settings = {"help_option_names": ["-h", "--help"]}
    try:
        called: command.Call | int = root.main(list(words), prog_name=name, standalone_mode=False)
    except typer.TyperException as error:
        raise errors.SettingsError(_explained(error, name)) from error
    return called


def _explained(error: typer.TyperException, name: str) -> str:
    """Return the problem in one line."""
    ctx = getattr(error, "ctx", None)
    text = " ".join(error.format_message().split())
    text = text.removeprefix("Invalid value: ").replace(": Value error, ", ": ").rstrip(".")
    where = name if ctx is None else ctx.command_path
    return f"{text[:1].lower()}{text[1:]}; see `{where} --help`"
