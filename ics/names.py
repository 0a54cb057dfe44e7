"""Names, labels and annotations of all Kubernetes objects of the operator; pure.

A chain's identity is (provider chain id, consumer id). Names contain its chain id only for readability: two
chains may have the same chain id, and it may contain characters that Kubernetes names do not allow.
"""

import re

from ics import errors
from ics.cosmos import canonical_json, identifiers

DOMAIN = "ics-operator.dev"

FIELD_MANAGER = "ics-operator"
"""Field manager of both engines, so that each can adopt the objects of the other."""
LOOP_MANAGER = "ics-operator-loop"
"""Field manager of run-time state that only the reconciler itself writes (slices, signing records)."""
HEIGHT_MANAGER = "ics-operator-height"
"""Field manager of the application's height on a volume."""
ENDING_MANAGER = "ics-operator-ending"
"""Field manager of what would end a node, so that its removal leaves the other annotations of the loop."""
TOOLING = "ics-operator/v1"
"""Tooling name of the ApplySet (KEP-3659)."""


# Labels, on every object of the set.
PART_OF_SET = "applyset.kubernetes.io/part-of"
MANAGED_BY = "app.kubernetes.io/managed-by"
MANAGER = "ics-operator"
COMPONENT = "app.kubernetes.io/component"
VALIDATOR = f"{DOMAIN}/validator"
"""Name of the stack's validator (`ics:validator`)."""
PROVIDER = f"{DOMAIN}/provider-chain-id"
CONSUMER = f"{DOMAIN}/consumer-id"
RETAIN = f"{DOMAIN}/retain"
"""`true` on objects that only `ics purge` deletes: volume, key Secrets, namespace."""


EXTRA_NODE = f"{DOMAIN}/extra-node"
"""On the objects of a sentry or full node: its name."""


