"""The connection to a cluster's API server: the one place where requests are sent.

Own code on httpx, for lack of a library that fits. Measured with lightkube 1.0.1: it brings a second
HTTP library (0.1 s more at every start), has no metadata-only lists and no pod proxy, and knows neither
`client.authentication.k8s.io/v1` plugins nor `tls-server-name`.
"""

import asyncio
import json
import pathlib
import ssl
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import httpx
import yaml

from ics import config, errors, lanes, model
from ics.cluster import answers, credentials, kinds, kubeconfig, requests

PARALLEL = 8
"""Requests under way at once; more of them only queue in the API server (measured with 302 objects)."""
WATCHES = 1
"""Answers beside them that do not end."""
_TIMEOUT = httpx.Timeout(30.0, connect=5.0, pool=None)
SERVICE_ACCOUNT = pathlib.Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where the kubelet puts a pod's own credentials."""


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

        self._lanes = lanes.Lanes(PARALLEL, new_client)
        self._watches = lanes.Lanes(WATCHES, new_client)

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
                raise errors.Transient(f"{request.subject}: no answer within {timeout} s") from None
            except httpx.HTTPError as error:
                raise _unreachable(self.server, error) from error
        body = _parsed(response)
        if response.is_success:
            return Answer(response.status_code, body)
        raise answers.error_of(request, response.status_code, body)

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
                    raise answers.error_of(request, response.status_code, _parsed(response))
                async for line in response.aiter_lines():
                    yield json.loads(line)
        except httpx.HTTPError as error:
            raise _unreachable(self.server, error) from error
        except ValueError as error:
            raise errors.Transient(f"{request.subject}: a line of the watch is no JSON: {error}") from error

    async def find(
        self, kind: kinds.Kind, namespace: str | None, name: str, *, only_metadata: bool = False
    ) -> dict[str, Any] | None:
        """One object, None when there is none (or its namespace is not there)."""
        try:
            return (await self.send(requests.get(kind, namespace, name, only_metadata=only_metadata))).body
        except answers.Missing:
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
        except answers.Missing:
            return None
        return None if answer.body.get("kind") == "Status" else answer.body


def connect(
    cluster: config.Cluster,
    base: pathlib.Path,
    env: Mapping[str, str],
    transport: httpx.AsyncBaseTransport | None = None,
    service_account: pathlib.Path = SERVICE_ACCOUNT,
) -> Client:
    """Make a client for the stack's cluster; nothing is sent yet.

    The kubeconfig of the settings, else $KUBECONFIG, else the user's own, else the service account of
    the pod that this runs in.

    Args:
        cluster: settings.
        base: what a relative path in the settings is relative to.
        env: the environment.
        transport: in the place of the network.
        service_account: folder of a pod's token and certificate.

    Raises:
        SettingsError: no way into a cluster is found, or what is found is malformed.
    """
    return Client(access(cluster, base, env, service_account), transport)


def access(
    cluster: config.Cluster,
    base: pathlib.Path,
    env: Mapping[str, str],
    service_account: pathlib.Path = SERVICE_ACCOUNT,
) -> kubeconfig.Access:
    """The way into the stack's cluster; see `connect`."""
    if cluster.kubeconfig is not None:
        paths = [base / pathlib.Path(cluster.kubeconfig).expanduser()]
    elif env.get("KUBECONFIG"):
        # Like kubectl, of several files some may be missing.
        named = [pathlib.Path(p) for p in env["KUBECONFIG"].split(":") if p]
        paths = [p for p in named if p.exists()] or named[:1]
    else:
        paths = [pathlib.Path(env.get("HOME", "/"), ".kube", "config")]
        if not paths[0].exists():
            return _in_cluster(cluster, env, service_account)
    return kubeconfig.choose([(path, _document(path)) for path in paths], cluster.context)


def _document(path: pathlib.Path) -> object:
    try:
        text = path.read_text()
    except OSError as error:
        raise errors.SettingsError(
            f"ics:cluster.kubeconfig: {path}: {error.strerror}: mend the path"
        ) from error
    try:
        # A kubeconfig written as JSON is read ten times as fast by json.
        return json.loads(text) if text.startswith("{") else yaml.load(text, Loader=_Loader)  # noqa: S506 - safe loader
    except (yaml.YAMLError, ValueError) as error:
        # The parser's own message quotes the file, which holds credentials.
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark is not None else ""
        raise errors.SettingsError(f"ics:cluster.kubeconfig: {path}: {where}no YAML: mend it") from None


_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _in_cluster(cluster: config.Cluster, env: Mapping[str, str], folder: pathlib.Path) -> kubeconfig.Access:
    host, port = env.get("KUBERNETES_SERVICE_HOST", ""), env.get("KUBERNETES_SERVICE_PORT", "443")
    if not host or not (folder / "token").exists():
        raise errors.SettingsError(
            "ics:cluster.kubeconfig: no kubeconfig is named, $KUBECONFIG and ~/.kube/config are not"
            " there, and this"
            " runs in no pod: name one"
        )
    if cluster.context is not None:
        raise errors.SettingsError(
            f"ics:cluster.context: {cluster.context!r} needs a kubeconfig, and this runs with a pod's service"
            " account: remove it or name a kubeconfig"
        )
    server = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
    return kubeconfig.Access(server, authority_file=folder / "ca.crt", token_file=folder / "token")


def _parsed(response: httpx.Response) -> dict[str, Any]:
    try:
        body = json.loads(response.content)
    except ValueError:
        return {"message": response.text.strip()}
    return body if isinstance(body, dict) else {"message": response.text.strip()}


def _unreachable(server: str, error: httpx.HTTPError) -> errors.IcsError:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return errors.SettingsError(
                f"ics:cluster.kubeconfig: the certificate of {server} is not trusted"
                f" ({cause.verify_message}):"
                " mend certificate-authority or the address"
            )
        cause = cause.__cause__ or cause.__context__
    words = str(error) or type(error).__name__
    return errors.Transient(
        f"the Kubernetes API server {server} is not reached ({words}): check that it runs and"
        " ics:cluster.kubeconfig's address"
    )
