"""Answers that are kept for a while."""

import pytest

from ics.cluster.recent_answers import RecentAnswers


def test_answer_is_due_again_once_it_is_old() -> None:
    kept = RecentAnswers[str, int](60.0)
    assert kept.due(["a", "b", "a"], 0.0) == ["a", "b"]
    kept.keep({"a": 1, "b": 2}, 0.0)
    kept.keep({"b": 3}, 30.0)
    assert kept.due(["a", "b"], 59.9) == []
    assert kept.due(["a", "b"], 60.0) == ["a"]
    assert (kept["a"], kept["b"], "c" in kept) == (1, 3, False)


def test_nothing_is_fresh_for_a_single_pass() -> None:
    kept = RecentAnswers[str, int](0.0)
    kept.keep({"a": 1}, 5.0)
    assert kept.due(["a"], 5.0) == ["a"]
    assert kept["a"] == 1


def test_other_answers_are_forgotten() -> None:
    kept = RecentAnswers[str, int](60.0)
    kept.keep({"a": 1, "b": 2}, 0.0)
    kept.forget_all_but(["b"])
    assert kept.due(["a", "b"], 0.0) == ["a"]
    with pytest.raises(KeyError):
        kept["a"]
