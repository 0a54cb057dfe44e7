"""What is logged on standard error: as text or as JSON, from a level on."""

import json
import logging

import pytest

from ics import errors
from ics.cli import __main__ as commands
from ics.cli import terminal
from tests.unit.cli import calls


@pytest.fixture(autouse=True)
def _own_choices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal, "_choices", terminal._Choices())


def test_problem_is_a_json_object_if_wanted(capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.main(["explain", "zzz", "--log-format", "json"]) == 2
    found = json.loads(capsys.readouterr().err)
    assert found["level"] == "error"
    assert found["message"].startswith("condition 'zzz': unknown")


def test_records_of_libraries_are_json_too(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.choose(color="never", level="info", is_json=True)
    handler = terminal._LogHandler()
    handler.emit(logging.LogRecord("httpx", logging.INFO, "", 0, "asks \x1b[2J", (), None))
    found = json.loads(capsys.readouterr().err)
    assert (found["level"], found["logger"], found["message"]) == ("info", "httpx", "asks \\x1b[2J")


def test_traceback_is_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.choose(color="never", level="info", is_json=True)
    try:
        raise errors.Transient("gone")
    except errors.Transient as error:
        terminal.unexpected(error)
    found = json.loads(capsys.readouterr().err)
    assert found["message"].endswith("gone")
    assert len(found["traceback"]) > 1


@pytest.mark.parametrize(
    ("words", "level"),
    [
        ((), "warning"),
        (("-v",), "info"),
        (("-vv",), "debug"),
        (("-v", "-v", "-v"), "debug"),
        (("-v", "--log-level", "error"), "error"),
    ],
)
def test_level_follows_from_the_options(words: tuple[str, ...], level: str) -> None:
    assert calls.arguments("explain", "KeyMismatch", *words).level == level


def test_quiet_prints_data_only(capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.main(["explain", "KeyMismatch", "-q"]) == 0
    assert capsys.readouterr().out == ""
    assert commands.main(["explain", "KeyMismatch", "-q", "-o", "yaml"]) == 0
    assert capsys.readouterr().out.startswith("reason: KeyMismatch\n")
