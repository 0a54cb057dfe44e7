"""Names, labels and annotations of everything written into Kubernetes; pure.

A chain's identity is (provider chain id, consumer id). Its chain id is only decoration in a name: two
chains may have the same chain id, and a chain id may contain characters that Kubernetes names do not allow.
"""

import hashlib
import re

from ics import errors
from ics.cosmos import identifiers

DOMAIN = "ics-operator.dev"

FIELD_MANAGER = "ics-operator"
"""One fixed field manager for both engines, so that either adopts what the other made."""
LOOP_MANAGER = "ics-operator-loop"
"""Field manager of run-time state that only the loop writes (slices, signing records)."""
TOOLING = "ics-operator/v1"
"""Tooling name of the ApplySet (KEP-3659)."""


# Labels, on every object of the set.
PART_OF_SET = "applyset.kubernetes.io/part-of"
MANAGED_BY = "app.kubernetes.io/managed-by"
MANAGER = "ics-operator"
COMPONENT = "app.kubernetes.io/component"
NAME = "app.kubernetes.io/name"
VALIDATOR = f"{DOMAIN}/validator"
"""Name of the stack's validator (`ics:validator`)."""
PROVIDER = f"{DOMAIN}/provider-chain-id"
CONSUMER = f"{DOMAIN}/consumer-id"
RETAIN = f"{DOMAIN}/retain"
"""`true` on what only `ics purge` removes: volume, key Secrets, namespace."""


# Annotations.
CHAIN_ID = f"{DOMAIN}/chain-id"
GENESIS_SHA256 = f"{DOMAIN}/genesis-sha256"
GENERATION = f"{DOMAIN}/key-generation"
CONSENSUS_ADDRESS = f"{DOMAIN}/consensus-address"
VOLUME_UID = f"{DOMAIN}/volume-uid"
ARMED = f"{DOMAIN}/armed"
BY_NAME = f"{DOMAIN}/ordered-by-name"
"""`true` while a memory is made because the operator says by name that it is safe."""
RETIRED = f"{DOMAIN}/retired"
OPEN_PORTS = f"{DOMAIN}/ports"
"""On the shared LoadBalancer's Service: the ports of each chain, and since when a former one is left."""
ACTED_UPON = f"{DOMAIN}/acted-upon"
"""On the Lease: `<provider chain id>@<height>`, the newest block that was acted upon."""
TRANSACTION = f"{DOMAIN}/transaction"
"""On the Lease: `<provider chain id> <hash> <timeout height>` of the last transaction that was begun."""
WANTED_BY = f"{DOMAIN}/wanted-by"
"""On the Lease: a command by hand asks its resident holder to step aside."""
SIGNS = f"{DOMAIN}/signs"
"""Whether the provider node is given a consensus key."""
ENDING = f"{DOMAIN}/ending"
"""`true` on the StatefulSet of a stopped chain once nothing is awaited any more."""
WITHHELD = f"{DOMAIN}/key-withheld"
"""`true` on the StatefulSet of a node that is not given the consumer key."""


# … of the parent of the set.
ENGINE = f"{DOMAIN}/engine"
"""The engine that converged the set last: `apply` or `pulumi`."""

CARE = f"{DOMAIN}/node."
"""Prefix of annotations on the peers' ConfigMap: what the loop remembers of the node that runs."""


# Components of a consumer chain.
VOLUME = "volume"
CONSENSUS_KEY = "consensus-key"
NODE_KEY = "node-key"
GENESIS = "genesis"
CONFIG = "config"
PEERS = "peers"
NODE = "node"
SIGNER = "remote-signer"
ARMING = "arming"
NETWORK_POLICY = "network-policy"
RELAYING = "relaying"
"""What is remembered of the relaying, and a config that Hermes is to check."""
RELAYING_STEP = "relaying-step"
"""A Job that runs Hermes once."""
HERMES = "hermes"
"""The Hermes that runs on while the channel is open, and its config and keys."""
EVIDENCE = "evidence"
"""The Hermes that watches for evidence of equivocation."""


