"""Proxies of the environment (`ALL_PROXY`, `HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY`), for every client alike.

httpx would read the same variables on its own, but ends with an unknown error for some that others understand, such as
IPv6 addresses in `NO_PROXY`. So HTTP, WebSockets and gRPC all get their proxies here. gRPC can use only some kinds of
proxies, so it connects to a tunnel on the loopback address, which connects through the proxy.
"""

import base64
import contextlib
import ipaddress
import os
import re
import socket
import ssl
import threading
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from ics import connections, errors, web

SCHEMES = ("http", "https", "socks5", "socks5h")
_CONNECT_SECONDS = 10.0
_CHUNK = 65536
_WITH_PORT = re.compile(r"(\[[^\]]+\]|[^:\[\]]+):([0-9]{1,5})")


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy, with the setting that names it."""

    url: str
    """May contain a password."""
    setting: str


def check(url: str, setting: str) -> Proxy:
    """Return a proxy after checking that it can be used.

    Raises:
        SettingsError: its URL is malformed, or its kind is not supported; the message names the setting.
    """
    try:
        parts = urllib.parse.urlsplit(url)
        is_usable = parts.scheme in SCHEMES and bool(parts.hostname) and parts.port != 0
        is_usable = is_usable and url.isprintable() and " " not in url
    except ValueError:
        is_usable = False
    if not is_usable:
        raise errors.SettingsError(
            f"{setting}: {shown(url)!r} is not a proxy that can be used;"
            f" use {', '.join(f'{scheme}://HOST:PORT' for scheme in SCHEMES)}, or unset it"
        )
    return Proxy(url, setting)


def shown(url: str) -> str:
    """Return a proxy's URL for messages: without user and password."""
    scheme, mark, rest = url.rpartition("://")
    return f"{scheme}{mark}{re.split('[/?#]', rest.rpartition('@')[2])[0]}"


def check_environment(environment: Mapping[str, str]) -> None:
    """Check the proxies in the variables that every client reads.

    Raises:
        SettingsError: one of them cannot be used; the message names the variable.
    """
    for name, value in environment.items():
        if value and name.lower() in ("all_proxy", "http_proxy", "https_proxy"):
            check(value if "://" in value else f"http://{value}", name)


def new_client(*, transport: httpx.AsyncBaseTransport | None = None, **options: Any) -> httpx.AsyncClient:
    """Create an HTTP client, which uses the environment's proxies.

    Args:
        transport: replaces the network.
        options: of httpx.

    Raises:
        SettingsError: a proxy cannot be used; the message names its setting.
    """
    check_environment(os.environ)
    return httpx.AsyncClient(trust_env=False, transport=transport or _Routed(True), **options)


def new_session(
    *,
    verify: ssl.SSLContext | bool = True,
    proxy: str | None = None,
    transport: httpx.AsyncBaseTransport | None = None,
    auth: httpx.Auth | None = None,
) -> web.Session:
    """Create a session, which uses the environment's proxies unless it is given one.

    Args:
        verify: TLS context, or whether certificates are verified.
        proxy: URL of the only proxy.
        transport: replaces the network.
        auth: adds credentials to each request.

    Raises:
        SettingsError: a proxy cannot be used; the message names its setting.
    """
    check_environment(os.environ)
    if transport is None:
        transport = _Routed(verify) if proxy is None else httpx.AsyncHTTPTransport(verify=verify, proxy=proxy)
    return web.Session(transport, auth)


class _Routed(httpx.AsyncBaseTransport):
    """Sends each request directly or through the environment's proxy for its address."""

    def __init__(self, verify: Any) -> None:
        self._verify = verify
        self._ways: dict[tuple[str, str, int | None], httpx.AsyncBaseTransport] = {}
        self._transports: dict[str, httpx.AsyncBaseTransport] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url
        key = (url.scheme, url.host, url.port)
        if key not in self._ways:
            host = f"[{url.host}]" if ":" in url.host else url.host
            proxy = of(f"{url.scheme}://{host}" + (f":{url.port}" if url.port else ""))
            through = "" if proxy is None else proxy.url
            if through not in self._transports:
                self._transports[through] = (
                    httpx.AsyncHTTPTransport(verify=connections.tls_context(self._verify), proxy=through)
                    if through
                    else connections.Transport(self._verify)
                )
            self._ways[key] = self._transports[through]
        return await self._ways[key].handle_async_request(request)

    async def aclose(self) -> None:
        for transport in self._transports.values():
            await transport.aclose()


def of(url: str) -> Proxy | None:
    """Return the environment's proxy for an http, https, ws or wss address; None: connect directly.

    Raises:
        SettingsError: it cannot be used; the message names its variable.
    """
    parts = urllib.parse.urlsplit(url)
    scheme = {"ws": "http", "wss": "https"}.get(parts.scheme, parts.scheme)
    proxies = urllib.request.getproxies_environment()
    port = parts.port or (443 if scheme == "https" else 80)
    if any(_covers(entry, parts.hostname or "", port) for entry in proxies.get("no", "").split(",")):
        return None
    kind = scheme if proxies.get(scheme) else "all"
    value = proxies.get(kind)
    if not value:
        return None
    return check(value if "://" in value else f"http://{value}", _variable(f"{kind}_proxy"))


