"""The page of a newcomer's first day: how a walk is written into it and compared with it; its commands exist."""

import dataclasses
import pathlib
import re
import shlex

import pytest

from tests.network import first_day, newcomer
from tests.unit.cli import calls

PAGE = "# A day\n\nAll took **7 s**.\n\n```text\n```\n\nThen:\n\n```text\n```\n"
PLAN = newcomer.Typed("~/validators", "ics plan", "12 to create, Secret key-0123abcd\n", 0.72, is_steady=True)
STATUS = newcomer.Typed("~/validators", "ics status", "star-1 is open\n", 1.0, is_steady=False)


def walked(*blocks: list[newcomer.Typed]) -> newcomer.Newcomer:
    return newcomer.Newcomer(pathlib.Path("/home"), list(blocks))


def test_walk_replaces_the_blocks_and_the_sum_of_the_page() -> None:
    assert first_day.written(PAGE, walked([PLAN], [STATUS])) == (
        "# A day\n\nAll took **2 s**.\n\n"
        "```text\n~/validators$ ics plan\n12 to create, Secret key-0123abcd\n# 0.7 s\n```\n\nThen:\n\n"
        "```text\n~/validators$ ics status\nstar-1 is open\n# 1.0 s\n```\n"
    )


@pytest.mark.parametrize(
    "changed", ["9 to create, Secret key-89abcdef\n", "12 to create, Secret  key-0123abcd\n"]
)
def test_numbers_keys_and_widths_may_differ_from_the_page(changed: str) -> None:
    page = first_day.written(PAGE, walked([PLAN], [STATUS]))
    other = dataclasses.replace(STATUS, answer="star-1 runs\n")
    again = walked([dataclasses.replace(PLAN, answer=changed, seconds=3.0)], [other])
    assert first_day.differences(page, again) == []


@pytest.mark.parametrize(
    ("again", "difference"),
    [
        (
            walked([dataclasses.replace(PLAN, answer="nothing to change\n")], [STATUS]),
            "ics plan\nanswers\nnothing",
        ),
        (
            walked([PLAN], [dataclasses.replace(STATUS, text="ics rewards")]),
            "not the next command of the page",
        ),
        (walked([PLAN], []), "the page shows 2 commands, and 1 were typed"),
    ],
)
def test_another_answer_or_command_than_that_of_the_page_is_found(
    again: newcomer.Newcomer, difference: str
) -> None:
    page = first_day.written(PAGE, walked([PLAN], [STATUS]))
    (found,) = first_day.differences(page, again)
    assert found.startswith(difference)


def test_commands_of_the_page_are_understood() -> None:
    typed = re.findall(r"^~\S*\$ (.*)$", first_day.PAGE.read_text(), re.MULTILINE)
    parts = [part for line in typed for part in re.split(r" && | \| ", line)]
    commands = [
        shlex.split(part)[1:] for part in parts if part.startswith("ics ") and part != "ics --version"
    ]
    assert [calls.parsed(*words).args is not None for words in commands] == [True] * len(commands)
    assert len(commands) > 8
