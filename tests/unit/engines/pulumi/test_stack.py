"""Where a stack's state is: settings, environment, record, project and login, in this order."""

import pathlib
from typing import Any

import pytest

from ics import engines
from ics.config import settings
from ics.engines.pulumi import location, stack
from ics.engines.pulumi.stack import Source

URLS = {
    "setting": "s3://of-setting",
    "environment": "s3://of-environment",
    "recorded": "s3://of-record",
    "project": "s3://of-project",
    "login": "s3://of-login",
}


@pytest.mark.parametrize("first", range(len(Source)))
def test_first_source_that_names_a_backend_counts(first: int) -> None:
    named: dict[str, Any] = dict(list(URLS.items())[first:])
    where = stack.locate(stack.Candidates(**named))
    assert where.source is list(Source)[first]
    assert where.record == list(URLS.values())[first]


def test_no_backend_and_an_invalid_one_are_errors_that_name_the_setting() -> None:
    with pytest.raises(engines.EngineUnusable, match=r"ics:pulumi\.backend: no state backend.*file:///var"):
        stack.locate(stack.Candidates())
    with pytest.raises(engines.EngineUnusable, match=r"\$PULUMI_BACKEND_URL: not a backend of Pulumi"):
        stack.locate(stack.Candidates(environment="/state"))


@pytest.mark.parametrize(
    ("given", "command"),
    [
        (
            {"setting": "file:///my state"},
            "PULUMI_BACKEND_URL='file:///my state' pulumi cancel --stack alice",
        ),
        ({"recorded": "gs://a"}, "PULUMI_BACKEND_URL=gs://a pulumi cancel --stack alice"),
        # A shell has these already.
        ({"environment": "postgres://ics:word@db/ics"}, "pulumi cancel --stack alice"),
        ({"login": None}, "pulumi cancel --stack alice"),
    ],
)
def test_command_in_messages_has_the_backend_of_the_passes(given: dict[str, Any], command: str) -> None:
    where = stack.locate(stack.Candidates(**given))
    assert where.command("cancel", "--stack", "alice") == command


def test_password_is_neither_recorded_nor_shown() -> None:
    where = stack.locate(stack.Candidates(environment="postgres://ics:word@db/ics"))
    assert where.record == ""
    assert str(where) == "postgres://db/ics (from $PULUMI_BACKEND_URL)"


@pytest.fixture
def project(tmp_path: pathlib.Path) -> pathlib.Path:
    (tmp_path / "Pulumi.yaml").write_text("name: ics\nbackend: {url: 'gs://of-project'}\n")
    (tmp_path / "home").mkdir()
    return tmp_path


def test_project_and_login_are_read_from_their_files(project: pathlib.Path) -> None:
    environment = {"HOME": str(project / "home")}
    pulumi = stack.Stack(project, "alice")
    assert location.project_name(project) == "ics"
    assert location.find(pulumi, environment).source is Source.PROJECT
    assert location.find(pulumi.with_record("s3://a"), environment).source is Source.RECORD

    (project / "Pulumi.yaml").write_text("name: ics\n")
    with pytest.raises(engines.EngineUnusable):
        location.find(pulumi, environment)
    credentials = project / "home" / ".pulumi" / "credentials.json"
    credentials.parent.mkdir()
    credentials.write_text('{"current": "file://~"}')
    assert str(location.find(pulumi, environment)) == "file://~ (from `pulumi login`)"
    credentials.write_text("encrypted")
    assert str(location.find(pulumi, environment)) == "the backend of `pulumi login`"
    assert location.find(pulumi, {"HOME": "/", "PULUMI_HOME": str(credentials.parent)}).backend is None


def test_stack_of_settings_has_their_backend_and_limits(project: pathlib.Path) -> None:
    values = settings.PulumiSettings(backend="gs://a", history=3, log_megabytes=5, log_days=2)
    assert stack.of_settings(project, "alice", values) == stack.Stack(
        project, "alice", "gs://a", stack.Limits(history=3, log_megabytes=5, log_days=2)
    )


@pytest.mark.parametrize("path", ["stacks/ics/alice.json", "stacks/ics/alice.json.gz", "stacks/alice.json"])
def test_state_is_lost_if_its_folder_does_not_contain_it(project: pathlib.Path, path: str) -> None:
    pulumi = stack.Stack(project, "alice", "file://./state")
    assert location.is_lost(pulumi, {})
    state = project / "state" / ".pulumi" / path
    state.parent.mkdir(parents=True)
    state.with_name(f"{state.name}.bak").touch()
    assert location.is_lost(pulumi, {})
    state.touch()
    assert not location.is_lost(pulumi, {})


@pytest.mark.parametrize("backend", ["s3://states", None])
def test_state_in_another_backend_is_not_looked_for(project: pathlib.Path, backend: str | None) -> None:
    (project / "Pulumi.yaml").write_text("name: ics\n")
    assert not location.is_lost(stack.Stack(project, "alice", backend), {"HOME": str(project)})
