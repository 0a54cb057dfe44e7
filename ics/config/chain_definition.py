"""Chain definitions: the consumer chains that the operator is ready to run."""

import fnmatch
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import pydantic

from ics import errors
from ics.config import base, extra_nodes, extra_parts, node_config, settings, units, urls, volumes
from ics.config import pods as config_pods
from ics.config import upgrades as config_upgrades
from ics.cosmos import addresses, coins, gas_prices

FILL_IN = "FILL_IN"
"""Value of an imported draft that its operator has to fill in; no definition with it is accepted."""
ANY_OWNER = "any"
"""`match.owner` of a definition that accepts every owner."""
_DEEPEST = 16
"""Levels of a definition; YAML can write a mapping that contains itself."""
_NOT_ACCOUNTS = ("valoper", "valcons", "pub")
"""Ends of bech32 prefixes of other things than accounts (cosmos-sdk v0.50, types/config.go)."""

_MOST_RPC = 16
"""Addresses in `rpc`: all of them are asked."""


class Match(base.Frozen):
    """Criteria that select the consumer chains of a definition."""

    chain_id: str = "*"
    """Exact chain id, or a pattern with * and ?."""
    accept_any_owner: bool = False
    """Whether the chain of any owner may match, also a stranger's; goes with `owner: any`."""
    owner: str
    """Owner's account address, or `any` with `accept_any_owner: true`."""
    consumer_id: str | None = pydantic.Field(default=None, pattern=r"^[0-9]+$")
    """Exact consumer id."""

    @pydantic.field_validator("owner")
    @classmethod
    def _is_account(cls, owner: str, info: pydantic.ValidationInfo) -> str:
        """Check the form only: which prefix the provider's accounts have is not known offline."""
        accepts_any = info.data.get("accept_any_owner")
        if owner == ANY_OWNER:
            if accepts_any is False:
                raise ValueError(
                    "any would join a stranger's chain of this id; give the owner's account address, or set"
                    " accept_any_owner: true beside it"
                )
            return owner
        if accepts_any:
            raise ValueError("accept_any_owner: true needs owner: any; remove it, or set owner: any")
        try:
            prefix, raw = addresses.decode(owner)
        except errors.SettingsError as error:
            # pydantic adds the key to a ValueError, and to no other exception.
            raise ValueError(str(error)) from error
        if len(raw) not in (20, 32) or prefix.endswith(_NOT_ACCOUNTS):
            raise ValueError("not an account address; give the owner's, such as cosmos1…")
        return owner


class PublishedGenesis(base.Frozen):
    """A genesis file as its publishers distribute it."""

    file: str | None = None
    """Path relative to the definition's folder."""
    url: str | None = pydantic.Field(default=None, pattern=r"^https?://\S+$")
    """URL of the file; requires sha256, so that the download can be verified."""
    sha256: str | None = pydantic.Field(default=None, pattern=r"^[0-9a-f]{64}$")
    """sha256 of the file's bytes, lower-case hex; of a file compressed with gzip, that of either form."""
    large: bool = False
    """Whether the node's own pod fetches, checks and completes the file, with the image of `ics:node.genesis_image`:
    for files of more than 1 MiB when compressed, up to 4 GiB. Requires url."""

    @pydantic.field_validator("file")
    @classmethod
    def _is_path(cls, file: str | None) -> str | None:
        if file is not None and (not file or not file.isprintable()):
            raise ValueError("not a path; give that of a file")
        return file

    @pydantic.field_validator("url")
    @classmethod
    def _is_url(cls, url: str | None) -> str | None:
        if url is not None and not urls.is_http(url):
            raise ValueError("not a URL; use https://HOST/PATH")
        return url

    @pydantic.model_validator(mode="after")
    def _just_one(self) -> "PublishedGenesis":
        base.require_one(file=self.file, url=self.url)
        if self.large and self.url is None:
            raise ValueError("large needs a url, from which the node's pod fetches it; publish the file")
        return self


class Fund(base.Frozen):
    """Accounts that receive coins in a completed genesis."""

    relayers: str = ""
    """Coins for the published relayer address of each bonded validator, such as 100000000stake."""
    module_accounts: tuple[str, ...] = ()
    """Further modules of the chain that own an account; module accounts are never funded."""


class RewardDenoms(base.Frozen):
    """Denominations in which the consumer pays rewards (CCV parameters)."""

    consumer: tuple[units.Denom, ...] = ()
    """`reward_denoms` of the consumer."""
    provider: tuple[units.Denom, ...] = ()
    """`provider_reward_denoms` of the consumer."""


