"""The connection to a cluster's API server: the one place where requests are sent.

Own code on httpx, for lack of a library that fits. Measured with lightkube 1.0.1: it brings a second
HTTP library (0.1 s more at every start), has no metadata-only lists and no pod proxy, and knows neither
`client.authentication.k8s.io/v1` plugins nor `tls-server-name`.
"""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import httpx

from ics import aio, model
from ics import errors as ics_errors
from ics.cluster.api import credentials, kinds, kubeconfig, requests
from ics.cluster.api import errors as api_errors

PARALLEL = 8
"""Requests under way at once; more of them only queue in the API server (measured with 302 objects)."""
WATCHES = 1
"""Answers beside them that do not end."""
_TIMEOUT = httpx.Timeout(30.0, connect=5.0, pool=None)


@dataclass(frozen=True, slots=True)
class Answer:
    """A success."""

    status: int
    """HTTP status: 201 for an object that was made."""
    body: dict[str, Any]


class Client:
    """Sends requests to one API server; use it as an async context manager."""

    def __init__(self, access: kubeconfig.Access, transport: httpx.AsyncBaseTransport | None = None) -> None:
        tls = credentials.tls_context(access) if transport is None else None
        self.server = access.server
        self._extensions = {"sni_hostname": access.server_name} if access.server_name else {}
        auth = credentials.auth(access, tls)

        def new_client() -> httpx.AsyncClient:
            return httpx.AsyncClient(
                base_url=access.server,
                auth=auth,
                verify=tls if tls is not None else False,
                proxy=access.proxy or None,
                timeout=_TIMEOUT,
                transport=transport,
                headers=[("User-Agent", "ics-operator"), *access.act_as],
            )

        self._lanes = aio.Lanes(PARALLEL, new_client)
        self._watches = aio.Lanes(WATCHES, new_client)

    async def __aenter__(self) -> Self:
        """Connections are made with the first requests."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        await self._lanes.aclose()
        await self._watches.aclose()

    async def send(self, request: requests.Request, timeout: float | None = None) -> Answer:
        """Send one request.

        Args:
            request: what to send.
            timeout: seconds for the whole of it, None for the client's own.

        Raises:
            Transient: unreachable, overloaded, or a conflict.
            Permanent: refused; the message names the right or the object.
        """
        async with self._lanes.one() as http:
            try:
                async with asyncio.timeout(timeout):
                    response = await http.request(
                        request.method,
                        request.path,
                        params=request.query,
                        content=request.body,
                        headers={"Accept": request.accept}
                        | ({"Content-Type": request.content_type} if request.body is not None else {}),
                        extensions=self._extensions,
                    )
            except TimeoutError:
                raise ics_errors.Transient(f"{request.subject}: no answer within {timeout} s") from None
            except httpx.HTTPError as error:
                raise _unreachable(self.server, error) from error
        body = _parsed(response)
        if response.is_success:
            return Answer(response.status_code, body)
        raise api_errors.error_of(request, response.status_code, body)

    async def follow(self, request: requests.Request, silence: float) -> AsyncIterator[dict[str, Any]]:
        """The lines of an answer that goes on for long, such as a watch's.

        Args:
            request: what to send.
            silence: seconds without a line after which the connection counts as dead.

        Raises:
            Transient: unreachable, overloaded, or the connection broke.
            Permanent: refused.
        """
        try:
            async with (
                self._watches.one() as http,
                http.stream(
                    request.method,
                    request.path,
                    params=request.query,
                    headers={"Accept": request.accept},
                    timeout=httpx.Timeout(5.0, read=silence),
                    extensions=self._extensions,
                ) as response,
            ):
                if not response.is_success:
                    await response.aread()
                    raise api_errors.error_of(request, response.status_code, _parsed(response))
                async for line in response.aiter_lines():
                    yield json.loads(line)
        except httpx.HTTPError as error:
            raise _unreachable(self.server, error) from error
        except ValueError as error:
            raise ics_errors.Transient(
                f"{request.subject}: a line of the watch is no JSON: {error}"
            ) from error

    async def find(
        self, kind: kinds.Kind, namespace: str | None, name: str, *, only_metadata: bool = False
    ) -> dict[str, Any] | None:
        """One object, None when there is none (or its namespace is not there)."""
        try:
            return (await self.send(requests.get(kind, namespace, name, only_metadata=only_metadata))).body
        except api_errors.Missing:
            return None

    async def select(
        self,
        kind: kinds.Kind,
        labels: Mapping[str, str | tuple[str, ...]],
        *,
        namespace: str | None = None,
        only_metadata: bool = False,
    ) -> list[dict[str, Any]]:
        """All objects with these labels; see `requests.select`."""
        _, found = await self.snapshot_of(kind, labels, namespace=namespace, only_metadata=only_metadata)
        return found

    async def snapshot_of(
        self,
        kind: kinds.Kind,
        labels: Mapping[str, str | tuple[str, ...]],
        *,
        namespace: str | None = None,
        only_metadata: bool = False,
    ) -> tuple[str, list[dict[str, Any]]]:
        """Likewise, with the list's `resourceVersion`, from which a watch can go on."""
        found: list[dict[str, Any]] = []
        after = ""
        while True:
            page = requests.select(
                kind, labels, namespace=namespace, only_metadata=only_metadata, after=after
            )
            answer = await self.send(page)
            found += answer.body.get("items") or []
            metadata = answer.body.get("metadata", {})
            after = metadata.get("continue", "")
            if not after:
                return str(metadata.get("resourceVersion", "")), found

    async def apply(
        self, manifest: model.Manifest, manager: str, *, is_dry_run: bool = False, only_metadata: bool = False
    ) -> Answer:
        """Server-side apply; see `requests.apply`."""
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
            The object when it stays for a while (a finalizer, a grace time), None when it is gone.
        """
        try:
            answer = await self.send(
                requests.delete(kind, namespace, name, uid, is_dry_run=is_dry_run, propagation=propagation)
            )
        except api_errors.Missing:
            return None
        return None if answer.body.get("kind") == "Status" else answer.body


def _parsed(response: httpx.Response) -> dict[str, Any]:
    try:
        body = json.loads(response.content)
    except ValueError:
        return {"message": response.text.strip()}
    return body if isinstance(body, dict) else {"message": response.text.strip()}


def _unreachable(server: str, error: httpx.HTTPError) -> ics_errors.IcsError:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return ics_errors.SettingsError(
                f"ics:cluster.kubeconfig: the certificate of {server} is not trusted"
                f" ({cause.verify_message}):"
                " mend certificate-authority or the address"
            )
        cause = cause.__cause__ or cause.__context__
    words = str(error) or type(error).__name__
    return ics_errors.Transient(
        f"the Kubernetes API server {server} is not reached ({words}): check that it runs and"
        " ics:cluster.kubeconfig's address"
    )
