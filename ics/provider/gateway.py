"""Requests to the REST gateway of a Cosmos SDK chain, and what its answers mean; pure.

The gateway turns a gRPC status into an HTTP status and the body `{"code": …, "message": …, "details": []}`
(grpc-gateway v1, runtime.HTTPStatusFromCode). The codes are gRPC's (google.golang.org/grpc/codes).
"""

import json
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ics import errors
from ics.config import urls

HEIGHT_HEADER = "x-cosmos-block-height"
"""Request header: the answer is of the state after this block (cosmos-sdk types/grpc)."""

_NOT_FOUND = 5
_BUSY = frozenset({1, 4, 8, 14})
"""Canceled, DeadlineExceeded, ResourceExhausted, Unavailable."""
_PRUNED = ("failed to load state at height", "version does not exist")
"""cosmos-sdk baseapp CreateQueryContext, whatever the store below it says."""
_MEND = "is this the REST address of the chain?"
_BEHIND = ("cannot query with height in the future", "please wait for first block")


class Refused(errors.Permanent):
    """The chain itself answered that this query cannot be answered."""


class NotFound(Refused):
    """The chain has no such thing (now)."""


class Failed(errors.Transient):
    """The chain answered with an error of its own making (gRPC Unknown or Internal)."""


class Pruned(errors.Permanent):
    """The endpoint no longer has the state of the height that was asked for."""


@dataclass(frozen=True, slots=True)
class Request:
    """One query, as data."""

    path: str
    params: Mapping[str, str] = field(default_factory=dict)
    height: int | None = None
    """Pinned height; None asks for the endpoint's latest."""

    def __str__(self) -> str:
        query = "?" + urllib.parse.urlencode(self.params) if self.params else ""
        return f"{self.path}{query}" + (f" at height {self.height}" if self.height is not None else "")


def read(request: Request, url: str, status: int, body: bytes) -> Mapping[str, Any]:
    """The JSON object that answers a request.

    Args:
        request: what was asked.
        url: base URL of the endpoint, for the messages.
        status: HTTP status of the answer.
        body: its body.

    Raises:
        Pruned: the endpoint has dropped that height.
        NotFound: the chain has no such thing.
        Refused: any other error of the chain that the question itself causes.
        Failed: an error inside the chain's own query.
        Transient: the endpoint is behind, busy or broken.
        Permanent: the answer is no JSON object, or the path is not served.
    """
    where = f"{urls.shown(url)}: {request}"
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        answer = None
    if status == 200:
        if isinstance(answer, dict):
            return answer
        raise errors.Permanent(f"{where}: the answer is no JSON object: {_MEND}")
    code, message = _status(answer)
    text = f"{where}: HTTP {status}" + (f", {message}" if message else "")
    if code is None:
        if status >= 500 or status in (408, 429):
            raise errors.Transient(f"{text}: the endpoint is in trouble or too busy")
        raise errors.Permanent(f"{text}: {_MEND}")
    if any(sign in message for sign in _BEHIND):
        raise errors.Transient(f"{text}: the endpoint is behind the others")
    if any(sign in message for sign in _PRUNED):
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
    """A text of the chain on one line of at most 400 characters (some carry stack traces)."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= 400 else line[:397] + "..."
