"""What must come true once no further harm is done: the chain is signed, or the operator is told what to do."""

from collections.abc import Iterable

from ics import model
from ics.conditions import Condition, Reason, Severity
from tests.model import installation, provider, universe

ROUNDS = 14
"""Passes of each installation within which all is well."""
DAY_AT = 4
"""Round after which a day goes by."""


class NotSigned(AssertionError):
    """A chain that should be signed is not."""


def settle_all(found: universe.Universe) -> None:
    """Undo the harm that only lasts, let time go by, and check that the chain is signed.

    Raises:
        NotSigned: it is not, and no condition tells the operator why.
    """
    _end_harm(found)
    chain = found.provider
    if chain.phase is model.Phase.INITIALIZED:
        _rounds(found, 3)
        chain.launch()
    if not chain.is_opted_in or chain.phase is not model.Phase.LAUNCHED:
        return
    if _comes_to_sign(found):
        return
    if _is_elsewhere(found):
        # The advice of the condition.
        found.installations[0].moves = True
        if _comes_to_sign(found):
            return
    if _is_explained(found):
        return
    raise NotSigned(_story(found))


def _end_harm(found: universe.Universe) -> None:
    chain = found.provider
    for one in found.installations:
        for held in list(one.passes):
            held.kill()
        one.cluster.holder.clear()
        one.lie, one.lag, one.moves, one.has_definition, one.has_question = None, 0, False, True, False
        found.delete_copies(one)
    if found.remote is not None:
        found.leave_remote_signer()
    chain.is_jailed, found.is_relaying = False, True
    if chain.chain is not None:
        chain.chain.is_halted = False
    for process in found.processes():
        process.is_cut_off = False
        pod = process.cluster.pods.get((process.namespace, process.name.rsplit("/", 1)[1].split("#")[0]))
        if pod is None or pod.process is not process:
            process.stop()  # the lost machine is gone for good


def _rounds(found: universe.Universe, count: int) -> bool:
    """Let everybody do their work; return whether the chain is signed in the last three rounds."""
    signed = 0
    for number in range(count):
        for one in found.installations:
            found.run_pass(one)
            found.block()
            # Of a Secret that somebody edited, the operator lets the key be overwritten.
            one.confirmed = frozenset(name for name in one.asked if name.startswith("Secret/"))
        found.vote()
        found.go_on()
        if number == DAY_AT:
            found.provider.time += provider.BLOCK * 3000
        chain = found.provider.chain
        signed = signed + 1 if chain is not None and found.assigned() in chain.commits[-1] else 0
        if signed >= 3:
            return True
        if number > DAY_AT + 1 and (_is_explained(found) or _is_elsewhere(found)):
            return False
    return False


def _comes_to_sign(found: universe.Universe) -> bool:
    return _rounds(found, ROUNDS)


def _is_explained(found: universe.Universe) -> bool:
    return any(_explains(condition) for one in found.installations for condition in one.conditions)


def _is_elsewhere(found: universe.Universe) -> bool:
    return all(_has(one.conditions, Reason.KEY_ELSEWHERE) for one in found.installations)


def _has(conditions: Iterable[Condition], reason: Reason) -> bool:
    return any(one.reason is reason and one.severity is Severity.CRITICAL for one in conditions)


def _explains(condition: Condition) -> bool:
    """Return whether a condition asks the operator for something that the model does not do."""
    return condition.severity is Severity.CRITICAL and condition.reason in (
        Reason.SIGN_STATE_LOST,
        Reason.OTHER_CLUSTER,
        Reason.KEY_MISMATCH,
        Reason.CHANGEOVER,
    )


def _story(found: universe.Universe) -> str:
    assigned = found.assigned()
    lines = [f"{None if assigned is None else assigned.hex().upper()} is assigned, and does not sign:"]
    lines += [_line(found, one) for one in found.installations]
    return "\n".join(lines)


def _line(found: universe.Universe, one: installation.Installation) -> str:
    process, pod = found.process_of(one), found.pod_of(one)
    return (
        f"{one.name}: has {sorted(a.hex().upper()[:8] for a in one.own_addresses())},"
        f" pod {None if pod is None else pod.key_check!r}, signs with"
        f" {None if process is None else process.key.hex().upper()[:8]},"
        f" {[f'{c.severity}: {c.reason}: {c.message}' for c in one.conditions]}, {one.troubles}"
    )
