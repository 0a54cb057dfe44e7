"""The table of `make bench` in README.md."""

import pytest

from tests import documents
from tests.bench import curves

README = documents.ROOT / "README.md"


def test_readme_takes_the_table_of_a_run_and_keeps_everything_else() -> None:
    text = README.read_text()
    before, after = text.split("<!-- table of tests.bench.curves -->")[0], text.split("<!-- end -->")[1]
    changed = curves.with_table(text, "a table")
    assert changed == f"{before}<!-- table of tests.bench.curves -->\n```\na table\n```\n<!-- end -->{after}"
    assert curves.with_table(changed, "another") == curves.with_table(text, "another")


def test_readme_shows_the_columns_that_a_run_prints() -> None:
    assert curves.HEADER in README.read_text()


def test_text_without_a_place_is_refused() -> None:
    with pytest.raises(ValueError, match="no '<!-- table"):
        curves.with_table("# title", "a table")


def test_missed_goal_is_told_from_a_reached_one() -> None:
    def point(curve: str, chains: int, name: str, seconds: float, queries: int = 0) -> curves.Point:
        return curves.Point(curve, chains, name, seconds, 0.05, queries, 0)

    points = [
        point(curves.FIRST, 100, curves.OURS, 2.6),
        point(curves.FIRST, 100, curves.FLOOR, 2.0),
        point(curves.CRON, 100, curves.OURS, 0.9, 171),
        point(curves.CRON, 10, curves.OURS, 0.4, 25),
        point(curves.DAEMON, 100, curves.OURS, 0.2, 9),
        point(curves.LAUNCH, 10, curves.OURS, 0.1),
        point(curves.LAUNCH, 1000, curves.OURS, 0.15),
    ]
    missed = [text for text, figure, limit in curves.goals(points) if figure > limit]
    assert missed == [
        "100 chains, unchanged, cron: queries",
        "100 chains, unchanged, daemon: seconds (p50)",
    ]
    assert len(list(curves.goals(points))) == 9
