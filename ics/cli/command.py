"""Commands: their arguments as data classes, which typer reads, and what runs them.

A module in `ics.cli.arguments` has a data class for each command, and `APP`, which `single` or `group` returns. The
command's function is in `ics.cli.commands`, whose modules import the adapters: they are loaded when the command runs,
not for its help or for completion. See CONTRIBUTING.md.
"""

import dataclasses
import enum
import importlib
import inspect
import textwrap
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Final

import typer
from typer import core

from ics import errors

SHARED: Final = "Options of every command"
"""Heading in the help of the options that the base classes define."""


class Color(enum.StrEnum):
    """When the output is coloured."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


class LogFormat(enum.StrEnum):
    """Format of what is logged on standard error."""

    TEXT = "text"
    JSON = "json"


class LogLevel(enum.StrEnum):
    """Least urgent records of libraries that are logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Format(enum.StrEnum):
    """Format of a command's output."""

    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"
    NAME = "name"


def option(*names: str, **more: Any) -> Any:
    """Return typer's description of an option; its help states the default."""
    return typer.Option(*names, show_default=False, **more)


def argument(metavar: str, **more: Any) -> Any:
    """Return typer's description of an argument; its help states the default."""
    return typer.Argument(metavar=metavar, show_default=False, **more)


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """Of every command. The docstring of a subclass is the command's help, and its fields are options and arguments."""

    example: ClassVar[str] = ""
    """A whole command line, which the help shows."""
    names: ClassVar[bool] = False
    """Whether the command lists things that have names, for `-o name`."""

    output: Annotated[
        Format,
        option(
            "--output", "-o", help="Format; wide has more columns, name only names.", rich_help_panel=SHARED
        ),
    ] = Format.TABLE
    json: Annotated[
        bool, option("--json", help="Print JSON, whose shape is stable; as -o json.", rich_help_panel=SHARED)
    ] = False

    quiet: Annotated[
        bool,
        option("--quiet", "-q", help="Print only problems, and what -o asks for.", rich_help_panel=SHARED),
    ] = False
    verbosity: Annotated[
        int,
        option(
            "-v", count=True, help="Log more: -v as --log-level info, -vv as debug.", rich_help_panel=SHARED
        ),
    ] = 0
    log_level: Annotated[
        LogLevel | None, option(help="Log from this level on (default: warning).", rich_help_panel=SHARED)
    ] = None
    log_format: Annotated[
        LogFormat,
        option(help="Format of problems and logs on stderr (default: text).", rich_help_panel=SHARED),
    ] = LogFormat.TEXT
    color: Annotated[
        Color,
        option(help="Colour (default: auto, on a terminal without $NO_COLOR).", rich_help_panel=SHARED),
    ] = Color.AUTO

    @property
    def level(self) -> LogLevel:
        """From which level on libraries' records are logged."""
        if self.log_level is not None:
            return self.log_level
        return (LogLevel.WARNING, LogLevel.INFO, LogLevel.DEBUG)[min(self.verbosity, 2)]

    @property
    def format(self) -> Format:
        """The format of the output."""
        return Format.JSON if self.json else self.output

    @property
    def is_data(self) -> bool:
        """Whether the output is for programs: JSON or YAML."""
        return self.format in (Format.JSON, Format.YAML)

    def check(self) -> None:
        """Check what the types do not say.

        Raises:
            SettingsError: arguments contradict each other.
        """
        if self.json and self.output not in (Format.TABLE, Format.JSON):
            raise errors.SettingsError(f"--json and -o {self.output}: use one of them")
        if self.format is Format.NAME and not self.names:
            raise errors.SettingsError(
                "-o name: this command lists nothing that has a name; use table, json or yaml"
            )


@dataclass(frozen=True, slots=True)
class Command:
    """A command: its arguments, and the function that takes them and returns an exit code."""

    arguments: type[Arguments]
    function: str
    """As `module:name`, the module in `ics.cli.commands`."""
    stays: bool = False
    """Whether it is long-running, pass after pass: SIGTERM does not make it fail."""

    def load(self) -> Callable[[Any], int]:
        """Import the function."""
        module, _, name = self.function.partition(":")
        found: Callable[[Any], int] = getattr(importlib.import_module(f"ics.cli.commands.{module}"), name)
        return found


