"""The catalogue of metrics, and samples of it."""

import re

import pytest

from ics.monitoring import metrics
from tests import metrics_page


def test_names_are_unique_and_every_series_carries_the_validator() -> None:
    assert len(metrics.BY_NAME) == len(metrics.FAMILIES) > 50
    for family in metrics.FAMILIES:
        assert re.fullmatch(r"ics_[a-z_]+", family.name)
        assert family.labels[0] == "validator"
        assert len(set(family.labels)) == len(family.labels)
        assert family.name.endswith("_total") is (family.kind is metrics.Kind.COUNTER)
        assert family.meaning.endswith(".")


def test_sample_needs_a_value_for_each_label() -> None:
    with pytest.raises(ValueError, match="ics_node_up has the labels"):
        metrics.NODE_UP.of(1, "alice")


def test_label_of_a_stranger_is_visible_and_short() -> None:
    sample = metrics.NODE_UP.of(True, "alice", "0", "\x1b[31m" + "x" * 500)
    assert sample.value == 1.0
    assert sample.labels[2].startswith("\\x1b[31mxxx")
    assert len(sample.labels[2]) == 128


def test_durations_are_counted_by_their_bounds() -> None:
    histogram = metrics.Histogram()
    assert histogram.cumulated() == (0,) * 12
    for seconds in (0.1, 0.11, 300.0, 301.0):
        histogram = histogram.plus(seconds)
    assert histogram.cumulated() == (1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 4)
    assert histogram.total == pytest.approx(601.21)


def test_page_is_rendered_from_the_catalogue() -> None:
    text = metrics_page.PAGE.read_text()
    assert text == metrics_page.rendered(text), "run: .venv/bin/python -m tests.metrics_page"
