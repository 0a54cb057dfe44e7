"""Every error of the operator says, where it is raised, whether trying again can help.

    IcsError                 one line for the operator: the thing, its value, the mend
    |-- Transient            the world may answer differently later (endpoint down, conflict, lag)
    `-- Permanent            it will not change by itself
        `-- SettingsError    a setting, a definition or an argument is wrong; names the key

Only the loop chooses to retry, and the commands map the class to an exit code: 1 for `Transient`,
2 for `Permanent`.
"""

from collections.abc import Sequence


class IcsError(Exception):
    """Base of all errors raised on purpose; `str(error)` is one line fit for an operator."""


class Transient(IcsError):
    """The same call may succeed later without anybody changing anything here."""


class Permanent(IcsError):
    """The same call will fail until somebody changes something."""


class SettingsError(Permanent):
    """Something that the operator wrote is wrong.

    Args:
        problems: one line for each problem, every one naming its key, its value and the mend.
    """

    def __init__(self, *problems: str) -> None:
        super().__init__("; ".join(problems))
        self.problems: Sequence[str] = problems
