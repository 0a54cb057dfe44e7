"""Changes reported by engines."""

from ics import engines, errors


def test_change_is_rendered_as_json() -> None:
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


def test_problem_is_part_of_the_json() -> None:
    change = engines.Change(
        action="create", kind="Job", namespace="a", name="b", problem=errors.Permanent("no")
    )

    assert change.as_dict()["problem"] == "no"


def test_equal_problems_are_listed_once() -> None:
    first, second, third = errors.Permanent("a"), errors.Permanent("b"), errors.Permanent("a")
    changes = [
        engines.Change(action="create", kind="Job", namespace="", name="x", problem=e)
        for e in (first, second, third)
    ]

    found = engines.problems([*changes, engines.Change(action="create", kind="Job", namespace="", name="y")])

    assert found == (first, second)
