"""Chains are upgraded at a height, by governance's plan and without one, while both validators run the daemon.

About a minute and a half; what a busy operator gets wrong takes longer, and is in `make soak`.
"""

import pathlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from devnet import plan
from tests.network import launch, operators, projects, residents, upgrading, waiting

pytestmark = pytest.mark.network

WAYS = ("by plan", "by halt height")
AFTER = 6
"""Blocks after the upgrade that are looked at."""


@dataclass(frozen=True)
class Seen:
    """What was seen of two chains, by way of their upgrade."""

    chains: Mapping[str, upgrading.Upgrade]
    project: pathlib.Path
    told: Mapping[str, list[dict[str, Any]]]
    """By validator, what the passes said, oldest first."""

    def reasons(self, name: str, way: str) -> list[str]:
        """Reasons of the conditions that have to do with a chain's upgrade, in their order; see `reasons`."""
        return reasons(self.told[name], self.chains[way])


def reasons(told: Sequence[Mapping[str, Any]], chain: upgrading.Upgrade) -> list[str]:
    """Reasons of a chain's conditions that have to do with its upgrade, each change once; empty where there is none."""
    found: list[str] = []
    for line in told:
        conditions = [
            condition["reason"]
            for one in line["status"]["chains"]
            if one["consumer_id"] == chain.consumer_id
            for condition in one["conditions"]
            if condition["reason"].startswith("Upgrad")
        ]
        for reason in conditions or [""]:
            if not found or found[-1] != reason:
                found.append(reason)
    return found


@pytest.fixture(scope="module")
def runners(alice: operators.Operator, bob: operators.Operator) -> Sequence[operators.Operator]:
    return alice, bob


@pytest.fixture(scope="module")
def upgraded(
    runners: Sequence[operators.Operator], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Seen]:
    """Both chains, once they have some blocks of the second version."""
    folder = tmp_path_factory.mktemp("upgrades")
    root = projects.project(folder)
    upgrading.deliver(*(one.host for one in runners))
    defined = [upgrading.by_plan(root, "planned", 20), upgrading.by_halt(root, "halting", 20)]
    names = [one.name for one in runners]
    with residents.Residents(names, folder, project=root) as daemons:
        found = upgrading.launched(defined, runners)
        upgrading.until_height(found, runners, lambda one: one.height + AFTER, "blocks after the upgrade")
        waiting.until(
            "neither says anything of the upgrades any more",
            lambda: [reasons(daemons.told(name), chain)[-1] for name in names for chain in found],
            lambda last: not any(last),
        )
        told = {name: daemons.told(name) for name in names}
        dead = daemons.dead()
    assert dead == []
    yield Seen(dict(zip(WAYS, found, strict=True)), root, told)
    launch.end([one.consumer_id for one in found], runners, project=root)


@pytest.mark.parametrize("way", WAYS)
def test_both_validators_run_the_second_version(
    way: str, upgraded: Seen, runners: Sequence[operators.Operator]
) -> None:
    chain = upgraded.chains[way]
    assert [upgrading.version(one, upgrading.home(one, chain)) for one in runners] == [
        plan.SECOND_VERSION,
        plan.SECOND_VERSION,
    ]


@pytest.mark.parametrize("way", WAYS)
def test_no_block_is_missed_but_for_the_halt(
    way: str, upgraded: Seen, runners: Sequence[operators.Operator]
) -> None:
    chain = upgraded.chains[way]
    halted = upgrading.halt(runners[0], chain)
    waiting.figure(f"halt {way} to the first block after it (at most {upgrading.BAR} s wanted)", halted)
    assert halted > 0
    assert upgrading.missed(runners[0], runners, chain) == []
    assert upgrading.counted_missed(runners[0], chain) == [0, 0]


@pytest.mark.parametrize("way", WAYS)
def test_both_say_what_comes_and_nothing_once_it_is_done(
    way: str, upgraded: Seen, runners: Sequence[operators.Operator]
) -> None:
    for one in runners:
        reasons = upgraded.reasons(one.name, way)
        assert {"UpgradeAnnounced", "UpgradeReady"} & set(reasons[: reasons.index("Upgrading")]), reasons
        assert reasons[-1] == ""
        assert {"UpgradeFailed", "UpgradeDiffers", "UpgradeImageMissing"} & set(reasons) == set()


@pytest.mark.parametrize("way", WAYS)
def test_list_shows_the_upgrade_as_applied(
    way: str, upgraded: Seen, runners: Sequence[operators.Operator]
) -> None:
    chain = upgraded.chains[way]
    for one in runners:
        listed = one.ics("upgrade", "list", chain.consumer_id, project=upgraded.project)
        assert listed.code == 0, listed.err
        (node,) = listed.json
        assert [(row["height"], row["version"]) for row in node["versions"]] == [
            (None, "past"),
            (chain.height, "runs"),
        ]
