"""How a resident reconciler is: what its probes and metrics say; pure.

Alive: the loop makes progress. Ready: its last look could judge the provider and the cluster, whether it
acts or stands by.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

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


def metrics(vitals: Vitals, now: float) -> str:
    """All of it in the text format of Prometheus (exposition format 0.0.4)."""
    gauges = {
        "ics_acting": int(vitals.is_acting),
        "ics_ready": int(not obstacle(vitals, now)),
        "ics_provider_height": vitals.height,
        "ics_pass_seconds": round(vitals.seconds, 3),
        "ics_critical_conditions": vitals.critical,
        "ics_events_connected": int(bool(vitals.listens_to)),
        "ics_pods_watched": int(vitals.watches),
    }
    counters = {"ics_passes_total": vitals.passes, "ics_failed_passes_total": vitals.failures}
    lines = [line for name, value in gauges.items() for line in (f"# TYPE {name} gauge", f"{name} {value}")]
    lines += [
        line for name, value in counters.items() for line in (f"# TYPE {name} counter", f"{name} {value}")
    ]
    lines.append("# TYPE ics_wakeups_total counter")
    lines += [
        f'ics_wakeups_total{{reason="{reason}"}} {count}' for reason, count in sorted(vitals.wakes.items())
    ]
    return "\n".join(lines) + "\n"
