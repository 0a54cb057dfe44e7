"""Which stories may run at the same time."""

import pathlib
from dataclasses import dataclass
from typing import cast

import pytest

from tests.stories import needs

ROOT = pathlib.Path("/tests")
N = needs.When


def story(name: str, *hosts: str, network: bool = True, when: needs.When = N.ANY_TIME) -> needs.Story:
    wanted = needs.Needs(network=network, hosts=frozenset(hosts), when=when)
    return needs.Story(name, wanted, (f"{name}.py::test",))


@dataclass(frozen=True)
class Fake:
    """What there is to know of a test."""

    file: str
    name: str
    fixtures: str = ""
    is_quiet: bool = False

    @property
    def path(self) -> pathlib.Path:
        return ROOT / self.file

    @property
    def nodeid(self) -> str:
        return f"{self.file}::{self.name}"

    @property
    def fixturenames(self) -> list[str]:
        return self.fixtures.split()

    def get_closest_marker(self, name: str) -> pytest.Mark | None:
        if name == "story":
            return pytest.mark.story(when="QUIET").mark if self.is_quiet else None
        return getattr(pytest.mark, name).mark if name == self.file.partition("/")[0] else None


def test_tests_of_a_file_that_need_the_same_are_one_story() -> None:
    tests = [
        Fake("network/test_it.py", "alice", "alice each_operator network"),
        Fake("network/test_it.py", "both", "alice bob each_operator network"),
        Fake("network/test_it.py", "alone"),
        Fake("network/test_it.py", "no_one", "network"),
        Fake("network/test_it.py", "alice_again", "alice each_operator network"),
        Fake("network/test_it.py", "quiet", "alice each_operator network", is_quiet=True),
        Fake("cluster/test_a.py", "one", "alice"),
        Fake("cluster/test_b.py", "two"),
    ]

    found = needs.stories(cast(list[pytest.Item], tests), ROOT)

    assert {
        (one.name, str(one.needs)): [test.rpartition("::")[2] for test in one.tests] for one in found
    } == {
        ("test_it (alice)", "alice"): ["alice", "alice_again"],
        ("test_it (alice, bob)", "alice, bob"): ["both"],
        ("test_it (no local network)", "no local network"): ["alone"],
        ("test_it (the local network)", "the local network"): ["no_one"],
        ("test_it (the local network, quiet)", "the local network, quiet"): ["quiet"],
        ("cluster", "no local network"): ["one", "two"],
    }
    assert [one.needs.when for one in found] == sorted(one.needs.when for one in found)


def test_what_needs_other_hosts_runs_beside() -> None:
    two, third, page = story("two", "alice", "bob"), story("third", "charlie"), story("page")

    assert needs.may_begin(third, [third, page], [two])
    assert needs.may_begin(page, [page], [two, third])
    assert not needs.may_begin(story("one", "bob"), [], [two, third])


def test_what_needs_no_network_waits_for_nothing_of_it() -> None:
    alone = story("alone", network=False)
    up = story("up", *needs.HOSTS, when=N.BRINGS_IT_UP)

    assert needs.may_begin(alone, [up, alone], [])
    assert needs.may_begin(up, [up], [alone])


@pytest.mark.parametrize("when", [one for one in N if one > N.BRINGS_IT_UP])
def test_each_waits_for_all_before_it(when: needs.When) -> None:
    before = story("before", "alice", when=N(when - 1))
    it = story("it", *needs.HOSTS, when=when)

    assert not needs.may_begin(it, [before, it], [])
    assert not needs.may_begin(it, [it], [before])
    assert needs.may_begin(it, [it, story("after", when=N.TAKES_IT_DOWN)], [])


def test_two_quiet_ones_run_one_after_the_other() -> None:
    first, second = (story(name, *needs.HOSTS, when=N.QUIET) for name in ("first", "second"))

    assert needs.may_begin(first, [first, second], [])
    assert not needs.may_begin(second, [second], [first])


def test_fixtures_that_say_what_is_needed_are_those_of_the_network() -> None:
    source = pathlib.Path(__file__).parents[2].joinpath("network", "conftest.py").read_text()
    for fixture in (needs.NETWORK_FIXTURE, *needs.FIXTURES):
        assert f"def {fixture}(" in source
