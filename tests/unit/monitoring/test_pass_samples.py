"""Metrics of a pass that concern no single chain."""

import dataclasses

from ics import model
from ics.consumer import status
from ics.monitoring import metrics, pass_samples
from tests.unit import factories

P = model.Phase
STATES = (
    model.EndpointState(kind="rest", host="a:1317", height=100),
    model.EndpointState(kind="rest", host="b", height=None),
    model.EndpointState(kind="rest", host="c", height=98),
    model.EndpointState(kind="rest", host="c", height=None),
    model.EndpointState(kind="rpc", host="a:1317", height=101),
)


def test_validator_chains_of_the_provider_and_endpoints() -> None:
    jailed = factories.validator("alice", is_jailed=True, is_bonded=False)
    snapshot = factories.snapshot(
        factories.consumer(P.DELETED, consumer_id="0"),
        factories.consumer(P.DELETED, consumer_id="1"),
        factories.consumer(P.REGISTERED, consumer_id="2"),
        validators=(jailed, factories.validator("bob")),
    )
    seen = dataclasses.replace(factories.observation(snapshot), endpoint_states=STATES)
    wanted = factories.judge(seen)
    found = pass_samples.of_validator(seen, wanted, status.report(wanted, {}))

    assert [(s.family.name, s.labels[1:], s.value) for s in found] == [
        ("ics_provider_block_timestamp_seconds", (), snapshot.moment.timestamp()),
        ("ics_validator_bonded", (), 0),
        ("ics_validator_jailed", (), 1),
        ("ics_chains", ("REGISTERED",), 1),
        ("ics_chains", ("INITIALIZED",), 0),
        ("ics_chains", ("LAUNCHED",), 0),
        ("ics_chains", ("STOPPED",), 0),
        ("ics_chains", ("DELETED",), 2),
        ("ics_chains", ("UNKNOWN",), 0),
        ("ics_endpoint_up", ("rest", "a:1317"), 1),
        ("ics_endpoint_height", ("rest", "a:1317"), 100),
        ("ics_endpoint_up", ("rest", "b"), 0),
        # Of several endpoints on one host the worst one counts.
        ("ics_endpoint_up", ("rest", "c"), 0),
        ("ics_endpoint_height", ("rest", "c"), 98),
        ("ics_endpoint_up", ("rpc", "a:1317"), 1),
        ("ics_endpoint_height", ("rpc", "a:1317"), 101),
        ("ics_condition", ("", "", "Jailed", "critical"), 1),
    ]
    assert {sample.labels[0] for sample in found} == {"alice"}
    assert found[0].family is metrics.PROVIDER_BLOCK_TIME
