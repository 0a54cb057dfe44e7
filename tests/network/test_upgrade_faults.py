"""What goes wrong around an upgrade at a height, and that both validators come through it; about fifteen minutes.

Nodes that are restarted by hand at the wrong moment, an image that is published late, one that is the wrong one,
passes that are killed, a plan that governance decides on while the chain runs, a height to halt at that is agreed upon
minutes before, an image that only the plan names.
"""

import contextlib
import json
import os
import pathlib
import signal
import threading
import time
from collections.abc import Iterator, Sequence

import pytest

from devnet import governed, owner, plan, upgrades
from ics import names
from ics.cluster.api import kinds
from tests import documents
from tests.network import (
    chains,
    governance,
    launch,
    operators,
    projects,
    residents,
    upgrading,
    waiting,
)

pytestmark = pytest.mark.soak

AFTER = 5
LATE = "localhost/ics-devnet/democracy:late"
WRONG = "localhost/ics-devnet/democracy:wrong"
"""The first version, so that its nodes end as soon as they are at the plan's height."""


@pytest.fixture(scope="module")
def runners(alice: operators.Operator, bob: operators.Operator) -> Sequence[operators.Operator]:
    found = alice, bob
    upgrading.deliver(*(one.host for one in found))
    for one in found:
        upgrades.tag(one.host, plan.DEMOCRACY_IMAGE, WRONG)
        upgrades.untag(one.host, LATE)
    return found


@pytest.fixture
def root(tmp_path: pathlib.Path) -> pathlib.Path:
    return projects.project(tmp_path)


@contextlib.contextmanager
def launched(
    runners: Sequence[operators.Operator], root: pathlib.Path, *defined: upgrading.Upgrade
) -> Iterator[tuple[list[upgrading.Upgrade], residents.Residents]]:
    """The chains, launched, while all runners stay; they are removed afterwards."""
    found: list[upgrading.Upgrade] = []
    try:
        with residents.Residents([one.name for one in runners], root.parent, project=root) as daemons:
            found += upgrading.launched(defined, runners)
            yield found, daemons
            assert daemons.dead() == []
    finally:
        launch.end([one.consumer_id for one in found], runners, project=root)


def arrived(runners: Sequence[operators.Operator], chains: Sequence[upgrading.Upgrade]) -> None:
    """Both run the second version, and no block lacks a signature."""
    upgrading.until_height(chains, runners, lambda one: one.height + AFTER, "blocks after the upgrade")
    for chain in chains:
        for one in runners:
            assert upgrading.version(one, upgrading.home(one, chain)) == plan.SECOND_VERSION
        assert upgrading.missed(runners[0], runners, chain) == []
        assert upgrading.counted_missed(runners[0], chain) == [0, 0]


def told(daemons: residents.Residents, name: str, chain: upgrading.Upgrade) -> list[str]:
    """Reasons of the chain's conditions in the passes so far."""
    return [
        condition["reason"]
        for line in daemons.told(name)
        for one in line["status"]["chains"]
        if one["consumer_id"] == chain.consumer_id
        for condition in one["conditions"]
    ]


def test_restarted_by_hand_shortly_before_and_at_the_height(
    runners: Sequence[operators.Operator], root: pathlib.Path
) -> None:
    """Two blocks before, one before, and once it has halted."""
    defined = [upgrading.by_plan(root, f"again{letter}", 30) for letter in "abc"]
    with launched(runners, root, *defined) as (found, _):
        for before, chain in zip((2, 1, 0), found, strict=True):
            at = chain.height - before
            threading.Thread(target=restart, args=(runners[0], chain, at), daemon=True).start()
        arrived(runners, found)
        for chain in found:
            waiting.figure(
                f"restarted by hand, {chain.chain_id}: halt to first block", upgrading.halt(runners[1], chain)
            )


def restart(operator: operators.Operator, chain: upgrading.Upgrade, height: int) -> None:
    """Delete the node's pod as soon as it has a block."""
    waiting.until(f"{operator.name} runs {chain.chain_id}", lambda: upgrading.home(operator, chain))
    home = upgrading.home(operator, chain)
    waiting.until(
        f"{operator.name} has block {height} of {chain.chain_id}",
        lambda: operator.kube.height(home),
        lambda now: now >= height,
        every=0.05,
    )
    operator.kube.delete(kinds.POD, home, names.NODE_POD)


