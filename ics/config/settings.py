"""Settings of one validator's stack: frozen, strict, and independent of files and environment.

`parse` takes the mapping that `ics.config.stack_file` collected (flags over environment over stack file) and
returns a complete, valid `Settings`, or raises one `SettingsError` that names every wrong key.
"""

import datetime
import enum
import re
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import pydantic

from ics import errors
from ics.config import base, endpoint, extra_nodes, secret_sources, state_backend, units, urls, volumes
from ics.config import monitoring as config_monitoring
from ics.config import pods as config_pods
from ics.config import provider_node as config_provider_node
from ics.cosmos import addresses, coins, gas_prices, identifiers


class Policy(enum.StrEnum):
    """Policy for joining chains automatically."""

    TOP66 = "top66"
    """Every chain before its launch, while this validator is in the top 66 %."""
    ALL = "all"
    LISTED = "listed"
    """Only chains in the allow list."""
    NONE = "none"
    """No chain; the operator opts in by hand."""


PREFIX = "ics:"
"""Namespace of the keys in a Pulumi stack file."""

_CEILING = 20
"""Ratio of the highest to the least gas price if only the least one is set."""
_DNS_LABEL = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
_OPTIONAL_NAME = r"^([a-z0-9]([-.a-z0-9]*[a-z0-9])?)?$"
"""Name of a Secret or PersistentVolumeClaim, or nothing."""
_BACKEND = r"^[a-z0-9+]+://"
FILE_BACKEND = "file://"
"""Beginning of the URL of a backend that is a folder."""
_EMBEDDED = "set reconciler.engine: apply for the embedded engine, which has no state"


class GasKind(enum.StrEnum):
    """Kinds of transactions that have a largest gas."""

    OPT_IN = "opt-in"
    ASSIGN_KEY = "assign-key"
    OPT_OUT = "opt-out"
    COMMISSION = "commission"
    UNJAIL = "unjail"
    PUBLISH = "publish"
    TOP_UP = "top-up"
    CREATE = "create"
    UPDATE = "update"
    REMOVE = "remove"


_GAS = 1_000_000
_GAS_OF_TERMS = 10_000_000
"""The lists of validators in a chain's terms may be long."""


class ProviderSettings(base.Frozen):
    """The provider chain and its endpoints."""

    chain_id: str
    """Chain id that every endpoint must report; any other stops the pass."""
    rest: tuple[endpoint.Endpoint, ...]
    """REST gateways, tried in this order; each is a URL, or `{url: …, headers: {NAME: SOURCE}}`."""
    rpc: tuple[endpoint.Endpoint, ...]
    """CometBFT RPC addresses, tried in this order, in the same form."""
    grpc: tuple[endpoint.Endpoint, ...]
    """gRPC addresses for transactions, tried in this order, in the same form."""
    archive_rest: tuple[endpoint.Endpoint, ...] = ()
    """REST gateways that keep old heights, used only for the state after a chain's launch block."""
    gas_price: units.Price = "0.001stake"
    """Least price of a unit of gas: amount and denomination. More is paid if the chain asks for it."""
    max_gas_price: units.Price | None = None
    """Highest price of a unit of gas, in the same denomination; none: 20 times `gas_price`. While the chain asks more,
    nothing is sent."""
    gas_adjustment: float = pydantic.Field(default=1.5, ge=1.0, le=10.0)
    """Factor on the simulated gas of the validator's transactions and of Hermes on the provider."""
    reserve_gas: int = pydantic.Field(default=5_000_000, ge=0)
    """Gas for which the account that pays the fees keeps coins at the highest gas price, for opt-ins and keys: no
    relayer's account is topped up below that. An opt-in takes about 150,000."""
    max_gas: Mapping[GasKind, int] = pydantic.Field(default_factory=dict)
    """Largest gas per kind of transaction (opt-in, assign-key, opt-out, commission, unjail, publish, top-up, create,
    update, remove), with the adjustment; a transaction that needs more is not signed. Default: 1000000, and for
    create and update 10000000."""
    min_block_time: float = pydantic.Field(default=0.5, gt=0, le=3600)
    """Shortest average time between two blocks in seconds; an endpoint whose height grows faster is not believed."""
    max_lag: units.Duration = 60
    """Age of the last block from which an endpoint counts as lagging and is not used; default 60s."""

    @pydantic.field_validator("chain_id")
    @classmethod
    def _is_chain_id(cls, chain_id: str) -> str:
        try:
            identifiers.check_chain_id(chain_id)
        except errors.SettingsError as error:
            raise ValueError(str(error)) from error
        return chain_id

    @pydantic.field_validator("rest", "rpc", "grpc")
    @classmethod
    def _any(cls, listed: tuple[endpoint.Endpoint, ...]) -> tuple[endpoint.Endpoint, ...]:
        if not listed:
            raise ValueError("no address; add one")
        return listed

    @pydantic.field_validator("max_gas")
    @classmethod
    def _positive(cls, limits: Mapping[GasKind, int]) -> Mapping[GasKind, int]:
        for kind, gas in limits.items():
            if not 0 < gas < 2**63:
                raise ValueError(f"{kind.value}: {gas} is not an amount of gas; use e.g. {_GAS}")
        return limits

    def largest_gas(self, kind: GasKind) -> int:
        """Return the largest gas of a transaction."""
        default = _GAS_OF_TERMS if kind in (GasKind.CREATE, GasKind.UPDATE) else _GAS
        return self.max_gas.get(kind, default)

    @pydantic.field_validator("max_gas_price")
    @classmethod
    def _is_above_the_floor(cls, price: str | None, info: pydantic.ValidationInfo) -> str | None:
        return check_ceiling(price, info.data.get("gas_price"), "gas_price")

    @property
    def denom(self) -> str:
        """Denomination of the gas price."""
        return self.gas_bounds.denom

    @property
    def gas_bounds(self) -> gas_prices.Bounds:
        """Floor and ceiling of the gas price."""
        return bounds_of(self.gas_price, self.max_gas_price)


