"""An endpoint as providers of them hand it out: an address with keys in its path, query, user or headers; pure."""

import re
from collections.abc import Mapping
from typing import Any, Self
from urllib import parse

import pydantic

from ics import model
from ics.config import base, secret_sources, urls

_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
"""A token of RFC 9110."""
_RESERVED = frozenset({"host", "content-length", "transfer-encoding", "connection", "te", "accept-encoding"})
_SHORTEST = 4
"""Characters from which a part of the address is hidden in texts of others; shorter ones may be any word."""


class HeaderSource(secret_sources.Guarded):
    """Source of a header's value; exactly one must be set."""

    file: str | None = None
    """Path of a file, relative to the project's folder."""
    env: str | None = None
    """Name of an environment variable."""
    secret: secret_sources.SecretObject | None = None
    """A key of a Kubernetes Secret in the stack's cluster."""

    @pydantic.model_validator(mode="after")
    def _just_one(self) -> Self:
        base.require_one(file=self.file, env=self.env, secret=self.secret)
        return self

    @property
    def source(self) -> secret_sources.SecretSource:
        """The same source, as all secrets are read."""
        return secret_sources.SecretSource(file=self.file, env=self.env, secret=self.secret)


class Endpoint(secret_sources.Guarded):
    """One address of the chain: an URL, or `{url, headers}`.

    Its text and `repr` never show credentials, so it can be used in messages as it is.
    """

    url: str
    """The address; a path and a query in it are kept in every request."""
    headers: Mapping[str, HeaderSource] = pydantic.Field(default_factory=dict)
    """Headers of every request, such as an API key: by name, the source of the value."""

    _values: Mapping[str, model.Secret] = pydantic.PrivateAttr(default_factory=dict)

    @pydantic.model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: object) -> object:
        return {"url": value} if isinstance(value, str) else value

    @pydantic.field_validator("url")
    @classmethod
    def _is_url(cls, url: str) -> str:
        if not urls.is_http(url) or "#" in url:
            raise ValueError(
                f"{urls.redacted(url)!r} is not a valid URL;"
                " use http://HOST:PORT or https://HOST, PORT from 1 to 65535 and IPv6 in brackets"
            )
        before, mark, query = url.partition("?")
        return f"{before.rstrip('/')}{mark}{query}"

    @pydantic.field_validator("headers")
    @classmethod
    def _names(cls, headers: Mapping[str, HeaderSource]) -> Mapping[str, HeaderSource]:
        for name in headers:
            if not _HEADER.fullmatch(name) or name.lower() in _RESERVED:
                raise ValueError(f"{name!r} is not a header that can be set; use a name such as x-api-key")
        return headers

    @pydantic.model_serializer(mode="wrap")
    def _as_text(self, handler: pydantic.SerializerFunctionWrapHandler) -> Any:
        return handler(self) if self.headers else self.url

    def __str__(self) -> str:
        return urls.redacted(self.url)

    __repr__ = __str__

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Endpoint) and (self.url, self.headers) == (other.url, other.headers)

    def __hash__(self) -> int:
        return hash(self.url)

    def with_values(self, values: Mapping[str, model.Secret]) -> "Endpoint":
        """Return the endpoint with the values of its headers, which were read from their sources."""
        copy = self.model_copy()
        copy._values = dict(values)
        return copy

    def header_values(self) -> dict[str, str]:
        """Return the headers of every request; they are secrets."""
        return {name: value.reveal_text() for name, value in self._values.items()}

    @property
    def has_headers(self) -> bool:
        """Whether it needs headers, which Hermes cannot send."""
        return bool(self.headers)

    @property
    def has_credentials(self) -> bool:
        """Whether its URL contains anything but scheme, host and port, which may be a credential."""
        return urls.redacted(self.url) != self.url

    def address(self, path: str = "", query: str = "") -> str:
        """Return the URL of one request, with credentials: the path is inserted before the endpoint's own query.

        Args:
            path: path below the endpoint, with its leading slash.
            query: of the request, encoded.
        """
        return urls.joined(self.url, path, query)

    def hide(self, text: str) -> str:
        """Return a text of a server or a library with all credentials of this endpoint replaced by `…`."""
        return urls.without(text, self._credentials())

    def _credentials(self) -> list[str]:
        parts = parse.urlsplit(self.url)
        rest = parts.path + (f"?{parts.query}" if parts.query else "")
        pieces = [
            rest,
            parts.query,
            *(part for part in parts.path.split("/")),
            *(value for _, value in parse.parse_qsl(parts.query)),
            *parts.query.split("&"),
            parts.netloc.rpartition("@")[0],
            parts.username or "",
            parts.password or "",
            *(value.reveal_text() for value in self._values.values()),
        ]
        pieces += [parse.unquote(piece) for piece in pieces]
        pieces = [piece for piece in pieces if len(piece) >= _SHORTEST]
        return sorted({self.url, *pieces}, key=len, reverse=True)
