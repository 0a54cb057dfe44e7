"""Client of a cluster's API server; all requests to Kubernetes are sent here."""

import asyncio
import contextlib
import dataclasses
import functools
import json
import ssl
import urllib.parse
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import httpx

from ics import errors, model, proxies, web
from ics.cluster.api import credentials, kinds, kubeconfig, lists, requests, tls
from ics.cluster.api import errors as api_errors
from ics.cosmos import answers

PARALLEL = 8
"""Concurrent requests; more of them only queue in the API server (measured with 302 objects)."""
_WATCHES = 1
"""Additional concurrent watches."""
_TIMEOUT = httpx.Timeout(30.0, connect=5.0, pool=None)
_OF_SERVER = web.Limits(seconds=60.0, size=512 * 2**20)
"""Limits of the API server's own answers; a page of objects may contain hundreds of genesis files."""
_PLAIN = "/:@~+=,"
"""Characters besides letters, digits and `-._` that a path contains as they are."""
_NOT_JSON = "its RPC answers something else than a JSON object"
_LONGEST_TEXT = 1000
"""Characters of an answer that is not JSON, for the message."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A successful answer."""

    status: int
    """HTTP status: 201 for a created object."""
    body: dict[str, Any]


class KubeClient:
    """Client of one API server; use it as an async context manager."""

    def __init__(self, access: kubeconfig.Access, transport: httpx.AsyncBaseTransport | None = None) -> None:
        context = tls.context_of(access) if transport is None else None
        self.server = access.server
        self._base = httpx.URL(access.server.rstrip("/"))
        self._is_direct = transport is None and not access.proxy and proxies.of(access.server) is None
        self._access = access
        auth = credentials.auth(access, context)
        proxy = proxies.check(access.proxy, "ics:cluster.kubeconfig: proxy-url").url if access.proxy else None
        # As bytes: names of users and groups need not be ASCII.
        act_as = [(name.encode(), value.encode()) for name, value in access.act_as]
        self._headers = ((b"User-Agent", b"ics-operator"), *act_as)

        self._session = proxies.new_session(
            verify=context if context is not None else False, proxy=proxy, transport=transport, auth=auth
        )
        self._room = asyncio.Semaphore(PARALLEL)
        self._room_to_watch = asyncio.Semaphore(_WATCHES)
        self._lists = lists.Lists()

    async def __aenter__(self) -> Self:
        """Return the client; the first requests open the connections."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        await self._session.aclose()

    async def send(self, request: requests.KubeRequest, timeout: float | None = None) -> Answer:
        """Send one request.

        Args:
            request: the request.
            timeout: seconds for the whole request; None: 60, or for the answer of a pod 15.

        Raises:
            Transient: the server is unreachable or overloaded, a conflict occurred, or a pod's answer is not usable.
            Permanent: the server rejected it; the message names the permission or the object.
        """
        answer = await self._exchange(request, timeout)
        body = self._list(request, answer.body) if request.verb == "list" else _parsed(answer.body)
        if body is None:
            raise errors.Transient(
                f"{request.subject}: {_NOT_JSON if request.subpath else 'the answer is not a JSON object'}"
            )
        return Answer(answer.status, body)

    def _list(self, request: requests.KubeRequest, content: bytes) -> dict[str, Any] | None:
        """Return a page of a list, or None if it is none."""
        question = (request.path, request.query.get("labelSelector", ""), request.accept)
        try:
            body = self._lists.parse((*question, "later" if "continue" in request.query else ""), content)
        except ValueError:
            return None
        return body if isinstance(body, dict) else None

    async def text(self, request: requests.KubeRequest, timeout: float | None = None) -> str:
        """Send one request whose answer is a text, such as a pod's metrics; see `send`."""
        return (await self._exchange(request, timeout)).body.decode(errors="replace")

    async def _exchange(self, request: requests.KubeRequest, timeout: float | None) -> web.Answer:
        limits = web.ANSWER if request.subpath else _OF_SERVER
        if timeout is not None:
            limits = dataclasses.replace(limits, seconds=timeout)
        async with self._room:
            try:
                answer = await web.exchange(self._session, self._built(request), limits)
            except TimeoutError as error:
                # Reaching the server took too long, or else the whole exchange.
                if isinstance(error.__cause__, httpx.TimeoutException):
                    raise _unreachable(self._access, error.__cause__) from error
                raise errors.Transient(f"{request.subject}: no answer within {limits.seconds} s") from None
            except web.Unacceptable as error:
                raise errors.Transient(f"{request.subject}: {error}") from error
            except httpx.HTTPError as error:
                raise _unreachable(self._access, error) from error
        if not answer.is_success:
            body = _parsed(answer.body) or {"message": _text(answer.body)}
            raise api_errors.error_of(request, answer.status, body)
        return answer

    def _built(self, request: requests.KubeRequest, timeout: httpx.Timeout = _TIMEOUT) -> httpx.Request:
        headers = [*self._headers, (b"Accept", request.accept.encode()), (b"Accept-Encoding", b"gzip")]
        body = request.body
        if body is not None:
            headers.append((b"Content-Type", request.content_type.encode()))
        target = f"{urllib.parse.quote(request.path, safe=_PLAIN)}{_query(tuple(request.query.items()))}"
        extensions: dict[str, Any] = {"timeout": timeout.as_dict()}
        if not self._is_direct:
            url = f"{self._base}{target}"
            return httpx.Request(request.method, url, headers=headers, content=body, extensions=extensions)
        # To parse an URL, and to find out what headers a body needs, would take half the CPU time of the request.
        extensions["target"] = self._base.raw_path.rstrip(b"/") + target.encode()
        headers.append((b"Host", self._base.netloc))
        if body is not None:
            headers.append((b"Content-Length", str(len(body)).encode()))
        stream = httpx.ByteStream(body or b"")
        return httpx.Request(
            request.method, self._base, headers=headers, stream=stream, extensions=extensions
        )

    async def follow(self, request: requests.KubeRequest, silence: float) -> AsyncIterator[dict[str, Any]]:
        """Yield the lines of a streaming answer, such as a watch.

        Args:
            request: the request.
            silence: seconds without a line after which the connection is considered dead.

        Raises:
            Transient: the server is unreachable or overloaded, or the connection broke.
            Permanent: the server rejected the request.
        """
        try:
            async with self._room_to_watch:
                timeout = httpx.Timeout(5.0, read=silence)
                response = await self._session.send(self._built(request, timeout))
                async with contextlib.aclosing(response):
                    if not response.is_success:
                        refusal = await response.aread()
                        body = _parsed(refusal) or {"message": _text(refusal)}
                        raise api_errors.error_of(request, response.status_code, body)
                    async for line in response.aiter_lines():
                        yield json.loads(line)
        except httpx.HTTPError as error:
            raise _unreachable(self._access, error) from error
        except ValueError as error:
            raise errors.Transient(f"{request.subject}: invalid JSON in the watch: {error}") from error

    async def find(
        self, kind: kinds.Kind, namespace: str | None, name: str, *, only_metadata: bool = False
    ) -> dict[str, Any] | None:
        """Read one object, or return None if it or its namespace does not exist."""
        try:
            return (await self.send(requests.get(kind, namespace, name, only_metadata=only_metadata))).body
        except api_errors.ObjectNotFound:
            return None

    async def select(
        self,
        kind: kinds.Kind,
        labels: Mapping[str, str | tuple[str, ...]],
        *,
        namespace: str | None = None,
        only_metadata: bool = False,
    ) -> list[dict[str, Any]]:
        """List all objects with these labels; see `requests.select`.

        Callers leave the items as they are: the next list returns the same ones if they are unchanged.
        """
        _, items = await self.snapshot_of(kind, labels, namespace=namespace, only_metadata=only_metadata)
        return items

    async def snapshot_of(
        self,
        kind: kinds.Kind,
        labels: Mapping[str, str | tuple[str, ...]],
        *,
        namespace: str | None = None,
        only_metadata: bool = False,
    ) -> tuple[str, list[dict[str, Any]]]:
        """List all objects with these labels, and return the `resourceVersion` from which a watch can continue."""
        items: list[dict[str, Any]] = []
        after = ""
        while True:
            page = requests.select(
                kind, labels, namespace=namespace, only_metadata=only_metadata, after=after
            )
            answer = await self.send(page)
            items += answer.body.get("items") or []
            metadata = answer.body.get("metadata", {})
            after = metadata.get("continue", "")
            if not after:
                return str(metadata.get("resourceVersion", "")), items

    async def apply(
        self, manifest: model.Manifest, manager: str, *, is_dry_run: bool = False, only_metadata: bool = False
    ) -> Answer:
        """Apply a manifest server-side; see `requests.apply`."""
        return await self.send(
            requests.apply(manifest, manager, is_dry_run=is_dry_run, only_metadata=only_metadata)
        )

    async def delete(
        self,
        kind: kinds.Kind,
        namespace: str | None,
        name: str,
        uid: str | None,
        *,
        is_dry_run: bool = False,
        propagation: requests.Propagation = "Background",
    ) -> dict[str, Any] | None:
        """Delete one object; see `requests.delete`.

        Returns:
            The object if it still exists (finalizers, grace period), None if it is gone.
        """
        try:
            answer = await self.send(
                requests.delete(kind, namespace, name, uid, is_dry_run=is_dry_run, propagation=propagation)
            )
        except api_errors.ObjectNotFound:
            return None
        return None if answer.body.get("kind") == "Status" else answer.body


@functools.lru_cache
def _query(items: tuple[tuple[str, str], ...]) -> str:
    """Return the query of an address, with its question mark."""
    return f"?{urllib.parse.urlencode(items)}" if items else ""


def _parsed(content: bytes) -> dict[str, Any] | None:
    """Return the JSON object of an answer, or None if it is none."""
    try:
        body = answers.parse_json(content)
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def _text(content: bytes) -> str:
    return content.decode(errors="replace").strip()[:_LONGEST_TEXT]


def _unreachable(access: kubeconfig.Access, error: httpx.HTTPError) -> errors.IcsError:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return errors.SettingsError(
                access.problem(
                    f"the certificate of {access.server} is not trusted ({cause.verify_message}); check"
                    " certificate-authority, tls-server-name and the address"
                )
            )
        cause = cause.__cause__ or cause.__context__
    reason = str(error) or type(error).__name__
    return errors.Transient(
        f"Kubernetes API server {access.server} is unreachable ({reason}); check that it runs, and the address in"
        " ics:cluster.kubeconfig"
    )
