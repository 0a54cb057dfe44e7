"""Metrics in a file are read back as they were written."""

import dataclasses

import pytest

from ics.monitoring import exposition, metrics, totals

SAMPLES = (
    metrics.NODE_UP.of(1, "alice", "0", 'a"b\\c\\n'),
    metrics.CONDITION.of(1, "alice", "", "", "Jailed", "critical"),
    metrics.CLIENT_EXPIRY.of(1_800_000_000.123456, "alice", "0", "consumer1-1", "provider"),
)
TOTALS = (
    totals.Totals({(metrics.PASSES, ("ok",)): 0, (metrics.CHANGES, ("create", "Service")): 3})
    .plus([(metrics.PASSES, ("ok",)), (metrics.PASSES, ("failed",))])
    .plus_pass(0.3)
    .plus_pass(1000)
)


def test_written_metrics_are_read_back() -> None:
    served = exposition.text([exposition.Process("alice", SAMPLES, TOTALS)]).decode()
    found = exposition.read(served, "alice")
    assert set(found.gauges) == set(SAMPLES)
    assert found.totals == TOTALS


def test_metrics_of_several_validators_are_one_answer() -> None:
    bobs = tuple(one._replace(labels=("bob", *one.labels[1:])) for one in SAMPLES)
    both = [exposition.Process("alice", SAMPLES, TOTALS), exposition.Process("bob", bobs, TOTALS)]
    served = exposition.text(both).decode()
    assert set(exposition.read(served, "alice").gauges) == set(SAMPLES)
    assert set(exposition.read(served, "bob").gauges) == set(bobs)
    assert exposition.read(served, "bob").totals == TOTALS
    assert served.count("# TYPE ics_node_up gauge") == 1
    assert served.count("# TYPE ics_pass_duration_seconds histogram") == 1


def test_metrics_of_other_validators_and_versions_are_left_out() -> None:
    served = exposition.text([exposition.Process("bob", SAMPLES[:1], TOTALS)]).decode()
    newer = 'ics_node_up{validator="bob",consumer_id="0"} 1\nics_new_total{validator="bob"} 7\n'
    other = exposition.read(served, "charlie")
    assert other == exposition.Recorded((), totals.Totals())
    assert exposition.read(newer, "bob") == exposition.Recorded((), totals.Totals())


def test_durations_with_other_bounds_start_again() -> None:
    served = 'ics_pass_duration_seconds_bucket{validator="alice",le="7.0"} 5\n'
    assert exposition.read(served, "alice").totals.durations == metrics.Histogram()


@pytest.mark.parametrize("content", ["no metrics at all", 'ics_up{validator="alice} 1'])
def test_other_content_is_refused(content: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        exposition.read(content, "alice")


def test_counts_are_added_and_replaced() -> None:
    more = totals.Totals({(metrics.PASSES, ("ok",)): 5})
    assert TOTALS.added(more).value(metrics.PASSES, "ok") == 6
    assert TOTALS.merged(more) == dataclasses.replace(
        TOTALS, counts={**TOTALS.counts, (metrics.PASSES, ("ok",)): 5}
    )
