"""Errors of the operator; the class shows whether a retry can help.

    IcsError                 message of one line: the object, the problem and the remedy
    |-- Transient            the answer may change later (endpoint down, conflict, lag)
    `-- Permanent            a retry fails until something is changed
        |-- CostRefused      an endpoint asks for more than a setting allows to spend
        `-- SettingsError    a setting, a definition or an argument is wrong; names the key

Only the reconcile loop retries. Commands map the class to an exit code: 1 for `Transient`, 2 for `Permanent`.
"""

from collections.abc import Sequence

from ics import plain_text


class IcsError(Exception):
    r"""Base of all deliberate errors; `str(error)` is one line for the operator.

    Half of a surrogate pair, which a stranger's text in it may contain, is written as an escape such as `\ud800`,
    because neither a record in the cluster nor a file can hold it.
    """

    def __str__(self) -> str:
        """Return the message."""
        return super().__str__().encode(errors="backslashreplace").decode()


class Transient(IcsError):
    """The same call may succeed later without any change here."""


class Permanent(IcsError):
    """The same call fails until the operator changes something."""


class CostRefused(Permanent):
    """An endpoint asks for more than a setting allows to spend; nothing was spent."""


class SettingsError(Permanent):
    """A value from the operator is wrong.

    Args:
        problems: one line per problem, with the key, its value and the remedy.
    """

    def __init__(self, *problems: str) -> None:
        super().__init__("; ".join(problems))
        self.problems: Sequence[str] = problems


def describe_unexpected(error: Exception) -> str:
    """Return one line about an error that the program does not expect."""
    try:
        text = plain_text.one_line(str(error))
    except Exception:
        text = "it cannot be described"
    return f"unexpected {type(error).__name__}: {text}"


def of_chain(error: Exception) -> IcsError:
    """Return any error about one chain as the answer of that chain, so that it stops no other one.

    An error that the program does not expect is a fault that a retry may meet again.
    """
    return error if isinstance(error, IcsError) else Permanent(describe_unexpected(error))
