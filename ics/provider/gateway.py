"""Requests to the REST gateway of a Cosmos SDK chain and the classification of its answers; pure.

The gateway turns a gRPC status into an HTTP status and the body `{"code": …, "message": …, "details": []}`
(grpc-gateway v1, runtime.HTTPStatusFromCode). The codes are gRPC's (google.golang.org/grpc/codes).
"""

import re
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ics import errors, plain_text
from ics.config import endpoint
from ics.cosmos import answers

HEIGHT_HEADER = "x-cosmos-block-height"
"""Request header that selects the state after this block (cosmos-sdk types/grpc)."""

_NOT_FOUND = 5
_BUSY = frozenset({1, 4, 8, 14})
"""Canceled, DeadlineExceeded, ResourceExhausted, Unavailable."""
_OF_ENDPOINT = frozenset({7, 16})
"""PermissionDenied, Unauthenticated: no query of a chain answers so, but a server before it does."""
_LAST_CODE = 16
_PRUNED = (
    "failed to load state at height",
    "version does not exist",
    "is not available, lowest height is",
    "height not available",
    "has been pruned",
)
"""Messages of cosmos-sdk baseapp CreateQueryContext and of the store below it, of CometBFT, and of services that have
several nodes behind one address."""
_CHECK_ADDRESS = "check that this is the REST address of the chain"
_BEHIND = (
    "cannot query with height in the future",
    "please wait for first block",
    "must be less than or equal to the current blockchain height",
)
LONGEST_REST = 60.0
"""Maximum seconds for which an endpoint can ask to be left alone (`Retry-After`)."""


class Refused(errors.Permanent):
    """The chain rejected the query."""


class NotFound(Refused):
    """The requested object does not exist on the chain (at this height)."""


class Failed(errors.Transient):
    """The chain failed to answer because of an internal error (gRPC Unknown or Internal)."""


class Unclear(errors.Transient):
    """An endpoint that works does not answer one query, and the others cannot be asked now."""


class Pruned(errors.Permanent):
    """The endpoint has pruned the state of the requested height."""


class Foreign(errors.Permanent):
    """The answer is not the chain's own but that of a proxy, a login page or another program."""


class TooLarge(errors.Transient):
    """The answer is larger than what is read of one; a smaller page of a list may not be."""


class Endless(errors.Permanent):
    """A list has no end, or none that is reached in time."""


class RateLimited(errors.Transient):
    """The endpoint refuses more requests for now.

    Args:
        text: message for the operator.
        seconds: how long it asks to be left alone; None: it does not say.
    """

    def __init__(self, text: str, seconds: float | None) -> None:
        super().__init__(text)
        self.seconds = seconds


@dataclass(frozen=True, slots=True)
class RestRequest:
    """One query to a gateway."""

    path: str
    params: Mapping[str, str] = field(default_factory=dict)
    height: int | None = None
    """Pinned height; None: the endpoint's latest."""

    def __str__(self) -> str:
        query = "?" + urllib.parse.urlencode(self.params) if self.params else ""
        return f"{self.path}{query}" + (f" at height {self.height}" if self.height is not None else "")


def read(
    request: RestRequest, where: endpoint.Endpoint, status: int, body: bytes, retry_after: str = ""
) -> Mapping[str, Any]:
    """Return the JSON object of an answer.

    Args:
        request: the request that was sent.
        where: the endpoint, for the messages.
        status: HTTP status of the answer.
        body: body of the answer.
        retry_after: its header of that name.

    Raises:
        Pruned: the endpoint has pruned that height.
        NotFound: the requested object does not exist.
        Refused: any other error of the chain that the request itself causes.
        Failed: an internal error of the chain's query.
        RateLimited: the endpoint refuses more requests for now.
        Transient: the endpoint is behind, busy or broken.
        Foreign: the answer is not the chain's own.
    """
    try:
        answer = answers.parse_json(body)
    except ValueError:
        answer = None
    if status == 200:
        if isinstance(answer, dict):
            return answer
        raise Foreign(f"{where}: {request}: the answer is not a JSON object; {_CHECK_ADDRESS}")
    code, message = _status(answer)
    text = f"{where}: {request}: HTTP {status}" + (f", {where.hide(message)}" if message else "")
    if status == 429:
        raise RateLimited(f"{text}: the endpoint limits the rate of requests", _seconds(retry_after))
    if code is None:
        if status >= 500 or status == 408:
            raise errors.Transient(f"{text}: the endpoint is failing or overloaded")
        raise Foreign(f"{text}; {_CHECK_ADDRESS}")
    if any(pattern in message for pattern in _BEHIND):
        raise errors.Transient(f"{text}: the endpoint is behind the others")
    if any(pattern in message for pattern in _PRUNED):
        raise Pruned(f"{text}: the endpoint has pruned this height")
    if code in _BUSY:
        raise errors.Transient(text)
    if code == _NOT_FOUND:
        raise NotFound(text)
    raise Failed(text) if status >= 500 and status != 501 else Refused(text)


def _status(answer: object) -> tuple[int | None, str]:
    """Return the gRPC code of an error, or None if it is not the chain's own; and its message."""
    if not isinstance(answer, dict):
        return None, ""
    code, message = answer.get("code"), answer.get("message")
    shown = one_line(message) if isinstance(message, str) else ""
    is_own = (
        type(code) is int and 1 <= code <= _LAST_CODE and code not in _OF_ENDPOINT and "message" in answer
    )
    return (code if is_own else None), shown


def _seconds(retry_after: str) -> float | None:
    """Return the seconds of a `Retry-After`, within what is honoured; a date counts as the longest time."""
    if not retry_after:
        return None
    text = retry_after.strip()
    return min(float(text), LONGEST_REST) if re.fullmatch(r"[0-9]{1,9}", text) else LONGEST_REST


def one_line(text: str) -> str:
    """Return a text of the chain as one line of at most 400 characters (some contain stack traces)."""
    return plain_text.one_line(text)
