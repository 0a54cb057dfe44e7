"""Peer addresses as CometBFT reads them, `<node id>@<host>:<port>`; pure.

CometBFT v0.38 (p2p/netaddress.go, `NewNetAddressString`) drops a scheme before the node id, takes 40 hex digits, splits
host and port at the last colon, and wants brackets around IPv6. A node exits at its start if one of its seeds, its
persistent peers, or its unconditional or private ids has another form.
"""

import functools
import ipaddress
import re
from dataclasses import dataclass

from ics import errors

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://")
_NODE_ID = re.compile(r"[0-9A-Fa-f]{40}")
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?")
_FORM = "use <node id>@<host>:<port>"


@dataclass(frozen=True, slots=True)
class PeerAddress:
    """Address of a peer."""

    node_id: str
    """40 lower-case hex digits."""
    host: str
    """Host name, or IP address without brackets."""
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.node_id}@{host}:{self.port}"

    @property
    def is_name(self) -> bool:
        """Whether the host is a name, which must be resolved."""
        return not _is_ip(self.host)


@functools.lru_cache(16_384)  # every pass parses the same peers of every chain
def parse(text: str) -> PeerAddress:
    """Parse one address. A scheme before the node id is dropped, as CometBFT does.

    Raises:
        SettingsError: a node would not start with it.
    """
    scheme = _SCHEME.match(text)
    node_id, at, address = text.removeprefix(scheme[0] if scheme else "").rpartition("@")
    if not at:
        raise _refused(text, f"no node id; {_FORM}")
    if _SCHEME.match(address):
        raise _refused(text, f"a scheme after the node id; {_FORM}")
    if not _NODE_ID.fullmatch(node_id):
        raise _refused(text, f"{node_id!r} is not 40 hex digits; {_FORM}")
    host, colon, port = address.rpartition(":")
    if not colon or not host:
        raise _refused(text, f"no port; {_FORM}")
    if not re.fullmatch(r"[0-9]{1,5}", port) or not 1 <= int(port) <= 65535:
        raise _refused(text, f"{port!r} is not a port from 1 to 65535; {_FORM}")
    return PeerAddress(node_id.lower(), _host(text, host), int(port))


def check_id(node_id: str) -> None:
    """Check a node id.

    Raises:
        SettingsError: it is not 40 hex digits.
    """
    if not _NODE_ID.fullmatch(node_id):
        raise errors.SettingsError(f"{node_id!r} is not a node id; use 40 hex digits")


def _host(text: str, host: str) -> str:
    if host.startswith("[") and host.endswith("]"):
        inner = host[1:-1]
        if "%" in inner or ":" not in inner or not _is_ip(inner):
            raise _refused(text, f"{inner!r} is not an IPv6 address; use brackets for IPv6 only")
        return inner
    if ":" in host:
        raise _refused(text, "an IPv6 address needs brackets; use e.g. <node id>@[2001:db8::1]:26656")
    if _is_ip(host):
        return host
    is_number = re.fullmatch(r"[0-9.]*", host) is not None
    if is_number or len(host) > 253 or not _NAME.fullmatch(host):
        raise _refused(text, f"{host!r} is neither an IP address nor a host name; {_FORM}")
    return host


@functools.lru_cache(4096)  # a validator has the same address at every chain
def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _refused(text: str, problem: str) -> errors.SettingsError:
    return errors.SettingsError(f"not a valid peer: {text!r}: {problem}")
