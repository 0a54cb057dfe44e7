"""Hermes and its watch for evidence, as `ics status` tells of them."""

import dataclasses
import datetime

import pytest

from ics import model, names
from ics.consumer import status
from tests.unit import test_relayer

NOW = datetime.datetime.fromisoformat(test_relayer.TIME)
MINUTE = datetime.timedelta(minutes=1)
OLD, YOUNG = NOW - 3 * MINUTE, NOW - MINUTE
WELL = model.PodStatus("hermes-1", "10.0.0.1", "n", True, 0, "", created=OLD, started=OLD)
RUNS = model.Instance(WELL)
ILL = dataclasses.replace(WELL, is_ready=False, started=None)
DESCRIBE = "see kubectl -n ns describe {} -l app.kubernetes.io/component=hermes"
LOGS = "read kubectl -n ns logs deployment/{}"
AGAIN = f"hermes is not ready: it ends and is started anew, again and again: {LOGS.format('hermes')}"
UNPULLED = (
    "hermes is not ready: its image hermes:1 cannot be pulled: mend ics:relayer.image, or"
    f" {DESCRIBE.format('pods')}"
)


def told(hermes: model.Instance | None, evidence: model.Instance = RUNS) -> list[tuple[str, str]]:
    """Severity and text of all that a chain whose Hermes relays is said to suffer from."""
    both = {names.HERMES: hermes, names.EVIDENCE: evidence}
    wanted = test_relayer.judge(
        test_relayer.OPEN,
        relaying=test_relayer.accepted(test_relayer.OPEN),
        instances={component: found for component, found in both.items() if found is not None},
    )
    (chain,) = status.report(wanted, {}).chains
    return [(c.severity.name, c.message) for c in chain.conditions if c.reason == "HermesNotReady"]


@pytest.mark.parametrize(
    ("pod", "says"),
    [
        (dataclasses.replace(ILL, waiting="ImagePullBackOff"), UNPULLED),
        (dataclasses.replace(ILL, waiting="ErrImagePull"), UNPULLED),
        (dataclasses.replace(ILL, restarts=3, waiting="CrashLoopBackOff"), AGAIN),
        (dataclasses.replace(ILL, restarts=4), AGAIN),
        # Up at this moment, as it was after each of the restarts before.
        (dataclasses.replace(WELL, restarts=5, started=YOUNG), AGAIN),
        (
            dataclasses.replace(ILL, waiting="CreateContainerConfigError"),
            "hermes is not ready: its container waits (CreateContainerConfigError):"
            f" {DESCRIBE.format('pods')}",
        ),
        (ILL, f"hermes is not ready: it does not become ready: {LOGS.format('hermes')}"),
        (None, f"hermes is not ready: it has no pod: {DESCRIBE.format('replicasets')}"),
    ],
)
def test_a_hermes_that_does_not_run(pod: model.PodStatus | None, says: str) -> None:
    assert told(model.Instance(pod, OLD)) == [("WARNING", says)]


def test_one_that_ends_again_and_again_is_told_though_it_ran_just_now() -> None:
    crashing = dataclasses.replace(ILL, restarts=3, waiting="CrashLoopBackOff")
    assert told(model.Instance(crashing, YOUNG)) == [("WARNING", AGAIN)]


@pytest.mark.parametrize(
    "instance",
    [
        model.Instance(dataclasses.replace(ILL, created=YOUNG, waiting="ContainerCreating"), OLD),
        model.Instance(dataclasses.replace(ILL, created=YOUNG), OLD),
        model.Instance(None, YOUNG),
        # It relayed until just now.
        model.Instance(ILL, YOUNG),
        model.Instance(dataclasses.replace(ILL, restarts=1, waiting="CrashLoopBackOff"), YOUNG),
        None,
    ],
)
def test_a_hermes_that_starts_is_no_trouble(instance: model.Instance | None) -> None:
    assert told(instance) == [("INFO", "hermes is not ready: it is starting")]


@pytest.mark.parametrize(
    "pod",
    [WELL, dataclasses.replace(WELL, restarts=5), dataclasses.replace(WELL, restarts=1, started=YOUNG)],
)
def test_a_hermes_that_runs(pod: model.PodStatus) -> None:
    assert told(model.Instance(pod, OLD)) == []


def test_the_watch_for_evidence_is_looked_at_too() -> None:
    crashing = model.Instance(dataclasses.replace(ILL, restarts=9, waiting="CrashLoopBackOff"), OLD)
    says = "hermes-evidence is not ready: it ends and is started anew, again and again: "
    assert told(RUNS, crashing) == [("WARNING", says + LOGS.format("hermes-evidence"))]


def test_what_is_not_wanted_is_not_missed() -> None:
    (chain,) = status.report(test_relayer.judge(test_relayer.NOTHING), {}).chains
    assert "HermesNotReady" not in {c.reason for c in chain.conditions}
