"""The container that measures a node's volume: from which revision on, and its script as it runs."""

import dataclasses
import os
import pathlib
import signal
import subprocess
import tomllib
from typing import Any

import pytest

from ics import errors, model
from ics.consumer import chain, volumes
from ics.manifests import node_files, volume_use
from tests.unit import factories


def plan(**changes: Any) -> chain.ChainPlan:
    launched = factories.consumer(model.Phase.LAUNCHED, factories.joined("alice", "bob"))
    (found,) = factories.judge(launched, memory=factories.memory(genesis=factories.GENESIS)).chains
    return dataclasses.replace(found, **changes)


def test_nodes_of_the_second_revision_have_it() -> None:
    assert volume_use.containers("image:2", 1) == []
    (container,) = volume_use.containers("image:2", 2)
    assert container["image"] == "image:2"
    assert container["volumeMounts"] == [{"name": "data", "mountPath": "/data", "readOnly": True}]


def test_script_prints_what_is_parsed_and_ends_at_once_when_it_is_told_to(tmp_path: pathlib.Path) -> None:
    script = volume_use.SCRIPT.replace("/data", str(tmp_path))
    process = subprocess.Popen(["/bin/sh", "-c", script], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0
    finally:
        process.kill()
        # The sleep that the shell left behind holds the pipe.
        assert process.stdout is not None
        process.stdout.close()
    found = volumes.parse_log(f"2026-01-01T00:00:00Z {line}")
    assert found is not None
    stat = os.statvfs(tmp_path)
    assert found.newest.size == stat.f_blocks * stat.f_frsize


def pruning(revision: int, **changes: Any) -> dict[str, Any]:
    table = tomllib.loads(node_files.app_toml(factories.example(**changes).definition, revision))
    return {key: value for key, value in table.items() if key.startswith("pruning")}


CUSTOM = {"pruning": "custom", "pruning-keep-recent": "1000", "pruning-interval": "10"}


def test_running_nodes_prune_as_before_until_their_definition_asks_for_something_else() -> None:
    assert pruning(1) == {}
    assert pruning(2) == CUSTOM
    for revision in (1, 2):
        assert pruning(revision, pruning="archive") == {"pruning": "nothing"}
        assert pruning(revision, pruning={"keep_recent": 500}) == {**CUSTOM, "pruning-keep-recent": "500"}
        own = {"app.toml": {"pruning": "everything"}}
        assert pruning(revision, config=own)["pruning"] == "everything"


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"pruning": {"keep_recent": 99}}, "pruning.keep_recent"),
        ({"pruning": {"interval": 9}}, "pruning.interval"),
        ({"pruning": "all"}, "pruning.kind"),
        (
            {"config": {"app.toml": {"min-retain-blocks": 100}}},
            "min-retain-blocks: evidence within the unbonding",
        ),
    ],
)
def test_what_relayers_or_evidence_need_is_never_pruned(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(errors.SettingsError, match=text):
        factories.example(**changes)