# … and of what the chains share.
NAMESPACE = "namespace"
GATEWAY = "gateway"
PROVIDER_NODE = "provider-node"
RECONCILER = "reconciler"


# Names of objects in a chain's own namespace.
GATEWAY_SERVICE = "p2p-loadbalancer"
SIGNER_SERVICE = "remote-signer"
"""Service whose port a remote signer dials."""
NODE_NAME = "node"
"""StatefulSet and Service; its pod is `node-0`."""
NODE_POD = "node-0"
VOLUME_NAME = "data"
"""PersistentVolumeClaim."""
GENESIS_NAME = "genesis"
"""ConfigMap: key `genesis.json` (plain) or `genesis.json.gz` (binaryData)."""
RELAYING_NAME = "relaying"
"""ConfigMap of the loop: the relaying record."""
HERMES_NAME = "hermes"
"""Deployment that relays, and the ConfigMap with its config."""
HERMES_BASE = "hermes-base"
"""ConfigMap with a config that names no channel: for Jobs and for the watch for evidence."""
EVIDENCE_NAME = "hermes-evidence"
"""Deployment, and the Secret with its account."""
HERMES_CANDIDATE = "hermes-candidate"
"""ConfigMap of the loop: a config that Hermes has not accepted yet."""
HERMES_KEYS = "hermes-keys"
"""Secret: `consumer.mnemonic` and `provider.mnemonic`."""
SIGNING_PATH = "/data/signing"
"""On the volume: one folder for each key address, with its priv_validator_state.json."""


def consensus_key_name(generation: int) -> str:
    """Name of the retained Secret with the key of that generation."""
    return f"consensus-key-{generation}"


MAX_LABEL = 63
"""Characters of an RFC 1123 label and of a Kubernetes label value."""
_PREFIX = re.compile(r"([a-z0-9][a-z0-9-]*)?")
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?")


def namespace(prefix: str, provider_chain_id: str, consumer_id: str, chain_id: str) -> str:
    """The namespace of a consumer chain: `<prefix><chain id, cut>-<consumer id>-<8 hex>`.

    The hex digits are of the sha256 over provider chain id, consumer id and chain id, so that names
    which look alike after cutting stay apart. At most 63 characters, an RFC 1123 label.

    Raises:
        SettingsError: a bad chain id or consumer id, or a prefix that is no start of a label or too long.
    """
    identifiers.check_chain_id(provider_chain_id)
    identifiers.check_chain_id(chain_id)
    identifiers.check_consumer_id(consumer_id)
    if not _PREFIX.fullmatch(prefix):
        raise errors.SettingsError(
            f"namespace_prefix {prefix!r} cannot begin a name: use a-z, 0-9 and '-', a letter or digit first"
        )
    # No chain id holds a line feed (checked above), so the joined text has one meaning only.
    identity = "\n".join((provider_chain_id, consumer_id, chain_id))
    tail = f"-{consumer_id}-{_hex8(identity)}"
    room = MAX_LABEL - len(prefix) - len(tail)
    if room < 1:
        raise errors.SettingsError(
            f"namespace_prefix {prefix!r} is too long: use at most {MAX_LABEL - len(tail) - 1} characters"
        )
    return prefix + (_slug(chain_id)[:room].strip("-") or "x") + tail


def label_value(text: str) -> str:
    """`text` itself where Kubernetes takes it as label value, else a cleaned form plus `-<8 hex>`."""
    if _LABEL_VALUE.fullmatch(text):
        return text
    kept = re.sub(r"[^A-Za-z0-9_.-]+", "-", text)[: MAX_LABEL - 9].strip("-_.") or "x"
    return f"{kept}-{_hex8(text)}"


def port_name(consumer_id: str, former: int | None = None) -> str:
    """Name of a chain's port on the shared LoadBalancer Service; a DNS label of at most 28 characters.

    Args:
        consumer_id: whose port.
        former: number of a port that the chain has moved away from, None for the present one.

    Raises:
        SettingsError: `consumer_id` is not a number.
    """
    identifiers.check_consumer_id(consumer_id)
    return f"c-{consumer_id}" if former is None else f"c-{consumer_id}-{former}"


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _hex8(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