# Annotations.
CHAIN_ID = f"{DOMAIN}/chain-id"
GENESIS_SHA256 = f"{DOMAIN}/genesis-sha256"
GENESIS_ORDER = f"{DOMAIN}/genesis-order"
"""On the ConfigMap with the order of a large genesis: sha256 of the order."""
GENESIS_REPORT = f"{DOMAIN}/genesis-report"
"""As above: the report of the pod that prepared it first, see `ics.cosmos.genesis_order`."""
PLACE_ID = f"{DOMAIN}/place-id"
"""On key Secret, volume and StatefulSet: id of the place to which the key belongs."""
CLUSTER_UID = f"{DOMAIN}/cluster-uid"
"""On key Secret and volume: uid of the namespace kube-system of the place's cluster."""
PLACE_NAMESPACE = f"{DOMAIN}/place-namespace"
"""As above: namespace of the place; of a copy, the original's."""
PLACE_SINCE = f"{DOMAIN}/place-since"
"""As above: provider time at which the place was recorded first."""
REPLACES = f"{DOMAIN}/replaces-place"
"""As above: id of the place whose sign state was lost."""
MOVED = f"{DOMAIN}/moved-place"
ORDERED = f"{DOMAIN}/ordered-place"
"""As above: `true` if the chain was moved to the place from another installation."""
CONSENSUS_ADDRESS = f"{DOMAIN}/consensus-address"
VOLUME_UID = f"{DOMAIN}/volume-uid"
"""On key Secret and volume: uid of the PersistentVolumeClaim of the place."""
SIGN_STATE_READY = f"{DOMAIN}/sign-state-ready"
SIGN_STATE_RESET = f"{DOMAIN}/sign-state-reset"
"""`<height>/<round>/<step>` of the sign state that the operator confirmed; on the key Secret it stays."""
RETIRED = f"{DOMAIN}/retired"
CLUSTER_CERTIFICATES = f"{DOMAIN}/cluster-certificates"
"""On key Secret, and on the Jobs that write a mark: hashes of the cluster's certificates in the mark beside the sign
state, separated by commas."""
WITHDRAWN = "withdrawn"
"""In place of a volume's uid: a remote signer replaced the key, so it is ready on no volume."""
OPEN_PORTS = f"{DOMAIN}/ports"
"""On the shared LoadBalancer's Service: the ports of each chain, and the time of leaving each former one."""
ENDING_SEEN = f"{DOMAIN}/ending-seen"
"""On the ConfigMap of a node's peers: what the provider says for which the node would be ended, and since when."""
ACTED_HEIGHT = f"{DOMAIN}/acted-height"
"""On the Lease: `<provider chain id>@<height>@<time>`, the latest block on which a pass acted."""
TRANSACTION = f"{DOMAIN}/transaction"
"""On the Lease: `<provider chain id> <hash> <timeout height>` of the last transaction started."""
TOP_UPS = f"{DOMAIN}/top-ups"
"""On the Lease: JSON of the amounts sent to relayers' accounts in the last 24 hours; see `ics.relayer.budget`."""
COSTS = f"{DOMAIN}/costs"
"""On the Lease: JSON of what each chain has cost on the provider since the record began; see `ics.consumer.costs`."""
REPORTED = f"{DOMAIN}/reported"
"""On the Lease: JSON of what Events were written about, so that they are written once; see `ics.monitoring.events`."""
ANSWERS = f"{DOMAIN}/answers"
"""On the Lease: JSON of what passes from cron need not ask for again; see `ics.reconciler.kept_answers`."""
ORDERS = f"{DOMAIN}/orders"
"""On the Lease: JSON of the transactions of commands whose result was not shown yet; see `ics.cluster.tx_journal`."""
WANTED_BY = f"{DOMAIN}/wanted-by"
"""On the Lease: request of a manual command to the daemon to release the Lease."""
WANTED_FOR_LAUNCH = f"{DOMAIN}/wanted-for-launch"
"""On the Lease: the reconciler that asks for it because of a launch."""
YIELDS = f"{DOMAIN}/yields"
"""On the Lease: its holder, if that ends its work early for a reconciler that asks because of a launch."""
SIGNS = f"{DOMAIN}/signs"
"""Description of the key with which the provider node signs."""
ENDING = f"{DOMAIN}/ending"
"""`true` on the StatefulSet of a stopped chain once no more packets are expected."""
TEMPLATE = f"{DOMAIN}/template"
"""On a node's pod and StatefulSet: digest of everything in its template but the pod settings; a change of it restarts
the node."""
IMAGE = f"{DOMAIN}/image"
"""On a node's StatefulSet: image of its node, see `ics.consumer.upgrades`."""
HALT_HEIGHT = f"{DOMAIN}/halt-height"
"""On a node's StatefulSet: height whose block its node refuses, for an upgrade without a plan."""
APP_HEIGHT = f"{DOMAIN}/app-height"
"""On a node's volume and its snapshots: height that its application has reached; never so high that an upgrade seems to
be due which was not seen."""
APPLIED_UPGRADES = f"{DOMAIN}/upgrades"
"""On a node's volume and its snapshots: upgrades that its data has been through, see `consumer.applied_upgrades`."""
NODE_REVISION = f"{DOMAIN}/node-revision"
"""On a node's StatefulSet: revision of its template, see `ics.consumer.revision`."""
POD_SETTINGS = f"{DOMAIN}/pod-settings"
"""On a node's pod: digest of `ics.config.pods.PodSettings`; a change of it waits for the pod's next start."""
FINGERPRINT = f"{DOMAIN}/fingerprint"
"""On a rehearsal's Job: digest of what it tries."""
SNAPSHOT_KIND = f"{DOMAIN}/snapshot-kind"
"""On a VolumeSnapshot: `scheduled`, `upgrade` or `ordered`."""
RESTORED_FROM = f"{DOMAIN}/restored-from"
"""On a volume: the VolumeSnapshot from which `ics restore` made it."""
DEFINITION_REVISION = f"{DOMAIN}/definition-revision"
"""On the definition of `ConsumerChain`: its revision, see `ics.manifests.chain_kind`."""
SOURCE_DIGEST = f"{DOMAIN}/source-digest"
"""On a copied Secret: digest of the data from which it was copied."""
WITHHELD = f"{DOMAIN}/key-withheld"
"""On a node's StatefulSet: `true` if the key is withheld from it, else `false`."""
SENTRIES = f"{DOMAIN}/sentries"
"""On a node's StatefulSet: number of the sentries behind which it runs; without it, its peers reach it directly."""


# Annotations of the set's parent object.
ENGINE = f"{DOMAIN}/engine"
"""The engine that converged the set last: `apply` or `pulumi`."""
STATE_PODS = f"{DOMAIN}/pulumi-pods"
"""On a set's parent: the pods that ran Pulumi since its last successful run, see `ics.engines.pulumi.pods`."""
STATE_BACKEND = f"{DOMAIN}/state-backend"
"""URL of the backend of Pulumi's state that the last pass used, without credentials."""
ENGINE_TENURE = f"{DOMAIN}/engine-tenure"
"""JSON: since when it is that engine, which process made it so, and which engine that displaced; see
`ics.engines.tenure`."""

