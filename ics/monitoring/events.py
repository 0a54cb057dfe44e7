"""Transitions between two passes as Kubernetes Events; pure.

An Event is written when something about a chain or the validator has become true that was not true after the pass
before: a condition, or one of the facts below. What is known is kept from pass to pass, so an unchanged pass writes
nothing.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from ics import plain_text
from ics.conditions import Condition, Severity
from ics.consumer import status
from ics.cosmos import canonical_json

_LONGEST: Final = 1000
"""Characters of a note; the API takes 1,024 bytes."""
_MOST: Final = 200
"""Events of one pass; what is left out is in the report and in the metrics."""

Known: TypeAlias = Mapping[str, tuple[str, ...]]
"""What was true after a pass, by consumer id; empty: of the validator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """Something that has become true."""

    consumer_id: str
    """Of the chain; empty: it is about the validator."""
    namespace: str
    """Of the chain's objects; empty: it is about the validator."""
    reason: str
    note: str
    is_warning: bool
    action: str
    """What the reconciler did when it noticed."""

    @property
    def digest(self) -> str:
        """Digest of reason and note: the Event of a repetition has the same name."""
        return canonical_json.sha256_hex(f"{self.reason}\n{self.note}".encode())[:16]


@dataclass(frozen=True, slots=True)
class _Fact:
    token: str
    """Stays the same for as long as it is true."""
    reason: str
    note: str
    is_warning: bool
    action: str


def between(before: Known, report: status.Report) -> tuple[Known, tuple[Transition, ...]]:
    """Return what is true after a pass, and what has become so.

    Args:
        before: what was true after the pass before.
        report: of the pass.
    """
    facts = {"": ("", [_of_condition(condition) for condition in report.conditions])}
    for chain in report.chains:
        if chain.namespace is not None:
            facts[chain.consumer_id] = (chain.namespace, list(_of_chain(chain)))
    known: dict[str, tuple[str, ...]] = {}
    transitions = []
    for consumer_id, (namespace, listed) in facts.items():
        earlier = set(before.get(consumer_id, ()))
        transitions += [
            _transition(consumer_id, namespace, fact) for fact in listed if fact.token not in earlier
        ]
        if listed:
            known[consumer_id] = tuple(sorted({fact.token for fact in listed}))
    return known, tuple(transitions[:_MOST])


def _transition(consumer_id: str, namespace: str, fact: _Fact) -> Transition:
    return Transition(
        consumer_id=consumer_id,
        namespace=namespace,
        reason=fact.reason,
        note=_cut(plain_text.one_line(fact.note, _LONGEST)),
        is_warning=fact.is_warning,
        action=fact.action,
    )


def _cut(text: str) -> str:
    return text.encode()[:_LONGEST].decode(errors="ignore")


def _of_condition(condition: Condition) -> _Fact:
    token = f"{condition.reason}/{condition.severity.name.lower()}"
    is_warning = condition.severity >= Severity.WARNING
    return _Fact(token, condition.reason.value, condition.message, is_warning, "Reconcile")


def _of_chain(chain: status.ChainReport) -> Iterator[_Fact]:
    for condition in chain.conditions:
        yield _of_condition(condition)
    if chain.participation.is_member:
        text = f"this validator has joined {chain.chain_id}"
        yield _Fact("OptedIn", "OptedIn", text, False, "OptIn")
    if chain.genesis_sha256 is not None:
        text = f"the genesis is complete, with sha256 {chain.genesis_sha256}"
        yield _Fact("GenesisVerified", "GenesisVerified", text, False, "Verify")
    if chain.node is not None and chain.node.height:
        yield _Fact("NodeStarted", "NodeStarted", "the node answers and has blocks", False, "Start")
    if chain.is_ccv_open:
        text = "the CCV channel is open: validator updates reach the chain"
        yield _Fact("ChannelOpened", "ChannelOpened", text, False, "Relay")
    if chain.retired_key:
        text = f"the chain's validator set has the new key, and no longer has {chain.retired_key}"
        yield _Fact(f"KeyRetired/{chain.retired_key}", "KeyRetired", text, False, "Retire")
    if chain.upgrade is not None and chain.upgrade.version.height:
        version = chain.upgrade.version
        text = f"the node has the version from height {version.height} on: {version.image}"
        yield _Fact(f"Upgraded/{version.height}", "Upgraded", text, False, "Upgrade")


def encode(known: Known) -> str:
    """Return what is known as the annotation that keeps it."""
    return json.dumps({key: list(tokens) for key, tokens in known.items()}, separators=(",", ":"))


def decode(text: str) -> Known:
    """Return what an annotation keeps; nothing if it is missing or was edited, so that Events are repeated."""
    try:
        value = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    if not isinstance(value, dict):
        return {}
    return {
        key: tuple(token for token in tokens if isinstance(token, str))
        for key, tokens in value.items()
        if isinstance(tokens, list)
    }
