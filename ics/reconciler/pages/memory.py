"""What the status page shows, kept from pass to pass in memory."""

import collections
import datetime
import hashlib
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from ics import errors
from ics.consumer import status
from ics.monitoring import metrics
from ics.reconciler import outcome
from ics.status_page import state

_PASSES: Final = 50
"""Passes that are remembered."""
_LINES: Final = 60
"""Lines that are kept of one pass."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    report: status.Report
    samples: tuple[metrics.Sample, ...]
    observed: datetime.datetime


class PageMemory:
    """The last report and the last passes of one process."""

    def __init__(self, identity: state.Identity, now: Callable[[], datetime.datetime]) -> None:
        """Remember nothing yet.

        Args:
            identity: what is constant about the process.
            now: the clock.
        """
        self._identity = identity
        self._now = now
        self._seen: _Seen | None = None
        self._passes: collections.deque[state.PassRecord] = collections.deque(maxlen=_PASSES)
        self._process = secrets.token_hex(4)
        self._changes = 0

    def put(
        self, result: outcome.Outcome, seconds: float, triggers: Sequence[str] = (), lines: Sequence[str] = ()
    ) -> None:
        """Remember a pass that could judge the chains.

        Args:
            result: its outcome.
            seconds: its duration.
            triggers: what woke the daemon.
            lines: what it changed and sent.
        """
        self._see(result)
        self._add(
            state.PassRecord(
                ended=self._now(),
                seconds=seconds,
                height=result.report.height,
                triggers=tuple(triggers),
                result=state.PassResult.TROUBLE if result.troubles else state.PassResult.OK,
                changes=_cut(lines),
                troubles=_cut([str(trouble) for trouble in result.troubles]),
            )
        )

    def put_failure(self, error: errors.IcsError, seconds: float, triggers: Sequence[str] = ()) -> None:
        """Remember a pass that could not read the provider or the cluster."""
        self._add(
            state.PassRecord(
                ended=self._now(),
                seconds=seconds,
                height=None,
                triggers=tuple(triggers),
                result=state.PassResult.FAILED,
                troubles=_cut([str(error)]),
            )
        )

    def put_look(self, result: outcome.Outcome) -> None:
        """Remember what was observed without a pass."""
        self._see(result)

    def page(
        self, role: state.Role, problem: str, *, metrics_path: str, preview: state.Preview | None
    ) -> state.PageState:
        """Return what the page shows now.

        Args:
            role: of the process.
            problem: why what is remembered may be outdated.
            metrics_path: path of the metrics; empty: they are not served.
            preview: of the next pass, if it was asked for.
        """
        seen = self._seen
        made = "" if preview is None else preview.made.isoformat()
        parts = (self._process, str(self._changes), role.value, problem, made)
        return state.PageState(
            identity=self._identity,
            role=role,
            now=self._now(),
            problem=problem,
            report=None if seen is None else seen.report,
            samples=() if seen is None else seen.samples,
            observed=None if seen is None else seen.observed,
            passes=tuple(reversed(self._passes)),
            preview=preview,
            tag=hashlib.sha256("\n".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:16],
            metrics_path=metrics_path,
        )

    def _see(self, result: outcome.Outcome) -> None:
        self._changes += 1
        self._seen = _Seen(report=result.report, samples=result.samples, observed=self._now())

    def _add(self, record: state.PassRecord) -> None:
        self._changes += 1
        self._passes.append(record)


def _cut(lines: Sequence[str]) -> tuple[str, ...]:
    more = len(lines) - _LINES
    return (*lines[:_LINES], *([f"… and {more} more lines"] if more > 0 else []))
