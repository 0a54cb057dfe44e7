"""charlie installs the reconciler with Helm, and its passes join a chain, run its node and report it.

About three minutes: the CronJob begins a pass a minute.
"""

import pathlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from devnet import owner, plan, reconciler
from devnet.progress import Progress
from ics.cluster.api import kinds
from tests.network import chains, in_cluster, kube, launch, operators, releases, waiting

pytestmark = [
    pytest.mark.soak,
    pytest.mark.skipif(releases.IS_MISSING, reason="the story of the chart requires helm on the PATH"),
]

CHAIN_ID = "by-helm-1"
_GENESIS = "ics-example.genesis.json"
_SPAWN_IN = 3600.0
"""Seconds; it is brought forward as soon as the reconciler has joined."""


@dataclass(frozen=True)
class Story:
    """What is installed, and who looks at it."""

    charlie: operators.Operator
    project: pathlib.Path
    """The stack that the release was given, for commands on charlie's own machine."""
    release: releases.Release
    audit: kube.Audit
    """The writes of the release's service account."""
    consumer_id: str

    def chain(self) -> dict[str, Any]:
        """The chain as charlie's own machine sees it."""
        status = self.charlie.ics("status", project=self.project).json
        found: dict[str, Any] = self.charlie.chain(self.consumer_id, status)
        return found

    def told(self) -> str:
        """Why the release may not have done what it should."""
        return in_cluster.told(self.charlie, self.consumer_id, self.release.name, releases.LABEL)


@pytest.fixture(scope="module")
def story(charlie: operators.Operator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """`helm install` on a cluster with a Secret that has charlie's seed and account."""
    reconciler.deliver(plan.host("charlie"), Progress())
    project = in_cluster.project(tmp_path_factory.mktemp("chart"), CHAIN_ID, {"image": reconciler.IMAGE})
    folder = project / "stacks" / "chains"
    stack = project / "stacks" / "Pulumi.charlie.yaml"
    in_cluster.give_secrets(charlie)
    definition = yaml.safe_load((folder / "by-helm.yaml").read_text())
    release = releases.Release(
        charlie, "charlie", stack, {"by-helm": definition}, {_GENESIS: folder / _GENESIS}
    )
    audit = kube.Audit.begin(charlie.host, release.user)
    release.install()
    found = Story(charlie, project, release, audit, chains.create(CHAIN_ID, _SPAWN_IN))
    yield found
    if release.is_installed():
        release.uninstall()
    gone = charlie.ics("destroy", project=project)
    assert gone.code == 0, gone.err
    in_cluster.forget(charlie.kube, found.consumer_id)
    if chains.phase(found.consumer_id) == "LAUNCHED":
        owner.remove_consumer(found.consumer_id)


def test_passes_of_the_release_join_the_chain_and_its_node_signs(story: Story) -> None:
    began = time.monotonic()
    waiting.until(
        "a pass of the release has opted in",
        story.chain,
        lambda seen: seen.get("participation") == "validating",
        every=3,
        tell=story.told,
    )
    waiting.figure("helm install to opted in", launch.since(began))
    owner.update_consumer(story.consumer_id, chains.spec(CHAIN_ID, 3.0))
    waiting.until(
        "its node makes blocks and signs",
        story.chain,
        lambda seen: (seen.get("node") or {}).get("signing") and seen["node"]["height"] >= 3,
        seconds=400,
        every=3,
        tell=story.told,
    )
    waiting.figure("helm install to a node that signs", launch.since(began))
    home = launch.namespace_of(story.charlie, story.consumer_id)
    written = story.audit.writes(with_reports=True)
    assert f"patch namespaces {home}/{home} (201)" in written
    assert [write for write in written if write.endswith("(403)")] == []


def test_a_pass_of_the_release_reports_the_chain_as_an_object(story: Story) -> None:
    name, home = (
        f"consumer-{story.consumer_id}",
        launch.namespace_of(story.charlie, story.consumer_id),
    )
    waited = story.charlie.kubectl(
        *("-n", home, "wait", "--for=condition=Ready", "--timeout=120s", f"consumerchain/{name}")
    )
    assert waited == f"consumerchain.ics-operator.dev/{name} condition met\n"


def test_nothing_of_the_chain_is_left_to_change_on_the_operators_own_machine(story: Story) -> None:
    waiting.until(
        "nothing is left to change",
        lambda: story.charlie.ics("plan", project=story.project).json["changes"],
        lambda changes: changes == [],
        every=5,
        tell=story.told,
    )


def test_an_upgrade_of_the_release_makes_it_a_daemon_that_holds_the_lease(story: Story) -> None:
    release, cluster = story.release, story.charlie.kube
    document = yaml.safe_load(release.values.read_text())
    document["config"]["ics:reconciler"]["mode"] = "deployment"
    release.values.write_text(yaml.safe_dump(document))
    release.upgrade("--wait", "--timeout", "120s")
    assert cluster.find(kinds.CRON_JOB, "provider", release.name) is None
    (pod,) = (
        one
        for one in cluster.all(kinds.POD, "provider", **releases.LABEL)
        if one["metadata"]["ownerReferences"][0]["kind"] == "ReplicaSet"
    )
    waiting.until(
        "its pod holds the Lease",
        lambda: cluster.get(kinds.LEASE, "provider", "ics-charlie")["spec"].get("holderIdentity") or "",
        lambda holder: pod["metadata"]["name"] in holder,
        tell=story.told,
    )


def test_without_the_release_the_chain_goes_on(story: Story) -> None:
    story.release.uninstall()
    cluster = story.charlie.kube
    left = [
        launch.shown({**item, "kind": kind.name})
        for kind in (*kinds.MEMBERS, kinds.LEASE)
        for item in cluster.all(kind, **releases.LABEL)
    ]
    assert left == []
    home = launch.namespace_of(story.charlie, story.consumer_id)
    height = cluster.height(home)
    waiting.until("the node makes more blocks", lambda: cluster.height(home), lambda now: now > height + 2)
    assert story.chain()["node"]["signing"]
