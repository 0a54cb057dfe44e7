"""The parser knows every command, and loads a command's module only when that command is typed."""

import importlib
import re
import shlex
import subprocess
import sys
import tomllib

import pytest
import yaml

from ics import VERSION, errors
from ics.cli import __main__ as commands
from ics.cli import command, panels, parser
from tests import documents
from tests.unit.cli import calls

LARGE = {
    "asyncio",
    "grpc",
    "rich",
    "kubernetes",
    "ics.cluster",
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
        f"    commands.main({words!r})\nfinally:\n    print('\\nloaded:', *sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=documents.ROOT, capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.rpartition("loaded:")[2].split())
    assert "ics.cli.parser" in loaded
    assert loaded & LARGE == set()


def test_help_of_no_command_loads_an_adapter() -> None:
    """Nor does completion, which needs the same."""
    lines = [[*name.split(), "--help"] for name in calls.groups_and_commands()]
    script = (
        f"import sys\nfrom ics.cli import parser\nfor words in {lines!r}:\n    parser.parse(words)\n"
        "print('\\nloaded:', *sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=documents.ROOT, capture_output=True, text=True, check=True
    )
    assert set(done.stdout.rpartition("loaded:")[2].split()) & LARGE == set()


def test_every_command_has_a_function_for_its_arguments() -> None:
    every = calls.every()
    assert len(every) > 30
    for name, one in every.items():
        call = calls.parsed(*shlex.split(one.epilog or "")[1:])
        function = call.command.load()
        assert callable(function), name


@pytest.mark.parametrize("name", calls.every())
def test_every_command_has_an_imperative_text_and_an_example(name: str) -> None:
    one = calls.every()[name]
    assert re.fullmatch(r"[A-Z][^\n]*\.", one.help or ""), name
    for parameter in one.params:
        help_text = getattr(parameter, "help", None) or ""
        assert re.fullmatch(r"[^\n]+[.]", help_text), f"{name} {parameter.name}"
    example = one.epilog or ""
    assert example.startswith(f"ics {name}"), name
    assert len(f"  {example}") <= 80, name
    assert isinstance(calls.parsed(*shlex.split(example)[1:]), command.Call)


def test_texts_of_first_level_are_those_of_the_commands() -> None:
    for name, one in calls.every().items():
        if " " not in name:
            assert one.help == panels.ENTRIES[name].text
            module = importlib.import_module(f"ics.cli.arguments.{name.replace('-', '_')}")
            (registered,) = module.APP.registered_commands
            assert registered.help == one.help


@pytest.mark.parametrize("name", ["", *calls.groups_and_commands()])
def test_help_fits_into_80_columns(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert parser.parse([*name.split(), "--help"]) == 0
    assert [line for line in capsys.readouterr().out.splitlines() if len(line) > 80] == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("stauts", "no such command: 'stauts'; did you mean status?; see `ics --help`"),
        ("keys lst", "no such command 'lst'. Did you mean 'list'?; see `ics keys --help`"),
        (
            "status --stak a",
            "no such option: --stak (Possible options: --set, --stack); see `ics status --help`",
        ),
        ("status -o name -x", "no such option: -x; see `ics status --help`"),
        ("opt-in", "missing argument 'CONSUMER_ID'; see `ics opt-in --help`"),
        ("plan -o name", "-o name: this command lists nothing that has a name; use table, json or yaml"),
        ("status --json -o yaml", "--json and -o yaml: use one of them"),
        ("peers update", "ics peers update: name either one CONSUMER_ID or --all"),
        ("peers update 1 --all", "ics peers update: name either one CONSUMER_ID or --all"),
    ],
)
def test_mistake_is_one_line_with_exit_code_2(
    words: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert commands.main(words.split()) == 2
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", f"ics: {said}\n")


def test_help_names_panels_and_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.main([]) == 0
    shown = capsys.readouterr().out
    for title in (*panels.PANELS, "Exit codes"):
        assert f"\n{title}:\n" in shown


@pytest.mark.parametrize("words", ["show ports a-1 -o yaml", "show ports a-1 -o json"])
def test_data_is_json_or_yaml(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.main(words.split()) == 0
    assert yaml.safe_load(capsys.readouterr().out)[0]["p2p"] == 34166


def test_no_module_needs_the_package_to_be_installed() -> None:
    """The images hold the code alone."""
    asking = [
        path.name
        for path in (documents.ROOT / "ics").rglob("*.py")
        if re.search(r"""(version|metadata|distribution)\(\s*["']ics-operator["']""", path.read_text())
    ]
    assert asking == []


def test_version_is_that_of_the_package_and_of_the_changelog(capsys: pytest.CaptureFixture[str]) -> None:
    assert (commands.main(["--version"]), capsys.readouterr().out) == (0, f"ics-operator {VERSION}\n")
    build = tomllib.loads((documents.ROOT / "pyproject.toml").read_text())
    assert build["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "ics.VERSION"}
    newest = re.search(r"^## (\S+)", (documents.ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest is not None
    assert newest[1] == VERSION


@pytest.mark.parametrize(
    ("early", "late"),
    [
        ("-s alice status", "status -s alice"),
        ("--stack=alice -o json -vv status -w", "status --stack=alice -o json -vv -w"),
        ("-salice -q consumer list --json", "consumer list -salice -q --json"),
        ("--set daemon.port=0 watch", "watch --set daemon.port=0"),
        ("-s alice describe 0 -s bob", "describe 0 -s bob"),
    ],
)
def test_options_of_every_command_may_come_before_it(early: str, late: str) -> None:
    assert parser.parse(shlex.split(early)) == parser.parse(shlex.split(late))


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("-w status", "-w: not an option before a command; write it behind one, as in `ics status -w`"),
        ("-s alice --yes purge 0", "--yes: not an option before a command; write it behind one"),
        ("-s alice -- purge 0", "-s: not an option before a command; write it behind one"),
        ("-s alice", "-s: not an option before a command; write it behind one"),
        ("-s alice keys list", "no such option"),
        ("-s alice statsu", "no such command: 'statsu'; did you mean status"),
    ],
)
def test_option_that_is_of_no_command_is_explained_in_one_line(line: str, problem: str) -> None:
    with pytest.raises(errors.SettingsError) as raised:
        parser.parse(shlex.split(line))
    assert problem in str(raised.value)
    assert "\n" not in str(raised.value)