class Genesis(base.Frozen):
    """Source of a chain's genesis: `base` is completed by the operator, `final` is used unchanged.

    With both, `final` is used, and the chain's `genesis_hash` is compared with the sha256 of `base`, which is
    not fetched: the owner sets that hash before the launch, and the final file, with the CCV state, is made
    after it.
    """

    base: PublishedGenesis | None = None
    """Genesis without the CCV state, whose sha256 is the chain's `genesis_hash`. Its chain_id is one that `match`
    accepts, or empty if the file is for several chains."""
    final: PublishedGenesis | None = None
    """Genesis as the launch team distributes it, used unchanged. The file and its sha256 may follow after the
    launch; no node starts without them."""
    time: Literal["base", "spawn", "launch"] = "launch"
    """Genesis time of a completed genesis: that of the base, the spawn time, or the launch block's time."""
    fund: Fund = Fund.defaults()
    """Accounts to fund in a completed genesis; none by default."""
    reward_denoms: RewardDenoms = RewardDenoms.defaults()
    """Reward denominations for the CCV parameters of a completed genesis."""

    @property
    def published(self) -> PublishedGenesis:
        """The file from which the genesis results."""
        published = self.final or self.base
        if published is None:
            raise errors.SettingsError("genesis: set base, final, or both")
        return published

    @pydantic.model_validator(mode="after")
    def _fits_together(self) -> "Genesis":
        if self.base is None and self.final is None:
            raise ValueError("set base, final, or both")
        if self.base is not None and self.base.sha256 is None and (self.base.url or self.final):
            raise ValueError("base needs sha256 if it has a url or if final is set too; add it")
        if self.final is not None and (self.fund.relayers or self.reward_denoms != RewardDenoms()):
            raise ValueError("a final genesis is used unchanged; remove fund and reward_denoms")
        try:
            coins.parse_coins(self.fund.relayers)
        except errors.SettingsError as error:
            # pydantic adds the key to a ValueError, and to no other exception.
            raise ValueError(str(error)) from error
        return self


class AcceptedPenalty(base.Frozen):
    """The worst penalty for one kind of infraction that this validator accepts."""

    slash_fraction: units.Fraction | None = None
    """Largest share of the stake that may be slashed, from 0 to 1; none: that of the provider's slashing module."""
    jail_duration: units.Nanoseconds | None = None
    """Longest time in jail, such as 10m or forever; none: that of the provider itself."""
    tombstone: bool | None = None
    """Whether the validator may be jailed with no way back; none: as the provider itself does."""


class AcceptedTerms(base.Frozen):
    """The worst infraction parameters with which this validator joins a chain."""

    double_sign: AcceptedPenalty = AcceptedPenalty.defaults()
    downtime: AcceptedPenalty = AcceptedPenalty.defaults()


class StateSync(base.Frozen):
    """When a new node fetches the state of its peers instead of replaying all blocks, and what it offers to others."""

    model_config = pydantic.ConfigDict(serialize_by_alias=True)

    from_blocks: int = pydantic.Field(default=10_000, ge=0, alias="from")
    """Blocks from which on a new node uses state sync; below, it replays the chain from its genesis."""
    snapshot_interval: int = pydantic.Field(default=1000, ge=0, le=10**9)
    """Every how many blocks the node makes a snapshot, from which others can sync, and keeps two; 0: never."""