class ClusterSettings(base.Frozen):
    """The Kubernetes cluster in which this validator's chains run."""

    kubeconfig: str | None = None
    """Path of a kubeconfig, relative to the project's folder; none: $KUBECONFIG, the user's own, or
    the service account of the operator's pod."""
    context: str | None = None
    """Context in the kubeconfig; none: its current one."""
    namespace_prefix: str = pydantic.Field(default="", pattern=r"^([a-z0-9][-a-z0-9]{0,14})?$")
    """Prefix of every namespace, for several validators in one cluster."""
    proxy_ranges: tuple[str, ...] = ()
    """CIDRs from which the API server reaches pods; required for `hybrid_peer_updates`. Apart from the
    chain's own namespaces, only these can reach a node's RPC then."""
    allow_egress: tuple[str, ...] = ()
    """CIDRs that nodes and relayers may reach at any TCP port, in addition to the internet, peers and the provider's
    endpoints; without the metadata services of clouds, unless one is named alone."""
    metrics_from: tuple[str, ...] = ()
    """Namespaces whose pods may read the metrics of reconciler and relayers, such as that of Prometheus."""

    @pydantic.field_validator("proxy_ranges", "allow_egress")
    @classmethod
    def _cidrs(cls, ranges: tuple[str, ...]) -> tuple[str, ...]:
        return secret_sources.check_cidrs(ranges)


class ParticipationSettings(base.Frozen):
    """Selection of the consumer chains that this validator joins, among those with a definition."""

    policy: Policy = Policy.TOP66
    """top66: like the validators that hold 66 % of the bonded tokens; all; listed: only `allow`; none."""
    allow: tuple[str, ...] = ()
    """Chain ids, consumer ids or owners to join in addition to the policy."""
    deny: tuple[str, ...] = ()
    """Chain ids, consumer ids or owners never to join; overrides `allow`."""


class GatewaySettings(base.Frozen):
    """The shared LoadBalancer through which peers reach the consumer nodes."""

    namespace: str = pydantic.Field(default="provider", pattern=_DNS_LABEL, max_length=63)
    """Namespace of the Service `p2p-loadbalancer` and of all objects that the validator's chains share."""
    cloud: Literal["none", "aws", "gcp", "azure", "metallb"] = "none"
    """Cloud of the LoadBalancer; sets the annotations it needs to be public and to reach the nodes."""
    annotations: Mapping[str, str] = pydantic.Field(default_factory=dict)
    """Further annotations of the Service; they override those of `cloud`."""
    host: str = ""
    """Published address, if it differs from the one in the Service's status."""
    port_grace: units.Duration = 86400
    """Time for which the old port of a chain stays open after a change of port; default 1d."""