def test_image_is_missing_until_a_minute_before(
    runners: Sequence[operators.Operator], root: pathlib.Path
) -> None:
    defined = upgrading.by_plan(root, "late", 100, image=LATE)
    with launched(runners, root, defined) as ((chain,), daemons):
        waiting.until(
            "both say that the image is missing",
            lambda: [told(daemons, one.name, chain) for one in runners],
            lambda seen: all("UpgradeImageMissing" in reasons for reasons in seen),
        )
        upgrading.until_height([chain], runners, lambda one: one.height - 60, "a minute before the upgrade")
        for one in runners:
            upgrades.tag(one.host, plan.SECOND_DEMOCRACY_IMAGE, LATE)
        waiting.until(
            "both say that they are ready",
            lambda: [told(daemons, one.name, chain) for one in runners],
            lambda seen: all("UpgradeReady" in reasons for reasons in seen),
        )
        arrived(runners, [chain])
        waiting.figure("image a minute before: halt to first block", upgrading.halt(runners[0], chain))


def test_wrong_image_is_corrected_in_the_list(
    runners: Sequence[operators.Operator], root: pathlib.Path
) -> None:
    defined = upgrading.by_plan(root, "wrong", 30, image=WRONG)
    with launched(runners, root, defined) as ((chain,), daemons):
        waiting.until(
            "both say that the upgrade has failed",
            lambda: [told(daemons, one.name, chain) for one in runners],
            lambda seen: all("UpgradeFailed" in reasons for reasons in seen),
        )
        heights = [one.kube.height(upgrading.home(one, chain)) for one in runners]
        assert max(heights) <= chain.height
        upgrading.relist(
            root,
            chain,
            [{"name": plan.SECOND_PLAN, "height": chain.height, "image": plan.SECOND_DEMOCRACY_IMAGE}],
        )
        corrected = time.monotonic()
        arrived(runners, [chain])
        waiting.figure("corrected image to blocks after the upgrade", launch.since(corrected))


def test_passes_are_killed_at_the_switch(runners: Sequence[operators.Operator], root: pathlib.Path) -> None:
    """alice's pass is killed before its first write after the halt, and the next one after its last but one."""
    alice, bob = runners
    defined = upgrading.by_plan(root, "killed", 40)
    with launched(runners, root, defined) as ((chain,), daemons):
        upgrading.until_height([chain], runners, lambda one: 5, "first blocks")
        daemons.stop(alice.name)
        upgrading.until_height([chain], [bob], lambda one: one.height, "halted")
        journals = [killed(root, alice, at, when) for at, when in ((0, "after"), (1, "after"))]
        assert all(journals), journals
        daemons.start(alice.name)
        arrived(runners, [chain])
        waiting.figure("two passes killed: halt to first block", upgrading.halt(alice, chain))


def killed(root: pathlib.Path, operator: operators.Operator, at: int, when: str) -> list[str]:
    """Make a pass in a process that kills itself at a write; answers the writes that began."""
    journal = root / f"journal-{at}"
    journal.write_text("")
    command = ["-m", "tests.network.victim", str(journal), str(at), when, "up"]
    command += ["--stack", operator.name, "--project", str(root), "--json"]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("ICS_") or k in operators.OWN}
    code, _, said = operators.PROCESSES.run(command, documents.ROOT, environment, 120.0)
    assert code == -signal.SIGKILL, said
    return journal.read_text().splitlines()