class Definition(base.Frozen):
    """A consumer chain, or a pattern of chains, that this operator is ready to run."""

    name: str = pydantic.Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=63)
    """Name of the definition, equal to its file name without the extension."""
    match: Match
    image: units.Image
    """Container image with the chain's binary and a POSIX shell; with `upgrades`, that of the chain's first block."""
    upgrades: Annotated[
        tuple[config_upgrades.Upgrade, ...], pydantic.AfterValidator(config_upgrades.check_order)
    ] = ()
    """Later versions of the chain's software, in their order. Entries of the past stay: a new node walks through all of
    them."""
    plan_images: config_upgrades.PlanImages | None = None
    """Take the image of an upgrade that is not in the list from the chain's own plan; none: never. Whoever writes a
    proposal of that chain then chooses what runs here, see docs/upgrades.md."""
    binary: str = pydantic.Field(pattern=r"^[A-Za-z0-9_./][A-Za-z0-9_./+@-]*$")
    """Name or path of the binary in the image."""
    binary_hash: str | None = pydantic.Field(default=None, pattern=r"^[0-9a-f]{64}$")
    """sha256 of the binary in the image, lower-case hex. A node starts no other binary, which the
    rehearsal finds before the opt-in, and a chain whose owner states another `binary_hash` is not joined; none: neither
    is compared."""
    bech32_prefix: str = pydantic.Field(pattern=r"^[a-z][a-z0-9]*$", max_length=73)
    """Account prefix of the chain; with `valconspub` after it, bech32 takes at most 83 characters."""
    address_type: Literal["cosmos", "ethermint"] = "cosmos"
    """How the chain makes an account's address of its key: `ethermint` on chains whose accounts are Ethereum's."""
    pk_type: str = pydantic.Field(
        default="/ethermint.crypto.v1.ethsecp256k1.PubKey",
        pattern=r"^/[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*\.ethsecp256k1\.PubKey$",
    )
    """Type of the public keys with `address_type: ethermint`, such as `/cosmos.evm.crypto.v1.ethsecp256k1.PubKey`."""
    coin_type: int = pydantic.Field(default=60, ge=0, lt=2**31)
    """Coin type (SLIP-44) of the relayer's account with `address_type: ethermint`; on other chains it is 118."""
    denom: units.Denom
    """Base denomination of the chain."""
    min_gas_price: units.Prices
    """`minimum-gas-prices` of the node, such as 0stake, or several, separated by commas."""
    max_gas_price: units.Price | None = None
    """Highest price of a unit of gas that this validator's relayer pays, in the denomination of the first
    `min_gas_price`; none: 20 times that. Only a chain with a fee market asks more than `min_gas_price`."""
    genesis: Genesis
    accepted_terms: AcceptedTerms = AcceptedTerms.defaults()
    """The worst infraction parameters with which the chain is joined."""
    seeds: tuple[units.Peer, ...] = ()
    """Seed nodes, `<node id>@<host>:<port>`."""
    nodes: extra_nodes.OwnExtraNodes = extra_nodes.OwnExtraNodes.defaults()
    """Sentries and full nodes of the chain."""
    rpc: tuple[str, ...] = ()
    """RPC addresses of others' nodes of the chain, such as https://HOST or http://HOST:PORT, for state sync. None of
    them is trusted: what they say of the trusted block is proven by the provider. Give two or more."""
    state_sync: StateSync = StateSync.defaults()
    """State sync of new nodes, which needs `rpc`."""
    rehearse: bool = True
    """Whether the start of its node is tried while it is staged, if `ics:staging.rehearse` is set."""
    storage: units.Size | None = None
    """Size of its node's volume; none: `ics:node.storage`. An existing volume that is larger keeps its size."""
    resources: units.Resources | None = None
    """Requests and limits of its node's container, instead of `ics:node.resources`."""
    pruning: volumes.Pruning | None = None
    """Which heights' state its node keeps; default: the newest 1000. `archive` keeps all."""
    pods: config_pods.PodSettings = config_pods.PodSettings.defaults()
    """Settings of the chain's pods, in addition to those of the stack."""
    config: node_config.ChainConfig = pydantic.Field(default_factory=dict)
    """Overrides for the node's config.toml and app.toml; some keys are reserved. With `client.toml: {}`, or keys in
    it, the node gets that file, too; without it, the node's program writes its own."""
    start_flags: extra_parts.Flags = pydantic.Field(default_factory=dict)
    """Further flags of the binary's `start`, such as `x-crisis-skip-assert-invariants: true`; a list repeats a flag.
    Keys of the files belong into `config`."""
    env: extra_parts.Variables = pydantic.Field(default_factory=dict)
    """Further environment variables of the node's container."""
    home_volumes: extra_parts.Folders = ()
    """Folders below the program's HOME that are kept on the chain's volume, such as `.neutrond/wasm`; everything below
    the node's own home is kept in any case."""
    companions: tuple[extra_parts.Companion, ...] = ()
    """Containers beside the node, such as a price feeder."""

    def resources_of(self, node: settings.NodeSettings) -> units.Resources:
        """Return the requests and limits of the node's container: the definition's own, or else the stack's."""
        return node.resources if self.resources is None else self.resources

    @property
    def own_flags(self) -> tuple[str, ...]:
        """Its own flags of `start`, with their values."""
        return tuple(f"--{name}={value}" for name, values in self.start_flags.items() for value in values)

    @property
    def gas_bounds(self) -> gas_prices.Bounds:
        """Floor and ceiling of the gas price."""
        return settings.bounds_of(coins.first_price(self.min_gas_price), self.max_gas_price)

    @pydantic.field_validator("max_gas_price")
    @classmethod
    def _is_above_the_floor(cls, price: str | None, info: pydantic.ValidationInfo) -> str | None:
        least = info.data.get("min_gas_price")
        try:
            return settings.check_ceiling(
                price, None if least is None else coins.first_price(least), "min_gas_price"
            )
        except errors.SettingsError as error:
            raise ValueError(f"min_gas_price: {error}") from error

    @pydantic.field_validator("rpc")
    @classmethod
    def _are_addresses(cls, listed: tuple[str, ...]) -> tuple[str, ...]:
        addresses = urls.rpc_addresses(listed)
        if len(addresses) > _MOST_RPC:
            raise ValueError(f"more than {_MOST_RPC} addresses; give a few")
        if len(set(addresses)) < len(addresses):
            raise ValueError("an address is given twice; remove one")
        return addresses

    @pydantic.field_validator("config")
    @classmethod
    def _leaves_reserved_keys(
        cls, config: node_config.ChainConfig, info: pydantic.ValidationInfo
    ) -> node_config.ChainConfig:
        if config.get("app.toml", {}).get("min-retain-blocks") not in (None, 0, "0"):
            raise ValueError(
                "app.toml.min-retain-blocks: evidence within the unbonding period, and relayers, need blocks; remove"
                " it, and set pruning for the state"
            )
        own = {"p2p.seeds": ",".join(info.data.get("seeds", ()))}
        if "min_gas_price" in info.data:
            own["minimum-gas-prices"] = info.data["min_gas_price"]
        return node_config.check(config, own)

    @pydantic.model_validator(mode="after")
    def _funds_known_accounts(self) -> "Definition":
        if self.address_type == "ethermint" and self.genesis.fund.relayers:
            raise ValueError(
                "genesis.fund.relayers: with address_type ethermint, a relayer's account does not follow from its"
                " published address; remove it, and send coins to the account that ics hermes status shows"
            )
        return self

    @pydantic.field_validator("companions")
    @classmethod
    def _fit_together(
        cls, companions: tuple[extra_parts.Companion, ...]
    ) -> tuple[extra_parts.Companion, ...]:
        return extra_parts.check_companions(companions)


