"""What was done on the local network, as it happened: `make e2e STORY=…` shows it, and so does a failure."""

import datetime


def note(who: str, what: str) -> None:
    """Writes one line.

    Args:
        who: whoever did it; empty for what came about.
        what: what was done, or has come about.
    """
    print(f"{datetime.datetime.now():%H:%M:%S} {f'{who}: ' if who else '    '}{what}", flush=True)
