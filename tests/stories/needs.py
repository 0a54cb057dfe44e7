"""What stories need, and which of them may run at the same time; pure.

A story is a file of tests, or those tests of a file that need the same. One process runs it from its first test
to its last, so that they may share what a fixture has made. What it needs follows from the fixtures that its tests
ask for; what no fixture says, `pytest.mark.story` does.
"""

import enum
import pathlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import pytest

MARKERS = ("network", "soak")
"""Those of tests that may need the local network; of others, fixtures of the same names are something else."""
HOSTS = frozenset({"alice", "bob", "charlie"})
NETWORK_FIXTURE = "network"
"""Who asks for it, directly or not, needs the local network."""
FIXTURES = {name: frozenset({name}) for name in HOSTS} | {"everybody": HOSTS}
"""The hosts that come with a fixture; while its tests run, no other story makes a pass there."""
EACH_FILE_IN = ("network",)
"""Folders of tests whose files have nothing in common; of any other folder all tests are one story."""


class When(enum.IntEnum):
    """The order of what stands in the way of others on the local network; each waits for all before it."""

    BRINGS_IT_UP = 0
    FIRST = 1
    """Alone on the network, and others build on what it leaves."""
    ANY_TIME = 2
    """Beside any other one that needs other hosts."""
    QUIET = 3
    """Alone on the network: what it does reaches everybody."""
    LAST = 4
    """Alone as well, and no other story can run after it."""
    TAKES_IT_DOWN = 5


@dataclass(frozen=True, kw_only=True)
class Needs:
    """What is not there for two at once."""

    network: bool = False
    hosts: frozenset[str] = frozenset()
    when: When = When.ANY_TIME

    def __str__(self) -> str:
        if not self.network:
            return "no local network"
        if self.when is not When.ANY_TIME:
            return f"the local network, {self.when.name.lower().replace('_', ' ')}"
        return ", ".join(sorted(self.hosts)) or "the local network"


@dataclass(frozen=True)
class Story:
    """Tests that one process runs, in their order."""

    name: str
    needs: Needs
    tests: tuple[str, ...]
    """Ids of the tests."""


def of(item: pytest.Item) -> Needs:
    """What a test needs."""
    if not any(item.get_closest_marker(name) for name in MARKERS):
        return Needs()
    marker = item.get_closest_marker("story")
    when = When.ANY_TIME if marker is None else When[marker.kwargs["when"]]
    fixtures = set(getattr(item, "fixturenames", ()))
    network = NETWORK_FIXTURE in fixtures or when is not When.ANY_TIME
    hosts = frozenset[str]().union(*(FIXTURES.get(name, ()) for name in fixtures))
    return Needs(network=network, hosts=hosts if when is When.ANY_TIME else HOSTS, when=when)


def stories(items: Iterable[pytest.Item], root: pathlib.Path) -> list[Story]:
    """The tests as stories: those that stand in the way of others in their order, then by their place.

    Args:
        items: the tests.
        root: the folder that holds the folders of tests.
    """
    found: dict[tuple[str, Needs], list[str]] = {}
    for item in items:
        folder, *rest = item.path.relative_to(root).parts
        name = item.path.stem if folder in EACH_FILE_IN else folder if rest else item.path.stem
        found.setdefault((name, of(item)), []).append(item.nodeid)
    found_ones = [
        Story(_named(name, needs, found), needs, tuple(tests)) for (name, needs), tests in found.items()
    ]
    return sorted(found_ones, key=lambda story: (story.needs.when, not story.needs.network))


def _named(name: str, needs: Needs, all_of_them: Collection[tuple[str, Needs]]) -> str:
    same = [other for other, _ in all_of_them if other == name]
    return name if len(same) == 1 else f"{name} ({needs})"


def may_begin(story: Story, waiting: Sequence[Story], running: Collection[Story]) -> bool:
    """Whether nothing stands in the way of a story.

    Args:
        story: one of those that wait.
        waiting: all that were not begun yet.
        running: those that run.
    """
    if not story.needs.network:
        return True
    others = [one.needs for one in (*waiting, *running) if one.needs.network and one is not story]
    if any(other.when < story.needs.when for other in others):
        return False
    return not any(other.needs.network and story.needs.hosts & other.needs.hosts for other in running)
