"""Messages in the history of a stack."""

import pytest

from ics import engines
from ics.engines.pulumi import messages


def change(
    action: engines.Action, kind: str, consumer: str, cause: engines.Cause = "wanted"
) -> engines.Change:
    return engines.Change(
        action=action, kind=kind, namespace="ns", name="x", consumer_id=consumer, cause=cause
    )


LAUNCH = (
    change("update", "Service", ""),
    change("create", "ConfigMap", "3"),
    change("create", "StatefulSet", "3"),
)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (LAUNCH, "launch of consumer 3, change of shared objects"),
        (
            [change("create", "Secret", "10"), change("delete", "Service", "9")],
            "removal of consumer 9, staging of consumer 10",
        ),
        ([change("create", "StatefulSet", "3", "drift")], "repair of consumer 3"),
        ([change("create", "Namespace", "")], "creation of shared objects"),
        ([change("update", "StatefulSet", "3"), change("create", "Secret", "3")], "change of consumer 3"),
        ([], "comparison with the cluster"),
        (
            [change("update", "StatefulSet", str(number)) for number in range(8)],
            f"{', '.join(f'change of consumer {number}' for number in range(6))}, and 2 more",
        ),
    ],
)
def test_update_says_what_it_changes(changes: list[engines.Change], expected: str) -> None:
    assert messages.of_update(7, changes) == f"pass at height 7: {expected}"


def test_objects_that_the_fast_path_made_are_recorded_later() -> None:
    found = messages.of_update(None, [change("update", "Service", "4")], ["3", "4", ""])
    assert found == "pass: change of consumer 4, record of consumer 3, record of shared objects"


def test_refresh_names_its_pass() -> None:
    assert messages.of_refresh(7) == "pass at height 7: state read from the cluster"
