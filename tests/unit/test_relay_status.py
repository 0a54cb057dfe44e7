"""What `ics hermes status` tells of one chain, and what is to be done about each trouble."""

import dataclasses

import pytest

from ics import deployment, labels, model, relay_status, seen
from tests.unit import scenes, test_relayer

READY = model.PodStatus("hermes-1", "10.0.0.1", "n", True, 0, "")
PODS = {labels.HERMES: READY, labels.EVIDENCE: READY}
SAID = "insufficient fees"


def relaying_chain() -> deployment.Chain:
    """Alice's chain, whose Hermes relays with an accepted config."""
    return test_relayer.judge(test_relayer.OPEN, relaying=test_relayer.accepted(test_relayer.OPEN)).chains[0]


def opening_chain() -> deployment.Chain:
    return test_relayer.judge(test_relayer.NOTHING).chains[0]


def report(
    chain: deployment.Chain,
    *conditions: model.Condition,
    pods: dict[str, model.PodStatus] | None = None,
    last_words: dict[str, str] | None = None,
) -> relay_status.RelayReport:
    jobs = {name: model.JobState.FAILED for name in last_words or {}}
    observed = seen.Seen(scenes.snapshot(), scenes.memory(jobs=jobs))
    return relay_status.report(
        observed, chain, PODS if pods is None else pods, {}, conditions, last_words or {}
    )


def errors_of(found: relay_status.RelayReport) -> list[tuple[str, str]]:
    return [(error["reason"], error["message"]) for error in found.as_dict()["errors"]]


def test_all_is_well() -> None:
    found = report(relaying_chain())
    assert (found.state, errors_of(found)) == ("relaying", [])


@pytest.mark.parametrize(
    ("pod", "says"),
    [
        (None, "hermes is not ready: it has no pod yet"),
        (
            dataclasses.replace(READY, is_ready=False, restarts=3, waiting="CrashLoopBackOff"),
            "hermes is not ready: CrashLoopBackOff, after 3 restarts",
        ),
    ],
)
def test_a_hermes_that_does_not_run(pod: model.PodStatus | None, says: str) -> None:
    pods = {labels.EVIDENCE: READY} | ({} if pod is None else {labels.HERMES: pod})
    chain = relaying_chain()
    mend = f"read kubectl -n {chain.namespace} logs deployment/hermes"
    assert errors_of(report(chain, pods=pods)) == [("HermesNotReady", f"{says}: {mend}")]


def test_a_hermes_that_starts_is_no_error() -> None:
    pods = PODS | {labels.HERMES: dataclasses.replace(READY, is_ready=False)}
    found = report(relaying_chain(), pods=pods)
    assert (errors_of(found), [c.reason for c in found.conditions]) == ([], ["HermesNotReady"])


def test_the_watch_for_evidence_is_looked_at_too() -> None:
    found = errors_of(report(relaying_chain(), pods={labels.HERMES: READY}))
    assert [message.partition(":")[0] for _, message in found] == ["hermes-evidence is not ready"]


def test_a_step_that_failed_says_why() -> None:
    chain = opening_chain()
    found = report(chain, last_words={"hermes-step-1-0": SAID, "hermes-step-1-1": ""})
    read = f"read kubectl -n {chain.namespace} logs job/hermes-step-1"
    assert errors_of(found) == [
        ("JobFailed", f"hermes-step-1-0 failed: {SAID}: {read}-0"),
        ("JobFailed", f"hermes-step-1-1 failed: without a word: {read}-1"),
    ]
    assert found.as_dict()["jobs"]["hermes-step-1-0"] == {"state": "failed", "said": SAID}


def test_a_step_that_failed_long_ago_is_forgotten() -> None:
    assert errors_of(report(relaying_chain(), last_words={"hermes-step-1-0": SAID})) == []


def test_what_keeps_relaying_waiting_is_shown_and_what_is_none_of_its_business_is_not() -> None:
    def warning(reason: str) -> model.Condition:
        return model.Condition(model.Severity.WARNING, reason, "text", "0")

    found = report(opening_chain(), warning("NodeUnreachable"), warning("PeerLeftOut"))
    assert errors_of(found) == [("NodeUnreachable", "text")]


def test_a_trouble_that_no_pass_can_mend_is_stuck() -> None:
    expired = model.Condition(model.Severity.CRITICAL, "ClientExpired", "text", "0")
    assert report(relaying_chain(), expired).state == "stuck"
