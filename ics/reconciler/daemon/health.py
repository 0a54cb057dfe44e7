"""How a resident reconciler is: what its probes and metrics say; pure.

Alive: the loop makes progress. Ready: its last look could judge the provider and the cluster, whether it
acts or stands by.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prometheus_client import Metric

LONGEST_PASS = 600.0
"""Seconds after which a pass counts as stuck: transactions wait a minute for their block, each after another."""
LATE = 60.0
"""Seconds that the loop may be late for its next look."""
STALE = 300.0
"""Seconds after which a judgement no longer counts."""


@dataclass(frozen=True, slots=True)
class Vitals:
    """Times are seconds of a clock that is never set."""

    is_acting: bool = False
    """It holds the Lease."""
    busy_since: float | None = None
    """When the pass began that is under way."""
    due: float = 0.0
    """When the next look begins, at the latest."""
    judged_at: float | None = None
    """When the provider and the cluster were judged last."""
    trouble: str = "there was no look yet"
    """Why the last look could not judge; empty: it could."""
    lease_trouble: str = ""
    """Why the Lease can neither be taken nor renewed, though nobody else is known to hold it; empty: it can."""
    height: int = 0
    """Of the provider, at the last judgement."""
    passes: int = 0
    failures: int = 0
    """Passes that could judge nothing."""
    seconds: float = 0.0
    """Of the last look."""
    wakes: Mapping[str, int] = field(default_factory=dict)
    """Wake-ups by reason."""
    critical: int = 0
    """Conditions of that severity in the last report."""
    listens_to: str = ""
    """The provider's endpoint whose events are heard."""
    watches: bool = False
    """The own pods are watched."""


def ailment(vitals: Vitals, now: float) -> str:
    """Why the loop makes no progress; empty: it does."""
    if vitals.busy_since is not None:
        seconds = now - vitals.busy_since
        return f"the pass is under way since {seconds:.0f} s" if seconds > LONGEST_PASS else ""
    late = now - vitals.due
    return f"the next look is {late:.0f} s late" if late > LATE else ""


def obstacle(vitals: Vitals, now: float) -> str:
    """Why it is not ready; empty: it is."""
    if vitals.trouble or vitals.lease_trouble:
        return vitals.trouble or vitals.lease_trouble
    if vitals.judged_at is None or now - vitals.judged_at > STALE:
        return "the last judgement is too old"
    return ""


def metrics(vitals: Vitals, now: float) -> bytes:
    """All of it in the text format of Prometheus (exposition format 0.0.4)."""
    import prometheus_client  # it takes 15 ms to load

    return prometheus_client.generate_latest(_Collector(vitals, now))


@dataclass(frozen=True, slots=True)
class _Collector:
    """One state of a reconciler, as prometheus_client asks for it; nothing goes through its global registry."""

    vitals: Vitals
    now: float

    def collect(self) -> "Iterator[Metric]":
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        vitals = self.vitals
        gauges = {
            "ics_acting": ("Whether it holds the Lease and acts.", vitals.is_acting),
            "ics_ready": ("Whether it is ready, as /readyz reports.", not obstacle(vitals, self.now)),
            "ics_provider_height": ("Height of the provider at the last judgement.", vitals.height),
            "ics_pass_seconds": ("Duration of the last pass.", round(vitals.seconds, 3)),
            "ics_critical_conditions": ("Critical conditions in the last report.", vitals.critical),
            "ics_events_connected": (
                "Whether it is connected to the provider's events.",
                bool(vitals.listens_to),
            ),
            "ics_pods_watched": ("Whether it watches its own pods.", vitals.watches),
        }
        for name, (text, value) in gauges.items():
            yield GaugeMetricFamily(name, text, value)
        yield CounterMetricFamily("ics_passes_total", "Passes made.", vitals.passes)
        yield CounterMetricFamily(
            "ics_failed_passes_total", "Passes that could judge nothing.", vitals.failures
        )
        wakeups = CounterMetricFamily("ics_wakeups_total", "Wake-ups by reason.", labels=["reason"])
        for reason, count in sorted(vitals.wakes.items()):
            wakeups.add_metric([reason], count)
        yield wakeups
