"""TCP probe of an address: resolves its name and connects. It does not verify the node id."""

import asyncio
import socket
from dataclasses import dataclass

SECONDS = 3.0
"""Timeout of each step."""


@dataclass(frozen=True, slots=True)
class Dialed:
    """The outcome of one probe."""

    addresses: tuple[str, ...]
    """IP addresses of the name."""
    problem: str = ""
    """Why no connection was possible, and what to do; empty on success."""


async def probe(host: str, port: int, seconds: float = SECONDS) -> Dialed:
    """Resolve the name and connect to the first of its addresses that accepts the connection."""
    try:
        loop = asyncio.get_running_loop()
        infos = await asyncio.wait_for(loop.getaddrinfo(host, port, type=socket.SOCK_STREAM), seconds)
    except (OSError, UnicodeError):
        return Dialed((), f"{host} cannot be resolved; check the name or its DNS entry")
    except TimeoutError:
        return Dialed((), f"DNS query for {host} timed out after {seconds:.0f} s; check the resolver")
    addresses = tuple(dict.fromkeys(str(info[4][0]) for info in infos))
    problem = ""
    for address in addresses:
        problem = await _connect(address, port, seconds)
        if not problem:
            break
    return Dialed(addresses, problem)


async def _connect(address: str, port: int, seconds: float) -> str:
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection(address, port), seconds)
    except TimeoutError:
        return f"{address} did not answer within {seconds:.0f} s; check firewalls and routing"
    except ConnectionRefusedError:
        return f"{address} refuses port {port}; check the port and whether the node runs"
    except OSError as error:
        return f"could not connect to {address} ({error.strerror or error})"
    writer.close()
    return ""
