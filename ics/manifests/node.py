"""StatefulSet of one consumer chain's node."""

import math
from collections.abc import Mapping
from typing import Any

from ics import names
from ics.consumer import chain, desired, lifecycle, upgrades
from ics.consumer import genesis as consumer_genesis
from ics.consumer import revision as node_revision
from ics.consumer.peers import ports as peers_ports
from ics.cosmos import genesis_order
from ics.manifests import companions, key_check, node_files, objects, place_notes, volume_use
from ics.manifests import genesis as manifests_genesis

GRACE_SECONDS = 90
"""Time for a clean shutdown; a node that is killed while it writes may lose blocks."""
FILE_MODE = 0o440
"""Mode of mounted keys: readable by the pod's group only."""

_MOST_FAILURES = 2**31 - 1
"""Of a probe, for the API server; a genesis may state any time up to the year 9999."""

TEMPORARY = "/tmp"  # noqa: S108 - a path in the container
"""Writable folder that is deleted with the pod."""


def build(
    desired: desired.Desired,
    chain: chain.ChainPlan,
    genesis: bytes | genesis_order.Ordered,
    owner: objects.Owner,
) -> dict[str, Any]:
    """Return the StatefulSet: one replica, so that two pods never share a key.

    Pods are managed in parallel because an ordered StatefulSet would not replace a pod that never became
    ready; with one replica it still never runs two.
    """
    # A stopped chain's relayer is removed before its node and never returns; the annotation records that.
    notes = {} if chain.stage.relays else {names.ENDING: "true"}
    # Written in both cases, so that the engine takes it over from a pass that withheld the key.
    notes[names.WITHHELD] = "true" if chain.is_withheld else "false"
    if chain.extra.is_behind:
        notes[names.SENTRIES] = str(len(chain.extra.sentries))
    notes |= place_notes.annotations(chain.key.place, chain.key.key.address)
    spec = objects.pod_spec(
        [
            _container(desired, chain, genesis),
            *companions.containers(chain.definition),
            *volume_use.containers(chain.version.image, chain.revision),
        ],
        _volumes(chain),
        initContainers=[*manifests_genesis.containers(genesis), _key_check(chain)],
        terminationGracePeriodSeconds=GRACE_SECONDS,
    )
    template = objects.node_template(
        owner.labels(names.NODE), spec, chain.pods, _checksums(desired, chain, genesis)
    )
    notes |= objects.revision_notes(template, chain.revision)
    notes |= software_notes(chain.version, 0 if chain.upgrade is None else chain.upgrade.halt_height)
    metadata = owner.metadata(names.NODE_NAME, names.NODE, chain.namespace, {**objects.SKIP_AWAIT, **notes})
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": metadata,
        "spec": {
            "replicas": 0 if chain.stage is lifecycle.ShutdownStage.STOPPED else 1,
            "serviceName": names.NODE_NAME,
            "podManagementPolicy": "Parallel",
            "selector": {"matchLabels": owner.labels(names.NODE)},
            "updateStrategy": objects.update_strategy(template, chain.pod, desired.moment),
            "template": template,
        },
    }


def _checksums(
    desired: desired.Desired, chain: chain.ChainPlan, genesis: bytes | genesis_order.Ordered
) -> dict[str, str]:
    """Return checksums of the files read only at start; without the peers, which change without a restart."""
    files = [
        key_check.script(chain.revision),
        node_files.start_script(chain),
        node_files.of_chain(desired, chain),
        node_files.app_toml(chain.definition, chain.revision),
        *([] if (client := node_files.client_toml(chain.definition, chain.chain_id)) is None else [client]),
    ]
    identity = [chain.node_key.node_id, chain.key.key.address.hex()]
    return {
        f"{names.DOMAIN}/config": objects.checksum(files),
        f"{names.DOMAIN}/keys": objects.checksum(identity),
        **companions.checksums(chain.definition),
        names.GENESIS_SHA256: manifests_genesis.expected(genesis),
    }


