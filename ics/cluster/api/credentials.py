"""Credentials for the API server: tokens, passwords, certificates and credential plugins.

A plugin runs at the first request, again after its credentials have expired, and once if the server answers 401.
Token files are read for every request, because the kubelet rotates them, and certificate files again when they have
changed.
"""

import asyncio
import datetime
import pathlib
import re
import ssl
from collections.abc import AsyncGenerator, Generator

import httpx

from ics import errors, model
from ics.cluster.api import exec_plugins, kubeconfig, tls

_TOKEN = re.compile(rb"[ -~]+")


class _TokenAuth(httpx.Auth):
    """A fixed bearer token."""

    def __init__(self, token: model.Secret) -> None:
        self._token = token

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Add the token."""
        _sign(request, self._token)
        yield request


class _TokenFileAuth(httpx.Auth):
    """A bearer token in a file.

    While the file is missing, unreadable or empty, as it may be for a moment when it is replaced, the last token (at
    first that of the kubeconfig itself) stays in use, as in client-go; once the server rejects that, the file is
    named.
    """

    def __init__(self, access: kubeconfig.Access, path: pathlib.Path) -> None:
        self._access = access
        self._path = path
        self._last = access.token

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Add the current token of the file."""
        problem = self._read()
        if self._last is None:
            raise errors.Permanent(problem)
        _sign(request, self._last)
        response = yield request
        if response.status_code == 401 and problem:
            raise errors.Permanent(problem)

    def _read(self) -> str:
        """Read the file; returns its problem, or nothing."""
        try:
            content = self._path.read_bytes().strip()
        except OSError as error:
            return self._problem(f"{error.strerror}; check the path and its permissions")
        if not _TOKEN.fullmatch(content):
            return self._problem(f"{'contains no token' if content else 'is empty'}; check the file")
        self._last = model.Secret(content)
        return ""

    def _problem(self, text: str) -> str:
        return self._access.problem(f"tokenFile {self._path}: {text}")


class _PluginAuth(httpx.Auth):
    """Credentials from a credential plugin: a token, a client certificate, or both."""

    def __init__(
        self, plugin: kubeconfig.Plugin, access: kubeconfig.Access, context: ssl.SSLContext | None
    ) -> None:
        self._plugin = plugin
        self._access = access
        self._context = context
        self._lock = asyncio.Lock()
        self._token: model.Secret | None = None
        self._expires: datetime.datetime | None = None
        self._runs = 0

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Add the token, and run the plugin again if the server rejects it."""
        seen = await self._ensure_fresh(after=-1)
        _sign(request, self._token)
        response = yield request
        if response.status_code == 401:
            await self._ensure_fresh(after=seen)
            _sign(request, self._token)
            yield request

    async def _ensure_fresh(self, after: int) -> int:
        """Run the plugin unless another request has done so since run number `after`."""
        async with self._lock:
            now = datetime.datetime.now(datetime.UTC)
            is_expired = self._expires is not None and now >= self._expires
            if self._runs == 0 or is_expired or self._runs == after:
                self._take(await asyncio.to_thread(exec_plugins.run, self._plugin, self._access))
                self._runs += 1
            return self._runs

    def _take(self, answer: exec_plugins.Credentials) -> None:
        self._token, self._expires = answer.token, answer.expires
        if answer.certificate is None or answer.key is None or self._context is None:
            return
        try:
            tls.load_certificate(self._context, answer.certificate, answer.key)
        except ssl.SSLError as error:
            raise errors.Permanent(
                self._access.problem(
                    f"exec: credential plugin {self._plugin.command} returned a certificate that cannot be used"
                    f" ({error}); check its configuration"
                )
            ) from error


class _CertificateFilesAuth(httpx.Auth):
    """A client certificate in files that are replaced before it expires; future connections use the new one."""

    def __init__(self, access: kubeconfig.Access, context: ssl.SSLContext) -> None:
        self._access = access
        self._context = context
        self._seen = self._times()

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Load the files again if they have changed."""
        now = self._times()
        if now != self._seen and None not in now:
            try:
                tls.load_own_certificate(self._context, self._access)
            except errors.SettingsError as error:
                # One of the two files may be the old one for a moment.
                raise errors.Transient(str(error)) from error
            self._seen = now
        yield request

    def _times(self) -> tuple[int | None, ...]:
        paths = (self._access.certificate_file, self._access.key_file)
        return tuple(_modified(path) for path in paths if path is not None)


def auth(access: kubeconfig.Access, context: ssl.SSLContext | None) -> httpx.Auth | None:
    """Return the authentication of requests, or None without authentication or with an unchanging certificate."""
    # As in client-go, a plugin is not run for a user who has credentials of another kind.
    if access.token_file is not None:
        return _TokenFileAuth(access, access.token_file)
    if access.token is not None:
        return _TokenAuth(access.token)
    if access.username:
        password = access.password or model.Secret("")
        return httpx.BasicAuth(access.username, password.reveal())
    if access.certificate is None and access.certificate_file is not None and context is not None:
        return _CertificateFilesAuth(access, context)
    if access.certificate is not None or access.plugin is None:
        return None
    return _PluginAuth(access.plugin, access, context)


def _sign(request: httpx.Request, token: model.Secret | None) -> None:
    if token is not None:
        request.headers["Authorization"] = f"Bearer {token.reveal_text()}"


def _modified(path: pathlib.Path) -> int | None:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None
