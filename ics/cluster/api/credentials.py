"""Credentials that are presented to the API server: tokens, passwords and credential plugins.

A plugin is run at the first request, again when what it gave has expired, and once when the server
answers 401. Token files are read for every request, for the kubelet rotates them.
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

PLUGIN_TIMEOUT = 60.0
"""Seconds that a credential plugin may take."""


class TokenAuth(httpx.Auth):
    """A fixed bearer token."""

    def __init__(self, token: model.Secret) -> None:
        self._token = token

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Add the token."""
        request.headers["Authorization"] = f"Bearer {self._token.reveal_text()}"
        yield request


class TokenFileAuth(httpx.Auth):
    """A bearer token in a file."""

    def __init__(self, path: pathlib.Path) -> None:
        self._path = path

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Add the token that the file holds now."""
        try:
            token = self._path.read_text().strip()
        except OSError as error:
            raise errors.Permanent(
                f"ics:cluster.kubeconfig: token file {self._path}: {error.strerror}: mend the path or"
                " its rights"
            ) from error
        request.headers["Authorization"] = f"Bearer {token}"
        yield request


class PluginAuth(httpx.Auth):
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
        """Add the token, and ask the plugin for another one when the server refuses it."""
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
        self._expires = datetime.datetime.fromisoformat(expires) if expires else None
        certificate, key = status.get("clientCertificateData"), status.get("clientKeyData")
        if certificate and key and self._tls is not None:
            load_certificate(self._tls, certificate.encode(), model.Secret(key))
        elif not token:
            raise errors.Permanent(
                f"credential plugin {self._plugin.command} gave no token and no certificate: mend it"
            )


def auth(access: kubeconfig.Access, tls: ssl.SSLContext | None) -> httpx.Auth | None:
    """What signs the requests, None when a client certificate does or nothing is asked for."""
    if access.plugin is not None:
        return PluginAuth(access.plugin, access, tls)
    if access.token_file is not None:
        return TokenFileAuth(access.token_file)
    if access.token is not None:
        return TokenAuth(access.token)
    if access.username and access.password is not None:
        return httpx.BasicAuth(access.username, access.password.reveal())
    return None


def tls_context(access: kubeconfig.Access) -> ssl.SSLContext | None:
    """What the TLS connection trusts and shows, None for plain HTTP.

    Raises:
        SettingsError: a certificate or key cannot be read.
    """
    if access.server.startswith("http://"):
        return None
    try:
        authority = access.authority.decode("ascii") if access.authority else None
        context = ssl.create_default_context(cafile=access.authority_file, cadata=authority)
        # Python 3.13 would refuse the authorities that many clusters have; no other client does.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        if access.is_unverified:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        _load_own_certificate(context, access)
    except (OSError, ValueError) as error:  # SSLError is an OSError
        paths = [str(p) for p in (access.authority_file, access.certificate_file, access.key_file) if p]
        raise errors.SettingsError(
            f"ics:cluster.kubeconfig: certificate or key cannot be read ({error}): mend "
            f"{', '.join(paths) or 'the …-data fields'}"
        ) from error
    return context


def load_certificate(context: ssl.SSLContext, certificate: bytes, key: model.Secret) -> None:
    """Show this client certificate on the connections to come; Python's ssl takes it from files only."""
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
    load_certificate(context, certificate, key)


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
            timeout=PLUGIN_TIMEOUT,
            check=False,
        )
    except OSError as error:
        hint = plugin.install_hint.strip().splitlines()
        raise errors.SettingsError(
            f"ics:cluster.kubeconfig: credential plugin {plugin.command}: {error.strerror}: "
            f"{hint[0] if hint else 'install it or mend its path'}"
        ) from error
    except subprocess.TimeoutExpired:
        raise errors.Transient(
            f"credential plugin {plugin.command} took longer than {PLUGIN_TIMEOUT:.0f} s: run it by hand once"
        ) from None
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise errors.Transient(
            f"credential plugin {plugin.command} failed ({done.returncode}):"
            f" {said[-1][:200] if said else 'no words'}:"
            " log in anew"
        )
    with contextlib.suppress(ValueError, AttributeError):
        status = json.loads(done.stdout).get("status")
        if isinstance(status, Mapping):
            return status
    raise errors.Permanent(
        f"credential plugin {plugin.command} gave no ExecCredential with a status: mend it"
    )
