"""Prometheus' text format: written for scrapes and files, and read back from a file; pure."""

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ics.monitoring import metrics, totals

if TYPE_CHECKING:
    import prometheus_client


@dataclass(frozen=True, slots=True)
class Identity:
    """What is constant about a process."""

    validator: str
    version: str
    """Of the operator."""
    engine: str
    """Engine of the settings."""
    provider_chain_id: str

    def sample(self) -> metrics.Sample:
        """Return the sample of `ics_build_info`."""
        return metrics.BUILD_INFO.of(1, self.validator, self.version, self.engine, self.provider_chain_id)


@dataclass(frozen=True, slots=True)
class Recorded:
    """Content of a file that an earlier pass wrote."""

    gauges: tuple[metrics.Sample, ...]
    totals: totals.Totals


@dataclass(frozen=True, slots=True)
class Process:
    """What one validator's process says."""

    validator: str
    samples: tuple[metrics.Sample, ...]
    totals: totals.Totals


def text(processes: Sequence[Process]) -> bytes:
    """Return samples, counters and durations in the text format (exposition format 0.0.4)."""
    found = [sample for one in processes for sample in (*one.samples, *one.totals.samples(one.validator))]
    parts = [_family(family, tuple(listed)) for family, listed in metrics.by_family(found).items()]
    return b"".join((*parts, _durations(processes)))


# Most metrics are the same in every scrape, and the library takes far longer to write them than it takes to compare.
@functools.lru_cache(maxsize=2 * len(metrics.FAMILIES))
def _family(family: metrics.Family, listed: tuple[metrics.Sample, ...]) -> bytes:
    metric = _metric(family)
    for sample in listed:
        metric.add_sample(family.name, dict(zip(family.labels, sample.labels, strict=True)), sample.value)
    return _written(metric)


def _durations(processes: Sequence[Process]) -> bytes:
    metric = _metric(metrics.PASS_DURATION)
    for one in processes:
        own, counted = {"validator": one.validator}, one.totals.durations
        upto = counted.cumulated()
        for bound, count in zip(_bounds(), upto, strict=True):
            metric.add_sample(f"{metric.name}_bucket", {**own, "le": bound}, count)
        metric.add_sample(f"{metric.name}_count", own, upto[-1])
        metric.add_sample(f"{metric.name}_sum", own, counted.total)
    return _written(metric)


def _metric(family: metrics.Family) -> "prometheus_client.Metric":
    import prometheus_client  # here, because most commands write no metrics

    # The library adds the ending of a counter's name itself.
    name = family.name.removesuffix("_total")
    return prometheus_client.Metric(name, family.meaning, family.kind.value)


def _written(metric: "prometheus_client.Metric") -> bytes:
    import prometheus_client
    from prometheus_client import registry

    class One(registry.Collector):
        def collect(self) -> "Iterator[prometheus_client.Metric]":
            yield metric

    return prometheus_client.generate_latest(One())


def read(content: str, validator: str) -> Recorded:
    """Return what an earlier pass of the same validator wrote; metrics of other versions are left out.

    Raises:
        ValueError: it is not in the text format.
    """
    from prometheus_client import parser

    gauges: list[metrics.Sample] = []
    counts: dict[totals.Series, float] = {}
    upto: dict[str, float] = {}
    seconds = 0.0
    for parsed in parser.text_string_to_metric_families(content):
        for name, labels, value, *_ in parsed.samples:
            if labels.get("validator") != validator:
                continue
            if name == f"{metrics.PASS_DURATION.name}_bucket":
                upto[labels.get("le", "")] = value
            elif name == f"{metrics.PASS_DURATION.name}_sum":
                seconds = value
            family = metrics.BY_NAME.get(name)
            if family is None or set(labels) != set(family.labels):
                continue
            values = tuple(labels[label] for label in family.labels)
            if family.kind is metrics.Kind.COUNTER:
                counts[family, values[1:]] = value
            elif family.kind is metrics.Kind.GAUGE:
                gauges.append(metrics.Sample(family, values, value))
    return Recorded(tuple(gauges), totals.Totals(counts, _histogram(upto, seconds)))


def _histogram(upto: dict[str, float], seconds: float) -> metrics.Histogram:
    """Return the histogram of cumulated counts by bound; an empty one if its bounds are those of another version."""
    bounds = _bounds()
    if set(upto) != set(bounds):
        return metrics.Histogram()
    cumulated = [int(upto[bound]) for bound in bounds]
    counts = [now - before for before, now in zip([0, *cumulated], cumulated, strict=False)]
    return metrics.Histogram(tuple(counts), seconds)


def _bounds() -> list[str]:
    return [*(str(bound) for bound in metrics.BOUNDS), "+Inf"]
