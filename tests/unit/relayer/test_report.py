"""The report of `ics hermes status` on one chain."""

import dataclasses

from ics import model, names
from ics.conditions import Condition, Reason, Severity
from ics.consumer import chain
from ics.relayer import facts, inputs
from ics.relayer import report as relayer_report
from tests.unit import factories
from tests.unit.relayer import relaying

READY = factories.pod(name="hermes-1", node_name="n")
INSTANCES = {names.HERMES: inputs.Instance(READY), names.EVIDENCE: inputs.Instance(READY)}


def relaying_chain() -> chain.ChainPlan:
    """Alice's chain, whose Hermes relays with an accepted config."""
    return relaying.judge(relaying.OPEN, record=relaying.accepted(relaying.OPEN)).chains[0]


def opening_chain() -> chain.ChainPlan:
    return relaying.judge(relaying.NOTHING).chains[0]


def report(chain: chain.ChainPlan, *conditions: Condition, **memory: object) -> relayer_report.RelayReport:
    chains = factories.memory(**{"instances": INSTANCES, **memory}).chains
    return build(chain, None, chains["0"].relayer, conditions)


def build(
    chain: chain.ChainPlan,
    facts: facts.Facts | None,
    memory: inputs.RelayerMemory,
    conditions: tuple[Condition, ...] = (),
) -> relayer_report.RelayReport:
    return relayer_report.build(
        consumer_id=chain.consumer_id,
        chain_id=chain.chain_id,
        relays=chain.stage.relays,
        facts=facts,
        plan=chain.relay,
        memory=memory,
        balances={},
        conditions=conditions,
    )


def errors_of(found: relayer_report.RelayReport) -> list[tuple[str, str]]:
    return [(error["reason"], error["message"]) for error in found.as_dict()["errors"]]


def test_healthy_relayer_is_reported_as_relaying() -> None:
    relay_report = report(relaying_chain())
    assert (relay_report.state, errors_of(relay_report)) == ("relaying", [])


def test_report_lists_deployments_and_failed_jobs_with_last_message() -> None:
    failed = {"hermes-step-1-0": model.JobState.FAILED}
    relay_report = report(
        opening_chain(), jobs=failed, last_words={"hermes-step-1-0": "out of gas"}
    ).as_dict()
    pod = {"ready": True, "restarts": 0, "waiting": ""}
    assert relay_report["deployments"] == {names.HERMES: pod, names.EVIDENCE: pod}
    assert relay_report["jobs"] == {"hermes-step-1-0": {"state": "failed", "said": "out of gas"}}


def test_report_shows_only_conditions_that_concern_relaying() -> None:
    def warning(reason: str) -> Condition:
        return Condition(Severity.WARNING, Reason(reason), "text", "0")

    relay_report = report(opening_chain(), warning("NodeUnreachable"), warning("PeerLeftOut"))
    assert errors_of(relay_report) == [("NodeUnreachable", "text")]


def test_condition_that_no_pass_can_fix_is_stuck() -> None:
    expired = Condition(Severity.CRITICAL, Reason.CLIENT_EXPIRED, "text", "0")
    assert report(relaying_chain(), expired).state == "stuck"


def test_client_expiry_is_counted_by_time_of_host_chain() -> None:
    """The consumer has stood still for five minutes."""
    halted = dataclasses.replace(relaying.OPEN, provider_time=relaying.START + 300 * relaying.SECOND)
    found = build(relaying_chain(), halted, inputs.RelayerMemory()).as_dict()
    rest = {"id": "07-tendermint-0", "expired": False, "frozen": False}
    assert found["clients"] == {
        "provider": rest | {"seconds_left": 56},
        "consumer": rest | {"seconds_left": 96},
    }
