"""Settings of the validator's own provider node, for stacks that run one; pure."""

from typing import Annotated, Literal

import pydantic

from ics.config import base, node_config, units, urls
from ics.config import pods as config_pods
from ics.config import upgrades as config_upgrades


class ObjectKey(base.Frozen):
    """A key of an object in the gateway's namespace."""

    name: str
    """Name of the ConfigMap."""
    key: str = "genesis.json"
    """Key in its data or binaryData; a key ending in `.gz` is compressed."""


class ProviderGenesis(base.Frozen):
    """Source of the provider node's genesis: a URL with its sha256, or a ConfigMap."""

    url: str | None = pydantic.Field(default=None, pattern=r"^https?://\S+$")
    """URL of the file; a file ending in `.gz` is compressed."""
    sha256: str | None = pydantic.Field(default=None, pattern=r"^[0-9a-f]{64}$")
    """sha256 of the unpacked genesis in lower-case hex; required with a URL."""
    config_map: ObjectKey | None = None
    """An existing ConfigMap."""

    @pydantic.field_validator("url")
    @classmethod
    def _is_url(cls, url: str | None) -> str | None:
        if url is not None and not urls.is_http(url):
            raise ValueError("not a URL; use https://HOST/PATH")
        return url

    @pydantic.model_validator(mode="after")
    def _just_one(self) -> "ProviderGenesis":
        base.require_one(url=self.url, config_map=self.config_map)
        if self.url is not None and self.sha256 is None:
            raise ValueError("url needs sha256, to verify the download; add it")
        return self


class StateSync(base.Frozen):
    """Source of a state snapshot, which an empty node fetches instead of replaying all blocks."""

    rpc: tuple[str, ...] = pydantic.Field(min_length=2)
    """RPC addresses, at least two."""
    height: int = pydantic.Field(ge=1)
    """Trusted height."""
    hash: str = pydantic.Field(pattern=r"^[0-9A-Fa-f]{64}$")
    """Hash of the block at that height."""

    @pydantic.field_validator("rpc")
    @classmethod
    def _are_addresses(cls, addresses: tuple[str, ...]) -> tuple[str, ...]:
        return urls.rpc_addresses(addresses)


class ProviderNodeSettings(base.Frozen):
    """The validator's own node of the provider chain, if this stack runs it."""

    enabled: bool = False
    """Whether the stack runs the node, in the gateway's namespace."""
    image: units.OptionalImage = ""
    """Image with the provider's binary and a POSIX shell; required if enabled. With `upgrades`, that of an empty
    volume's first block."""
    upgrades: Annotated[
        tuple[config_upgrades.Upgrade, ...], pydantic.AfterValidator(config_upgrades.check_order)
    ] = ()
    """Later versions of its software, as in a chain definition."""
    plan_images: config_upgrades.PlanImages | None = None
    """Take the image of an upgrade that is not in the list from the provider's own plan, as in a chain definition;
    none: never."""
    binary: str = "gaiad"
    """Name or path of the binary in the image."""
    binary_hash: str | None = pydantic.Field(default=None, pattern=r"^[0-9a-f]{64}$")
    """sha256 of the binary in the image, lower-case hex; the node starts no other binary."""
    genesis: ProviderGenesis | None = None
    """The chain's genesis; required if enabled."""
    fetch_image: units.Image = (
        "busybox:1.37.0@sha256:9db7b59979c38555a39def84a31fb98b5296952f9e3afd4f6f11f05b07adfab0"
    )
    """Image with a shell, wget, gzip and sha256sum, which downloads the genesis from its URL."""
    peers: tuple[units.Peer, ...] = ()
    """Persistent peers, `<node id>@<host>:<port>`."""
    seeds: tuple[units.Peer, ...] = ()
    """Seed nodes, `<node id>@<host>:<port>`."""
    node_key: str | None = None
    """Existing Secret in the gateway's namespace with `node_key.json`; none: the node creates its own."""
    consensus_key: str | None = None
    """Existing Secret there with `priv_validator_key.json`; none: a full node, which signs nothing."""
    min_gas_price: units.Prices | None = None
    """`minimum-gas-prices`; none: `provider.gas_price`."""
    pruning: Literal["default", "nothing", "everything"] = "default"
    """The SDK's `pruning`."""
    state_sync: StateSync | None = None
    """State sync for a node with an empty volume; none: it replays all blocks."""
    expose: bool = True
    """Whether it has its own LoadBalancer Service for p2p, with the annotations of `gateway.cloud`."""
    external_address: str = pydantic.Field(default="", pattern=r"^(\S+:[0-9]{1,5})?$")
    """`host:port` that it advertises to its peers."""
    config: node_config.Config = pydantic.Field(default_factory=dict)
    """Overrides for its config.toml and app.toml; some keys are reserved."""
    storage: units.Size = "500Gi"
    """Size of its volume."""
    storage_class: str = ""
    """StorageClass of its volume; empty: the cluster's default."""
    resources: units.Resources = pydantic.Field(
        default_factory=lambda: {"requests": {"cpu": "1", "memory": "8Gi"}, "limits": {"memory": "32Gi"}}
    )
    """Requests and limits of its container."""

    pods: config_pods.PodSettings = config_pods.PodSettings.defaults()
    """Settings of its pods, in addition to those of the stack."""

    @pydantic.field_validator("config")
    @classmethod
    def _leaves_reserved_keys(
        cls, config: node_config.Config, info: pydantic.ValidationInfo
    ) -> node_config.Config:
        own = {
            "p2p.seeds": ",".join(info.data.get("seeds", ())),
            "p2p.persistent_peers": ",".join(info.data.get("peers", ())),
            "p2p.external_address": info.data.get("external_address", ""),
        }
        if info.data.get("min_gas_price") is not None:
            own["minimum-gas-prices"] = info.data["min_gas_price"]
        return node_config.check(config, own)

    @pydantic.model_validator(mode="after")
    def _is_whole(self) -> "ProviderNodeSettings":
        if self.enabled and not (self.image and self.genesis):
            raise ValueError("image and genesis are required if it is enabled; add them")
        return self
