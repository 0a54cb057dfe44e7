"""What a `ConsumerChain` object says about a chain: kstatus conditions, and every condition of the catalogue; pure.

The objects report and are never read as input. Nothing in them moves with each block, so they are written only when
something about the chain has changed. `Ready`, `Reconciling` and `Stalled` are those of kstatus
(sigs.k8s.io/cli-utils, pkg/kstatus), which `kubectl wait`, k9s, Flux and Argo CD understand.
"""

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from ics import model, plain_text
from ics.conditions import Condition, Severity
from ics.consumer import status
from ics.consumer.participation import Participation

_LONGEST: Final = 1000
"""Characters of a condition's message."""
_LONGEST_SUMMARY: Final = 100
"""Characters of the message that `kubectl get` shows."""

Status: TypeAlias = dict[str, Any]
"""The `status` of an object."""


@dataclass(frozen=True, slots=True)
class StatusCondition:
    """One entry of `status.conditions`, without its time."""

    type: str
    is_true: bool
    reason: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainState:
    """State of one chain, as its object says it."""

    consumer_id: str
    chain_id: str
    namespace: str | None
    """In which its object belongs; None: the chain is paused, and an object that is there stays where it is."""
    phase: str
    participation: str
    signing: str
    """`yes`, `no`, or `-` without a node."""
    channel: str
    """`open` or `pending`; `-` where nothing is known about it."""
    message: str
    """The most severe condition."""
    conditions: tuple[StatusCondition, ...]


def of_report(report: status.Report) -> dict[str, ChainState]:
    """Return the state of each chain that is ours, or that is paused, by consumer id."""
    return {
        chain.consumer_id: _state(chain)
        for chain in report.chains
        if chain.namespace is not None or chain.is_paused
    }


def _state(chain: status.ChainReport) -> ChainState:
    node, is_open = chain.node, chain.is_ccv_open
    return ChainState(
        consumer_id=chain.consumer_id,
        chain_id=plain_text.one_line(chain.chain_id, _LONGEST_SUMMARY),
        namespace=chain.namespace,
        phase=chain.phase.value,
        participation=chain.participation.value,
        signing="-" if node is None or node.signers is None else "yes" if node.signing else "no",
        channel="-" if is_open is None else "open" if is_open else "pending",
        message=plain_text.one_line(_summary(chain.conditions), _LONGEST_SUMMARY),
        conditions=(*_kstatus(chain), *_of_catalogue(chain.conditions)),
    )


def _summary(conditions: Sequence[Condition]) -> str:
    """Return the first condition, which is the most severe one."""
    return f"{conditions[0].reason.value}: {conditions[0].message}" if conditions else ""


def _kstatus(chain: status.ChainReport) -> tuple[StatusCondition, ...]:
    """Return whether the chain is as it should be, is on its way there, or waits for the operator."""
    is_ready = _is_ready(chain)
    stuck = next((each for each in chain.conditions if _needs_operator(each)), None)
    is_stalled = not is_ready and stuck is not None
    cause = stuck or next(iter(chain.conditions), None)
    if is_ready:
        signs = chain.node is not None and chain.node.signing
        reason, message = (
            ("Signing", "the node signs") if signs else ("Running", "the node follows the chain")
        )
    elif cause is not None:
        reason, message = cause.reason.value, plain_text.one_line(cause.message, _LONGEST)
    else:
        reason, message = "Waiting", f"the chain is {chain.phase.value}"
    return (
        StatusCondition("Ready", is_ready, reason, message),
        StatusCondition("Reconciling", not is_ready and not is_stalled, reason, message),
        StatusCondition("Stalled", is_stalled, reason, message),
    )


def _is_ready(chain: status.ChainReport) -> bool:
    """Return whether a launched chain's node runs, and signs if this validator is in the chain's set."""
    node = chain.node
    return (
        chain.phase is model.Phase.LAUNCHED
        and node is not None
        and node.height is not None
        and not node.is_catching_up
        and (node.signing or chain.participation is not Participation.VALIDATING)
        and all(each.severity is not Severity.CRITICAL for each in chain.conditions)
    )


def _needs_operator(condition: Condition) -> bool:
    return condition.severity >= Severity.WARNING and condition.reason.entry.is_settled


def _of_catalogue(conditions: Sequence[Condition]) -> tuple[StatusCondition, ...]:
    """Return one entry for each reason; what several conditions of one reason say is joined."""
    by_reason: dict[str, list[Condition]] = {}
    for each in conditions:
        by_reason.setdefault(each.reason.value, []).append(each)
    return tuple(
        StatusCondition(
            reason,
            True,
            max(each.severity for each in found).name.capitalize(),
            plain_text.one_line("; ".join(each.message for each in found), _LONGEST),
        )
        for reason, found in sorted(by_reason.items())
    )


def merged(state: ChainState, validator: str, live: Mapping[str, Any], now: datetime.datetime) -> Status:
    """Return the status to be written; equal to the live one if nothing has changed.

    Args:
        state: of the chain.
        validator: name of the stack's validator.
        live: the object as it is, whose times of transition are kept where a condition is what it was.
        now: time of what has changed.
    """
    before: Any = live.get("status") or {}
    since = {
        (each.get("type"), each.get("status")): each.get("lastTransitionTime")
        for each in before.get("conditions") or []
    }
    moment = now.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    generation = live["metadata"].get("generation", 1)

    def condition(each: StatusCondition) -> dict[str, Any]:
        value = "True" if each.is_true else "False"
        return {
            "type": each.type,
            "status": value,
            "observedGeneration": generation,
            "lastTransitionTime": since.get((each.type, value)) or moment,
            "reason": each.reason,
            "message": each.message,
        }

    return {
        "observedGeneration": generation,
        "validator": validator,
        "chainID": state.chain_id,
        "consumerID": state.consumer_id,
        "phase": state.phase,
        "participation": state.participation,
        "signing": state.signing,
        "channel": state.channel,
        "message": state.message,
        "conditions": [condition(each) for each in state.conditions],
    }