class NodeSettings(base.Frozen):
    """Settings of all consumer nodes."""

    storage: units.Size = "10Gi"
    """Size of a node's volume. An existing one that is larger keeps its size."""
    storage_class: str = ""
    """StorageClass of the volumes; empty: the cluster's default."""
    volume: volumes.VolumeGrowth = volumes.VolumeGrowth.defaults()
    resources: units.Resources = pydantic.Field(
        default_factory=lambda: {
            "requests": {"cpu": "250m", "memory": "512Mi"},
            "limits": {"memory": "2Gi"},
        }
    )
    """Requests and limits of the node's container."""
    genesis_image: units.OptionalImage = ""
    """Image of this program, built from the Dockerfile, that prepares a genesis with `large: true`; empty:
    `reconciler.image`. A running chain keeps the image with which its genesis was prepared."""
    stuck_after: units.Duration = pydantic.Field(default=60, ge=5)
    """Age of the last block from which a node, or its chain, counts as stuck; default 60s."""
    removal_delay: units.Duration = 300
    """Time between two passes that must see the same before a node is ended because the provider says that its chain is
    stopped, deleted or not this validator's, and all reachable endpoints must agree; default 5m; `0s`: one answer is
    enough."""
    stop_grace: units.Duration = 86400
    """Maximum wait for packets in flight after a chain was STOPPED; default 1d."""


class KeyProtection(base.Frozen):
    """What happens when a node's sign state is lost, and how its loss is recognised."""

    lost_volume: Literal["rekey", "wait"] = "rekey"
    """`rekey`: a node whose volume was lost gets a new key, which is assigned on the provider; `wait`: it runs without
    a key until the operator decides. Imported, remote and provider keys always wait."""
    rekey_delay: units.Duration = 60
    """Time between the two passes that must agree before a new key is assigned; default 60s."""
    rekey_interval: units.Duration = 86400
    """Time within which a chain's key is replaced at most once; default 1d."""
    watermark_interval: units.Duration = 600
    """Time between two records of the last height that a key signed; default 10m."""


class StagingSettings(base.Frozen):
    """What must be known about a chain before this validator joins it."""

    checklist: Literal["require", "report", "none"] = "require"
    """require: the opt-in is sent once every item of the checklist is ok; report: it is only shown; none: neither.
    Members of Top-N chains never wait for it."""
    rehearse: bool = True
    """Whether the start of each staged chain is tried with throw-away keys, for at most a minute each time."""


class PlanImageSettings(base.Frozen):
    """What is demanded of images that chains name in their own plans, where a definition allows that."""

    require_digest: bool = True
    """Whether such an image must be given by digest; otherwise a tag other than `latest` will do, behind which the
    chain's developers can put another image at any time."""


class RelayerSettings(base.Frozen):
    """The Hermes relayers."""

    enabled: bool = True
    """Whether relayers run; if not, opting in does not require a published relayer address."""
    delay: units.Duration = 30
    """Wait after a node's start before its relayer; default 30s."""
    image: units.Image = "informalsystems/hermes:1.13.1"
    """Image of Hermes."""
    fund_gas: int = pydantic.Field(default=100_000_000, ge=0)
    """Gas for which each relayer account on the provider has coins at the present gas price: it is topped up to that
    once it has less than half of it; 0: never."""
    daily_gas: int = pydantic.Field(default=400_000_000, ge=0)
    """Budget of one chain's top-ups within 24 hours: as many coins as this gas costs at the present gas price."""


class PollingSettings(base.Frozen):
    """Time between two passes that no event triggers; each pass is up to a tenth earlier, so that validators differ."""

    background: units.Duration = pydantic.Field(default=30, ge=5, le=300)
    """Time between two of the daemon's passes that no event triggers, while nothing is expected."""
    near: units.Duration = pydantic.Field(default=5, ge=1, le=60)
    """The same in the 90 s before a chain's spawn time, and from ten minutes before an upgrade of its node."""
    after: units.Duration = pydantic.Field(default=1, ge=1, le=30)
    """The same in the 30 s after a spawn time, and around the height of an upgrade."""
    details: units.Duration = pydantic.Field(default=300, ge=0, le=3600)
    """Age at which the daemon asks again for a chain's details, of which no event has reported a change; 0s: every pass
    asks for all of them. A pass that acts on them always asks."""


