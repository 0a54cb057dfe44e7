"""The state of a simulated provider: 180 validators, and so many consumer chains, half of them launched; pure."""

import copy
import dataclasses
import hashlib
from collections.abc import Mapping
from typing import Any, Final

from ics import model
from ics.keys import derivation
from tests.unit import factories
from tests.unit.provider import fake, recorded

VALIDATORS: Final = 180
OWN: Final = 1
"""Number of the validator whose passes are measured."""
MEMBERS: Final = range(1, 121)
"""Numbers of those who join every chain."""
SEED: Final = factories.seed("alice")
DETAILS: Final = "p2p={node_id}@10.7.{high}.{low} relayer={relayer}"
LAUNCH_HEIGHT: Final = 10
"""The block that launched the launched chains; its state is kept."""
SPAWN: Final = "2100-01-01T00:00:00Z"


def validators() -> tuple[fake.Validator, ...]:
    """All bonded; the first has the most tokens."""
    return tuple(
        fake.Validator(number, tokens=(VALIDATORS + 1 - number) * 1_000_000_000, details=_details(number))
        for number in range(1, VALIDATORS + 1)
    )


def own_key(number: int, place_id: str) -> bytes:
    """The public key of a place of the own validator for a chain."""
    return derivation.derive_consensus_key(SEED, fake.CHAIN_ID, str(number), place_id).public_key


def chain(number: int, *, is_launched: bool, place_id: str = "") -> fake.Consumer:
    """One consumer chain that the own validator has joined.

    Args:
        number: its consumer id.
        is_launched: LAUNCHED, with its genesis; else INITIALIZED, its spawn far ahead.
        place_id: the own validator's place whose key is assigned; empty before one is.
    """
    own = own_key(number, place_id) if place_id else fake.key(OWN)
    powers = {
        member: (own if member == OWN else _consumer_key(number, member), VALIDATORS + 1 - member)
        for member in MEMBERS
    }
    return fake.Consumer(
        chain_id=f"consumer{number}-1",
        phase="LAUNCHED" if is_launched else "INITIALIZED",
        client_id=f"07-tendermint-{number}" if is_launched else "",
        spawn_time=SPAWN,
        opted_in=tuple(MEMBERS),
        validators=powers,
        assigned={member: key for member, (key, _) in powers.items() if place_id or member != OWN},
        must=tuple(MEMBERS) if is_launched else (),
        genesis=_genesis(powers) if is_launched else None,
        genesis_hash=hashlib.sha256(factories.BASE.encode()).digest(),
    )


def chains(count: int, ours: int | None = None) -> dict[int, fake.Consumer]:
    """So many chains; those with an even id are launched.

    Args:
        count: of all chains.
        ours: so many of them have the own validator, and the rest are launched chains of others; None: all.
    """
    own = count if ours is None else ours
    return {
        number: chain(number, is_launched=number % 2 == 0) if number < own else stranger(number)
        for number in range(count)
    }


def stranger(number: int) -> fake.Consumer:
    """A launched chain with which the own validator has nothing to do."""
    own = chain(number, is_launched=True)
    others = tuple(member for member in MEMBERS if member != OWN)
    return dataclasses.replace(
        own,
        chain_id=f"stranger{number}-1",
        opted_in=others,
        must=others,
        validators={member: own.validators[member] for member in others},
        assigned={member: own.assigned[member] for member in others},
    )


def _genesis(powers: Mapping[int, tuple[bytes, int]]) -> dict[str, Any]:
    state: dict[str, Any] = copy.deepcopy(recorded.body("consumer_genesis_launched")["genesis_state"])
    state["provider"]["client_state"]["latest_height"] = {
        "revision_number": "1",
        "revision_height": str(LAUNCH_HEIGHT),
    }
    state["provider"]["initial_val_set"] = [
        {"pub_key": {"ed25519": fake.text(key)}, "power": str(power)} for key, power in powers.values()
    ]
    return state


def _consumer_key(number: int, member: int) -> bytes:
    return hashlib.sha256(f"{number}/{member}".encode()).digest()


def _details(number: int) -> str:
    digest = hashlib.sha256(str(number).encode()).digest()
    relayer = derivation.derive_account(model.Secret(digest), derivation.RELAYER_INFO).address("cosmos")
    if number == OWN:
        relayer = derivation.derive_account(SEED, derivation.RELAYER_INFO).address("cosmos")
        node_id = derivation.derive_node_key(SEED).node_id
    else:
        node_id = digest.hex()[:40]
    return DETAILS.format(node_id=node_id, high=number // 250, low=number % 250 + 1, relayer=relayer)
