"""Credentials for the API server: tokens, passwords and credential plugins.

A plugin runs at the first request, again after its credentials have expired, and once if the server answers 401.
Token files are read for every request, because the kubelet rotates them.
"""

import asyncio
import contextlib
import datetime
import json
import os
import pathlib
import ssl
import subprocess
import tempfile
from collections.abc import AsyncGenerator, Generator, Mapping
from typing import Any

import httpx

from ics import errors, model
from ics.cluster.api import kubeconfig
from ics.cosmos import times

_PLUGIN_TIMEOUT = 60.0
"""Timeout of a credential plugin in seconds."""


class _TokenAuth(httpx.Auth):
    """A fixed bearer token."""

    def __init__(self, token: model.Secret) -> None:
        self._token = token

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Add the token."""
        request.headers["Authorization"] = f"Bearer {self._token.reveal_text()}"
        yield request


class _TokenFileAuth(httpx.Auth):
    """A bearer token in a file."""

    def __init__(self, path: pathlib.Path) -> None:
        self._path = path

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Add the current token of the file."""
        try:
            token = self._path.read_text().strip()
        except OSError as error:
            raise errors.Permanent(
                f"ics:cluster.kubeconfig: token file {self._path}: {error.strerror}; check the path and its"
                " permissions"
            ) from error
        request.headers["Authorization"] = f"Bearer {token}"
        yield request


class _PluginAuth(httpx.Auth):
    """Credentials from a credential plugin: a token, a client certificate, or both."""

    def __init__(
        self, plugin: kubeconfig.Plugin, access: kubeconfig.Access, tls: ssl.SSLContext | None
    ) -> None:
        self._plugin = plugin
        self._access = access
        self._tls = tls
        self._lock = asyncio.Lock()
        self._token: model.Secret | None = None
        self._expires: datetime.datetime | None = None
        self._runs = 0

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Add the token, and run the plugin again if the server rejects it."""
        seen = await self._ensure_fresh(after=-1)
        self._sign(request)
        response = yield request
        if response.status_code == 401:
            await self._ensure_fresh(after=seen)
            self._sign(request)
            yield request

    def _sign(self, request: httpx.Request) -> None:
        if self._token is not None:
            request.headers["Authorization"] = f"Bearer {self._token.reveal_text()}"

    async def _ensure_fresh(self, after: int) -> int:
        """Run the plugin unless another request has done so since run number `after`."""
        async with self._lock:
            now = datetime.datetime.now(datetime.UTC)
            is_expired = self._expires is not None and now >= self._expires
            if self._runs == 0 or is_expired or self._runs == after:
                self._take(await asyncio.to_thread(_run, self._plugin, self._access))
                self._runs += 1
            return self._runs

    def _take(self, status: Mapping[str, Any]) -> None:
        token, expires = status.get("token"), status.get("expirationTimestamp")
        self._token = model.Secret(token) if token else None
        self._expires = times.parse_time(expires) if expires else None
        certificate, key = status.get("clientCertificateData"), status.get("clientKeyData")
        if certificate and key and self._tls is not None:
            _load_certificate(self._tls, certificate.encode(), model.Secret(key))
        elif not token:
            raise errors.Permanent(
                f"credential plugin {self._plugin.command}: returned neither token nor certificate; check its"
                " configuration"
            )


def auth(access: kubeconfig.Access, tls: ssl.SSLContext | None) -> httpx.Auth | None:
    """Return the authentication of requests, or None with a client certificate or without authentication."""
    if access.plugin is not None:
        return _PluginAuth(access.plugin, access, tls)
    if access.token_file is not None:
        return _TokenFileAuth(access.token_file)
    if access.token is not None:
        return _TokenAuth(access.token)
    if access.username and access.password is not None:
        return httpx.BasicAuth(access.username, access.password.reveal())
    return None


def tls_context(access: kubeconfig.Access) -> ssl.SSLContext | None:
    """Return the TLS context with authority and client certificate, or None for plain HTTP.

    Raises:
        SettingsError: a certificate or key cannot be read.
    """
    if access.server.startswith("http://"):
        return None
    try:
        authority = access.authority.decode("ascii") if access.authority else None
        context = ssl.create_default_context(cafile=access.authority_file, cadata=authority)
        # Python 3.13 would reject the authorities of many clusters, unlike all other clients.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        if access.is_unverified:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        _load_own_certificate(context, access)
    except (OSError, ValueError) as error:  # SSLError is an OSError
        paths = [str(p) for p in (access.authority_file, access.certificate_file, access.key_file) if p]
        raise errors.SettingsError(
            f"ics:cluster.kubeconfig: certificate or key cannot be read ({error}); check "
            f"{', '.join(paths) or 'the …-data fields'}"
        ) from error
    return context


def _load_certificate(context: ssl.SSLContext, certificate: bytes, key: model.Secret) -> None:
    """Use a client certificate for future connections; Python's ssl reads it from files only."""
    with tempfile.TemporaryDirectory(prefix="ics-") as folder:  # mode 0700
        certificate_file, key_file = pathlib.Path(folder, "crt"), pathlib.Path(folder, "key")
        certificate_file.write_bytes(certificate)
        key_file.write_bytes(key.reveal())
        context.load_cert_chain(certificate_file, key_file)


def _load_own_certificate(context: ssl.SSLContext, access: kubeconfig.Access) -> None:
    certificate, key = access.certificate, access.key
    if certificate is None and access.certificate_file is None:
        return
    if certificate is None and key is None and access.certificate_file is not None:
        context.load_cert_chain(access.certificate_file, access.key_file)
        return
    if certificate is None and access.certificate_file is not None:
        certificate = access.certificate_file.read_bytes()
    if key is None and access.key_file is not None:
        key = model.Secret(access.key_file.read_bytes())
    if certificate is None or key is None:
        raise ValueError("a client certificate without its key")
    _load_certificate(context, certificate, key)


def _run(plugin: kubeconfig.Plugin, access: kubeconfig.Access) -> Mapping[str, Any]:
    spec: dict[str, Any] = {"interactive": False}
    if plugin.wants_cluster:
        spec["cluster"] = {"server": access.server, "insecure-skip-tls-verify": access.is_unverified}
    info = {"kind": "ExecCredential", "apiVersion": plugin.api_version, "spec": spec}
    env = {**os.environ, **dict(plugin.env), "KUBERNETES_EXEC_INFO": json.dumps(info)}
    try:
        done = subprocess.run(
            [plugin.command, *plugin.args],
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PLUGIN_TIMEOUT,
            check=False,
        )
    except OSError as error:
        hint = plugin.install_hint.strip().splitlines()
        raise errors.SettingsError(
            f"ics:cluster.kubeconfig: credential plugin {plugin.command}: {error.strerror}: "
            f"{hint[0] if hint else 'install it or correct its path'}"
        ) from error
    except subprocess.TimeoutExpired:
        raise errors.Transient(
            f"credential plugin {plugin.command}: took longer than {_PLUGIN_TIMEOUT:.0f} s; run it manually once"
        ) from None
    if done.returncode != 0:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        raise errors.Transient(
            f"credential plugin {plugin.command}: failed ({done.returncode}):"
            f" {lines[-1][:200] if lines else 'no output'}; log in again"
        )
    with contextlib.suppress(ValueError, AttributeError):
        status = json.loads(done.stdout).get("status")
        if isinstance(status, Mapping):
            return status
    raise errors.Permanent(
        f"credential plugin {plugin.command}: returned no ExecCredential with a status; check its configuration"
    )
