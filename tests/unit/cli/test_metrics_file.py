"""Metrics of single passes in a file, whose counters go on from pass to pass."""

import dataclasses
import pathlib
from typing import Any, cast

import pytest

from ics import errors
from ics.cli import metrics_file
from ics.consumer import status
from ics.monitoring import exposition, metrics, totals
from ics.reconciler import outcome, wiring
from tests.unit import factories

RESULT = outcome.Outcome(
    changes=(),
    sent=(),
    report=status.Report(
        validator="alice", provider_chain_id="provider-1", height=100, chains=(), conditions=()
    ),
    troubles=(),
    snapshot=factories.snapshot(),
    samples=(metrics.CHAIN_STAGED.of(1, "alice", "0", "consumer1-1"),),
)


@dataclasses.dataclass
class Stack:
    world: Any
    sender: Any


@dataclasses.dataclass
class Sender:
    totals: totals.Totals


def stack(*sent: str) -> wiring.OpenStack:
    events = [(metrics.TRANSACTIONS, ("opt-in", result)) for result in sent]
    return cast(wiring.OpenStack, Stack(factories.world(), Sender(totals.Totals().plus(events))))


async def passed(path: pathlib.Path, result: outcome.Outcome | errors.IcsError = RESULT, *sent: str) -> None:
    async with metrics_file.written(path, stack(*sent)) as results:
        if isinstance(result, errors.IcsError):
            raise result
        results.append(result)


def value(path: pathlib.Path, family: metrics.Family, *labels: str) -> float | None:
    found = exposition.read(path.read_text(), "alice")
    if family.kind is metrics.Kind.COUNTER:
        return found.totals.value(family, *labels)
    return next((s.value for s in found.gauges if s.family is family and s.labels[1:] == labels), None)


async def test_first_pass_writes_all_metrics(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "ics.prom"
    await passed(path, RESULT, "confirmed")
    chain = ("0", "consumer1-1")
    assert value(path, metrics.CHAIN_STAGED, *chain) == 1
    assert (value(path, metrics.ACTING), value(path, metrics.READY)) == (1, 1)
    assert value(path, metrics.PROVIDER_HEIGHT) == 100
    assert (value(path, metrics.LAST_SUCCESSFUL_PASS) or 0) > 1_600_000_000
    assert value(path, metrics.PASSES, "ok") == 1
    assert value(path, metrics.TRANSACTIONS, "opt-in", "confirmed") == 1
    assert 'ics_passes_total{result="failed",validator="alice"} 0.0' in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o644
    assert list(tmp_path.iterdir()) == [path]


async def test_counters_go_on_and_gauges_stay_after_a_failed_pass(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "ics.prom"
    await passed(path)
    last = value(path, metrics.LAST_SUCCESSFUL_PASS)
    with pytest.raises(errors.Transient):
        await passed(path, errors.Transient("down"), "unknown")
    assert (value(path, metrics.READY), value(path, metrics.LAST_SUCCESSFUL_PASS)) == (0, last)
    assert value(path, metrics.CHAIN_STAGED, "0", "consumer1-1") == 1
    assert (value(path, metrics.PASSES, "ok"), value(path, metrics.PASSES, "failed")) == (1, 1)

    without = dataclasses.replace(RESULT, samples=(), troubles=(outcome.Trouble(errors.Transient("x")),))
    await passed(path, without, "unknown")
    assert value(path, metrics.CHAIN_STAGED, "0", "consumer1-1") is None
    results = [value(path, metrics.PASSES, result) for result in ("ok", "trouble", "failed")]
    assert results == [1, 1, 1]
    assert value(path, metrics.TRANSACTIONS, "opt-in", "unknown") == 2
    recorded = exposition.read(path.read_text(), "alice")
    assert recorded.totals.durations.cumulated()[-1] == 3


@pytest.mark.parametrize("content", [b"something else", b"\xff", b"x" * (8 * 1024 * 1024 + 1)])
async def test_another_file_is_not_overwritten(content: bytes, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "other"
    path.write_bytes(content)
    with pytest.raises(errors.SettingsError, match="not a file of metrics; remove it"):
        await passed(path)
    assert path.read_bytes() == content


async def test_path_that_cannot_be_written_is_refused(tmp_path: pathlib.Path) -> None:
    with pytest.raises(
        errors.SettingsError, match=r"--metrics-file .*: No such file or directory; name a file"
    ):
        await passed(tmp_path / "missing" / "ics.prom")
    with pytest.raises(errors.SettingsError, match=r"--metrics-file .*: Is a directory"):
        await passed(tmp_path)


async def test_without_a_path_nothing_is_written(tmp_path: pathlib.Path) -> None:
    async with metrics_file.written(None, stack()) as results:
        results.append(RESULT)
    assert list(tmp_path.iterdir()) == []
