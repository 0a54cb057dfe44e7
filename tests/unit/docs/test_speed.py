"""The table of `make bench` in README.md."""

import pytest

from tests import documents
from tests.bench import curves, first_blocks, launches, readme
from tests.network import launch_times

README = documents.ROOT / "README.md"
SOURCES = ("tests.bench.curves", launches.SOURCE, first_blocks.SOURCE)


@pytest.mark.parametrize("source", SOURCES)
def test_readme_takes_the_table_of_a_run_and_keeps_everything_else(source: str) -> None:
    text, begins = README.read_text(), f"<!-- table of {source} -->\n```\n"
    before, _, rest = text.partition(begins)
    after = rest.partition("\n```\n<!-- end -->")[2]
    changed = readme.with_table(text, "a table", source)
    assert changed == f"{before}{begins}a table\n```\n<!-- end -->{after}"
    assert readme.with_table(changed, "another", source) == readme.with_table(text, "another", source)


def test_readme_shows_the_columns_that_runs_print() -> None:
    text = README.read_text()
    assert curves.HEADER in text
    assert text.count(launch_times.HEADER) == 2
    assert all(title in text for title in (launches.EVENTS, launches.POLLING, *first_blocks.ROWS.values()))


def test_text_without_a_place_is_refused() -> None:
    with pytest.raises(ValueError, match="no '<!-- table"):
        readme.with_table("# title", "a table", launches.SOURCE)


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


def test_launch_is_judged_by_its_median_and_by_the_nineteenth_of_twenty() -> None:
    events = [0.1] * 10 + [0.3] * 8 + [1.0, 7.0]
    taken = {launches.EVENTS: events, launches.POLLING: [seconds + 0.6 for seconds in events]}
    assert [figure for _, figure, _ in launches.goals(taken)] == [0.1, 1.0, 1.6]
    assert readme.judged(launches.goals(taken)).split() == [
        *["ok", "StatefulSet", "accepted,", "with", "events:", "p50", "0.1", "at", "most", "0.25"],
        *["ok", "StatefulSet", "accepted,", "with", "events:", "p95", "1", "at", "most", "1"],
        *[
            "MISS",
            "StatefulSet",
            "accepted,",
            "without:",
            "p95,",
            "interval",
            "1",
            "s",
            "1.6",
            "at",
            "most",
            "1.5",
        ],
    ]


def test_first_block_is_judged_by_the_sum_of_its_parts() -> None:
    def launched(block: float) -> first_blocks.Round:
        return first_blocks.Round(
            accepted=0.2, addressed=1, routed=1.2, running=2, block=block, pod=1.5, nodes=2.5
        )

    rounds = [launched(block) for block in (4.0, 5.0, 9.0)]
    assert [(figure, limit) for _, figure, limit in first_blocks.goals(rounds)] == [(1.25, 1.3)]
