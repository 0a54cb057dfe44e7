"""What the page shows, from pass to pass."""

import dataclasses
import datetime
from collections.abc import Sequence

from ics import errors
from ics.reconciler import outcome
from ics.reconciler.pages import memory
from ics.status_page import state
from tests.pictures import scene
from tests.unit import factories

IDENTITY = state.Identity("alice", "hub-4", "0.1.0")


def passed(*problems: str) -> outcome.Outcome:
    report = scene.page().report
    assert report is not None
    return outcome.Outcome(
        changes=(),
        sent=(),
        report=report,
        troubles=tuple(outcome.Trouble(errors.Transient(text)) for text in problems),
        snapshot=factories.snapshot(),
    )


class Clock:
    def __init__(self) -> None:
        self.now = scene.NOW

    def __call__(self) -> datetime.datetime:
        self.now += datetime.timedelta(seconds=1)
        return self.now


def page(kept: memory.PageMemory, problem: str = "", preview: state.Preview | None = None) -> state.PageState:
    return kept.page(state.Role.ACTING, problem, metrics_path="", preview=preview)


def test_passes_are_kept_newest_first_with_the_last_report() -> None:
    kept = memory.PageMemory(IDENTITY, Clock())
    assert (page(kept).report, page(kept).passes) == (None, ())
    kept.put(passed(), 1.5, ["pods"], ["created x"])
    kept.put(passed("no answer"), 2.5)
    kept.put_failure(errors.Transient("the cluster does not answer"), 0.5)
    found = page(kept)
    assert found.report is passed().report or found.report == passed().report
    assert [(one.result, one.seconds, one.triggers, one.changes, one.troubles) for one in found.passes] == [
        (state.PassResult.FAILED, 0.5, (), (), ("the cluster does not answer",)),
        (state.PassResult.TROUBLE, 2.5, (), (), ("no answer",)),
        (state.PassResult.OK, 1.5, ("pods",), ("created x",), ()),
    ]
    # The report is as old as the pass that made it.
    assert found.observed is not None
    assert found.observed < found.passes[0].ended


def test_memory_is_bounded() -> None:
    kept = memory.PageMemory(IDENTITY, Clock())
    lines: Sequence[str] = [f"line {number}" for number in range(1000)]
    for _ in range(200):
        kept.put(passed(), 1.0, lines=lines)
    found = page(kept)
    assert len(found.passes) == 50
    assert len(found.passes[0].changes) == 61
    assert found.passes[0].changes[-1] == "… and 940 more lines"


def test_tag_differs_whenever_anything_but_the_time_does() -> None:
    kept = memory.PageMemory(IDENTITY, Clock())
    tags = [page(kept).tag, page(kept).tag]
    assert tags[0] == tags[1]
    kept.put(passed(), 1.0)
    tags.append(page(kept).tag)
    kept.put_failure(errors.Transient("x"), 1.0)
    tags.append(page(kept).tag)
    tags.append(page(kept, "x").tag)
    tags.append(page(kept, "x", scene.PREVIEW).tag)
    later = dataclasses.replace(scene.PREVIEW, made=scene.NOW)
    tags.append(page(kept, "x", later).tag)
    tags.append(page(memory.PageMemory(IDENTITY, Clock())).tag)
    assert len(set(tags[1:])) == len(tags) - 1
