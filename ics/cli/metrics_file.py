"""Metrics of single passes in a file, for node_exporter's textfile collector.

Counters go on from the values in the file, which is the only memory of passes from cron.
"""

import contextlib
import dataclasses
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

from ics import VERSION, errors
from ics.config import settings as config_settings
from ics.monitoring import exposition, metrics
from ics.reconciler import counters, outcome, wiring

_LARGEST = 8 * 1024 * 1024
"""Bytes of a file that is read; 1,000 chains take about 6 MB."""
_MODE = 0o644
"""node_exporter runs as another user."""
_OF_PROCESS = (metrics.BUILD_INFO, metrics.ACTING, metrics.READY)
"""Gauges of the process itself, which a pass that fails has, too."""


def identity(settings: config_settings.Settings) -> exposition.Identity:
    """Return what is constant about this process."""
    return exposition.Identity(
        settings.validator,
        VERSION,
        settings.engine,
        settings.provider.chain_id,
    )


@contextlib.asynccontextmanager
async def written(path: Path | None, stack: wiring.OpenStack) -> AsyncIterator[list[outcome.Outcome]]:
    """Write the metrics of the pass that the context runs; without a path, write nothing.

    Yields:
        A list that takes the outcome of the pass. If the pass fails as a whole, the gauges of chains stay as the file
        has them, and `ics_last_successful_pass_timestamp_seconds` says since when.

    Raises:
        SettingsError: the file cannot be read or written, or has another content.
    """
    result: list[outcome.Outcome] = []
    if path is None:
        yield result
        return
    before = read(path, stack.world.settings.validator)
    started = time.monotonic()
    try:
        yield result
    except errors.IcsError:
        _write(path, stack, before, None, time.monotonic() - started)
        raise
    _write(path, stack, before, result[0], time.monotonic() - started)


def read(path: Path, validator: str) -> exposition.Recorded:
    """Read the metrics that the last pass wrote; of a file that is not there, all counters are 0.

    Raises:
        SettingsError: the file cannot be read, or is not one of metrics.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST + 1)
        if len(content) > _LARGEST:
            raise ValueError("too large")
        recorded = exposition.read(content.decode(), validator)
    except FileNotFoundError:
        return exposition.Recorded((), counters.initial())
    except OSError as error:
        raise errors.SettingsError(
            f"--metrics-file {path}: {error.strerror}; correct the path or its mode"
        ) from error
    except ValueError as error:
        raise errors.SettingsError(
            f"--metrics-file {path}: not a file of metrics; remove it, or name another file"
        ) from error
    start = counters.initial()
    totals = dataclasses.replace(start.merged(recorded.totals), durations=recorded.totals.durations)
    return exposition.Recorded(recorded.gauges, totals)


def _write(
    path: Path,
    stack: wiring.OpenStack,
    before: exposition.Recorded,
    result: outcome.Outcome | None,
    seconds: float,
) -> None:
    """Write the metrics of a pass; without a result it failed."""
    own = identity(stack.world.settings)
    events = counters.of_failed_pass() if result is None else counters.of_pass(result)
    totals = before.totals.plus(events).added(stack.sender.totals).plus_pass(seconds)
    gauges: list[metrics.Sample] = [
        own.sample(),
        metrics.ACTING.of(True, own.validator),
        metrics.READY.of(result is not None, own.validator),
    ]
    if result is None:
        gauges += [sample for sample in before.gauges if sample.family not in _OF_PROCESS]
    else:
        gauges += [
            metrics.PROVIDER_HEIGHT.of(result.report.height, own.validator),
            metrics.LAST_SUCCESSFUL_PASS.of(time.time(), own.validator),
            *result.samples,
        ]
    _replace(path, exposition.text([exposition.Process(own.validator, tuple(gauges), totals)]))


def _replace(path: Path, content: bytes) -> None:
    """Replace a file as a whole, so that a collector never reads a part of it.

    Raises:
        SettingsError: it cannot be written.
    """
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        unfinished.write_bytes(content)
        unfinished.chmod(_MODE)
        unfinished.replace(path)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise errors.SettingsError(
            f"--metrics-file {path}: {error.strerror}; name a file in a folder that you can write to"
        ) from error
