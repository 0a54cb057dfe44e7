"""What two chains tell besides the IBC ends themselves: packets, balances, parameters, times; pure.

The documents are those of the chains' REST gateways (ibc-go v10, cosmos-sdk v0.50, interchain-security
v7) and of CometBFT's RPC. Every function raises `Transient` for an answer of another shape.
"""

import contextlib
import datetime
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ics import errors

_SECONDS = re.compile(r"(\d+)(?:\.\d+)?s")


def next_key(document: Mapping[str, Any]) -> str:
    """Key of a list's next page (base64), empty on the last one."""
    with _shape("list"):
        return str(document["pagination"]["next_key"] or "")


def connection_ids(document: Mapping[str, Any]) -> tuple[str, ...]:
    """Of `/ibc/core/connection/v1/client_connections/{client id}`."""
    with _shape("client_connections"):
        return tuple(str(path) for path in document["connection_paths"])


def commitments(document: Mapping[str, Any]) -> tuple[int, ...]:
    """Sequences of the packets in one page of `packet_commitments`: they are sent and not acknowledged."""
    with _shape("packet_commitments"):
        return tuple(int(packet["sequence"]) for packet in document["commitments"])


def next_send(document: Mapping[str, Any]) -> int:
    """Sequence of the next packet, of `…/next_sequence_send`."""
    with _shape("next_sequence_send"):
        return int(document["next_sequence_send"])


def next_receive(document: Mapping[str, Any]) -> int:
    """Sequence of the next packet that an ordered channel takes, of `…/next_sequence`."""
    with _shape("next_sequence"):
        return int(document["next_sequence_receive"])


def balance(document: Mapping[str, Any]) -> int:
    """Amount in the answer of `/cosmos/bank/v1beta1/balances/{address}/by_denom`."""
    with _shape("balance"):
        return int(document["balance"]["amount"])


def unbonding_time(document: Mapping[str, Any]) -> int:
    """Whole seconds, of `/cosmos/staking/v1beta1/params`; a fraction is dropped."""
    with _shape("staking parameters"):
        match = _SECONDS.fullmatch(document["params"]["unbonding_time"])
        if match is None:
            raise ValueError(document["params"]["unbonding_time"])
        return int(match[1])


def trusting_fraction(document: Mapping[str, Any]) -> str:
    """A decimal number, of `/interchain_security/ccv/provider/params`."""
    with _shape("provider parameters"):
        return str(document["params"]["trusting_period_fraction"])


def newest_block(document: Mapping[str, Any]) -> datetime.datetime:
    """Time of a node's newest block, from the result of CometBFT's `/status`.

    Raises:
        Transient: the node has no block yet, or is still syncing: what it tells is of the past.
    """
    with _shape("status"):
        sync = document["sync_info"]
        height, is_syncing = int(sync["latest_block_height"]), bool(sync["catching_up"])
        moment = datetime.datetime.fromisoformat(sync["latest_block_time"])
    if height == 0 or is_syncing:
        raise errors.Transient(
            f"the consumer's node is {'still syncing' if height else 'without a block'} (height {height}):"
            " relaying waits for it"
        )
    return moment


@contextlib.contextmanager
def _shape(what: str) -> Iterator[None]:
    try:
        yield
    except (KeyError, TypeError, ValueError) as error:
        raise errors.Transient(f"{what}: the chain's answer is not understood ({error!r})") from error
