"""gRPC channels to endpoints as providers of them hand them out: with keys in path, query or headers, and proxies.

A gRPC server knows no path before the service's name, but the servers that stand before it do: they find the key there,
or in the query or a header. So an endpoint's path and query become part of every call's path.
"""

import base64
import urllib.parse
from typing import Any

from ics import proxies
from ics.config.endpoint import Endpoint

LARGEST = 32 * 2**20
"""Maximum bytes of an answer, after unpacking."""


def open_channel(endpoint: Endpoint) -> Any:
    """Open a gRPC channel to an `http://` or `https://` address, through the environment's proxy if there is one.

    Raises:
        SettingsError: the proxy cannot be used; the message names its setting.
    """
    import grpc

    parts = urllib.parse.urlsplit(endpoint.url)
    name = parts.hostname or ""
    is_secure = parts.scheme == "https"
    port = parts.port or (443 if is_secure else 80)
    host = f"[{name}]" if ":" in name else name
    target = f"{host}:{port}"
    options: list[tuple[str, Any]] = [
        ("grpc.max_receive_message_length", LARGEST),
        # gRPC would read the variables itself, and supports only some proxies.
        ("grpc.enable_http_proxy", 0),
    ]
    proxy = proxies.of(endpoint.url)
    if proxy is not None:
        options += [("grpc.default_authority", target), ("grpc.ssl_target_name_override", name)]
        target = proxies.tunnel(proxy, name, port)
    if is_secure:
        channel = grpc.secure_channel(target, grpc.ssl_channel_credentials(), options)
    else:
        channel = grpc.insecure_channel(target, [o for o in options if "ssl" not in o[0]])
    return _with_credentials(channel, endpoint, parts)


def _with_credentials(channel: Any, endpoint: Endpoint, parts: urllib.parse.SplitResult) -> Any:
    """Return a channel whose calls carry the endpoint's path, query, user and headers."""
    headers = {name.lower(): value for name, value in endpoint.header_values().items()}
    if "@" in parts.netloc:
        login = ":".join(urllib.parse.unquote(part or "") for part in (parts.username, parts.password))
        headers.setdefault("authorization", f"Basic {base64.b64encode(login.encode()).decode()}")
    query = f"?{parts.query}" if parts.query else ""
    if not (headers or parts.path.strip("/") or query):
        return channel
    import grpc

    class Credentials(grpc.UnaryUnaryClientInterceptor):
        def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
            metadata = [*(details.metadata or ()), *headers.items()]
            return continuation(_Call(details, f"{parts.path}{details.method}{query}", metadata), request)

    return grpc.intercept_channel(channel, Credentials())


class _Call:
    """Details of a call with another path and more headers (`grpc.ClientCallDetails`)."""

    def __init__(self, details: Any, method: str, metadata: list[tuple[str, str]]) -> None:
        self.method = method
        self.metadata = metadata
        self.timeout = details.timeout
        self.credentials = details.credentials
        self.wait_for_ready = details.wait_for_ready
        self.compression = details.compression
