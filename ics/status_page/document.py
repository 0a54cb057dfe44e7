"""The page as JSON, for scripts; pure."""

from typing import Any

from ics.status_page import state


def of(page: state.PageState) -> dict[str, Any]:
    """Return `/status.json`: the JSON of `ics status --json`, once there is a report, and what is known of the passes.

    Its texts are as they were received; whoever prints them makes them visible.
    """
    report = {} if page.report is None else page.report.as_dict()
    return {
        "validator": page.identity.validator,
        "provider_chain_id": page.identity.provider_chain_id,
        "role": page.role.value,
        "problem": page.problem or None,
        "observed": None if page.observed is None else page.observed.isoformat(),
        **report,
        "passes": [
            {
                "ended": one.ended.isoformat(),
                "seconds": round(one.seconds, 3),
                "height": one.height,
                "triggers": list(one.triggers),
                "result": one.result.value,
                "changes": list(one.changes),
                "troubles": list(one.troubles),
            }
            for one in page.passes
        ],
    }
