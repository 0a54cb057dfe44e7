"""How the Hermes that run on are, as conditions: who starts and who is ill are told apart; pure."""

import datetime

from ics import model, names
from ics.conditions import Condition, Reason, Severity
from ics.relayer import plan

YOUNG = datetime.timedelta(seconds=120)
"""What is not ready for less is still starting: it pulls an image, and waits for both chains."""
LOOPS = 3
"""Restarts from which a container is expected to end again."""
_UNPULLED = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName")


def conditions(
    plan: plan.Relayer, memory: model.ChainMemory, consumer_id: str, now: datetime.datetime
) -> tuple[Condition, ...]:
    """What keeps the Hermes that should run on from running.

    Args:
        plan: of the chain's relayer.
        memory: what the cluster tells of the chain.
        consumer_id: of the chain.
        now: by the clock of the provider.
    """
    wanted = (
        (names.HERMES, names.HERMES_NAME, plan.relays),
        (names.EVIDENCE, names.EVIDENCE_NAME, plan.base),
    )
    found = []
    for component, name, setup in wanted:
        instance = memory.instances.get(component, model.Instance())
        if setup is None or _is_well(instance.pod, now):
            continue
        if _is_young(instance, now):
            severity, why = Severity.INFO, "it is starting"
        else:
            severity, why = Severity.WARNING, _why(instance.pod, setup, component, name, memory)
        found.append(
            Condition.new(
                Reason.HERMES_NOT_READY, f"{name} is not ready: {why}", consumer_id, severity=severity
            )
        )
    return tuple(found)


def _is_well(pod: model.PodStatus | None, now: datetime.datetime) -> bool:
    if pod is None or not pod.is_ready:
        return False
    # Without a probe a container is ready while it runs, however soon it ends.
    return pod.restarts < LOOPS or pod.started is None or now - pod.started >= YOUNG


def _is_young(instance: model.Instance, now: datetime.datetime) -> bool:
    pod = instance.pod
    # One that ends again and again is available for a moment each time.
    loops = pod is not None and pod.restarts >= LOOPS
    moments = (None if loops else instance.since, None if pod is None else pod.created)
    return all(moment is None for moment in moments) or any(
        moment is not None and now - moment < YOUNG for moment in moments
    )


def _why(
    pod: model.PodStatus | None, setup: model.Setup, component: str, name: str, memory: model.ChainMemory
) -> str:
    kubectl = f"kubectl -n {memory.namespace}"
    look = f"see {kubectl} describe pods -l {names.COMPONENT}={component}"
    read = f"read {kubectl} logs deployment/{name}"
    if pod is None:
        return f"it has no pod: see {kubectl} describe replicasets -l {names.COMPONENT}={component}"
    if pod.waiting in _UNPULLED:
        # Which of these it is changes with every try.
        return f"its image {setup.image} cannot be pulled: mend ics:relayer.image, or {look}"
    if pod.restarts >= LOOPS:
        return f"it ends and is started anew, again and again: {read}"
    if pod.waiting:
        return f"its container waits ({pod.waiting}): {look}"
    return f"it does not become ready: {read}"
