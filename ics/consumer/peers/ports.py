"""Ports of consumer chains, computed from the chain ids and therefore equal on all validators; pure.

The formula is the reference implementation's: a home offset from the hash of the chain id, and each
service's base port + 100 + 10 x offset. These are the ports of Services and of the LoadBalancer; inside
the pod the ports are fixed.
"""

import dataclasses
import hashlib
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from ics import errors

POD_P2P = 26656
POD_RPC = 26657
POD_GRPC = 9090
POD_GRPC_WEB = 9091
POD_REST = 1317
POD_METRICS = 26660
"""CometBFT's metrics, which no Service publishes."""
POD_SIGNER = 26659
"""Port at which a node listens for its remote signer."""

OFFSETS = 1000
"""Number of port slots."""
_TAKEN_BY_OTHERS = frozenset({3000, 5432, 6379, 8080, 27017})
"""Ports of common programs, which are not allocated to chains."""

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """The outer ports of one chain, each in 1024..65535."""

    offset: int
    p2p: int
    rpc: int
    grpc: int
    grpc_web: int
    rest: int
    is_shared: bool = False
    """Whether all ranges are taken, so that another chain has this one, too. Only the p2p port on the shared
    LoadBalancer matters then; all other ports are those of the chain's own Services."""


def home_offset(chain_id: str) -> int:
    """Return the preferred offset of a chain: big-endian uint64 of sha256(chain id)[:8], modulo 1000."""
    return (
        int.from_bytes(hashlib.sha256(chain_id.encode("utf-8", "surrogatepass")).digest()[:8], "big")
        % OFFSETS
    )


def ports_at(offset: int) -> Ports:
    """Return the ports at an offset of 0..999.

    Raises:
        Permanent: the offset is out of range.
    """
    if not 0 <= offset < OFFSETS:
        raise errors.Permanent(f"port offset {offset} does not exist; use 0 to {OFFSETS - 1}")
    shift = 100 + 10 * offset
    rpc = POD_RPC + shift
    return Ports(
        offset=offset,
        p2p=POD_P2P + shift,
        rpc=rpc,
        grpc=POD_GRPC + shift,
        grpc_web=POD_GRPC_WEB + shift,
        rest=rpc + 660,
    )


def as_dict(chain_id: str, placed: Ports) -> dict[str, Any]:
    """Return a chain's ports as JSON of a stable shape."""
    return {
        "chain_id": chain_id,
        "offset": placed.offset,
        "p2p": placed.p2p,
        "rpc": placed.rpc,
        "grpc": placed.grpc,
        "grpc_web": placed.grpc_web,
        "rest": placed.rest,
    }


def is_reserved(offset: int) -> bool:
    """Return whether a port of this offset belongs to another well-known program."""
    ports = ports_at(offset)
    return not _TAKEN_BY_OTHERS.isdisjoint((ports.p2p, ports.rpc, ports.grpc, ports.grpc_web, ports.rest))


CAPACITY = sum(not is_reserved(offset) for offset in range(OFFSETS))
"""Number of chains with ports of their own."""


def shared_ports(chain_id: str) -> Ports:
    """Return the ports of a chain for which no range is free: those at its home offset, which another chain has."""
    home = home_offset(chain_id)
    offset = next(slot for step in range(OFFSETS) if not is_reserved(slot := (home + step) % OFFSETS))
    return dataclasses.replace(ports_at(offset), is_shared=True)


def allocate(chains: Sequence[tuple[K, str]]) -> dict[K, Ports]:
    """Allocate ports to chains in order, each at its home offset or the next free one upwards (modulo 1000).

    Args:
        chains: (key, chain id) in order of precedence: launched chains by launch, then the others by consumer
            id. Later chains never move earlier ones, and without a free range get `shared_ports`. Keys are
            distinct.

    Raises:
        Permanent: a key is repeated.
    """
    placed: dict[K, Ports] = {}
    used: set[int] = set()
    for key, chain_id in chains:
        if key in placed:
            raise errors.Permanent(f"chain {chain_id!r}: duplicate key {key!r}; list each chain once")
        if len(used) >= CAPACITY:
            placed[key] = shared_ports(chain_id)
            continue
        home = home_offset(chain_id)
        candidates = ((home + step) % OFFSETS for step in range(OFFSETS))
        offset = next(slot for slot in candidates if slot not in used and not is_reserved(slot))
        used.add(offset)
        placed[key] = ports_at(offset)
    return placed