class DaemonSettings(base.Frozen):
    """The daemon (`reconcile.py --watch`)."""

    events: bool = True
    """Whether events of the provider and of the own pods trigger passes; if not, it only polls."""
    port: int = pydantic.Field(default=8080, ge=0, le=65535)
    """Port of `/healthz`, `/readyz`, `/metrics` and the status page on all addresses; 0: none."""
    page: bool = True
    """Whether the status page is served there. It has no login and shows no secret: who reaches the port can read
    it."""
    polling: PollingSettings = PollingSettings.defaults()


class ReconcilerSettings(base.Frozen):
    """The reconciler in the cluster: a CronJob or a Deployment."""

    enabled: bool = False
    """Whether the stack installs it, with a service account and its RBAC rights."""
    mode: Literal["cron", "deployment"] = "cron"
    """cron: one pass at each time of `schedule`; deployment: `reconcile.py --watch`."""
    schedule: str = pydantic.Field(default="* * * * *", pattern=r"^(@[a-z]+|\S+( \S+){4})$")
    """Start times of passes in cron syntax, in the cluster's time zone."""
    image: units.OptionalImage = ""
    """Image built from this repository's Dockerfile, or from Dockerfile.pulumi to run Pulumi; required if enabled."""
    engine: Literal["stack", "apply"] = "stack"
    """stack: the engine of `ics:engine`, with the same state; apply: the embedded one, whatever `ics:engine` says."""
    backend: str | None = pydantic.Field(default=None, pattern=_BACKEND)
    """URL of the state's backend as its pod reaches it; none: `pulumi.backend`."""
    state_volume: str = pydantic.Field(default="", pattern=_OPTIONAL_NAME, max_length=253)
    """PersistentVolumeClaim in the gateway's namespace with the state, mounted at the path of a `file://` backend; you
    create it."""
    passphrase: secret_sources.SecretObject | None = None
    """Secret with the passphrase of the state; none: that of `pulumi.passphrase`, if it is a Secret."""
    environment: str = pydantic.Field(default="", pattern=_OPTIONAL_NAME, max_length=253)
    """Secret in the gateway's namespace whose keys become variables of its pod, such as a cloud's credentials for the
    backend or PULUMI_ACCESS_TOKEN; you create it. Only if it runs Pulumi."""
    seed: secret_sources.SecretObject | None = None
    """Secret with the seed; none: that of `seed`, if it is a Secret."""
    account: secret_sources.SecretObject | None = None
    """Secret with the account; none: that of `account`, if it is a Secret."""
    resources: units.Resources = pydantic.Field(
        default_factory=lambda: {"requests": {"cpu": "50m", "memory": "96Mi"}, "limits": {"memory": "512Mi"}}
    )
    """Requests and limits of its container; with Pulumi give it about 500m and a limit of 2Gi."""


class PulumiSettings(base.Frozen):
    """State storage of the Pulumi engine."""

    backend: str | None = None
    """URL of the state's backend: `file:///var/lib/ics`, `s3://BUCKET`, `gs://BUCKET`, `azblob://CONTAINER`,
    `postgres://HOST/DATABASE`, `https://api.pulumi.com`; none: $PULUMI_BACKEND_URL, else the backend that the last
    pass recorded in the cluster, else that of `pulumi login`."""
    passphrase: secret_sources.SecretSource | None = None
    """Passphrase that encrypts the secrets in the state; none: the one in the environment
    (PULUMI_CONFIG_PASSPHRASE_FILE or PULUMI_CONFIG_PASSPHRASE), or the stack's own secrets provider."""
    policy_packs: tuple[str, ...] = ()
    """Folders of policy packs that Pulumi's previews and updates must pass, relative to the project's folder, such as
    `policies`."""
    encryption: Mapping[str, str] = pydantic.Field(default_factory=dict)
    """Not to be set: `encryptionsalt`, `secretsprovider` and `encryptedkey`, which Pulumi writes at the top of the
    stack file. The reconciler in the cluster gets them in its copy of that file."""
    history: int = pydantic.Field(default=100, ge=1)
    """Number of updates of which a backend in a folder keeps the history and a copy of the state; passes delete older
    ones. In a bucket the copies are limited by the bucket's own rules."""
    log_megabytes: int = pydantic.Field(default=100, ge=1)
    """Largest size of the logs that every Pulumi command writes to $PULUMI_HOME/logs; passes let Pulumi delete the
    oldest ones."""
    log_days: int = pydantic.Field(default=7, ge=1)
    """Largest age of those logs in days."""

    @pydantic.field_validator("backend")
    @classmethod
    def _is_backend(cls, url: str | None) -> str | None:
        if url is not None and state_backend.parse(url).has_password:
            raise ValueError(
                "contains a password, which everyone who reads the settings sees; put the URL into"
                " $PULUMI_BACKEND_URL instead"
            )
        return url