def _covers(entry: str, host: str, port: int) -> bool:
    """Return whether an entry of `NO_PROXY` covers an address.

    Entries are `*`, a domain with or without a leading dot or `*.`, an address, or a range of addresses; domains and
    addresses may have a port, and IPv6 addresses brackets.
    """
    entry = entry.strip().lower().rpartition("://")[2]
    if entry in ("", "*"):
        return entry == "*"
    address = _address(host)
    with contextlib.suppress(ValueError):
        network = ipaddress.ip_network(entry.strip("[]"), strict=False)
        return address is not None and address in network
    found = _WITH_PORT.fullmatch(entry)
    if found is not None:
        return int(found[2]) == port and _covers(found[1], host, port)
    domain = entry.removeprefix("*").lstrip(".").rstrip(".")
    name = host.lower().rstrip(".")
    return bool(domain) and (name == domain or name.endswith(f".{domain}"))


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _variable(name: str) -> str:
    """Return the spelling of a variable that is in effect."""
    return name if os.environ.get(name) else name.upper()


def tunnel(proxy: Proxy, host: str, port: int) -> str:
    """Open a tunnel through a proxy to one address, for as long as the process lives.

    Returns:
        `127.0.0.1:PORT`, where connections are taken and passed on.
    """
    with _LOCK:
        key = (proxy.url, host, port)
        if key not in _TUNNELS:
            listener = socket.create_server(("127.0.0.1", 0))
            _TUNNELS[key] = f"127.0.0.1:{listener.getsockname()[1]}"
            threading.Thread(target=_serve, args=(listener, proxy, host, port), daemon=True).start()
        return _TUNNELS[key]


_LOCK = threading.Lock()
_TUNNELS: dict[tuple[str, str, int], str] = {}


def _serve(listener: socket.socket, proxy: Proxy, host: str, port: int) -> None:
    while True:
        near, _ = listener.accept()
        threading.Thread(target=_pass_on, args=(near, proxy, host, port), daemon=True).start()


def _pass_on(near: socket.socket, proxy: Proxy, host: str, port: int) -> None:
    with near:
        try:
            far = _connect(proxy, host, port)
        except (OSError, ValueError):  # ValueError: a name that is none
            return  # the client reports a connection that was closed
        with far:
            back = threading.Thread(target=_copy, args=(far, near), daemon=True)
            back.start()
            _copy(near, far)
            back.join()


def _connect(proxy: Proxy, host: str, port: int) -> Any:
    """Connect through a proxy, which resolves the name.

    Raises:
        OSError: the proxy is not reachable, or refuses.
    """
    parts = urllib.parse.urlsplit(proxy.url)
    name, login = parts.hostname or "", _login(parts)
    if not parts.scheme.startswith("socks"):
        return _connect_http(parts, login, f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
    from python_socks import ProxyError, ProxyType
    from python_socks.sync import Proxy as Dialer

    user, password = login or (None, None)
    dialer = Dialer(ProxyType.SOCKS5, name, parts.port or 1080, user, password, rdns=True)
    try:
        connected = dialer.connect(host, port, timeout=_CONNECT_SECONDS)
    except ProxyError as error:
        raise OSError(str(error)) from error
    connected.settimeout(None)
    return connected


def _login(parts: urllib.parse.SplitResult) -> tuple[str, str] | None:
    if parts.username is None:
        return None
    return urllib.parse.unquote(parts.username), urllib.parse.unquote(parts.password or "")


def _connect_http(parts: urllib.parse.SplitResult, login: tuple[str, str] | None, target: str) -> Any:
    """Connect through an HTTP proxy with CONNECT (RFC 9110, 9.3.6)."""
    is_secure = parts.scheme == "https"
    name = parts.hostname or ""
    connected = socket.create_connection((name, parts.port or (443 if is_secure else 80)), _CONNECT_SECONDS)
    if is_secure:
        connected = ssl.create_default_context().wrap_socket(connected, server_hostname=name)
    lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}"]
    if login is not None:
        lines.append(f"Proxy-Authorization: Basic {base64.b64encode(':'.join(login).encode()).decode()}")
    connected.sendall("\r\n".join([*lines, "", ""]).encode())
    head = b""
    # Byte by byte: what follows the answer belongs to the tunnel.
    while not head.endswith(b"\r\n\r\n") and len(head) < _CHUNK and (byte := connected.recv(1)):
        head += byte
    if not re.match(rb"HTTP/1\.[01] 2[0-9][0-9] ", head):
        connected.close()
        raise OSError("the proxy refuses the connection")
    connected.settimeout(None)
    return connected


def _copy(source: Any, target: Any) -> None:
    with contextlib.suppress(OSError):
        while chunk := source.recv(_CHUNK):
            target.sendall(chunk)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
