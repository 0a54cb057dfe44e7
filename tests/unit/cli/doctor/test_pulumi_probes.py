"""Requirements of the Pulumi engine, with a command that answers like Pulumi's."""

import json
import os
import pathlib
from importlib import metadata
from typing import Any

import httpx
import pytest

from ics import model
from ics.cli.doctor import findings, pulumi_probes
from ics.cluster.api import client, kubeconfig
from ics.config import secret_sources
from ics.engines import tenure
from ics.engines.applyset import parent
from tests.unit import factories

ANSWERS = """#!/bin/sh
case "$*" in
  version) echo v3.272.0;;
  "plugin ls --json") echo "$PLUGINS";;
  *"stack --stack"*) [ "$STACK" = there ] || { echo "error: no stack named 'alice' found" >&2; exit 255; }
    [ "$(cat $PULUMI_CONFIG_PASSPHRASE_FILE)" = right ] || { echo "error: incorrect passphrase" >&2; exit 255; };;
esac
"""
PLUGINS = json.dumps([{"name": "kubernetes", "version": metadata.version("pulumi-kubernetes")}])


@pytest.fixture
def project(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """A project beside a CLI with its language host, and a folder for the state."""
    for name, text in (("pulumi", ANSWERS), ("pulumi-language-python", "#!/bin/sh\n")):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    (tmp_path / "Pulumi.yaml").write_text("name: ics\nruntime: python\n")
    (tmp_path / "state").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("STACK", "there")
    for name in ("PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


async def examine(
    project: pathlib.Path,
    engine: str,
    recorded: str | None = "",
    words: str = "right",
    withheld: str = "",
    **pulumi: Any,
) -> list[findings.Finding]:
    """Examine a stack whose cluster records this engine; None: the cluster does not answer.

    Args:
        project: its folder.
        engine: `ics:engine`.
        recorded: the engine on record.
        words: the passphrase.
        withheld: a resource to which the user has no right.
        pulumi: settings of `ics:pulumi`.
    """

    def answer(request: httpx.Request) -> httpx.Response:
        if recorded is None:
            return httpx.Response(503, json={"message": "no leader"})
        if request.url.path.endswith("/selfsubjectaccessreviews"):
            asked = json.loads(request.content)["spec"]["resourceAttributes"]
            return httpx.Response(201, json={"status": {"allowed": asked["resource"] != withheld}})
        item = parent.manifest(
            "alice", "provider", parent.Parent(tenure=tenure.Tenure(engine=recorded), backend="gs://former")
        )
        return httpx.Response(200, json=item) if recorded else httpx.Response(404, json={})

    async def read(source: secret_sources.SecretSource, setting: str) -> model.Secret:
        return model.Secret(words)

    values = {"backend": f"file://{project}/state", "passphrase": {"file": "p"}} | pulumi
    access = kubeconfig.Access(server="https://h:6443")
    async with client.KubeClient(access, httpx.MockTransport(answer)) as kube:
        probe = pulumi_probes.PulumiProbe(
            settings=factories.settings(engine=engine, pulumi=values),
            root=project,
            name="alice",
            environment={**os.environ, "PLUGINS": PLUGINS},
            kube=kube,
            read=read,
        )
        return await probe.examine()


async def test_embedded_engine_needs_nothing(project: pathlib.Path) -> None:
    (project / "pulumi").unlink()
    for engine, recorded in (("apply", "pulumi"), ("auto", "apply"), ("auto", "")):
        assert [one.level for one in await examine(project, engine, recorded)] == [findings.Level.OK]


@pytest.mark.parametrize("is_set", [True, False])
async def test_settings_for_pulumi_are_not_called_fine_while_the_engine_is_another(
    project: pathlib.Path, is_set: bool
) -> None:
    unset: dict[str, Any] = {} if is_set else {"backend": None, "passphrase": None}
    [found] = await examine(project, "apply", "apply", **unset)
    assert ("`ics doctor --stack alice --set engine=pulumi`" in found.text) is is_set


@pytest.mark.parametrize(("engine", "recorded"), [("pulumi", ""), ("auto", "pulumi")])
async def test_pulumi_without_its_cli_is_a_failure(project: pathlib.Path, engine: str, recorded: str) -> None:
    (project / "pulumi").unlink()
    [found] = await examine(project, engine, recorded)
    assert (found.level, "install version 3.272.0" in found.text) == (findings.Level.FAIL, True)


async def test_unreadable_record_is_a_warning(project: pathlib.Path) -> None:
    [found] = await examine(project, "auto", None)
    assert (found.level, "the engine on record cannot be read" in found.text) == (findings.Level.WARN, True)


async def test_complete_installation_passes(project: pathlib.Path) -> None:
    found = await examine(project, "pulumi")
    assert [(one.check, one.level.name, one.text) for one in found] == [
        ("ics:engine", "OK", "pulumi 3.272.0"),
        ("ics:engine", "OK", f"plugin kubernetes {metadata.version('pulumi-kubernetes')}"),
        (
            "ics:pulumi.backend",
            "OK",
            f"the state is in file://{project}/state (from ics:pulumi.backend)",
        ),
        ("ics:engine", "OK", "stack alice can be opened"),
        ("rights", "OK", "all 8 rights that passes with Pulumi also use are granted"),
    ]


@pytest.mark.parametrize("plugins", ["no plugin host", "{}", "[1]", '[{"name": '])
async def test_unreadable_list_of_plugins_is_a_warning(
    project: pathlib.Path, monkeypatch: pytest.MonkeyPatch, plugins: str
) -> None:
    monkeypatch.setattr("tests.unit.cli.doctor.test_pulumi_probes.PLUGINS", plugins)
    [found] = [one for one in await examine(project, "pulumi") if one.level is not findings.Level.OK]
    assert found == findings.warn("ics:engine", "pulumi does not list its plugins (exit code 0)")


async def test_right_that_only_the_plugin_uses_is_named(project: pathlib.Path) -> None:
    found = await examine(project, "pulumi", withheld="events")
    assert [one for one in found if one.level is findings.Level.FAIL] == [
        findings.fail(
            "rights", "missing: list, watch events in the whole cluster; grant it with a ClusterRoleBinding"
        )
    ]


async def test_stack_that_does_not_exist_yet_is_no_failure(
    project: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STACK", "missing")
    assert "stack alice does not exist yet; the first `ics up` creates it" in [
        one.text for one in await examine(project, "pulumi")
    ]


@pytest.mark.parametrize(
    ("changes", "check", "part"),
    [
        ({"words": "wrong"}, "ics:engine", "ics:pulumi.passphrase: missing, or not the passphrase"),
        ({"backend": "file:///nowhere/ics"}, "ics:pulumi.backend", "run `mkdir -p /nowhere/ics`"),
    ],
)
async def test_wrong_passphrase_and_missing_folder_are_failures(
    project: pathlib.Path, changes: dict[str, Any], check: str, part: str
) -> None:
    failed = [one for one in await examine(project, "pulumi", **changes) if one.level is findings.Level.FAIL]
    assert [(one.check, part in one.text) for one in failed] == [(check, True)]


async def test_setting_precedes_the_login_and_the_record(project: pathlib.Path) -> None:
    login = project / ".pulumi" / "credentials.json"
    login.parent.mkdir()
    login.write_text('{"current": "https://api.pulumi.com"}')
    by_setting = await examine(project, "auto", "pulumi")
    by_record = await examine(project, "auto", "pulumi", backend=None)
    texts = [one.text for one in (*by_setting, *by_record) if one.check == "ics:pulumi.backend"]
    assert texts == [
        f"the state is in file://{project}/state (from ics:pulumi.backend)",
        "the last pass that started Pulumi used gs://former; if the state was not moved on purpose, set"
        " ics:pulumi.backend: gs://former",
        "the state is in gs://former (from the record of the last pass in the cluster)",
    ]


async def test_lock_is_reported_with_its_holder(project: pathlib.Path) -> None:
    lock = project / "state/.pulumi/locks/organization/ics/alice/one.json"
    lock.parent.mkdir(parents=True)
    (lock.parent / "half.json").write_text("{")  # it is just being written
    content = {"pid": 7, "username": "bob", "hostname": "other", "timestamp": "2026-01-02T03:04:05Z"}
    lock.write_text(json.dumps(content))
    found = await examine(project, "pulumi")
    [locked] = [one for one in found if one.level is findings.Level.WARN]
    assert "stack alice is locked by bob@other (process 7, since 2026-01-02 03:04:05" in locked.text