class Settings(base.Frozen):
    """All settings of one stack."""

    validator: str = pydantic.Field(pattern=_DNS_LABEL, max_length=40)
    """Local name of this validator; names its set of objects in the cluster."""
    operator_address: str
    """valoper address of this validator: its identity on the provider."""
    extends: str = ""
    """Name of a file beside the stack file, such as `common.yaml`, with settings that several stacks share: tables are
    merged, all else of the stack replaces what is shared."""
    engine: Literal["auto", "pulumi", "apply"] = "auto"
    """pulumi: Pulumi's CLI with this project; apply: embedded, needs no other program; auto: the
    engine that converged the cluster last, as recorded there, and the embedded one on an empty cluster. So
    auto never switches engines."""
    provider: ProviderSettings
    account: secret_sources.SecretSource | None = None
    """Account that signs transactions, a mnemonic or 64 hex characters; none: no transactions are sent."""
    granter: str = ""
    """Account on whose behalf the signing account sends (authz), if the signing account is only its grantee;
    for a validator it must be the operator's account."""
    fee_granter: str = ""
    """Account that pays the fees (feegrant); empty: the signing account."""
    seed: secret_sources.SecretSource
    """Secret from which all keys are derived: 64 hex characters."""
    consensus_keys: Mapping[str, secret_sources.ConsensusKeySource] = pydantic.Field(default_factory=dict)
    """Chains whose consensus key is not derived from the seed, by consumer id."""
    cluster: ClusterSettings = ClusterSettings.defaults()
    participation: ParticipationSettings = ParticipationSettings.defaults()
    gateway: GatewaySettings = GatewaySettings.defaults()
    node: NodeSettings = NodeSettings.defaults()
    nodes: extra_nodes.ExtraNodes = extra_nodes.ExtraNodes.defaults()
    pods: config_pods.PodSettings = config_pods.PodSettings.defaults()
    """Settings of all pods of the stack: nodes, Jobs, relayers, provider node and reconciler."""
    staging: StagingSettings = StagingSettings.defaults()
    plan_images: PlanImageSettings = PlanImageSettings.defaults()
    snapshots: volumes.SnapshotSettings = volumes.SnapshotSettings.defaults()
    signing: KeyProtection = KeyProtection.defaults()
    relayer: RelayerSettings = RelayerSettings.defaults()
    provider_node: config_provider_node.ProviderNodeSettings = (
        config_provider_node.ProviderNodeSettings.defaults()
    )
    reconciler: ReconcilerSettings = ReconcilerSettings.defaults()
    daemon: DaemonSettings = DaemonSettings.defaults()
    monitoring: config_monitoring.MonitoringSettings = config_monitoring.MonitoringSettings.defaults()
    auto_update_consumers: bool = False
    """Whether a node that lacks peers, because its peers changed since its start, is restarted: one node at a
    time, and never while its chain needs its vote."""
    hybrid_peer_updates: bool = False
    """Whether new peers are sent to the running node (its RPC is `unsafe` then). With
    `auto_update_consumers`, it is restarted only if that failed or led to no connection."""
    drift_interval: units.Duration = 3600
    """Interval at which every field of every object is compared, even without signs of a change; default 1h,
    `0s`: never. Changes by others are usually detected and reverted by the next pass."""
    pulumi: PulumiSettings = PulumiSettings.defaults()
    confirm: tuple[str, ...] = ()
    """Changes that need a confirmation and may be made, as with `--confirm`; each name is used once, and the
    names of changes already made may stay in the list."""
    node_keys: Literal["derived", "public"] = "derived"
    """derived: one secret node key from the seed; public: the reference's formula over public names, with
    which any host can impersonate a peer; only for networks mixed with the reference's monitors."""

    @pydantic.field_validator("operator_address")
    @classmethod
    def _is_valoper(cls, address: str) -> str:
        try:
            prefix, raw = addresses.decode(address)
        except errors.SettingsError as error:
            raise ValueError(str(error)) from error
        if not prefix.endswith("valoper") or len(raw) not in (20, 32):
            raise ValueError(
                f"{address!r} is not a valid operator address; use one with a prefix such as cosmosvaloper"
            )
        return address

    @pydantic.field_validator("consensus_keys")
    @classmethod
    def _by_consumer_id(
        cls, keys: Mapping[str, secret_sources.ConsensusKeySource]
    ) -> Mapping[str, secret_sources.ConsensusKeySource]:
        for consumer_id in keys:
            try:
                identifiers.check_consumer_id(consumer_id)
            except errors.SettingsError as error:
                raise ValueError(str(error)) from error
        return keys

    @pydantic.field_validator("hybrid_peer_updates")
    @classmethod
    def _is_fenced(cls, is_on: bool, info: pydantic.ValidationInfo) -> bool:
        cluster = info.data.get("cluster")
        if is_on and isinstance(cluster, ClusterSettings) and not cluster.proxy_ranges:
            raise ValueError(
                "any pod or host could control the nodes through their RPC;"
                " set ics:cluster.proxy_ranges to the"
                " addresses from which the API server reaches pods"
            )
        return is_on

    @pydantic.model_validator(mode="after")
    def _reconciler_has_its_secrets(self) -> "Settings":
        if not self.reconciler.enabled:
            return self
        if not self.reconciler.image:
            raise ValueError("reconciler.image: missing; set it to the image built from the Dockerfile")
        for name, source in (("seed", self.seed), ("account", self.account)):
            if source is not None and source.secret is None and getattr(self.reconciler, name) is None:
                raise ValueError(
                    f"reconciler.{name}: missing, but in the cluster ics:{name} must come from a Secret;"
                    " set it to {namespace, name, key}"
                )
        for consumer_id, key in self.consensus_keys.items():
            if key.imported is not None and key.imported.secret is None:
                raise ValueError(
                    f"consensus_keys.{consumer_id}.imported: in the cluster a key must come from a Secret;"
                    " set it to {secret: {namespace, name, key}}"
                )
        endpoints = {
            f"provider.{name}": getattr(self.provider, name)
            for name in ("rest", "rpc", "grpc", "archive_rest")
        }
        for name, listed in {**endpoints, "monitoring.alertmanager": self.monitoring.alertmanager}.items():
            for index, one in enumerate(listed):
                if any(source.secret is None for source in one.headers.values()):
                    raise ValueError(
                        f"{name}.{index}.headers: in the cluster their values must come from a Secret;"
                        " set them to {secret: {namespace, name, key}}"
                    )
        return self

    @pydantic.model_validator(mode="after")
    def _alerts_last_until_the_next_pass(self) -> "Settings":
        least = 2 * self.daemon.polling.background
        if self.monitoring.alertmanager and self.monitoring.resolve_after < least:
            raise ValueError(
                f"monitoring.resolve_after: {self.monitoring.resolve_after:g}s is too short, alerts would resolve"
                " between two passes; set it to at least twice daemon.polling.background,"
                f" {least:g}s"
            )
        return self

    @pydantic.model_validator(mode="after")
    def _reconciler_reaches_the_state(self) -> "Settings":
        if not (self.reconciler.enabled and self.shares_state):
            return self
        backend = self.state_of_reconciler
        if backend is None:
            raise ValueError(
                "reconciler.backend: missing, for its pod has no `pulumi login`; set it, or pulumi.backend, to the URL"
                f" of the state, or {_EMBEDDED}"
            )
        if backend.startswith(FILE_BACKEND):
            if not re.fullmatch(r"(/[^/?#]+)+", backend.removeprefix(FILE_BACKEND)):
                raise ValueError(
                    f"reconciler.backend: {backend!r} is not an absolute path in its pod; use e.g. file:///var/lib/ics"
                )
            if not self.reconciler.state_volume:
                raise ValueError(
                    f"reconciler.state_volume: missing, for the state is in a folder ({backend}); name the"
                    " PersistentVolumeClaim that holds it, set reconciler.backend to the URL of another backend, or"
                    f" {_EMBEDDED}"
                )
        if self.pulumi.passphrase is not None and self.passphrase_of_reconciler is None:
            raise ValueError(
                "reconciler.passphrase: missing, but in the cluster ics:pulumi.passphrase must come from a Secret; set"
                " it to {namespace, name, key}"
            )
        if not self.pulumi.encryption and not backend.startswith("https://"):
            raise ValueError(
                "reconciler: the stack file has no encryptionsalt or secretsprovider, and its pod cannot write one;"
                f" run `pulumi stack init {self.validator}` first, or {_EMBEDDED}"
            )
        return self

    @property
    def shares_state(self) -> bool:
        """Whether the reconciler in the cluster can run Pulumi, with the stack's state."""
        is_pulumi = self.engine == "pulumi" or (
            self.engine == "auto" and self.state_of_reconciler is not None
        )
        return is_pulumi and self.reconciler.engine == "stack"

    @property
    def state_of_reconciler(self) -> str | None:
        """URL of the state's backend as the reconciler in the cluster reaches it."""
        return self.reconciler.backend or self.pulumi.backend

    @property
    def passphrase_of_reconciler(self) -> secret_sources.SecretObject | None:
        """Secret from which the reconciler in the cluster reads the passphrase of the state."""
        if self.reconciler.passphrase is not None or self.pulumi.passphrase is None:
            return self.reconciler.passphrase
        return self.pulumi.passphrase.secret

    @property
    def genesis_image(self) -> str:
        """Image that prepares large geneses; empty: none is set."""
        return self.node.genesis_image or self.reconciler.image

    @property
    def account_prefix(self) -> str:
        """bech32 prefix of the provider's accounts."""
        return addresses.decode(self.operator_address)[0].removesuffix("valoper")