@dataclass(frozen=True, slots=True)
class LoadedDefinition:
    """A definition with its published genesis file.

    Either `genesis` holds the file's bytes (of `final` if the definition has one), without compression, or `problem`
    describes why they are not available.
    """

    definition: Definition
    genesis: bytes | None
    problem: str = ""
    packed_sha256: str = ""
    """sha256 of the file as published, if that is compressed."""
    is_broken: bool = False
    """Whether the file is available, but is not a genesis."""

    @property
    def is_large(self) -> bool:
        """Whether the node's pod fetches the genesis, so that it is not missing here."""
        return self.genesis is None and not self.problem and self.definition.genesis.published.large

    @property
    def is_awaited(self) -> bool:
        """Whether the file is missing but expected later: a final genesis is published after the launch."""
        return self.genesis is None and self.definition.genesis.final is not None and not self.is_broken


@dataclass(frozen=True, slots=True)
class InvalidDefinition:
    """A definition that cannot be used; the chains that it may be of are left alone, and all others go on."""

    name: str
    """Its file name without the extension."""
    problems: tuple[str, ...]
    """One line per wrong key."""
    match: Match | None = None
    """None if not even that is readable, so that it is unknown which chains it is of."""


def parse_match(values: Mapping[str, Any]) -> Match | None:
    """Return which chains a definition is of, None if that part of it is invalid, too."""
    try:
        return Match.model_validate(values.get("match"))
    except pydantic.ValidationError:
        return None


def names_one_chain(match: Match) -> bool:
    """Return whether a definition is of one chain by its id, rather than of a pattern of chains."""
    return match.consumer_id is not None or not any(wildcard in match.chain_id for wildcard in "*?[")


def parse(values: Mapping[str, Any], origin: str) -> Definition:
    """Validate one definition as a whole.

    Raises:
        SettingsError: one line per wrong key.
    """
    holes = list(_holes(values, ""))
    if holes:
        raise errors.SettingsError(*(f"{origin}: {key}: {FILL_IN}; replace it by the value" for key in holes))
    try:
        return Definition.model_validate(dict(values))
    except pydantic.ValidationError as error:
        raise errors.SettingsError(*settings.problems(error, Definition, origin)) from error


def _holes(value: Any, path: str) -> Iterator[str]:
    """Yield the keys of a draft's holes."""
    if isinstance(value, str) and value == FILL_IN:
        yield path
    elif isinstance(value, Mapping | list) and path.count(".") < _DEEPEST:
        members = value.items() if isinstance(value, Mapping) else enumerate(value)
        for key, inner in members:
            yield from _holes(inner, f"{path}.{key}".lstrip("."))


def may_match(match: Match, consumer_id: str, chain_id: str) -> bool:
    """Return whether a definition matches this chain, ignoring its owner."""
    if match.consumer_id is not None and match.consumer_id != consumer_id:
        return False
    return fnmatch.fnmatchcase(chain_id, match.chain_id)
