"""Health of the daemon: liveness, readiness and metrics; pure.

Alive: the loop makes progress. Ready: its last pass could read the provider and the cluster, whether it acts or is a
standby.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from ics.monitoring import exposition
from ics.monitoring import metrics as ics_metrics
from ics.monitoring import totals as ics_totals
from ics.reconciler import counters
from ics.reconciler.daemon import wakeups

LONGEST_PASS = 600.0
"""Seconds after which a pass counts as stuck; several transactions may wait up to a minute each."""
_LATE = 60.0
"""Seconds by which the loop's next turn may be overdue."""
_STALE = 300.0
"""Seconds after which the last observation is outdated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonHealth:
    """State of the daemon's loop; times are seconds of a monotonic clock."""

    is_acting: bool = False
    """Whether it holds the Lease."""
    busy_since: float | None = None
    """Start of the current pass; None: no pass is running."""
    due: float = 0.0
    """Latest start of the next pass."""
    judged_at: float | None = None
    """Time of the last successful observation."""
    trouble: str = "no pass has run yet"
    """Why the last observation failed; empty: it succeeded."""
    lease_trouble: str = ""
    """Why the Lease can neither be acquired nor renewed, unless another process holds it; empty: no error."""
    height: int = 0
    """Provider height of the last observation."""
    succeeded_at: float = 0.0
    """Time of the last successful observation, in seconds since the epoch; 0: there was none."""
    totals: ics_totals.Totals = field(default_factory=lambda: counters.initial(wakeups.REASONS))
    """Counters of the process."""
    samples: tuple[ics_metrics.Sample, ...] = ()
    """Metrics of the last pass; empty on a standby."""
    listens_to: str = ""
    """Provider endpoint of the event subscription; empty: disconnected."""
    watches: bool = False
    """Whether the validator's pods are watched."""
    identity: exposition.Identity = field(default_factory=lambda: exposition.Identity("", "", "", ""))
    """Of the process."""


def liveness_problem(health: DaemonHealth, now: float) -> str:
    """Return why the loop makes no progress, or an empty text if it does."""
    if health.busy_since is not None:
        seconds = now - health.busy_since
        return f"the pass has been running for {seconds:.0f} s" if seconds > LONGEST_PASS else ""
    late = now - health.due
    return f"the next pass is {late:.0f} s overdue" if late > _LATE else ""


def opening_problem(since: float | None, now: float) -> str:
    """Return why opening a stack makes no progress, or an empty text if it does.

    Args:
        since: when that began; None: it has ended, well or not.
        now: the present of the same clock.
    """
    seconds = 0.0 if since is None else now - since
    return f"the stack has been being opened for {seconds:.0f} s" if seconds > LONGEST_PASS else ""


def readiness_problem(health: DaemonHealth, now: float) -> str:
    """Return why the daemon is not ready, or an empty text if it is."""
    if health.trouble or health.lease_trouble:
        return health.trouble or health.lease_trouble
    if health.judged_at is None or now - health.judged_at > _STALE:
        return "the last observation is too old"
    return ""


def metrics(daemons: Sequence[tuple[DaemonHealth, float]]) -> bytes:
    """Return the metrics of daemons in the text format of Prometheus (exposition format 0.0.4).

    Args:
        daemons: their health, each with the present of its clock.
    """
    return exposition.text([_process(health, now) for health, now in daemons])


def _process(health: DaemonHealth, now: float) -> exposition.Process:
    identity = health.identity
    validator = identity.validator
    own = (
        identity.sample(),
        ics_metrics.ACTING.of(health.is_acting, validator),
        ics_metrics.READY.of(not readiness_problem(health, now), validator),
        ics_metrics.PROVIDER_HEIGHT.of(health.height, validator),
        ics_metrics.LAST_SUCCESSFUL_PASS.of(health.succeeded_at, validator),
        ics_metrics.EVENTS_CONNECTED.of(bool(health.listens_to), validator),
        ics_metrics.PODS_WATCHED.of(health.watches, validator),
    )
    return exposition.Process(validator, (*own, *health.samples), health.totals)