class SigningSettings(base.Frozen):
    """Settings for queries and transactions on the provider, without nodes and clusters."""

    provider: ProviderSettings
    """As `Settings.provider`."""
    account: secret_sources.SecretSource | None = None
    """As `Settings.account`."""
    granter: str = ""
    """As `Settings.granter`."""
    fee_granter: str = ""
    """As `Settings.fee_granter`."""
    cluster: ClusterSettings = ClusterSettings.defaults()
    """As `Settings.cluster`; used only if the account is in a Secret."""


def bounds_of(floor: str, ceiling: str | None) -> gas_prices.Bounds:
    """Return the bounds of a gas price; without a ceiling it is 20 times the floor."""
    lowest = coins.parse_price(floor)
    highest = lowest.amount * _CEILING if ceiling is None else coins.parse_price(ceiling).amount
    return gas_prices.Bounds(lowest.denom, lowest.amount, highest)


def check_ceiling(ceiling: str | None, floor: str | None, name: str) -> str | None:
    """Return the ceiling of a gas price if it fits its floor.

    Raises:
        ValueError: another denomination, or less than the floor.
    """
    if ceiling is None or floor is None:
        return ceiling
    highest, lowest = coins.parse_price(ceiling), coins.parse_price(floor)
    if highest.denom != lowest.denom:
        raise ValueError(f"{ceiling!r} is not in {lowest.denom!r}, the denomination of {name}; use that")
    if highest.amount < lowest.amount:
        raise ValueError(f"{ceiling!r} is less than {name} ({floor}); raise it")
    return ceiling


