"""What `ics hermes status` tells of one chain, and what is to be done about each trouble."""

import dataclasses

from ics import model, names
from ics.conditions import Condition, Reason, Severity
from ics.consumer import chain
from ics.consumer import observed as consumer_observed
from ics.relayer import report as relayer_report
from tests.unit import scenes, test_relayer

READY = model.PodStatus("hermes-1", "10.0.0.1", "n", True, 0, "")
INSTANCES = {names.HERMES: model.Instance(READY), names.EVIDENCE: model.Instance(READY)}


def relaying_chain() -> chain.Chain:
    """Alice's chain, whose Hermes relays with an accepted config."""
    return test_relayer.judge(test_relayer.OPEN, relaying=test_relayer.accepted(test_relayer.OPEN)).chains[0]


def opening_chain() -> chain.Chain:
    return test_relayer.judge(test_relayer.NOTHING).chains[0]


def report(chain: chain.Chain, *conditions: Condition, **memory: object) -> relayer_report.RelayReport:
    observed = consumer_observed.Seen(scenes.snapshot(), scenes.memory(**{"instances": INSTANCES, **memory}))
    return relayer_report.report(observed, chain, {}, conditions)


def errors_of(found: relayer_report.RelayReport) -> list[tuple[str, str]]:
    return [(error["reason"], error["message"]) for error in found.as_dict()["errors"]]


def test_all_is_well() -> None:
    found = report(relaying_chain())
    assert (found.state, errors_of(found)) == ("relaying", [])


def test_what_runs_and_what_hermes_said_last() -> None:
    failed = {"hermes-step-1-0": model.JobState.FAILED}
    found = report(opening_chain(), jobs=failed, last_words={"hermes-step-1-0": "out of gas"}).as_dict()
    pod = {"ready": True, "restarts": 0, "waiting": ""}
    assert found["deployments"] == {names.HERMES: pod, names.EVIDENCE: pod}
    assert found["jobs"] == {"hermes-step-1-0": {"state": "failed", "said": "out of gas"}}


def test_what_keeps_relaying_waiting_is_shown_and_what_is_none_of_its_business_is_not() -> None:
    def warning(reason: str) -> Condition:
        return Condition(Severity.WARNING, Reason(reason), "text", "0")

    found = report(opening_chain(), warning("NodeUnreachable"), warning("PeerLeftOut"))
    assert errors_of(found) == [("NodeUnreachable", "text")]


def test_a_trouble_that_no_pass_can_mend_is_stuck() -> None:
    expired = Condition(Severity.CRITICAL, Reason.CLIENT_EXPIRED, "text", "0")
    assert report(relaying_chain(), expired).state == "stuck"


def test_each_client_is_judged_by_the_time_of_the_chain_that_it_lives_on() -> None:
    """The consumer has stood still for five minutes."""
    halted = dataclasses.replace(
        test_relayer.OPEN, provider_time=test_relayer.START + 300 * test_relayer.SECOND
    )
    observed = consumer_observed.Seen(scenes.snapshot(), scenes.memory(), relays={"0": halted})
    found = relayer_report.report(observed, relaying_chain(), {}, ()).as_dict()
    rest = {"id": "07-tendermint-0", "expired": False, "frozen": False}
    assert found["clients"] == {
        "provider": rest | {"seconds_left": 56},
        "consumer": rest | {"seconds_left": 96},
    }
