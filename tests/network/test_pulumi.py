"""Bob moves his running node from one engine to the other and back, with the real CLI; charlie tries it by hand."""

import json
import os
import pathlib
import shutil
import tempfile
from collections.abc import Iterator
from typing import Any

import pytest

from devnet import places
from ics import names
from ics.cluster.api import kinds
from tests.network import kube, launch, operators, pulumi_projects, relaying, waiting
from tests.pulumi import secrecy

pytestmark = [
    pytest.mark.network,
    pytest.mark.pulumi,
    pytest.mark.skipif(
        shutil.which("pulumi") is None, reason="pulumi requires the Pulumi CLI, which is not on the PATH"
    ),
]


@pytest.fixture(scope="module")
def project(
    tmp_path_factory: pytest.TempPathFactory, charlie: operators.Operator
) -> Iterator[pulumi_projects.Project]:
    folder = tmp_path_factory.mktemp("pulumi")
    with secrecy.temporary(folder / "temporary"):
        yield pulumi_projects.project(folder)


@pytest.fixture(scope="module")
def home(bob: operators.Operator, consumer: str) -> str:
    return launch.namespace_of(bob, consumer)


def identity(operator: operators.Operator, home: str) -> dict[str, Any]:
    """What an object that was made anew, changed or restarted would show in."""
    pod = operator.kube.get(kinds.POD, home, names.NODE_POD)
    own = pod["metadata"]["labels"][names.CONSUMER]

    def is_meant(item: kube.Object) -> bool:
        # The twin was removed by its owner: its slice goes when its pod does, and that may take a while.
        is_slice = item["kind"] == kinds.ENDPOINT_SLICE.name
        return item["kind"] != kinds.JOB.name and (
            not is_slice or item["metadata"]["labels"][names.CONSUMER] == own
        )

    found = {
        launch.shown(item): (item["metadata"]["uid"], item["metadata"].get("generation"))
        for item in operator.kube.members()
        if is_meant(item)
    }
    status = pod["status"]["containerStatuses"][0]
    return found | {"pod": (pod["metadata"]["uid"], status["restartCount"])}


def test_a_running_node_is_handed_over_both_ways(
    project: pulumi_projects.Project,
    alice: operators.Operator,
    bob: operators.Operator,
    home: str,
    consumer: str,
) -> None:
    # Until a relayer runs, each config that Hermes has checked brings new objects with it.
    with operators.Cron([alice, bob]):
        relaying.until_open(bob, consumer, 600.0)
    bob.settled()
    before = identity(bob, home)

    first = project.ics(bob, "up", "pulumi")
    waiting.figure("the pass that hands a running stack over to Pulumi", first.seconds)
    assert first.json["changes"] == []
    for engine in ("pulumi", "apply"):
        assert project.ics(bob, "plan", engine).json["changes"] == []
    project.pulumi(bob, "preview", "--expect-no-changes", "--refresh")
    idle = project.ics(bob, "up", "pulumi")
    waiting.figure("a pass of Pulumi's engine without a change", idle.seconds)
    project.pulumi(bob, "up", "--yes", "--skip-preview", "--expect-no-changes")
    project.pulumi(bob, "refresh", "--yes", "--expect-no-changes")
    assert project.ics(bob, "up", "apply").json["changes"] == []

    assert identity(bob, home) == before
    assert project.ics(bob, "up", "pulumi").json["changes"] == []
    project.pulumi(bob, "preview", "--expect-no-changes")
    assert identity(bob, home) == before


def test_the_stack_reads_like_the_domain(
    project: pulumi_projects.Project, bob: operators.Operator, home: str, consumer: str
) -> None:
    found = json.loads(project.pulumi(bob, "stack", "output", "--json"))
    assert found["namespaces"][consumer] == home
    assert found["genesis_sha256"][consumer] == bob.chain(consumer)["genesis_sha256"]
    types = {
        one["type"] for one in json.loads(project.pulumi(bob, "stack", "export"))["deployment"]["resources"]
    }
    assert {"ics:index:Gateway", "ics:index:ConsumerChain"} <= types


def test_an_edited_field_is_told_and_put_back(
    project: pulumi_projects.Project, bob: operators.Operator, home: str
) -> None:
    project.ics(bob, "up", "pulumi")
    item = bob.kube.get(kinds.NETWORK_POLICY, home, names.NODE_NAME)
    wanted = item["spec"]
    bob.kube.put(kinds.NETWORK_POLICY, item | {"spec": wanted | {"ingress": []}})

    planned = project.ics(bob, "plan", "pulumi").json["changes"]
    done = project.ics(bob, "up", "pulumi").json["changes"]

    for found in (planned, done):
        assert [(c["action"], c["cause"], c["kind"]) for c in found] == [("update", "drift", "NetworkPolicy")]
        assert any(path.startswith("spec.ingress") for path, _, _ in found[0]["diff"])
    assert bob.kube.get(kinds.NETWORK_POLICY, home, names.NODE_NAME)["spec"] == wanted
    assert project.ics(bob, "plan", "apply").json["changes"] == []


def test_what_is_made_by_hand_is_removed_by_hand(
    project: pulumi_projects.Project, charlie: operators.Operator
) -> None:
    charlie.settled()
    project.pulumi(charlie, "stack", "select", "--create")
    project.pulumi(charlie, "up", "--yes", "--skip-preview")
    project.pulumi(charlie, "preview", "--expect-no-changes")
    # Whether there is something to unprotect depends on what charlie runs; see tests/pulumi/test_by_hand.py.
    project.pulumi(charlie, "state", "unprotect", "--all", "--yes")
    project.pulumi(charlie, "destroy", "--yes", "--skip-preview")
    kept = {
        item["kind"] for item in charlie.kube.members() if names.PART_OF_SET in item["metadata"]["labels"]
    }
    assert kept <= {"Namespace", "PersistentVolumeClaim", "Secret"}
    charlie.settled()


def test_no_private_key_of_the_network_is_in_state_preview_logs_or_events(
    project: pulumi_projects.Project,
    home: str,
    bob: operators.Operator,
    alice: operators.Operator,
    charlie: operators.Operator,
) -> None:
    secrets: set[bytes] = set()
    for one in (alice, bob, charlie):
        files = [places.credentials() / one.name / name for name in ("seed", "account")]
        objects: dict[str, kube.Object] = {
            str(number): item | {"kind": "Secret"}
            for number, item in enumerate(one.kube.all(kinds.SECRET, **{names.MANAGED_BY: names.MANAGER}))
        }
        secrets |= secrecy.values(objects, *files)
    assert len(secrets) > 10
    shown = [
        project.pulumi(bob, *command)
        for command in (
            ("preview", "--diff"),
            ("preview", "--json"),
            ("stack", "output", "--json"),
            ("stack", "export"),
            ("stack", "history", "--json"),
        )
    ]
    shown += [project.ics(bob, "plan", "pulumi").out, bob.kube.log(home)]
    shown += [json.dumps(one.kube.events()) for one in (alice, bob, charlie)]
    assert [text[:60] for text in shown if secrecy.finds(secrets, text.encode())] == []
    logs = pathlib.Path(os.environ.get("PULUMI_HOME", pathlib.Path.home() / ".pulumi")) / "logs"
    folders = [project.state, pathlib.Path(tempfile.gettempdir()), logs]
    assert secrecy.leaks(secrets, folders) == []
