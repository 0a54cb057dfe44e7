"""`ics status --all`: every validator of a project, and none hides another's trouble."""

import contextlib
import json
import pathlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from ics import errors
from ics.cli.commands import status
from ics.consumer import status as consumer_status
from ics.engines import tenure
from ics.reconciler import wiring
from tests.unit import factories
from tests.unit.cli import calls


@pytest.fixture
def root(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    (tmp_path / "Pulumi.yaml").write_text("name: ics\n")
    (tmp_path / "stacks").mkdir()
    for name in ("alice", "bob", "carol"):
        text = f"config:\n  ics:operator_address: {factories.valoper('alice')}\n"
        (tmp_path / "stacks" / f"Pulumi.{name}.yaml").write_text(text)
    (tmp_path / "stacks" / "Pulumi.owner.yaml").write_text("config: {}\n")

    @contextlib.asynccontextmanager
    async def open_stack(root: pathlib.Path, name: str, *arguments: object) -> AsyncIterator[Any]:
        if name == "bob":
            raise errors.Transient("the cluster does not answer")
        yield name

    async def look(stack: Any) -> tuple[consumer_status.Report, tenure.Tenure]:
        report = consumer_status.Report(
            validator=stack, provider_chain_id="provider-1", height=7, chains=(), conditions=()
        )
        return report, tenure.Tenure()

    monkeypatch.setattr(wiring, "open_stack", open_stack)
    monkeypatch.setattr(status, "look", look)
    return tmp_path


def test_stack_that_cannot_be_read_is_reported_and_hides_no_other(
    root: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert calls.run("status", "--all", "--project", str(root)) == 1
    shown = capsys.readouterr()
    assert "alice on provider-1 at height 7" in shown.out
    assert "carol on provider-1 at height 7" in shown.out
    assert shown.err.strip() == "ics: bob: the cluster does not answer"


def test_json_has_an_entry_for_every_stack_of_a_validator(
    root: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    calls.run("status", "--all", "--json", "--project", str(root))
    entries = json.loads(capsys.readouterr().out)["stacks"]
    assert {entry["stack"]: entry.get("error") for entry in entries} == {
        "alice": None,
        "carol": None,
        "bob": "the cluster does not answer",
    }


def test_all_excludes_one_stack() -> None:
    with pytest.raises(errors.SettingsError, match="leave out --stack"):
        calls.parsed("status", "--all", "--stack", "alice")
