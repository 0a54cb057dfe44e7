"""Filter for the provider events that wake the reconciler; pure.

Events only trigger a pass; no state is read from them. CometBFT sends each transaction and block to its
subscribers, with a map from `<event type>.<attribute>` to the values (cometbft rpc/core/events.go,
ResultEvent). The types come from interchain-security's x/ccv/provider/types/events.go, from the SDK's staking
and slashing modules and from ibc-go.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_HEIGHT = re.compile(r"[0-9]{1,19}")
QUERIES = ("tm.event='Tx'", "tm.event='NewBlock'")
"""Queries to subscribe to; CometBFT allows five per client."""

_LAUNCH = "consumer_client_created"
"""Event of the block that launches a chain."""

_ABOUT_A_CHAIN = frozenset(
    {
        _LAUNCH,
        "create_consumer",
        "update_consumer",
        "remove_consumer",
        "opt_in",
        "opt_out",
        "assign_consumer_key",
        "execute_consumer_chain_slash",
    }
)
"""Event types after which the details of a chain differ."""
_CONSUMER_ID = re.compile(r"[0-9]{1,20}")
_MOST_IDS = 1000
"""Consumer ids of one event; of more, the event concerns every chain."""

TYPES = _ABOUT_A_CHAIN | frozenset(
    {
        # Validators, where endpoints and relayers are published.
        "create_validator",
        "edit_validator",
        "slash",
        "unjail",
        # The handshake of a chain's connection and channel, as the provider sees it.
        "connection_open_try",
        "connection_open_confirm",
        "channel_open_try",
        "channel_open_confirm",
        "channel_close_confirm",
    }
)
"""Event types of transactions, or of blocks if governance executes the message."""


@dataclass(frozen=True, slots=True)
class ChainEvent:
    """A provider event that concerns this validator."""

    height: int
    """Height of its block; the state before this height does not contain the event."""
    types: tuple[str, ...]
    consumer_ids: frozenset[str] = frozenset()
    """Chains that it names."""
    concerns_all: bool = False
    """Whether it is about a chain without naming it, so that it may be any."""

    @property
    def is_launch(self) -> bool:
        """Whether a chain was launched, so that the next pass must start immediately."""
        return _LAUNCH in self.types


CONNECTED = ChainEvent(0, ("connected",))
"""Placeholder for all events that were missed before a connection."""


def height(message: Mapping[str, Any]) -> int | None:
    """Return the height of a message's block or transaction, or None if it contains neither."""
    data = _mapping(_mapping(message.get("result")).get("data"))
    value = _mapping(data.get("value"))
    if data.get("type") == "tendermint/event/NewBlock":
        text = _mapping(_mapping(value.get("block")).get("header")).get("height")
    elif data.get("type") == "tendermint/event/Tx":
        text = _mapping(value.get("TxResult")).get("height")
    else:
        return None
    return int(text) if isinstance(text, str) and _HEIGHT.fullmatch(text) else None


def read(message: Mapping[str, Any]) -> ChainEvent | None:
    """Return the event in a subscription message, or None if it does not concern this validator."""
    event_height = height(message)
    if event_height is None:
        return None
    events = _mapping(_mapping(message["result"]).get("events"))
    types = {str(name).partition(".")[0] for name in events} & TYPES
    if not types:
        return None
    about = types & _ABOUT_A_CHAIN
    named = [_consumer_ids(events.get(f"{kind}.consumer_id")) for kind in about]
    found = frozenset().union(*named)
    is_unclear = not all(named) or len(found) > _MOST_IDS
    return ChainEvent(
        event_height, tuple(sorted(types)), frozenset() if is_unclear else found, bool(about) and is_unclear
    )


def _consumer_ids(values: Any) -> frozenset[str]:
    """Return the ids in an attribute's values; empty if any of them is none."""
    if not isinstance(values, list) or not all(
        isinstance(one, str) and _CONSUMER_ID.fullmatch(one) for one in values
    ):
        return frozenset()
    return frozenset(values)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
