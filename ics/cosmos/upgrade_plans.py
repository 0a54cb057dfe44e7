"""A chain's plan of its next upgrade, as its REST gateway answers (x/upgrade v0.1.4, query `CurrentPlan`); pure."""

from ics import model
from ics.cosmos import answers

_LONGEST_INFO = 32_768
"""Characters; links to the binaries of a dozen platforms take about two thousand."""


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
    return model.ScheduledUpgrade(plan["name"].text(), height, _info(plan)) if height else None


def _info(plan: answers.Field) -> str:
    """Return the plan's `info`; one that no program could use is left out."""
    info = plan.get("info")
    text = None if info is None else info.value
    return text if isinstance(text, str) and len(text) <= _LONGEST_INFO else ""
