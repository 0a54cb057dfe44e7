"""Health of the daemon: liveness, readiness and metrics; pure.

Alive: the loop makes progress. Ready: its last pass could read the provider and the cluster, whether it acts or is a
standby.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prometheus_client import Metric

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
    passes: int = 0
    failures: int = 0
    """Number of failed observations."""
    seconds: float = 0.0
    """Duration of the last pass."""
    wakeups: Mapping[str, int] = field(default_factory=dict)
    """Wake-ups by reason."""
    critical: int = 0
    """Number of critical conditions in the last report."""
    listens_to: str = ""
    """Provider endpoint of the event subscription; empty: disconnected."""
    watches: bool = False
    """Whether the validator's pods are watched."""


def liveness_problem(health: DaemonHealth, now: float) -> str:
    """Return why the loop makes no progress, or an empty text if it does."""
    if health.busy_since is not None:
        seconds = now - health.busy_since
        return f"the pass has been running for {seconds:.0f} s" if seconds > LONGEST_PASS else ""
    late = now - health.due
    return f"the next pass is {late:.0f} s overdue" if late > _LATE else ""


def readiness_problem(health: DaemonHealth, now: float) -> str:
    """Return why the daemon is not ready, or an empty text if it is."""
    if health.trouble or health.lease_trouble:
        return health.trouble or health.lease_trouble
    if health.judged_at is None or now - health.judged_at > _STALE:
        return "the last observation is too old"
    return ""


def metrics(health: DaemonHealth, now: float) -> bytes:
    """Return the metrics in the text format of Prometheus (exposition format 0.0.4)."""
    import prometheus_client  # its import takes 15 ms

    return prometheus_client.generate_latest(_Collector(health, now))


@dataclass(frozen=True, slots=True)
class _Collector:
    """Collector of prometheus_client for one state, without its global registry."""

    health: DaemonHealth
    now: float

    def collect(self) -> "Iterator[Metric]":
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        state = self.health
        gauges = {
            "ics_acting": ("Whether it holds the Lease and acts.", state.is_acting),
            "ics_ready": (
                "Whether it is ready, as /readyz reports.",
                not readiness_problem(state, self.now),
            ),
            "ics_provider_height": ("Provider height of the last observation.", state.height),
            "ics_pass_seconds": ("Duration of the last pass.", round(state.seconds, 3)),
            "ics_critical_conditions": ("Critical conditions in the last report.", state.critical),
            "ics_events_connected": (
                "Whether it is connected to the provider's events.",
                bool(state.listens_to),
            ),
            "ics_pods_watched": ("Whether it watches its own pods.", state.watches),
        }
        for name, (text, value) in gauges.items():
            yield GaugeMetricFamily(name, text, value)
        yield CounterMetricFamily("ics_passes_total", "Passes made.", state.passes)
        yield CounterMetricFamily("ics_failed_passes_total", "Passes that failed to observe.", state.failures)
        wakeups = CounterMetricFamily("ics_wakeups_total", "Wake-ups by reason.", labels=["reason"])
        for reason, count in sorted(state.wakeups.items()):
            wakeups.add_metric([reason], count)
        yield wakeups
