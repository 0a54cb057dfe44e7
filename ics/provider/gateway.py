"""Requests to the REST gateway of a Cosmos SDK chain and the classification of its answers; pure.

The gateway turns a gRPC status into an HTTP status and the body `{"code": …, "message": …, "details": []}`
(grpc-gateway v1, runtime.HTTPStatusFromCode). The codes are gRPC's (google.golang.org/grpc/codes).
"""

import json
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ics import errors, plain_text
from ics.config import urls

HEIGHT_HEADER = "x-cosmos-block-height"
"""Request header that selects the state after this block (cosmos-sdk types/grpc)."""

_NOT_FOUND = 5
_BUSY = frozenset({1, 4, 8, 14})
"""Canceled, DeadlineExceeded, ResourceExhausted, Unavailable."""
_PRUNED = ("failed to load state at height", "version does not exist")
"""Messages of cosmos-sdk baseapp CreateQueryContext and of the store below it."""
_CHECK_ADDRESS = "check that this is the REST address of the chain"
_BEHIND = ("cannot query with height in the future", "please wait for first block")


class Refused(errors.Permanent):
    """The chain rejected the query."""


class NotFound(Refused):
    """The requested object does not exist on the chain (at this height)."""


class Failed(errors.Transient):
    """The chain failed to answer because of an internal error (gRPC Unknown or Internal)."""


class Pruned(errors.Permanent):
    """The endpoint has pruned the state of the requested height."""


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


def read(request: RestRequest, url: str, status: int, body: bytes) -> Mapping[str, Any]:
    """Return the JSON object of an answer.

    Args:
        request: the request that was sent.
        url: base URL of the endpoint, for the messages.
        status: HTTP status of the answer.
        body: body of the answer.

    Raises:
        Pruned: the endpoint has pruned that height.
        NotFound: the requested object does not exist.
        Refused: any other error of the chain that the request itself causes.
        Failed: an internal error of the chain's query.
        Transient: the endpoint is behind, busy or broken.
        Permanent: the answer is not a JSON object, or the path is not served.
    """
    where = f"{urls.redacted(url)}: {request}"
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        answer = None
    if status == 200:
        if isinstance(answer, dict):
            return answer
        raise errors.Permanent(f"{where}: the answer is not a JSON object; {_CHECK_ADDRESS}")
    code, message = _status(answer)
    text = f"{where}: HTTP {status}" + (f", {message}" if message else "")
    if code is None:
        if status >= 500 or status in (408, 429):
            raise errors.Transient(f"{text}: the endpoint is failing or overloaded")
        raise errors.Permanent(f"{text}; {_CHECK_ADDRESS}")
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
    if isinstance(answer, dict) and isinstance(answer.get("code"), int):
        return answer["code"], one_line(str(answer.get("message", "")))
    return None, ""


def one_line(text: str) -> str:
    """Return a text of the chain as one line of at most 400 characters (some contain stack traces)."""
    return plain_text.one_line(text)
