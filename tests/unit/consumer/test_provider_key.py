"""Whether the validator's own provider node gets its key."""

import dataclasses
from typing import Any

import pytest

from ics import model
from ics.consumer import observed, provider_key
from tests.unit import factories

ADDRESS = "0123456789ABCDEF0123456789ABCDEF01234567"
SETTINGS = factories.settings(
    provider_node={
        "enabled": True,
        "image": "pd:1",
        "genesis": {"config_map": {"name": "g"}},
        "consensus_key": "k",
    }
).provider_node
RESET = model.SignedState(height=9, round=0, step=3)
READY = model.ProviderRecord(volume_uid="v1", reset=RESET, is_ready=True)
REQUESTED = dataclasses.replace(READY, is_ready=False)


def memory(**changes: Any) -> observed.ProviderNodeMemory:
    base = observed.ProviderNodeMemory(volume_uid="v1", has_workload=True, given="v1", record=READY)
    return dataclasses.replace(base, **changes)


def seen(check: str, **changes: Any) -> model.Observation:
    signers = frozenset({bytes.fromhex(ADDRESS)})
    node = dataclasses.replace(factories.node(), height=7, signers=signers, **changes)
    return model.Observation(factories.pod(key_check=f"{check} {ADDRESS}"), node)


def outcome(key: provider_key.ProviderKey) -> tuple[str, str, list[tuple[str, str]]]:
    found = [(condition.severity.name, str(condition.reason)) for condition in key.conditions]
    return key.status.value, key.claim_uid, found


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ("ready", "v1", [])),
        ({"record": None, "given": ""}, ("new", "", [("WARNING", "ProviderKeyWithheld")])),
        # Only the record was lost: taking the key away would be an outage without need.
        ({"record": None}, ("unrecorded", "v1", [])),
        ({"record": None, "volume_uid": "v2"}, ("new", "", [("WARNING", "ProviderKeyWithheld")])),
        ({"record": REQUESTED}, ("requested", "", [("WARNING", "ProviderKeyWithheld")])),
        ({"volume_uid": "v2"}, ("lost", "", [("CRITICAL", "ProviderKeyWithheld")])),
        # The running pod still uses a claim that is being deleted; a new pod might get any copy.
        ({"volume_uid": None}, ("ready", "v1", [])),
        ({"volume_uid": None, "given": ""}, ("lost", "", [("CRITICAL", "ProviderKeyWithheld")])),
        ({"problem": "edited"}, ("none", "v1", [("CRITICAL", "ProviderKeyWithheld")])),
        ({"problem": "edited", "volume_uid": "v2"}, ("none", "", [("CRITICAL", "ProviderKeyWithheld")])),
    ],
)
def test_key_is_given_only_on_the_recorded_volume(
    changes: dict[str, Any], expected: tuple[str, str, list[tuple[str, str]]]
) -> None:
    assert outcome(provider_key.decide(SETTINGS, memory(**changes), None)) == expected


@pytest.mark.parametrize("changes", [{"enabled": False}, {"consensus_key": None}])
def test_node_that_signs_nothing_has_no_key(changes: dict[str, Any]) -> None:
    wanted = SETTINGS.model_copy(update=changes)
    assert provider_key.decide(wanted, memory(), None) == provider_key.ProviderKey()


@pytest.mark.parametrize(
    ("check", "conditions"),
    [
        ("ready", []),
        ("withheld", []),
        ("ready-in-other-cluster", [("WARNING", "ProviderOtherCluster")]),
        ("below-watermark", [("CRITICAL", "ProviderKeyWithheld")]),
        ("other-claim", [("CRITICAL", "ProviderKeyWithheld")]),
        ("other-namespace", [("CRITICAL", "ProviderKeyWithheld")]),
        ("unmarked", [("CRITICAL", "ProviderKeyWithheld")]),
        ("missing", [("CRITICAL", "ProviderKeyWithheld")]),
        ("an image's own words", []),
    ],
)
def test_check_of_the_pod_is_reported_and_changes_nothing(
    check: str, conditions: list[tuple[str, str]]
) -> None:
    key = provider_key.decide(SETTINGS, memory(), seen(check))
    assert outcome(key) == ("ready", "v1", conditions)


@pytest.mark.parametrize(
    ("observation", "signed"),
    [
        (seen("ready"), (ADDRESS, 6)),
        (seen("ready-in-other-cluster"), (ADDRESS, 6)),
        (seen("below-watermark"), None),
        (seen("nonsense"), None),
        (
            dataclasses.replace(
                seen("ready"), node=dataclasses.replace(factories.node(), signers=frozenset())
            ),
            None,
        ),
        (model.Observation(factories.pod()), None),
        (None, None),
    ],
)
def test_height_is_of_a_commit_that_the_node_with_the_key_signed(
    observation: model.Observation | None, signed: tuple[str, int] | None
) -> None:
    assert provider_key.signed_height(observation) == signed