def _key_check(chain: chain.ChainPlan) -> dict[str, Any]:
    return key_check.container(
        image=chain.version.image,
        script=node_files.KEY_CHECK,
        environment=_check_environment(chain),
        mounts=read_only(("config", node_files.CONFIG), ("consensus-key", node_files.CONSENSUS_KEY)),
    )


def _check_environment(chain: chain.ChainPlan) -> list[dict[str, Any]]:
    return key_check.environment(
        address=chain.key.key.address.hex().upper(),
        key_folder=node_files.CONSENSUS_KEY,
        pod=names.NODE_POD,
        is_withheld=chain.is_withheld,
        is_remote=chain.signer is not None,
    )


def read_only(*paths: tuple[str, str]) -> list[dict[str, Any]]:
    """Return mounts of volumes that are only read, from (name, path)."""
    return [{"name": name, "mountPath": path, "readOnly": True} for name, path in paths]


def _container(
    desired: desired.Desired, chain: chain.ChainPlan, genesis: bytes | genesis_order.Ordered
) -> dict[str, Any]:
    return container(
        desired,
        chain,
        genesis,
        version=chain.version,
        halt_height=0 if chain.upgrade is None else chain.upgrade.halt_height,
        environment=_check_environment(chain),
        ports=[] if chain.signer is None else [port("signer", peers_ports.POD_SIGNER)],
        mounts=[
            {"name": "data", "mountPath": node_files.DATA},
            {"name": "tmp", "mountPath": TEMPORARY},
            *key_check.own_mounts(),
            *read_only(
                ("config", node_files.CONFIG),
                ("genesis", node_files.GENESIS),
                ("peers", node_files.PEERS),
                ("node-key", node_files.NODE_KEY),
                ("consensus-key", node_files.CONSENSUS_KEY),
                *([("seeds", node_files.SEEDS)] if chain.has_seeds else []),
                *([("state-sync", node_files.STATE_SYNC)] if may_sync(chain) else []),
            ),
        ],
    )


def container(
    desired: desired.Desired,
    chain: chain.ChainPlan,
    genesis: bytes | genesis_order.Ordered,
    *,
    version: upgrades.Version,
    halt_height: int,
    environment: list[dict[str, Any]],
    mounts: list[dict[str, Any]],
    ports: list[dict[str, Any]],
) -> dict[str, Any]:
    """Return the container of any node of a chain.

    Args:
        desired: the desired state.
        chain: the chain.
        genesis: of the chain.
        version: of the software that this node gets.
        halt_height: height whose block this node refuses; 0: none.
        environment: variables of this node, in addition to those of the chain.
        mounts: all of this node.
        ports: of this node, in addition to those of every node.
    """
    # Without the report of a large genesis, which comes later and must not restart the node.
    known = genesis if isinstance(genesis, bytes) else genesis_order.Ordered(genesis.order)
    start = consumer_genesis.start(known, chain.definition.genesis)
    of_chain = {
        "BINARY": chain.definition.binary,
        "BINARY_HASH": version.binary_hash or "",
        # Some programs write to it as soon as they start; the node's data is on the volume.
        "HOME": TEMPORARY,
        "GENESIS_SHA256": manifests_genesis.expected(genesis),
        **upgrade_environment(version, halt_height),
    }
    return {
        "name": names.NODE_CONTAINER,
        "image": version.image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["/bin/sh", f"{node_files.CONFIG}/start.sh"],
        "env": [
            *objects.variables(of_chain),
            *environment,
            *objects.literal_variables(chain.definition.env),
        ],
        "ports": [
            port("p2p", peers_ports.POD_P2P),
            port("rpc", peers_ports.POD_RPC),
            port("rest", peers_ports.POD_REST),
            port("grpc", peers_ports.POD_GRPC),
            *ports,
            *metrics_ports(chain.revision),
        ],
        "resources": {
            key: dict(value) for key, value in chain.definition.resources_of(desired.settings.node).items()
        },
        "securityContext": dict(objects.CONTAINER_SECURITY),
        **last_words(chain.revision),
        # A node may replay for a long time before it answers; a node waiting for its quorum is healthy.
        # One whose genesis time lies ahead answers only then; the same for every pass, so that it restarts nothing.
        "startupProbe": probe(
            period=5, failures=min(720 + math.ceil(start.after_launch / 5), _MOST_FAILURES)
        ),
        "readinessProbe": probe(period=5, failures=3),
        "livenessProbe": probe(period=10, failures=6),
        "volumeMounts": mounts,
    }


