"""Labels, annotations and names of shared objects in Kubernetes, all in one place."""

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
INSTANCE = "app.kubernetes.io/instance"
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

# Components of a consumer chain.
VOLUME = "volume"
CONSENSUS_KEY = "consensus-key"
NODE_KEY = "node-key"
GENESIS = "genesis"
CONFIG = "config"
PEERS = "peers"
NODE = "node"
ARMING = "arming"
NETWORK_POLICY = "network-policy"
# … and of what the chains share.
NAMESPACE = "namespace"
GATEWAY = "gateway"

# Names of objects in a chain's own namespace.
GATEWAY_SERVICE = "p2p-loadbalancer"
NODE_NAME = "node"
"""StatefulSet and Service; its pod is `node-0`."""
NODE_POD = "node-0"
VOLUME_NAME = "data"
"""PersistentVolumeClaim."""
GENESIS_NAME = "genesis"
"""ConfigMap: key `genesis.json` (plain) or `genesis.json.gz` (binaryData)."""
SIGNING_PATH = "/data/signing"
"""On the volume: one folder for each key address, with its priv_validator_state.json."""


def consensus_key_name(generation: int) -> str:
    """Name of the retained Secret with the key of that generation."""
    return f"consensus-key-{generation}"
