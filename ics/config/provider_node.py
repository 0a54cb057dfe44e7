"""Settings of the validator's own provider node, for a stack that is to run one; pure."""

import re
from collections.abc import Mapping
from typing import Any, Literal

import pydantic

from ics.config import units


class _Frozen(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class ObjectKey(_Frozen):
    """A key of an object in the gateway's namespace."""

    name: str
    """Name of the ConfigMap."""
    key: str = "genesis.json"
    """Key in its data or binaryData; one that ends in `.gz` is compressed."""


class ProviderGenesis(_Frozen):
    """Where the provider node's genesis comes from: a url with its sha256, or a ConfigMap."""

    url: str | None = pydantic.Field(default=None, pattern=r"^https?://\S+$")
    """Address of the file; one that ends in `.gz` is compressed."""
    sha256: str | None = pydantic.Field(default=None, pattern=r"^[0-9a-f]{64}$")
    """sha256 of the genesis, unpacked, in lower-case hex; needed for a url."""
    config_map: ObjectKey | None = None
    """A ConfigMap of yours."""

    @pydantic.model_validator(mode="after")
    def _just_one(self) -> "ProviderGenesis":
        if (self.url is None) == (self.config_map is None):
            raise ValueError("give just one of url and config_map")
        if self.url is not None and self.sha256 is None:
            raise ValueError("a url asks for sha256: what is fetched must be known beforehand")
        return self


class StateSync(_Frozen):
    """From where an empty node fetches the chain's state in the place of its blocks."""

    rpc: tuple[str, ...] = pydantic.Field(min_length=2)
    """RPC addresses, at least two."""
    height: int = pydantic.Field(ge=1)
    """A height that you trust."""
    hash: str = pydantic.Field(pattern=r"^[0-9A-Fa-f]{64}$")
    """Hash of the block at that height."""


class ProviderNode(_Frozen):
    """The validator's own node of the provider chain, when this stack is to run it."""

    enabled: bool = False
    """On: the stack runs it in the gateway's namespace."""
    image: str = ""
    """Image with the provider's binary and a POSIX shell; needed when it is enabled."""
    binary: str = "gaiad"
    """Name or path of the binary in the image."""
    genesis: ProviderGenesis | None = None
    """The chain's genesis; needed when it is enabled."""
    fetch_image: str = "busybox:1.37"
    """Image with a shell, wget, gzip and sha256sum, which fetches a genesis by its url."""
    peers: tuple[str, ...] = ()
    """Persistent peers, `<node id>@<host>:<port>`."""
    seeds: tuple[str, ...] = ()
    """Seeds, likewise."""
    node_key: str | None = None
    """A Secret of yours in the gateway's namespace with `node_key.json`; none: the node makes one on its volume."""
    consensus_key: str | None = None
    """A Secret of yours there with `priv_validator_key.json`; none: it runs as a full node and signs nothing."""
    min_gas_price: str | None = pydantic.Field(default=None, pattern=units.PRICE)
    """`minimum-gas-prices`; none: `provider.gas_price`."""
    pruning: Literal["default", "nothing", "everything"] = "default"
    """The SDK's `pruning`."""
    state_sync: StateSync | None = None
    """How a node with an empty volume comes to the chain's state; none: block by block."""
    config: Mapping[Literal["config.toml", "app.toml"], Mapping[str, Any]] = pydantic.Field(
        default_factory=dict
    )
    """Overrides laid over its config.toml and app.toml."""
    expose: bool = True
    """A LoadBalancer Service of its own for p2p, with the annotations of `gateway.cloud`."""
    external_address: str = pydantic.Field(default="", pattern=r"^(\S+:\d{1,5})?$")
    """`host:port` that it tells its peers."""
    storage: str = pydantic.Field(default="500Gi", pattern=units.QUANTITY)
    """Size of its volume."""
    storage_class: str = ""
    """StorageClass of its volume; empty: the cluster's default."""
    resources: Mapping[str, Mapping[str, str]] = pydantic.Field(
        default_factory=lambda: {"requests": {"cpu": "1", "memory": "8Gi"}, "limits": {"memory": "32Gi"}}
    )
    """Requests and limits of its container."""

    @pydantic.field_validator("peers", "seeds")
    @classmethod
    def _are_peers(cls, found: tuple[str, ...]) -> tuple[str, ...]:
        for peer in found:
            if not re.match(r"^[0-9a-f]{40}@[^@\s,]+:\d{1,5}$", peer):
                raise ValueError(f"{peer!r} is no peer: write <node id>@<host>:<port>")
        return found

    @pydantic.model_validator(mode="after")
    def _is_whole(self) -> "ProviderNode":
        if self.enabled and not (self.image and self.genesis):
            raise ValueError("image and genesis are needed when it is enabled")
        return self
