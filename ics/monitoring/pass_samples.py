"""Metrics of one pass: of the validator and of its chains; pure."""

from collections.abc import Iterator, Sequence

from ics import model
from ics.consumer import desired, observed, status
from ics.monitoring import chain_samples, metrics


def of_validator(
    observed: observed.Observed, wanted: desired.Desired, report: status.Report
) -> tuple[metrics.Sample, ...]:
    """Return the samples of a pass that concern no single chain.

    Args:
        observed: everything that the pass observed.
        wanted: its desired state.
        report: its report.
    """
    snapshot, validator = observed.snapshot, wanted.settings.validator
    own = desired.own_validator(snapshot, wanted.settings)
    return (
        metrics.PROVIDER_BLOCK_TIME.of(snapshot.moment.timestamp(), validator),
        metrics.VALIDATOR_BONDED.of(own.is_bonded, validator),
        metrics.VALIDATOR_JAILED.of(own.is_jailed, validator),
        *_phases(validator, snapshot.consumers),
        *_endpoints(validator, observed.endpoint_states),
        *chain_samples.of_conditions(validator, conditions=report.conditions),
    )


def _phases(validator: str, consumers: Sequence[model.Consumer]) -> Iterator[metrics.Sample]:
    for phase in model.Phase:
        number = sum(consumer.summary.phase is phase for consumer in consumers)
        yield metrics.CHAINS.of(number, validator, phase.value)


def _endpoints(validator: str, states: Sequence[model.EndpointState]) -> Iterator[metrics.Sample]:
    """Yield the samples of endpoints; of several with one host and port, the worst one counts."""
    heights: dict[tuple[str, str], list[int | None]] = {}
    for state in states:
        heights.setdefault((state.kind, state.host), []).append(state.height)
    for (kind, host), found in heights.items():
        usable = [height for height in found if height is not None]
        yield metrics.ENDPOINT_UP.of(len(usable) == len(found), validator, kind, host)
        if usable:
            yield metrics.ENDPOINT_HEIGHT.of(min(usable), validator, kind, host)
