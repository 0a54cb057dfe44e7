"""A chain's plan of its next upgrade, as its REST gateway answers (x/upgrade v0.1.4, query `CurrentPlan`); pure."""

from ics import model
from ics.cosmos import answers


def scheduled(answer: answers.Field | None) -> model.ScheduledUpgrade | None:
    """Decode the answer about the current plan; None: the chain has none.

    Args:
        answer: None if the chain does not have what was asked for.

    Raises:
        MalformedAnswer: the answer has another shape.
    """
    plan = None if answer is None else answer.get("plan")
    if plan is None:
        return None
    height = plan["height"].integer()
    # Plans by time are of old versions, and are refused by those that a consumer can have.
    return model.ScheduledUpgrade(plan["name"].text(), height) if height else None