WATCHDOG = f"{DOMAIN}/node."
"""Prefix of the watchdog's annotations on the ConfigMap with the peers."""


# Components of a consumer chain.
VOLUME = "volume"
CONSENSUS_KEY = "consensus-key"
NODE_KEY = "node-key"
GENESIS = "genesis"
CONFIG = "config"
PEERS = "peers"
SEEDS = "seeds"
STATE_SYNC = "state-sync"
"""ConfigMap of the reconciler: the trusted block of a new node's state sync, and the record of its search."""
NODE = "node"
"""The validator's node: the only one of a chain that may sign."""
SENTRY = "sentry"
"""A node without a consensus key, through which alone the validator's node reaches its peers."""
FULL_NODE = "full-node"
"""A further node without a consensus key, for queries."""
EXTRA_VOLUME = "extra-volume"
"""Volume of a sentry or full node."""
EXTRA_PEERS = "extra-peers"
"""ConfigMap with the peers of a sentry or full node."""
SIGNER = "remote-signer"
SIGN_STATE = "sign-state"
SNAPSHOT = "snapshot"
"""VolumeSnapshots of a node's volume."""
PULL_SECRET = "pull-secret"  # noqa: S105 - a component
"""A copy of a registry's credentials."""
REHEARSAL = "rehearsal"
"""The Job that tries a chain's start with throw-away keys, and its files."""
CHAIN_OBJECT = "chain"
"""The `ConsumerChain` object, and the definition of its kind."""
UPGRADE_PULL = "upgrade-pull"
"""A Job that pulls the image of a coming upgrade."""
NETWORK_POLICY = "network-policy"
ISOLATION = "isolation"
"""NetworkPolicy that closes everything which no other policy of the namespace opens."""
RELAYER = "relayer"
"""ConfigMaps with the relayer's record, and with a config for Hermes to check."""
RELAYER_STEP = "relayer-step"
"""A Job that runs Hermes once."""
HERMES = "hermes"
"""The Hermes that relays while the channel is open, with its config and keys."""
EVIDENCE = "evidence"
"""The Hermes that watches for evidence of equivocation."""


# Components that the chains share.
NAMESPACE = "namespace"
GATEWAY = "gateway"
PROVIDER_NODE = "provider-node"
PROVIDER_SIGN_STATE = "provider-sign-state"
"""Jobs that write the provider node's sign state, or its mark."""
RECONCILER = "reconciler"
MONITORING = "monitoring"
"""Alerts, scrapes and dashboard."""


# Names of objects in a chain's own namespace.
GATEWAY_SERVICE = "p2p-loadbalancer"
SIGNER_SERVICE = "remote-signer"
"""Service whose port a remote signer dials."""
NODE_NAME = "node"
"""StatefulSet and Service; its pod is `node-0`."""
NODE_POD = "node-0"
QUERY_SERVICE = "node-rpc"
"""Service over the full nodes of a chain."""
VOLUME_NAME = "data"
"""PersistentVolumeClaim."""
GENESIS_NAME = "genesis"
"""ConfigMap: key `genesis.json` (plain), `genesis.json.gz` (binaryData), or `order.json` of a large one."""
COMPANIONS = "companions"
"""ConfigMap with the files of the containers beside a chain's node."""
RELAYER_NAME = "relayer"
"""ConfigMap of the reconciler: the relayer's record."""
HERMES_NAME = "hermes"
"""Deployment of the relaying Hermes, and the ConfigMap with its config."""
HERMES_BASE = "hermes-base"
"""ConfigMap with a config without channels, for Jobs and for the evidence watch."""
EVIDENCE_NAME = "hermes-evidence"
"""Deployment of the evidence watch, and the Secret with its account."""
HERMES_CANDIDATE = "hermes-candidate"
"""ConfigMap of the reconciler: a config that Hermes has not accepted yet."""
HERMES_KEYS = "hermes-keys"
"""Secret: `consumer.mnemonic` and `provider.mnemonic`."""
NODE_CONTAINER = "node"
"""Container of a node's pod."""
VOLUME_USE = "volume-use"
"""Container of a node's pod whose log says how full the volume is."""
GENESIS_CONTAINER = "genesis"
"""Init container of a node's pod that prepares a large genesis; its termination message is the report."""
KEY_CHECK = "key-check"
"""Init container of a node's pod, whose termination message says whether the node gets its key."""
WATERMARK = "watermark"
"""ConfigMap of the reconciler: by key address, the height of the last commit that carries its signature."""
PROVIDER_NODE_POD = "provider-node-0"
"""Pod of the validator's own node of the provider chain."""
PROVIDER_SIGNING = "provider-node-signing"
"""ConfigMap of the reconciler: the provider node's record and watermark; retained."""
SIGNING_PATH = "/data/signing"
"""Path on the volume: one folder per key address, with its priv_validator_state.json."""


