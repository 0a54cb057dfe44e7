"""Client of a cluster's API server; all requests to Kubernetes are sent here."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import httpx

from ics import aio, errors, model
from ics.cluster.api import credentials, kinds, kubeconfig, requests, tls
from ics.cluster.api import errors as api_errors

_PARALLEL = 8
"""Concurrent requests; more of them only queue in the API server (measured with 302 objects)."""
_WATCHES = 1
"""Additional concurrent watches."""
_TIMEOUT = httpx.Timeout(30.0, connect=5.0, pool=None)


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
        self._access = access
        auth = credentials.auth(access, context)
        # As bytes: names of users and groups need not be ASCII.
        act_as = [(name.encode(), value.encode()) for name, value in access.act_as]

        def new_client() -> httpx.AsyncClient:
            return httpx.AsyncClient(
                base_url=access.server,
                auth=auth,
                verify=context if context is not None else False,
                proxy=access.proxy or None,
                timeout=_TIMEOUT,
                transport=transport,
                headers=[(b"User-Agent", b"ics-operator"), *act_as],
            )

        self._lanes = aio.ClientPool(_PARALLEL, new_client)
        self._watches = aio.ClientPool(_WATCHES, new_client)

    async def __aenter__(self) -> Self:
        """Return the client; the first requests open the connections."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        await self._lanes.aclose()
        await self._watches.aclose()

    async def send(self, request: requests.KubeRequest, timeout: float | None = None) -> Answer:
        """Send one request.

        Args:
            request: the request.
            timeout: seconds for the whole request; None: the client's default.

        Raises:
            Transient: the server is unreachable or overloaded, or a conflict occurred.
            Permanent: the server rejected it; the message names the permission or the object.
        """
        async with self._lanes.take() as http:
            try:
                async with asyncio.timeout(timeout):
                    response = await http.request(
                        request.method,
                        request.path,
                        params=request.query,
                        content=request.body,
                        headers={"Accept": request.accept}
                        | ({"Content-Type": request.content_type} if request.body is not None else {}),
                    )
            except TimeoutError:
                raise errors.Transient(f"{request.subject}: no answer within {timeout} s") from None
            except httpx.HTTPError as error:
                raise _unreachable(self._access, error) from error
        body = _parsed(response)
        if response.is_success:
            return Answer(response.status_code, body)
        raise api_errors.error_of(request, response.status_code, body)

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
            async with (
                self._watches.take() as http,
                http.stream(
                    request.method,
                    request.path,
                    params=request.query,
                    headers={"Accept": request.accept},
                    timeout=httpx.Timeout(5.0, read=silence),
                ) as response,
            ):
                if not response.is_success:
                    await response.aread()
                    raise api_errors.error_of(request, response.status_code, _parsed(response))
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
        """List all objects with these labels; see `requests.select`."""
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


def _parsed(response: httpx.Response) -> dict[str, Any]:
    try:
        body = json.loads(response.content)
    except ValueError:
        return {"message": response.text.strip()}
    return body if isinstance(body, dict) else {"message": response.text.strip()}


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
