"""`ics export`: what it writes and prints, without a write to the cluster."""

import json
import types
from pathlib import Path
from typing import Any, cast

import pytest

from ics.cli.commands import export
from ics.consumer import desired, observed
from ics.engines.applyset import members
from ics.manifests import export as files
from ics.reconciler import observe, reconcile
from tests.unit import factories
from tests.unit.cli import calls

CHAIN = factories.consumer()


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A stack whose Lease, engine and cluster fail if they are used."""
    seen = factories.observation(
        factories.snapshot(CHAIN), memory=factories.memory(genesis=factories.GENESIS, has_workload=True)
    )

    async def read(_: object) -> tuple[observed.Observed, desired.Desired]:
        return seen, factories.judge(seen)

    monkeypatch.setattr(observe, "read", read)
    return types.SimpleNamespace(world=factories.world(), engine=factories.Unused(), lease=factories.Unused())


async def run(stack: Any, *words: str) -> int:
    return await export._export(calls.arguments("export", *words), cast(Any, stack))


async def test_folder_has_the_objects_of_a_pass(
    stack: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await run(stack, "--output-dir", str(tmp_path), "--json") == 0
    printed = json.loads(capsys.readouterr().out)
    request = await reconcile.request(stack.world)
    settings = factories.settings()
    set_id = members.set_id(settings.validator, settings.gateway.namespace)
    wanted = files.export(request.manifests, set_id, frozenset())
    found = {str(one.relative_to(tmp_path)): one.read_text() for one in tmp_path.rglob("*") if one.is_file()}
    assert found == wanted.files
    secrets = [one for one in request.manifests if one["kind"] == "Secret"]
    assert len(secrets) + len(found) - 1 == len(request.manifests)
    assert printed == {
        "folder": str(tmp_path),
        "written": sorted(found),
        "unchanged": [],
        "removed": [],
        "kept": [],
        "paused": [],
        "secrets": [
            {
                "namespace": one["metadata"]["namespace"],
                "name": one["metadata"]["name"],
                "keys": sorted(one["data"]),
            }
            for one in sorted(
                secrets, key=lambda one: (one["metadata"]["namespace"], one["metadata"]["name"])
            )
        ],
        "problems": [],
    }


async def test_second_export_changes_nothing(
    stack: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await run(stack, "--output-dir", str(tmp_path))
    first = capsys.readouterr().out.splitlines()
    await run(stack, "--output-dir", str(tmp_path))
    second = capsys.readouterr().out.splitlines()
    secrets = [line for line in first if line.startswith("left out  Secret ")]
    files = len(first) - len(secrets) - 1
    assert secrets
    assert second == [
        *secrets,
        f"{tmp_path}: 0 written, {files} unchanged, 0 removed, 0 kept; {len(secrets)} Secrets left out",
    ]