def _volumes(chain: chain.ChainPlan) -> list[Mapping[str, Any]]:
    def from_secret(name: str, secret: str) -> dict[str, Any]:
        return {"name": name, "secret": {"secretName": secret, "defaultMode": FILE_MODE}}

    return [
        {"name": "data", "persistentVolumeClaim": {"claimName": names.VOLUME_NAME}},
        {"name": "tmp", "emptyDir": {}},
        {"name": "config", "configMap": {"name": names.CONFIG}},
        {"name": "genesis", "configMap": {"name": names.GENESIS_NAME}},
        {"name": "peers", "configMap": {"name": names.PEERS}},
        from_secret("node-key", names.NODE_KEY),
        from_secret("consensus-key", names.consensus_key_name(chain.key.place.place_id)),
        *key_check.volumes(),
        *([{"name": "seeds", "configMap": {"name": names.SEEDS}}] if chain.has_seeds else []),
        *([state_sync_volume()] if may_sync(chain) else []),
        *companions.volumes(chain.definition),
    ]


def may_sync(chain: chain.ChainPlan) -> bool:
    """Return whether the chain's nodes can fetch the state of their peers."""
    return chain.revision >= node_revision.STATE_SYNC


def state_sync_volume() -> dict[str, Any]:
    """Return the volume with the trusted block of a state sync, if there is one."""
    # The reconciler makes it, and only for a chain past its first blocks.
    return {"name": "state-sync", "configMap": {"name": names.STATE_SYNC, "optional": True}}


def port(name: str, number: int) -> dict[str, Any]:
    """Return a container port."""
    return {"name": name, "containerPort": number, "protocol": "TCP"}


def upgrade_environment(version: upgrades.Version, halt_height: int) -> dict[str, str]:
    """Return the environment of a node that has reached an upgrade, or that refuses the block of one.

    Args:
        version: of its software.
        halt_height: height whose block it refuses; 0: none.
    """
    reached = {"UPGRADE_NAME": version.name, "UPGRADE_HEIGHT": str(version.height)} if version.name else {}
    return {**reached, **({"HALT_HEIGHT": str(halt_height)} if halt_height else {})}


def software_notes(version: upgrades.Version, halt_height: int) -> dict[str, str]:
    """Return the annotations with which a StatefulSet says what its node runs; see `upgrade_environment`."""
    return {names.IMAGE: version.image, **({names.HALT_HEIGHT: str(halt_height)} if halt_height else {})}


def last_words(revision: int) -> dict[str, str]:
    """Return the fields with which a container that ends leaves the end of its log, such as the upgrade it needs."""
    if revision < node_revision.UPGRADES:
        return {}
    return {"terminationMessagePolicy": "FallbackToLogsOnError"}


def metrics_ports(revision: int) -> list[dict[str, Any]]:
    """Return the container port of CometBFT's metrics, if a node of this revision serves them."""
    return [port("metrics", peers_ports.POD_METRICS)] if revision >= node_revision.METRICS else []


def probe(period: int, failures: int) -> dict[str, Any]:
    """Return a probe of the node's RPC; the period is in seconds."""
    return {
        "httpGet": {"path": "/status", "port": "rpc"},
        "periodSeconds": period,
        "timeoutSeconds": 3,
        "failureThreshold": failures,
    }
