"""Settings of one validator's stack: frozen, strict, and blind to files and the environment.

`parse` takes the mapping that `ics.config.stack_file` put together (flags over environment over stack file) and
answers either a whole, valid `Settings` or one `SettingsError` that names every wrong key at once.
"""

import enum
import re
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import pydantic

from ics import errors
from ics.config import provider_node as config_provider_node
from ics.config import secret_sources, units, urls
from ics.cosmos import addresses, identifiers


class Policy(enum.StrEnum):
    """What a validator joins by itself."""

    TOP66 = "top66"
    """Every chain before its launch, while this validator is in the top 66 %."""
    ALL = "all"
    LISTED = "listed"
    """Only what the allow list names."""
    NONE = "none"
    """Nothing; opting in is done by hand."""


PREFIX = "ics:"
"""Namespace of the keys in a Pulumi stack file."""

_DNS_LABEL = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"


class _Frozen(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Provider(_Frozen):
    """The provider chain and the endpoints that answer for it."""

    chain_id: str
    """Chain id that every endpoint must answer; anything else stops the pass."""
    rest: tuple[str, ...] = pydantic.Field(min_length=1)
    """REST gateways, tried in this order."""
    rpc: tuple[str, ...] = pydantic.Field(min_length=1)
    """CometBFT RPC addresses, tried in this order."""
    grpc: tuple[str, ...] = pydantic.Field(min_length=1)
    """gRPC addresses for transactions, tried in this order."""
    archive_rest: tuple[str, ...] = ()
    """REST gateways that keep old heights, asked only for the state after a chain's launch block."""
    gas_price: str = pydantic.Field(default="0.001stake", pattern=units.PRICE)
    """Price of a unit of gas, amount and denomination."""
    gas_adjustment: float = pydantic.Field(default=1.5, ge=1.0, le=10.0)
    """Factor on the simulated gas, of the validator's transactions and of Hermes' on the provider."""
    max_lag: units.Duration = 60
    """An endpoint whose last block is older than this is lagging and is not acted upon; default 60s."""

    @pydantic.field_validator("rest", "rpc", "grpc", "archive_rest")
    @classmethod
    def _urls(cls, found: tuple[str, ...]) -> tuple[str, ...]:
        for url in found:
            if not urls.is_http(url):
                raise ValueError(
                    f"{urls.shown(url)!r} is no address: write http://HOST:PORT or https://HOST, PORT from 1 to"
                    " 65535 and IPv6 in brackets"
                )
        return tuple(url.rstrip("/") for url in found)

    @property
    def denom(self) -> str:
        """Denomination of the gas price."""
        return re.sub(r"^[\d.]+", "", self.gas_price)


class Cluster(_Frozen):
    """The Kubernetes cluster that this validator's chains run in."""

    kubeconfig: str | None = None
    """Path of a kubeconfig, relative to the project's folder; none: $KUBECONFIG, the user's own, or
    the service account of the pod that this runs in."""
    context: str | None = None
    """Context in the kubeconfig; none: its current one."""
    namespace_prefix: str = pydantic.Field(default="", pattern=r"^([a-z0-9][-a-z0-9]{0,14})?$")
    """Put before every namespace, for several validators in one cluster."""
    proxy_ranges: tuple[str, ...] = ()
    """CIDRs from which the API server reaches pods; needed for `hybrid_peer_updates`, with which nobody else
    outside of the chain's own namespaces reaches a node's RPC."""

    @pydantic.field_validator("proxy_ranges")
    @classmethod
    def _cidrs(cls, ranges: tuple[str, ...]) -> tuple[str, ...]:
        return secret_sources.cidrs(ranges)


class Participation(_Frozen):
    """Which consumer chains this validator joins, among those that have a definition."""

    policy: Policy = Policy.TOP66
    """top66: as the validators that hold 66 % of the bonded tokens; all; listed: only `allow`; none."""
    allow: tuple[str, ...] = ()
    """Chain ids, consumer ids or owners to join on top of the policy."""
    deny: tuple[str, ...] = ()
    """Chain ids, consumer ids or owners never to join; stronger than `allow`."""


class Gateway(_Frozen):
    """The shared LoadBalancer through which peers reach the consumer nodes."""

    namespace: str = pydantic.Field(default="provider", pattern=_DNS_LABEL, max_length=63)
    """Namespace of the Service `p2p-loadbalancer` and of what the validator's chains share."""
    cloud: Literal["none", "aws", "gcp", "azure", "metallb"] = "none"
    """Whose LoadBalancer answers: brings the annotations that it needs to be public and to reach the nodes."""
    annotations: Mapping[str, str] = pydantic.Field(default_factory=dict)
    """Further annotations of the Service; one of the same name goes before that of `cloud`."""
    host: str = ""
    """Published address when it is not the one that the cloud writes into the Service's status."""
    port_grace: units.Duration = 86400
    """How long the old port of a chain stays open after the chain has moved to another; default 1d."""


class Node(_Frozen):
    """What every consumer node gets."""

    storage: str = pydantic.Field(default="10Gi", pattern=units.QUANTITY)
    """Size of a node's volume."""
    storage_class: str = ""
    """StorageClass of the volumes; empty: the cluster's default."""
    resources: Mapping[str, Mapping[str, str]] = pydantic.Field(
        default_factory=lambda: {
            "requests": {"cpu": "250m", "memory": "512Mi"},
            "limits": {"memory": "2Gi"},
        }
    )
    """Requests and limits of the node's container."""
    stuck_after: units.Duration = pydantic.Field(default=60, ge=5)
    """Age of the last block from which a node, or its chain, counts as standing still; default 60s."""
    stop_grace: units.Duration = 86400
    """How long packets in flight are waited for, at most, after a chain was STOPPED; default 1d."""


class Relayer(_Frozen):
    """The Hermes relayers."""

    enabled: bool = True
    """Off: no relayer is run, and opting in does not ask for a published relayer address."""
    delay: units.Duration = 30
    """Wait after a node's start before its relayer; default 30s."""
    image: str = "informalsystems/hermes:1.13.1"
    """Image of Hermes."""
    fund: int = pydantic.Field(default=1_000_000, ge=0)
    """What each account of a relayer on the provider is filled up to, in the denomination of
    `provider.gas_price`, once it holds less than half of it; 0: never."""


class Resident(_Frozen):
    """The reconciler that stays (`reconcile.py --watch`)."""

    events: bool = True
    """Wake up at events of the provider and of the own pods; off: it only looks from time to time."""
    port: int = pydantic.Field(default=8080, ge=0, le=65535)
    """Port of `/healthz`, `/readyz` and `/metrics`, on all addresses; 0: none."""


class Reconciler(_Frozen):
    """The reconciler in the cluster: a CronJob, or a Deployment that stays."""

    enabled: bool = False
    """On: the stack installs it, with a service account and its rights."""
    mode: Literal["cron", "deployment"] = "cron"
    """cron: a pass for each time of `schedule`; deployment: `reconcile.py --watch`."""
    schedule: str = pydantic.Field(default="* * * * *", pattern=r"^(@[a-z]+|\S+( \S+){4})$")
    """When passes begin, as cron writes it; in the cluster's time zone."""
    image: str = ""
    """Image made from this repository's Dockerfile; needed when it is enabled."""
    seed: secret_sources.SecretObject | None = None
    """Where it reads the seed; none: where `seed` says, if that is a Secret."""
    account: secret_sources.SecretObject | None = None
    """Where it reads the account; none: where `account` says, if that is a Secret."""
    resources: Mapping[str, Mapping[str, str]] = pydantic.Field(
        default_factory=lambda: {"requests": {"cpu": "50m", "memory": "96Mi"}, "limits": {"memory": "512Mi"}}
    )
    """Requests and limits of its container."""


class Pulumi(_Frozen):
    """How the Pulumi engine keeps its state."""

    backend: str | None = pydantic.Field(default=None, pattern=r"^[a-z0-9+]+://")
    """URL of the state's backend: `file:///var/lib/ics`, `s3://…`, `gs://…`, `azblob://…`, `https://…`; none:
    as $PULUMI_BACKEND_URL or `pulumi login` say."""
    passphrase: secret_sources.SecretSource | None = None
    """What the secrets in the state are encrypted with; none: as the environment says
    (PULUMI_CONFIG_PASSPHRASE_FILE or PULUMI_CONFIG_PASSPHRASE), or the stack's own secrets provider."""


class Settings(_Frozen):
    """All of one stack."""

    validator: str = pydantic.Field(pattern=_DNS_LABEL, max_length=40)
    """Name of this validator here: names the set of objects in the cluster."""
    operator_address: str
    """valoper of this validator: its identity on the provider."""
    engine: Literal["auto", "pulumi", "apply"] = "auto"
    """pulumi: Pulumi's Automation API over this project; apply: embedded, needs no other program; auto: the
    one that converged the cluster last, as is on record there, and the embedded one on an empty cluster. So it
    never moves from one to the other by itself."""
    provider: Provider
    account: secret_sources.SecretSource | None = None
    """The account that signs transactions, a mnemonic or 64 hex characters; without it none is sent."""
    granter: str = ""
    """Account in whose name the signing account sends (authz), when that is only its grantee; a validator's can
    be only its operator's own."""
    fee_granter: str = ""
    """Account that pays the fees (feegrant); empty: the signing account."""
    seed: secret_sources.SecretSource
    """The one secret that all derived keys come from: 64 hex characters."""
    consensus_keys: Mapping[str, secret_sources.ConsensusKey] = pydantic.Field(default_factory=dict)
    """Chains whose consensus key does not come from the seed, by consumer id."""
    cluster: Cluster = Cluster()
    participation: Participation = Participation()
    gateway: Gateway = Gateway()
    node: Node = Node()
    relayer: Relayer = Relayer()
    provider_node: config_provider_node.ProviderNode = config_provider_node.ProviderNode()
    reconciler: Reconciler = Reconciler()
    resident: Resident = Resident()
    auto_update_consumers: bool = False
    """Restart a node that lacks a peer because its peers have changed since it was started: one at a time, and
    never while its chain needs its vote."""
    hybrid_peer_updates: bool = False
    """Tell a running node its new peers (its RPC is `unsafe` then); a restart, with
    `auto_update_consumers`, comes only when that failed or brought no connection."""
    drift_interval: units.Duration = 3600
    """How often every field of every object is compared, also where nothing hints at a change; default 1h,
    `0s`: never. What others change is usually seen, and put back, by the very next pass."""
    pulumi: Pulumi = Pulumi()
    confirm: tuple[str, ...] = ()
    """Changes that are made only when they are named here or with `--confirm`; each name is good for one
    time, and what has been done may stay in the list."""
    node_keys: Literal["derived", "public"] = "derived"
    """derived: one secret node key from the seed; public: the reference's formula over public names, by
    which any host can impersonate a peer: only for networks mixed with the reference's monitors."""

    @pydantic.field_validator("operator_address")
    @classmethod
    def _is_valoper(cls, address: str) -> str:
        try:
            prefix, raw = addresses.decode(address)
        except errors.SettingsError as error:
            raise ValueError(str(error)) from error
        if not prefix.endswith("valoper") or len(raw) not in (20, 32):
            raise ValueError(
                f"{address!r} is no operator address: it begins with a prefix such as cosmosvaloper"
            )
        return address

    @pydantic.field_validator("consensus_keys")
    @classmethod
    def _by_consumer_id(
        cls, found: Mapping[str, secret_sources.ConsensusKey]
    ) -> Mapping[str, secret_sources.ConsensusKey]:
        for consumer_id in found:
            try:
                identifiers.check_consumer_id(consumer_id)
            except errors.SettingsError as error:
                raise ValueError(str(error)) from error
        return found

    @pydantic.field_validator("hybrid_peer_updates")
    @classmethod
    def _is_fenced(cls, is_on: bool, info: pydantic.ValidationInfo) -> bool:
        cluster = info.data.get("cluster")
        if is_on and isinstance(cluster, Cluster) and not cluster.proxy_ranges:
            raise ValueError(
                "the nodes' RPC would be open for anybody's orders: set ics:cluster.proxy_ranges to the addresses from"
                " which the API server reaches pods"
            )
        return is_on

    @pydantic.model_validator(mode="after")
    def _reconciler_has_its_secrets(self) -> "Settings":
        if not self.reconciler.enabled:
            return self
        if not self.reconciler.image:
            raise ValueError("reconciler.image: missing: name the image that was made from the Dockerfile")
        for name, source in (("seed", self.seed), ("account", self.account)):
            if source is not None and source.secret is None and getattr(self.reconciler, name) is None:
                raise ValueError(
                    f"reconciler.{name}: missing: in the cluster ics:{name} can be read from a Secret only;"
                    " name one with {namespace, name, key}"
                )
        for consumer_id, key in self.consensus_keys.items():
            if key.imported is not None and key.imported.secret is None:
                raise ValueError(
                    f"consensus_keys.{consumer_id}.imported: in the cluster a key can be read from a Secret only: name"
                    " one with {secret: {namespace, name, key}}"
                )
        return self

    @property
    def account_prefix(self) -> str:
        """bech32 prefix of the provider's accounts."""
        return addresses.decode(self.operator_address)[0].removesuffix("valoper")


class Signing(_Frozen):
    """What is needed to ask the provider and to send transactions, and nothing of nodes and clusters."""

    provider: Provider
    """As `Settings.provider`."""
    account: secret_sources.SecretSource | None = None
    """As `Settings.account`."""
    granter: str = ""
    """As `Settings.granter`."""
    fee_granter: str = ""
    """As `Settings.fee_granter`."""
    cluster: Cluster = Cluster()
    """As `Settings.cluster`; only for an account that lies in a Secret."""


def parse_signing(values: Mapping[str, Any], origin: str) -> tuple[Signing, Settings | None]:
    """Check the settings of who signs: a validator's stack as a whole, or an owner's, which has no more.

    Args:
        values: as for `parse`; with `operator_address` they are a validator's.
        origin: what the values come from, for the messages: a path.

    Raises:
        SettingsError: with one line for each wrong key.
    """
    if "operator_address" in values:
        settings = parse(values, origin)
        return (
            Signing(
                provider=settings.provider,
                account=settings.account,
                granter=settings.granter,
                fee_granter=settings.fee_granter,
                cluster=settings.cluster,
            ),
            settings,
        )
    try:
        return Signing.model_validate(dict(values)), None
    except pydantic.ValidationError as error:
        raise errors.SettingsError(*problems(error, Signing, origin, PREFIX)) from error


def parse(values: Mapping[str, Any], origin: str) -> Settings:
    """Check the settings as a whole.

    Args:
        values: keys without the `ics:` prefix, such as `provider` or `seed`.
        origin: what the values come from, for the messages: a path.

    Raises:
        SettingsError: with one line for each wrong key.
    """
    try:
        return Settings.model_validate(dict(values))
    except pydantic.ValidationError as error:
        raise errors.SettingsError(*problems(error, Settings, origin, PREFIX)) from error


def problems(
    error: pydantic.ValidationError, model: type[pydantic.BaseModel], origin: str, prefix: str = ""
) -> list[str]:
    """One line for each wrong key: where, which, what was found, what is wanted.

    Args:
        error: what the model says of the values.
        model: which of its groups are `Guarded` decides what is not quoted.
        origin: what the values come from.
        prefix: put before each key.
    """
    lines = []
    for item in error.errors(include_url=False):
        key = prefix + ".".join(str(part) for part in item["loc"])
        if item["type"] == "extra_forbidden":
            text = "unknown key: remove it or mend its spelling"
        elif item["type"] == "missing":
            text = "missing: add it"
        else:
            message = item["msg"].removeprefix("Value error, ")
            text = message if _is_guarded(model, item["loc"]) else message + _found(item["input"], message)
        lines.append(f"{origin}: {key}: {text}")
    return lines


def _is_guarded(model: type[pydantic.BaseModel], loc: tuple[int | str, ...]) -> bool:
    """Whether a secret may have been written there, in the place of its source or of the group around it."""
    at: Sequence[type[pydantic.BaseModel]] = (model,)
    for part in loc:
        fields = [group.model_fields[part] for group in at if part in group.model_fields]
        # Places in a list and names in a mapping are no fields: the group behind them is the same.
        at = [inner for field in fields for inner in _groups(field.annotation)] if fields else at
        if any(issubclass(group, secret_sources.Guarded) for group in at):
            return True
    return any(_guards(group) for group in at)


def _guards(group: type[pydantic.BaseModel]) -> bool:
    return issubclass(group, secret_sources.Guarded) or any(
        _guards(inner) for field in group.model_fields.values() for inner in _groups(field.annotation)
    )


def _groups(annotation: Any) -> Iterator[type[pydantic.BaseModel]]:
    """The groups of settings that an annotation names, in whatever brackets."""
    if isinstance(annotation, type) and issubclass(annotation, pydantic.BaseModel):
        yield annotation
    for inner in typing.get_args(annotation):
        yield from _groups(inner)


def _found(value: object, message: str) -> str:
    fit = _fit(value)
    if isinstance(value, Mapping) or repr(fit) in message:
        return ""
    return f" (found {fit!r}{'' if fit == value else ', in part'})"


def _fit(value: object) -> object:
    """A value without what an address in it may carry: a user, a password, a token."""
    if isinstance(value, str):
        return urls.shown(value)
    if isinstance(value, list | tuple):
        return [_fit(one) for one in value]
    return "{…}" if isinstance(value, Mapping) else value
