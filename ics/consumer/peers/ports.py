"""Ports of consumer chains: the same on every validator, because they follow from the chain ids; pure.

The formula is the reference implementation's: a home offset from the hash of the chain id, and each
service's base port + 100 + 10 x offset. These are the ports of Services and of the LoadBalancer; inside
the pod the ports are fixed.
"""

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
POD_SIGNER = 26659
"""Where a node listens for its remote signer."""

OFFSETS = 1000
"""How many places there are."""
TAKEN_BY_OTHERS = frozenset({3000, 5432, 6379, 8080, 27017})
"""Ports of programs that often run beside a node; no chain is placed on them."""

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Ports:
    """The outer ports of one chain, each in 1024..65535."""

    offset: int
    p2p: int
    rpc: int
    grpc: int
    grpc_web: int
    rest: int


def home_offset(chain_id: str) -> int:
    """Where a chain wants to be: big-endian uint64 of sha256(chain id)[:8], modulo 1000."""
    return int.from_bytes(hashlib.sha256(chain_id.encode()).digest()[:8], "big") % OFFSETS


def at(offset: int) -> Ports:
    """The ports at an offset of 0..999.

    Raises:
        Permanent: no such offset.
    """
    if not 0 <= offset < OFFSETS:
        raise errors.Permanent(f"port offset {offset} does not exist: use 0 to {OFFSETS - 1}")
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
    """The JSON form of a chain's ports, of a stable shape."""
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
    """Whether a port of this offset belongs to another well-known program."""
    ports = at(offset)
    return not TAKEN_BY_OTHERS.isdisjoint((ports.p2p, ports.rpc, ports.grpc, ports.grpc_web, ports.rest))


CAPACITY = sum(not is_reserved(offset) for offset in range(OFFSETS))
"""How many chains can have ports."""


def allocate(chains: Sequence[tuple[K, str]]) -> dict[K, Ports]:
    """Place chains in the order given, each at its home offset or the next free one upwards (modulo 1000).

    Args:
        chains: (key, chain id) in the order of precedence: launched chains by launch, then the others
            by consumer id. What comes later never moves what came before. Keys are distinct.

    Raises:
        Permanent: no offset is free for a chain, or a key comes twice.
    """
    placed: dict[K, Ports] = {}
    used: set[int] = set()
    for key, chain_id in chains:
        if key in placed:
            raise errors.Permanent(f"chain {chain_id!r} comes twice, key {key!r}: list each chain once")
        home = home_offset(chain_id)
        steps = ((home + step) % OFFSETS for step in range(OFFSETS))
        offset = next((place for place in steps if place not in used and not is_reserved(place)), None)
        if offset is None:
            raise errors.Permanent(
                f"no port is free for chain {chain_id!r}: all {len(used)} places are taken by other chains"
            )
        used.add(offset)
        placed[key] = at(offset)
    return placed
