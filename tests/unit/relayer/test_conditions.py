"""Conditions of Hermes and of its evidence watcher in `ics status`."""

import dataclasses
import datetime

import pytest

from ics import model, names
from ics.consumer import status
from ics.relayer import inputs
from tests.unit import factories
from tests.unit.relayer import relaying

NOW = datetime.datetime.fromisoformat(relaying.TIME)
MINUTE = datetime.timedelta(minutes=1)
OLD, YOUNG = NOW - 3 * MINUTE, NOW - MINUTE
READY = factories.pod(name="hermes-1", node_name="n", created=OLD, started=OLD)
RUNS = inputs.Instance(READY)
UNREADY = dataclasses.replace(READY, is_ready=False, started=None)
DESCRIBE = "kubectl -n ns describe {} -l app.kubernetes.io/component=hermes"
LOGS = "see kubectl -n ns logs deployment/{}"
CRASHING = f"hermes is not ready: its container is crash-looping; {LOGS.format('hermes')}"
UNPULLED = (
    "hermes is not ready: cannot pull image hermes:1; check ics:relayer.image, or run"
    f" {DESCRIBE.format('pods')}"
)


def not_ready(hermes: inputs.Instance | None, evidence: inputs.Instance = RUNS) -> list[tuple[str, str]]:
    """Severity and text of all that a chain whose Hermes relays is said to suffer from."""
    both = {names.HERMES: hermes, names.EVIDENCE: evidence}
    wanted = relaying.judge(
        relaying.OPEN,
        record=relaying.accepted(relaying.OPEN),
        instances={component: found for component, found in both.items() if found is not None},
    )
    (chain,) = status.report(wanted, {}).chains
    return [(c.severity.name, c.message) for c in chain.conditions if c.reason == "HermesNotReady"]


@pytest.mark.parametrize(
    ("pod", "says"),
    [
        (dataclasses.replace(UNREADY, waiting="ImagePullBackOff"), UNPULLED),
        (dataclasses.replace(UNREADY, waiting="ErrImagePull"), UNPULLED),
        (dataclasses.replace(UNREADY, restarts=3, waiting="CrashLoopBackOff"), CRASHING),
        (dataclasses.replace(UNREADY, restarts=4), CRASHING),
        # Up at this moment, as it was after each of the restarts before.
        (dataclasses.replace(READY, restarts=5, started=YOUNG), CRASHING),
        (
            dataclasses.replace(UNREADY, waiting="CreateContainerConfigError"),
            "hermes is not ready: its container is waiting (CreateContainerConfigError); see"
            f" {DESCRIBE.format('pods')}",
        ),
        (UNREADY, f"hermes is not ready: it does not become ready; {LOGS.format('hermes')}"),
        (None, f"hermes is not ready: it has no pod; see {DESCRIBE.format('replicasets')}"),
    ],
)
def test_hermes_that_is_not_running_is_reported_with_cause(pod: model.PodStatus | None, says: str) -> None:
    assert not_ready(inputs.Instance(pod, OLD)) == [("WARNING", says)]


def test_crash_looping_hermes_is_reported_even_if_it_ran_recently() -> None:
    crashing = dataclasses.replace(UNREADY, restarts=3, waiting="CrashLoopBackOff")
    assert not_ready(inputs.Instance(crashing, YOUNG)) == [("WARNING", CRASHING)]


@pytest.mark.parametrize(
    "instance",
    [
        inputs.Instance(dataclasses.replace(UNREADY, created=YOUNG, waiting="ContainerCreating"), OLD),
        inputs.Instance(dataclasses.replace(UNREADY, created=YOUNG), OLD),
        inputs.Instance(None, YOUNG),
        # It relayed until just now.
        inputs.Instance(UNREADY, YOUNG),
        inputs.Instance(dataclasses.replace(UNREADY, restarts=1, waiting="CrashLoopBackOff"), YOUNG),
        None,
    ],
)
def test_starting_hermes_is_info(instance: inputs.Instance | None) -> None:
    assert not_ready(instance) == [("INFO", "hermes is not ready: starting")]


@pytest.mark.parametrize(
    "pod",
    [READY, dataclasses.replace(READY, restarts=5), dataclasses.replace(READY, restarts=1, started=YOUNG)],
)
def test_running_hermes_has_no_condition(pod: model.PodStatus) -> None:
    assert not_ready(inputs.Instance(pod, OLD)) == []


def test_crash_looping_evidence_watcher_is_reported() -> None:
    crashing = inputs.Instance(dataclasses.replace(UNREADY, restarts=9, waiting="CrashLoopBackOff"), OLD)
    says = "hermes-evidence is not ready: its container is crash-looping; "
    assert not_ready(RUNS, crashing) == [("WARNING", says + LOGS.format("hermes-evidence"))]


def test_unwanted_hermes_has_no_condition() -> None:
    (chain,) = status.report(relaying.judge(relaying.NOTHING), {}).chains
    assert "HermesNotReady" not in {c.reason for c in chain.conditions}
