"""The values that engines give."""

from ics import engines, errors


def test_change_as_json() -> None:
    change = engines.Change(
        action="update", kind="Secret", namespace="a", name="b", diff=(("data.x", "[secret]", None),)
    )

    assert change.as_dict() == {
        "action": "update",
        "cause": "wanted",
        "consumer_id": None,
        "kind": "Secret",
        "namespace": "a",
        "name": "b",
        "diff": [["data.x", "[secret]", None]],
    }


def test_problem_is_shown() -> None:
    change = engines.Change(
        action="create", kind="Job", namespace="a", name="b", problem=errors.Permanent("no")
    )

    assert change.as_dict()["problem"] == "no"


def test_problems_come_once() -> None:
    first, second, third = errors.Permanent("a"), errors.Permanent("b"), errors.Permanent("a")
    changes = [
        engines.Change(action="create", kind="Job", namespace="", name="x", problem=e)
        for e in (first, second, third)
    ]

    found = engines.problems([*changes, engines.Change(action="create", kind="Job", namespace="", name="y")])

    assert found == (first, second)
