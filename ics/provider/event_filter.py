"""Which of the provider's events wake a reconciler; pure. They only wake it and never carry state.

CometBFT sends each transaction and each block to those that subscribed, with a map from
`<event type>.<attribute>` to the values (cometbft rpc/core/events.go, ResultEvent). The types are
interchain-security's x/ccv/provider/types/events.go, the SDK's staking and slashing modules' and ibc-go's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

QUERIES = ("tm.event='Tx'", "tm.event='NewBlock'")
"""What is subscribed to; one client may hold five."""

LAUNCH = "consumer_client_created"
"""In a block: the launch itself."""

TYPES = frozenset(
    {
        LAUNCH,
        "create_consumer",
        "update_consumer",
        "remove_consumer",
        "opt_in",
        "opt_out",
        "assign_consumer_key",
        "execute_consumer_chain_slash",
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
"""In transactions, or in blocks when governance sends the message."""


@dataclass(frozen=True, slots=True)
class Tidings:
    """Something has happened on the provider that concerns us."""

    height: int
    """Of its block: a look at an older one would not see it."""
    types: tuple[str, ...]

    @property
    def is_launch(self) -> bool:
        """A chain was launched: the next look shall not wait for anything."""
        return LAUNCH in self.types


def height(message: Mapping[str, Any]) -> int | None:
    """Height of the block or transaction that a message tells of; None if it tells of none."""
    data = _mapping(_mapping(message.get("result")).get("data"))
    value = _mapping(data.get("value"))
    if data.get("type") == "tendermint/event/NewBlock":
        text = _mapping(_mapping(value.get("block")).get("header")).get("height")
    elif data.get("type") == "tendermint/event/Tx":
        text = _mapping(value.get("TxResult")).get("height")
    else:
        return None
    return int(text) if isinstance(text, str) and text.isdigit() else None


def read(message: Mapping[str, Any]) -> Tidings | None:
    """What a message of a subscription says of us; None: nothing."""
    at = height(message)
    if at is None:
        return None
    names = {str(name).partition(".")[0] for name in _mapping(_mapping(message["result"]).get("events"))}
    types = tuple(sorted(names & TYPES))
    return Tidings(at, types) if types else None


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
