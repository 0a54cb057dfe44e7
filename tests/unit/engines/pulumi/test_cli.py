"""Location of the Pulumi CLI, and the errors if it is not available."""

import pathlib
import re
import urllib.error
from importlib import metadata

import pytest
from pulumi import automation

from ics import engines, errors
from ics.cli import options
from ics.engines.pulumi import cli
from tests.unit import factories


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "path" / "bin"))
    monkeypatch.setenv("HOME", str(tmp_path))


def program(folder: pathlib.Path) -> None:
    path = folder / "bin" / "pulumi"
    path.parent.mkdir(parents=True)
    path.touch(0o755)


def test_command_on_path_precedes_private_installation(tmp_path: pathlib.Path) -> None:
    assert cli.find() is None
    program(cli.folder())
    assert cli.find() == cli.folder() / "bin" / "pulumi"
    assert cli.folder().parent == tmp_path / ".pulumi" / "versions"
    program(tmp_path / "path")
    assert cli.find() == tmp_path / "path" / "bin" / "pulumi"


def test_missing_command_error_names_remedies() -> None:
    version = re.escape(metadata.version("pulumi"))
    with pytest.raises(
        engines.EngineUnusable, match=rf"--install-pulumi.*--version {version}`.*ics:engine: apply"
    ):
        cli.check()


def test_plugin_command_names_the_version_of_the_library() -> None:
    assert cli.plugin_command() == (
        f"pulumi plugin install resource kubernetes {metadata.version('pulumi-kubernetes')}"
    )


@pytest.fixture
def no_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in the image of the reconciler."""

    def version(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", version)


async def test_apply_engine_works_without_pulumi_library(no_library: None) -> None:
    await options.offer_installation(False, factories.settings(engine="apply"))


def test_missing_library_is_reported_in_one_line(no_library: None) -> None:
    with pytest.raises(
        errors.SettingsError, match=r"the Python library pulumi, which is not installed.*apply"
    ):
        cli.check()


def test_unavailable_installer_is_transient_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(root: str) -> None:
        (pathlib.Path(root) / "half").mkdir(parents=True)
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr(automation.PulumiCommand, "install", refused)
    with pytest.raises(errors.Transient, match=r"no route to host.*ics:engine: apply"):
        cli.install()
    assert not cli.folder().exists()