def parse_signing(values: Mapping[str, Any], origin: str) -> tuple[SigningSettings, Settings | None]:
    """Validate the settings for signing, from a validator's stack or the smaller stack of a chain's owner.

    Args:
        values: as for `parse`; a stack with `operator_address` is a validator's.
        origin: path of the values' source, for messages.

    Raises:
        SettingsError: one line per wrong key.
    """
    if "operator_address" in values:
        settings = parse(values, origin)
        return (
            SigningSettings(
                provider=settings.provider,
                account=settings.account,
                granter=settings.granter,
                fee_granter=settings.fee_granter,
                cluster=settings.cluster,
            ),
            settings,
        )
    try:
        return SigningSettings.model_validate(dict(values)), None
    except pydantic.ValidationError as error:
        raise errors.SettingsError(*problems(error, SigningSettings, origin, PREFIX)) from error


class Origin(str):
    """Name of a stack file for messages, and that of the file which it extends."""

    __slots__ = ("_own", "_shared")

    def __new__(cls, path: str, shared: str = "", own: Mapping[str, Any] | None = None) -> "Origin":
        """Return the origin.

        Args:
            path: of the stack file.
            shared: of the file that it extends; empty: it extends none.
            own: settings of the stack file itself.
        """
        origin = super().__new__(cls, path)
        origin._shared = shared
        origin._own = own or {}
        return origin

    _shared: str
    _own: Mapping[str, Any]

    def of(self, location: Sequence[int | str]) -> str:
        """Return the file that contains the value at a location, or in which it would be added."""
        inner: object = self._own
        for part in location:
            if not isinstance(inner, Mapping):
                return str(self)  # a value of the stack's own file, such as a list, replaces the shared one
            if part not in inner:
                return self._shared or str(self)
            inner = inner[part]
        return str(self)