def test_plan_is_voted_for_while_the_chain_runs(
    runners: Sequence[operators.Operator], root: pathlib.Path
) -> None:
    """Nothing is in the list until the plan is on the chain; then its operators write it there."""
    alice, _ = runners
    genesis = upgrading.governed_base()
    defined = upgrading.define_governed(root, "voted", genesis, 0, [])
    with launched(runners, root, defined) as ((chain,), daemons):
        waiting.until(
            "the CCV channel is open",
            lambda: (alice.hermes(chain.consumer_id, root).json["chains"][0]["channels"]["ccv"] or {}).get(
                "provider"
            ),
            lambda end: isinstance(end, dict) and end["state"] == "OPEN",
            every=3,
        )
        owner.delegate(alice.validator.operator_address, 1_000_000_000)
        waiting.until(
            "it has carried its first packet",
            lambda: alice.hermes(chain.consumer_id, root).json["chains"][0],
            lambda seen: ((seen["packets"] or {}).get("last_vsc_received") or 0) > 0,
        )
        home = upgrading.home(alice, chain)
        height = alice.kube.height(home) + 60
        governance.schedule_on(alice, home, chain.chain_id, height)
        waiting.until(
            "both say that an image is missing for it",
            lambda: [told(daemons, one.name, chain) for one in runners],
            lambda seen: all("UpgradeImageMissing" in reasons for reasons in seen),
        )
        upgrading.relist(
            root, chain, [{"name": plan.SECOND_PLAN, "height": height, "image": plan.SECOND_DEMOCRACY_IMAGE}]
        )
        chain = upgrading.at(chain, height)
        arrived(runners, [chain])
        waiting.figure("voted for on the chain: halt to first block", upgrading.halt(alice, chain))


def test_height_to_halt_at_is_agreed_upon_while_the_chain_runs(
    runners: Sequence[operators.Operator], root: pathlib.Path
) -> None:
    """The chain cannot do without either node, so each is restarted for it although that costs the chain seconds."""
    chain_id = chains.fresh("agreed")
    projects.define(root, f"own-{chain_id}", {"chain_id": chain_id}, upgrades=[])
    defined = upgrading.Upgrade(chain_id, 0, chains.base_hash())
    with launched(runners, root, defined) as ((chain,), daemons):
        upgrading.until_height([chain], runners, lambda _: AFTER, "first blocks")
        before = {one.name: pod_of(one, chain) for one in runners}
        height = runners[0].kube.height(upgrading.home(runners[0], chain)) + 60
        upgrading.relist(root, chain, [{"height": height, "image": plan.SECOND_CONSUMER_IMAGE, "halt": True}])
        chain = upgrading.at(chain, height)
        waiting.until(
            "both nodes were restarted for it",
            lambda: [pod_of(one, chain) for one in runners],
            lambda pods: all(pods) and not set(pods) & set(before.values()),
        )
        at = waiting.until(
            "one of them answers",
            lambda: max(one.kube.height(upgrading.home(one, chain)) for one in runners),
            lambda found: found > 0,
        )
        assert at < height
        waiting.figure("agreed upon: blocks left when both nodes were restarted", height - at, "blocks")
        arrived(runners, [chain])
        waiting.figure("agreed upon: halt to first block", upgrading.halt(runners[0], chain))
        for one in runners:
            assert "UpgradeDiffers" not in told(daemons, one.name, chain)


def pod_of(operator: operators.Operator, chain: upgrading.Upgrade) -> str:
    """The uid of the pod of the chain's node; empty while there is none."""
    pod = operator.kube.pod(upgrading.home(operator, chain))
    return "" if pod is None else str(pod["metadata"]["uid"])


def test_image_is_the_one_that_the_chain_s_own_plan_names(
    runners: Sequence[operators.Operator], root: pathlib.Path
) -> None:
    """Nothing is in the list; the definition trusts the plan, whose `info` names the image by digest."""
    (image,) = {upgrades.by_digest(one.host, plan.SECOND_DEMOCRACY_IMAGE) for one in runners}
    info = json.dumps({"binaries": {"docker": image}})
    genesis = governed.schedule(upgrading.governed_base(), 30, info=info)
    trusts = {"docker_key": "binaries.docker"}
    defined = upgrading.define_governed(root, "named", genesis, 30, [], plan_images=trusts)
    with launched(runners, root, defined) as ((chain,), daemons):
        arrived(runners, [chain])
        waiting.figure("image of the plan: halt to first block", upgrading.halt(runners[0], chain))
        for one in runners:
            pod = one.kube.pod(upgrading.home(one, chain))
            assert pod is not None
            containers = {each["name"]: each for each in pod["spec"]["containers"]}
            assert containers["node"]["image"] == image
        waiting.until(
            "both say that their lists lack it",
            lambda: [told(daemons, one.name, chain) for one in runners],
            lambda seen: all("UpgradeUnlisted" in reasons for reasons in seen),
        )
        for one in runners:
            assert "UpgradeImageMissing" not in told(daemons, one.name, chain)
