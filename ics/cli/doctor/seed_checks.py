"""Comparison of the seeds of a project's stacks; pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from ics.cli.doctor import findings
from ics.cli.doctor.findings import Finding

_CHECK = "ics:seed"


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What a seed is compared by."""

    node_id: str = ""
    """Of the seed's own node key, which is public; empty: not known."""
    problem: str = ""


def compare(own: str, others: Mapping[str, Fingerprint]) -> list[Finding]:
    """Report every other stack that has the same seed.

    Args:
        own: node id of the seed of the stack that is checked.
        others: fingerprints of the other stacks, by name.
    """
    same = sorted(name for name, other in others.items() if other.node_id == own)
    unknown = sorted(name for name, other in others.items() if not other.node_id)
    results = [
        findings.fail(
            _CHECK,
            f"the stack {name} has the same seed, so whoever gets one gets the keys of both; create one of its own"
            " with `ics keys add NAME --seed` before it joins a chain",
        )
        for name in same
    ]
    if unknown:
        results.append(
            findings.warn(_CHECK, f"not compared with that of {', '.join(unknown)}: it cannot be read")
        )
    if others and not results:
        results.append(findings.ok(_CHECK, f"differs from that of {', '.join(sorted(others))}"))
    return results