_CONSENSUS_KEY_PREFIX = "consensus-key-"


def consensus_key_name(place_id: str) -> str:
    """Return the name of the retained Secret with the key of a place."""
    return f"{_CONSENSUS_KEY_PREFIX}{place_id}"


def is_consensus_key(secret: str) -> bool:
    """Return whether a Secret's name is that of one with a consensus key."""
    return secret.startswith(_CONSENSUS_KEY_PREFIX)


def extra_node(component: str, number: int) -> str:
    """Return the name of a sentry or full node, which is that of its StatefulSet and of its Service.

    Args:
        component: `SENTRY` or `FULL_NODE`.
        number: of the node, from 1.
    """
    return f"{component}-{number}"


def chain_object(consumer_id: str) -> str:
    """Return the name of a chain's `ConsumerChain` object."""
    return f"consumer-{consumer_id}"


_EXTRA_NODE = re.compile(rf"({SENTRY}|{FULL_NODE})-[1-9][0-9]*")


def is_extra_node(workload: str) -> bool:
    """Return whether a StatefulSet's name is that of a sentry or full node, which has no consensus key."""
    return _EXTRA_NODE.fullmatch(workload) is not None


def extra_pod(name: str) -> str:
    """Return the name of the pod of a sentry or full node."""
    return f"{name}-0"


def extra_object(name: str, kind: str) -> str:
    """Return the name of an object of a sentry or full node: its `config`, `peers`, `node-key` or `data`."""
    return f"{name}-{kind}"


_MAX_LABEL = 63
"""Characters of an RFC 1123 label and of a Kubernetes label value."""
_PREFIX = re.compile(r"([a-z0-9][a-z0-9-]*)?")
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?")


def namespace(prefix: str, provider_chain_id: str, consumer_id: str, chain_id: str) -> str:
    """Return the namespace of a consumer chain: `<prefix><truncated chain id>-<consumer id>-<8 hex>`.

    The hex digits are from the sha256 of provider chain id, consumer id and chain id, so that names remain
    distinct after truncation. At most 63 characters, an RFC 1123 label.

    Raises:
        SettingsError: a chain id, the consumer id or the prefix is not valid, or the prefix is too long.
    """
    identifiers.check_chain_id(provider_chain_id)
    identifiers.check_chain_id(chain_id)
    identifiers.check_consumer_id(consumer_id)
    if not _PREFIX.fullmatch(prefix):
        raise errors.SettingsError(
            f"namespace_prefix {prefix!r} is not valid; use a-z, 0-9 and '-', starting with a letter or digit"
        )
    # The ids contain no line feeds (checked above), so the joined text is unambiguous.
    identity = "\n".join((provider_chain_id, consumer_id, chain_id))
    tail = f"-{consumer_id}-{_hex8(identity)}"
    room = _MAX_LABEL - len(prefix) - len(tail)
    if room < 1:
        raise errors.SettingsError(
            f"namespace_prefix {prefix!r} is too long; use at most {_MAX_LABEL - len(tail) - 1} characters"
        )
    return prefix + (_slug(chain_id)[:room].strip("-") or "x") + tail


def label_value(text: str) -> str:
    """Return `text` if it is a valid label value, otherwise a cleaned form with `-<8 hex>` appended."""
    if _LABEL_VALUE.fullmatch(text):
        return text
    kept = re.sub(r"[^A-Za-z0-9_.-]+", "-", text)[: _MAX_LABEL - 9].strip("-_.") or "x"
    return f"{kept}-{_hex8(text)}"


def port_name(consumer_id: str, former: int | None = None) -> str:
    """Return the name of a chain's port on the shared Service: a DNS label of at most 28 characters.

    Args:
        consumer_id: of the chain.
        former: number of a former port, None for the current one.

    Raises:
        SettingsError: `consumer_id` is not a number.
    """
    identifiers.check_consumer_id(consumer_id)
    return f"c-{consumer_id}" if former is None else f"c-{consumer_id}-{former}"


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _hex8(text: str) -> str:
    return canonical_json.sha256_hex(text.encode("utf-8", "surrogatepass"))[:8]
