"""Completion asks no chain, offers nothing that a shell would act on, and loads no adapter."""

import pathlib
import re
import shutil
import subprocess
import sys
from typing import Any

import pytest

from ics.cli import __main__ as commands
from ics.cli import completions
from tests import documents
from tests.unit.cli import test_parser
from tests.unit.strangers import hostile


@pytest.fixture
def project(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    root = tmp_path / "project"
    (root / "stacks" / "chains").mkdir(parents=True)
    (root / "Pulumi.yaml").write_text("name: ics\nruntime: python\n")
    for name in ("alice", "bob", "$(reboot)"):
        (root / "stacks" / f"Pulumi.{name}.yaml").write_text("")
    for name in ("neutron", "stride"):
        (root / "stacks" / "chains" / f"{name}.yaml").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("ICS_STACK", "alice")
    chains: dict[str, str] = {"0": "consumer1-1", "12": "$(reboot)", "`x`": "consumer3-1"}
    completions.remember(root, "alice", chains)
    return root


def complete(project: pathlib.Path, *words: str, cwd: pathlib.Path | None = None) -> list[str]:
    """What the shell is offered after these words."""
    line = ["ics", *words]
    script = (
        "import sys\nfrom ics.cli import __main__ as cli\ntry:\n    cli.main([])\nfinally:\n"
        "    print('loaded:', *sys.modules, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=cwd or project,
        env={
            **documents.own_environment(),
            "PYTHONPATH": str(documents.ROOT),
            "_ICS_COMPLETE": "complete_bash",
            "COMP_WORDS": "\n".join(line),
            "COMP_CWORD": str(len(line) - 1),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert set(done.stderr.rpartition("loaded:")[2].split()) & (test_parser.LARGE - {"pydantic"}) == set()
    return done.stdout.split()


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("stat",), ["status"]),
        (("consumer", "f"), ["force-launch"]),
        (("status", "--stack", ""), ["alice", "bob"]),
        (("status", "-s", "b"), ["bob"]),
        (("describe", ""), ["0", "12"]),
        (("describe", "-s", "bob", ""), []),
        (("opt-in", "1"), ["12"]),
        (("chain", "rehearse", "n"), ["neutron"]),
        (("explain", "KeyMis"), ["KeyMismatch", "KeyMissing"]),
        (("status", "-o", ""), ["table", "wide", "json", "yaml", "name"]),
        (("completion", ""), ["bash", "zsh", "fish"]),
    ],
    ids=" ".join,
)
def test_candidates(words: tuple[str, ...], offered: list[str], project: pathlib.Path) -> None:
    found = complete(project, *words)
    assert found == offered or (words[0] == "explain" and set(offered[:1]) <= set(found))


def test_project_that_is_elsewhere_is_looked_at(project: pathlib.Path, tmp_path: pathlib.Path) -> None:
    assert complete(project, "status", "--project", str(project), "-s", "a", cwd=tmp_path) == ["alice"]
    assert complete(project, "status", "-s", "a", cwd=tmp_path) == []


@pytest.mark.parametrize("text", hostile.TEXTS)
def test_hostile_text_is_not_offered(text: str) -> None:
    shown = [word for pair in completions._matching([(text, text), ("0", text)], "") for word in pair]
    assert [word for word in shown if not re.fullmatch(r"[A-Za-z0-9][-.\w]*", word, re.ASCII)] == [
        ""
    ] * shown.count("")


@pytest.mark.parametrize("content", ["", "[]", "{", '{"0": 1, "1": null}'])
def test_damaged_record_offers_what_is_whole(content: str, project: pathlib.Path) -> None:
    completions._file(project, "alice").write_text(content)
    assert complete(project, "describe", "") == (["0", "1"] if content.startswith('{"0"') else [])


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_script_is_one_of_the_shell(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert f"_ICS_COMPLETE=complete_{shell}" in script
    found: Any = shutil.which(shell)
    if found is None:
        pytest.skip(f"no {shell} here")
    subprocess.run([found, "-n"], input=script, text=True, check=True)


def test_chains_are_completed_for_a_stack_that_is_named_before_the_command(project: pathlib.Path) -> None:
    completions.remember(project, "bob", {"7": "consumer7-1"})
    assert complete(project, "-s", "bob", "describe", "") == ["7"]
