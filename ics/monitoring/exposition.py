"""Prometheus' text format: written for scrapes and files, and read back from a file; pure."""

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ics.monitoring import metrics, totals


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
    # Written here, because prometheus_client takes three times as long, and a scrape delays the passes.
    found = [sample for one in processes for sample in (*one.samples, *one.totals.samples(one.validator))]
    lines: list[str] = []
    for family, listed in metrics.by_family(found).items():
        lines += _head(family)
        order = sorted(range(len(family.labels)), key=family.labels.__getitem__)
        for sample in listed:
            labels = ",".join(f'{family.labels[at]}="{_escaped(sample.labels[at])}"' for at in order)
            lines.append(f"{family.name}{{{labels}}} {sample.value!r}")
    lines += _head(metrics.PASS_DURATION)
    for one in processes:
        lines += _durations(one)
    return "\n".join((*lines, "")).encode()


def _head(family: metrics.Family) -> tuple[str, str]:
    meaning = family.meaning.replace("\\", r"\\").replace("\n", r"\n")
    return f"# HELP {family.name} {meaning}", f"# TYPE {family.name} {family.kind.value}"


def _durations(process: Process) -> Iterator[str]:
    name, own, counted = metrics.PASS_DURATION.name, _escaped(process.validator), process.totals.durations
    upto = counted.cumulated()
    for bound, count in zip(_bounds(), upto, strict=True):
        yield f'{name}_bucket{{le="{bound}",validator="{own}"}} {float(count)!r}'
    yield f'{name}_count{{validator="{own}"}} {float(upto[-1])!r}'
    yield f'{name}_sum{{validator="{own}"}} {float(counted.total)!r}'


@functools.lru_cache(maxsize=4096)
def _escaped(label: str) -> str:
    return label.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


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
