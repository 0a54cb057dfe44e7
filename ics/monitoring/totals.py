"""Counters and durations of a process, or of all passes that wrote one file; pure.

Every label value of a counter exists at 0 from the start, so that `increase()` sees the first event.
"""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from ics.monitoring import metrics

Series = tuple[metrics.Family, tuple[str, ...]]
"""A counter and its labels without the validator."""


@dataclass(frozen=True, slots=True)
class Totals:
    """Values of counters, and the durations of passes."""

    counts: Mapping[Series, float] = field(default_factory=dict)
    durations: metrics.Histogram = field(default_factory=metrics.Histogram)

    def plus(self, events: Iterable[Series]) -> "Totals":
        """Return the totals after these events."""
        counts = dict(self.counts)
        for series in events:
            counts[series] = counts.get(series, 0) + 1
        return dataclasses.replace(self, counts=counts)

    def plus_pass(self, seconds: float) -> "Totals":
        """Return the totals after a pass of this duration."""
        return dataclasses.replace(self, durations=self.durations.plus(seconds))

    def merged(self, other: "Totals") -> "Totals":
        """Return the totals with the values of others for the series that they have."""
        return dataclasses.replace(self, counts={**self.counts, **other.counts})

    def added(self, other: "Totals") -> "Totals":
        """Return the totals with the counts of others added."""
        sums = {series: self.counts.get(series, 0) + count for series, count in other.counts.items()}
        return dataclasses.replace(self, counts={**self.counts, **sums})

    def value(self, family: metrics.Family, *labels: str) -> float:
        """Return the value of a counter; 0 if it has no such series."""
        return self.counts.get((family, labels), 0)

    def samples(self, validator: str) -> Iterator[metrics.Sample]:
        """Yield the samples of all counters."""
        for (family, labels), value in self.counts.items():
            yield family.of(value, validator, *labels)
