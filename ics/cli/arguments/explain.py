"""Arguments of `ics explain`."""

from dataclasses import dataclass
from typing import Annotated

from ics.cli import command


def _reasons(incomplete: str) -> list[str]:
    from ics import conditions

    return [reason for reason in conditions.Reason if reason.lower().startswith(incomplete.lower())]


@dataclass(frozen=True, kw_only=True)
class Explain(command.Arguments):
    """Explain a condition: what it means, where to look and what to do."""

    example = "ics explain KeyMismatch"

    reason: Annotated[
        str,
        command.argument(
            "REASON", help="Reason of a condition, as `ics status` shows it.", autocompletion=_reasons
        ),
    ]


APP = command.single(command.Command(Explain, "explain:run"))
