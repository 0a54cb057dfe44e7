"""Requirements of the Pulumi engine, with a command that answers like Pulumi's."""

import pathlib

import pytest

from ics.cli.doctor import findings, pulumi_probes
from tests.unit import factories

ANSWERS = """#!/bin/sh
case "$1" in
  version) echo v3.272.0;;
  plugin) echo "$PLUGINS";;
  whoami) [ -n "$URL" ] || { echo "error: could not reach it" >&2; exit 255; }; echo "{\\"url\\": \\"$URL\\"}";;
esac
"""


async def examine(engine: str, path: pathlib.Path, **environment: str) -> list[findings.Finding]:
    values = {"PATH": f"{path}:/usr/bin:/bin", **environment}
    return await pulumi_probes.examine(factories.settings(engine=engine), path, "alice", values)


@pytest.fixture
def cli(tmp_path: pathlib.Path) -> pathlib.Path:
    (tmp_path / "pulumi").write_text(ANSWERS)
    (tmp_path / "pulumi").chmod(0o755)
    return tmp_path


async def test_engines_without_pulumi_pass(tmp_path: pathlib.Path) -> None:
    for engine in ("apply", "auto"):
        found = await pulumi_probes.examine(
            factories.settings(engine=engine), tmp_path, "alice", {"PATH": ""}
        )
        assert [one.level for one in found] == [findings.Level.OK]


async def test_missing_pulumi_command_fails(tmp_path: pathlib.Path) -> None:
    settings = factories.settings(engine="pulumi")
    [found] = await pulumi_probes.examine(settings, tmp_path, "alice", {"PATH": str(tmp_path)})
    assert (found.level, "install the Pulumi CLI" in found.text) == (findings.Level.FAIL, True)


async def test_complete_pulumi_installation_passes(cli: pathlib.Path) -> None:
    plugins = '[{"name": "kubernetes", "version": "4.34.2"}]'
    found = await examine("pulumi", cli, PLUGINS=plugins, URL=f"file://{cli}/state")
    assert [(one.level.name, one.text) for one in found] == [
        ("OK", "pulumi v3.272.0"),
        ("OK", "plugin kubernetes 4.34.2"),
        ("OK", f"backend file://{cli}/state"),
    ]

    lock = cli / "state/.pulumi/locks/organization/ics/alice/one.json"
    lock.parent.mkdir(parents=True)
    lock.write_text("{}")
    found = await examine("auto", cli, PLUGINS=plugins, URL=f"file://{cli}/state")
    assert found[3].text == (
        f"stack alice is locked ({lock}); if no run is in progress, run pulumi cancel --stack alice"
    )


async def test_missing_plugin_and_backend_fail(cli: pathlib.Path) -> None:
    found = await examine("pulumi", cli, PLUGINS="[]")
    assert [(one.level.name, one.text) for one in found[1:]] == [
        ("FAIL", "pulumi has no plugin kubernetes; run pulumi plugin install resource kubernetes"),
        (
            "FAIL",
            "backend not reachable (error: could not reach it); check PULUMI_BACKEND_URL, or run pulumi login",
        ),
    ]
    found = await examine("pulumi", cli, PLUGINS="no json", URL="https://api.example")
    assert found[1].level is findings.Level.WARN
