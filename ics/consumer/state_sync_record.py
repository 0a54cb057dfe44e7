"""StateSyncRecord of a chain's state sync in the cluster, and what its node reads of it; pure."""

import dataclasses
import datetime
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import tomli_w

from ics.cosmos import answers, times

RECORD_FILE: Final = "record.json"
SECTION_FILE: Final = "statesync.toml"
"""Files of the ConfigMap; start.sh reads the second one."""
TEMPORARY: Final = "/data/home/state-sync"
"""Where the node keeps chunks of a snapshot: on its volume, because they may take gigabytes."""
_LEAST_SERVERS: Final = 2
"""RPC servers that CometBFT demands (config/config.go, `StateSyncConfig.ValidateBasic`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedBlock:
    """A proven block."""

    height: int
    snapshot: int = 0
    """Height of the snapshot that the chain's nodes probably had last, when the block was proven; 0: unknown."""
    hash: str
    """Upper-case hex."""
    time: datetime.datetime
    period: datetime.timedelta
    """Time for which it may be trusted: the trusting period of the provider's client."""
    servers: tuple[str, ...]
    """RPC addresses that have this very block."""
    refused: tuple[str, ...] = ()
    """The others, without credentials, and why each is not used."""

    def is_old(self, now: datetime.datetime) -> bool:
        """Return whether more than half of the time has passed for which it may be trusted."""
        return now - self.time > self.period / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncProgress:
    """How far a node has come whose state sync has started, as last recorded."""

    received: int = 0
    """Bytes of snapshots that its present process has received."""
    since: datetime.datetime
    """Time of the provider's block at which that was seen first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenUp:
    """That a node replays the chain from its genesis instead."""

    reason: str
    pod: str = ""
    """uid of the pod that was still trying, which is started again; empty: there was none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StateSyncRecord:
    """What earlier passes recorded in the cluster about the state sync of one chain."""

    since: datetime.datetime | None = None
    """Since when a trusted block is searched for while no node is started."""
    trust: TrustedBlock | None = None
    problem: str = ""
    """Why the last search found no block."""
    progress: SyncProgress | None = None
    given_up: GivenUp | None = None
    volume: str = ""
    """uid of the volume whose node was seen with a block, so that it does not sync any more."""


def section(record: StateSyncRecord) -> str:
    """Return the section `[statesync]` of config.toml; empty if the node does not use state sync."""
    trust = record.trust
    if trust is None or record.given_up is not None:
        return ""
    # It takes the same server twice: what each says is checked against the block that is proven.
    servers = trust.servers * _LEAST_SERVERS if len(trust.servers) < _LEAST_SERVERS else trust.servers
    return tomli_w.dumps(
        {
            "statesync": {
                "enable": True,
                "rpc_servers": ",".join(servers),
                "trust_height": trust.height,
                "trust_hash": trust.hash,
                "trust_period": f"{int(trust.period.total_seconds())}s",
                "discovery_time": "5s",
                "temp_dir": TEMPORARY,
            }
        }
    )


def to_json(record: StateSyncRecord) -> str:
    """Return a record as a text with sorted keys."""

    def plain(value: Any) -> Any:
        if isinstance(value, datetime.datetime):
            return value.isoformat()
        if isinstance(value, datetime.timedelta):
            return f"{int(value.total_seconds())}s"
        if isinstance(value, Mapping):
            return {key: plain(one) for key, one in value.items() if one not in (None, "", (), 0)}
        return value

    return json.dumps(plain(dataclasses.asdict(record)), sort_keys=True)


def from_json(text: str) -> StateSyncRecord:
    """Parse a record.

    Raises:
        MalformedAnswer: the text was edited and is not a record.
    """
    try:
        value = answers.parse_json(text)
    except ValueError:
        value = None
    field = answers.Field("the record of the state sync", value)
    trust, progress, given_up = (field.get(name) for name in ("trust", "progress", "given_up"))
    since = field.get("since")
    return StateSyncRecord(
        since=None if since is None else since.moment(),
        trust=None if trust is None else _trust(trust),
        problem=_text(field, "problem"),
        progress=None
        if progress is None
        else SyncProgress(received=_optional(progress, "received"), since=progress["since"].moment()),
        given_up=None
        if given_up is None
        else GivenUp(reason=given_up["reason"].text(), pod=_text(given_up, "pod")),
        volume=_text(field, "volume"),
    )


def _trust(field: answers.Field) -> TrustedBlock:
    return TrustedBlock(
        height=field["height"].integer(),
        snapshot=_optional(field, "snapshot"),
        hash=field["hash"].hex().hex().upper(),
        time=field["time"].moment(),
        period=datetime.timedelta(microseconds=field["period"].nanoseconds() // (times.SECOND // 10**6)),
        servers=tuple(one.text() for one in field["servers"]),
        refused=tuple(one.text() for one in field.get("refused") or ()),
    )


def _optional(field: answers.Field, name: str) -> int:
    value = field.get(name)
    return 0 if value is None else value.integer()


def _text(field: answers.Field, name: str) -> str:
    value = field.get(name)
    return "" if value is None else value.text()