def parse(values: Mapping[str, Any], origin: str) -> Settings:
    """Validate the settings as a whole.

    Args:
        values: keys without the `ics:` prefix, such as `provider` or `seed`.
        origin: path of the values' source, for messages.

    Raises:
        SettingsError: one line per wrong key.
    """
    try:
        return Settings.model_validate(dict(values))
    except pydantic.ValidationError as error:
        raise errors.SettingsError(*problems(error, Settings, origin, PREFIX)) from error


def problems(
    error: pydantic.ValidationError, model: type[pydantic.BaseModel], origin: str, prefix: str = ""
) -> list[str]:
    """Return one line per wrong key: its origin, name, problem and value.

    Args:
        error: the model's errors.
        model: values in its `Guarded` groups are not quoted.
        origin: path of the values' source.
        prefix: of each key.
    """
    lines = []
    for item in error.errors(include_url=False):
        key = prefix + ".".join(str(part) for part in item["loc"])
        if item["type"] == "extra_forbidden":
            text = "unknown setting; check the spelling or remove it"
        elif item["type"] == "missing":
            text = "missing; add it"
        elif item["type"] == "string_type":
            text = _not_text(item["input"])
        else:
            message = item["msg"].removeprefix("Value error, ")
            text = message if _is_guarded(model, item["loc"]) else message + _found(item["input"], message)
        # An error of the whole model has no key, and its text names the settings.
        is_missing = item["type"] == "missing"
        where = origin.of(item["loc"]) if isinstance(origin, Origin) and not is_missing else origin
        lines.append(f"{where}: {key}: {text}" if item["loc"] else f"{where}: {prefix}{text}")
    return lines


def _not_text(value: object) -> str:
    """Return why a value is not a text, with what to do; the value itself may be a secret."""
    if value is None:
        return "no value; give one, or remove the key"
    kinds: dict[type, str] = {
        bool: "true or false",
        datetime.date: "a date",
        dict: "a mapping",
        list: "a list",
    }
    kind = next((text for type_, text in kinds.items() if isinstance(value, type_)), type(value).__name__)
    return (
        f"{kind} where text is expected; put it in quotes"
        if kind in ("true or false", "a date")
        else (f"{kind} where text is expected; write one text")
    )


def _is_guarded(model: type[pydantic.BaseModel], loc: tuple[int | str, ...]) -> bool:
    """Return whether the value at this location may be a secret, entered in place of its source or group."""
    groups: Sequence[type[pydantic.BaseModel]] = (model,)
    for part in loc:
        fields = [group.model_fields[part] for group in groups if part in group.model_fields]
        # List indices and mapping keys are not fields; the group behind them is the same.
        groups = [inner for field in fields for inner in _groups(field.annotation)] if fields else groups
        if any(issubclass(group, secret_sources.Guarded) for group in groups):
            return True
    return any(_guards(group) for group in groups)


def _guards(group: type[pydantic.BaseModel]) -> bool:
    return issubclass(group, secret_sources.Guarded) or any(
        _guards(inner) for field in group.model_fields.values() for inner in _groups(field.annotation)
    )


def _groups(annotation: Any) -> Iterator[type[pydantic.BaseModel]]:
    """Yield the groups of settings in an annotation, however nested."""
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
    """Return a value with users, passwords and tokens removed from its URLs."""
    if isinstance(value, str):
        return urls.redacted(value) if re.search(r"://|[@?#]", value) else value
    if isinstance(value, list | tuple):
        return [_fit(item) for item in value]
    return "{…}" if isinstance(value, Mapping) else value