@dataclass(frozen=True, slots=True)
class Call:
    """A command line that is understood."""

    args: Arguments
    command: Command

    def run(self) -> int:
        """Run the command and return its exit code."""
        return self.command.load()(self.args)


def single(command: Command) -> typer.Typer:
    """Return what `APP` of a module with one command is."""
    return _app({"": command})


def group(commands: Mapping[str, Command]) -> typer.Typer:
    """Return what `APP` of a module with several commands is, by name."""
    app = _app(commands)
    app.callback()(_nothing)
    return app


def _nothing() -> None:
    """Let typer make a group of even one command."""


def _app(commands: Mapping[str, Command]) -> typer.Typer:
    app = typer.Typer(add_completion=False, rich_markup_mode=None, cls=Group)
    for name, command in commands.items():
        text = " ".join(inspect.cleandoc(command.arguments.__doc__ or "").split())
        register = app.command(
            name or None, cls=_Command, help=text, epilog=command.arguments.example, short_help=text
        )
        register(_callback(command))
    return app


def _callback(command: Command) -> Callable[..., Call]:
    """Return the function whose signature typer reads."""

    def callback(**values: Any) -> Call:
        args = command.arguments(**values)
        args.check()
        return Call(args, command)

    hints = typing.get_type_hints(command.arguments, include_extras=True)
    parameters = [
        inspect.Parameter(
            field.name, inspect.Parameter.KEYWORD_ONLY, default=_default(field), annotation=hints[field.name]
        )
        for field in dataclasses.fields(command.arguments)
    ]
    callback.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    callback.__dict__["__signature__"] = inspect.Signature(parameters)
    return callback


def _default(field: "dataclasses.Field[Any]") -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return inspect.Parameter.empty if field.default is dataclasses.MISSING else field.default


def _write_help(command: Any, ctx: Any, formatter: Any) -> None:
    """Write usage, text, arguments, and options under the heading of their panel."""
    command.format_usage(ctx, formatter)
    if command.help:
        formatter.write_paragraph()
        formatter.write_text(command.help)
    sections: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Options": []}
    for parameter in command.get_params(ctx):
        record = parameter.get_help_record(ctx)
        if record is None:
            continue
        panel = getattr(parameter, "rich_help_panel", None) or "Options"
        if parameter.param_type_name == "argument":
            panel, record = "Arguments", (parameter.metavar, parameter.help)
        sections.setdefault(panel, []).append(record)
    # What only this command has comes first.
    for title in sorted(sections, key=lambda title: title == SHARED):
        if sections[title]:
            with formatter.section(title):
                formatter.write_dl(sections[title])


def _without_coercion(help_option: Any) -> Any:
    """Give `--help` a default of its type; typer would load pydantic to convert None into one."""
    if help_option is not None:
        help_option.default = False
    return help_option


class _Command(core.TyperCommand):
    """Writes its help without rich, whose import takes longer than that of everything else here."""

    def get_help_option(self, ctx: Any) -> Any:
        """Return the option `--help`."""
        return _without_coercion(super().get_help_option(ctx))

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help, with an example at its end."""
        _write_help(self, ctx, formatter)
        if self.epilog:
            with formatter.section("Example"):
                formatter.write(textwrap.indent(self.epilog, "  ") + "\n")


class Group(core.TyperGroup):
    """A group of commands; the first level is `ics.cli.parser.Ics`."""

    def get_help_option(self, ctx: Any) -> Any:
        """Return the option `--help`."""
        return _without_coercion(super().get_help_option(ctx))

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the arguments; without any, ask for help."""
        return super().parse_args(ctx, args or ([] if ctx.resilient_parsing else ["--help"]))

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help, with the list of commands at its end."""
        _write_help(self, ctx, formatter)
        self.format_commands(ctx, formatter)
