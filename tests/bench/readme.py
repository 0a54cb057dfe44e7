"""Tables of benchmarks in README.md, and what they are to reach; pure."""

from collections.abc import Iterable

FLAG = "--readme"
"""Flag with which a benchmark replaces its table in README.md by that of its run."""
_ENDS = "\n```\n<!-- end -->"

Goal = tuple[str, float, float]
"""Text, figure, and the most that it may be."""


def with_table(text: str, table: str, source: str) -> str:
    """Return the text of README.md with this table; raises ValueError if it has no place for one.

    Args:
        text: of the file.
        table: the new one.
        source: module that prints it.
    """
    begins = f"<!-- table of {source} -->\n```\n"
    before, _, rest = text.partition(begins)
    _, _, after = rest.partition(_ENDS)
    if not after:
        raise ValueError(
            f"README.md: no {begins!r} with {_ENDS!r} after it; put them where the table belongs"
        )
    return f"{before}{begins}{table}{_ENDS}{after}"


def judged(goals: Iterable[Goal]) -> str:
    """Return a line for each goal, whether it is reached."""
    return "\n".join(
        f"  {'ok  ' if figure <= limit else 'MISS'} {text:<72}{figure:>9.3g}  at most {limit:g}"
        for text, figure, limit in goals
    )
