"""Whether an address takes a TCP connection. No handshake follows: the node's id is not proved by it."""

import asyncio
import socket
from dataclasses import dataclass

SECONDS = 3.0
"""How long an address is tried."""


@dataclass(frozen=True, slots=True)
class Dialed:
    """How one address answered."""

    addresses: tuple[str, ...]
    """What the name stands for."""
    problem: str = ""
    """Why no connection came about, with the mend; empty when it did."""


async def dial(host: str, port: int, seconds: float = SECONDS) -> Dialed:
    """Look the name up and connect to the first of its addresses that takes the connection."""
    try:
        loop = asyncio.get_running_loop()
        infos = await asyncio.wait_for(loop.getaddrinfo(host, port, type=socket.SOCK_STREAM), seconds)
    except (OSError, UnicodeError):
        return Dialed((), f"no address is known for the name {host}: mend the name or its DNS entry")
    except TimeoutError:
        return Dialed((), f"the DNS gave no answer for {host} within {seconds:.0f} s: check the resolver")
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
        return f"no answer from {address} within {seconds:.0f} s: check firewalls and the route"
    except ConnectionRefusedError:
        return f"{address} refuses port {port}: nothing listens there, or the port is another"
    except OSError as error:
        return f"{address} is not reached ({error.strerror or error})"
    writer.close()
    return ""
