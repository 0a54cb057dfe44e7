"""Objects of a chain's sentries and full nodes: each has a volume, a node key, files and a StatefulSet of its own.

None of them has a consensus key: none is mounted, and the start script refuses to run where it finds one.
"""

from typing import Any

from ics import names
from ics.consumer import chain, desired, extra_nodes, lifecycle, upgrades
from ics.consumer import chain as consumer_chain
from ics.consumer.peers import ports
from ics.cosmos import genesis_order
from ics.manifests import genesis as manifests_genesis
from ics.manifests import key_check, network_policies, node, node_files, objects, volume_use

_KINDS = (extra_nodes.Role.SENTRY, extra_nodes.Role.FULL)


def build(desired: desired.Desired, chain: chain.ChainPlan, owner: objects.Owner) -> list[dict[str, Any]]:
    """Return the objects of all sentries and full nodes.

    Until the genesis exists, their pods wait where the nodes will run, with the image pulled and the volume bound: the
    validator's node depends on sentries from its first start.
    """
    built: list[dict[str, Any]] = []
    for extra in chain.extra.nodes:
        built += [
            _volume(desired, chain, extra, owner),
            _node_key(chain, extra, owner),
            _config(desired, chain, extra, owner),
            _peers(chain, extra, owner),
            _service(chain, extra, owner),
        ]
        if not chain.state_sync.holds_node:
            built.append(_workload(desired, chain, extra, owner))
    for role in _KINDS:
        if any(extra.role is role for extra in chain.extra.nodes):
            built.append(network_policies.of_extra_nodes(desired, chain, role, owner))
    if chain.extra.full_nodes:
        built.append(_query_service(chain, owner))
    return built


def _metadata(
    chain: chain.ChainPlan,
    extra: extra_nodes.ExtraNode,
    owner: objects.Owner,
    name: str,
    component: str = "",
    *,
    waits: bool = True,
    is_retained: bool = False,
) -> dict[str, Any]:
    notes = None if waits else objects.SKIP_AWAIT
    metadata = owner.metadata(name, component or extra.role, chain.namespace, notes, is_retained=is_retained)
    metadata["labels"][names.EXTRA_NODE] = extra.name
    return metadata


def _labels(extra: extra_nodes.ExtraNode, owner: objects.Owner) -> dict[str, str]:
    return {**owner.labels(extra.role), names.EXTRA_NODE: extra.name}


def _volume(
    desired: desired.Desired, chain: chain.ChainPlan, extra: extra_nodes.ExtraNode, owner: objects.Owner
) -> dict[str, Any]:
    name = names.extra_object(extra.name, "data")
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": _metadata(chain, extra, owner, name, names.EXTRA_VOLUME, waits=False, is_retained=True),
        "spec": objects.volume_spec(desired.settings.node, extra.volume.size),
    }


def _node_key(chain: chain.ChainPlan, extra: extra_nodes.ExtraNode, owner: objects.Owner) -> dict[str, Any]:
    metadata = _metadata(chain, extra, owner, names.extra_object(extra.name, "node-key"))
    return objects.secret(metadata, {"node_key.json": extra.node_key.node_key_json()})


def _config(
    desired: desired.Desired, chain: chain.ChainPlan, extra: extra_nodes.ExtraNode, owner: objects.Owner
) -> dict[str, Any]:
    name = names.extra_object(extra.name, "config")
    return objects.config_map(_metadata(chain, extra, owner, name), _files(desired, chain, extra))


def _files(desired: desired.Desired, chain: chain.ChainPlan, extra: extra_nodes.ExtraNode) -> dict[str, str]:
    """Return the files that the node reads only at its start, by name."""
    files = {
        "config.toml": node_files.of_extra_node(desired, chain, extra),
        "app.toml": node_files.app_toml(chain.definition, chain.revision),
        "start.sh": node_files.extra_start_script(chain),
    }
    client = node_files.client_toml(chain.definition, chain.chain_id)
    return files if client is None else {**files, "client.toml": client}


def _peers(chain: chain.ChainPlan, extra: extra_nodes.ExtraNode, owner: objects.Owner) -> dict[str, Any]:
    data = {
        "persistent_peers": extra.persistent_peers,
        "external_address": chain.peering.external_address if extra.is_published else "",
    }
    name = names.extra_object(extra.name, "peers")
    return objects.config_map(_metadata(chain, extra, owner, name, names.EXTRA_PEERS), data)


def _service(chain: chain.ChainPlan, extra: extra_nodes.ExtraNode, owner: objects.Owner) -> dict[str, Any]:
    """Return the Service whose address the other nodes of the namespace dial."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _metadata(chain, extra, owner, extra.name, waits=False),
        "spec": {
            "type": "ClusterIP",
            "selector": _labels(extra, owner),
            # A node that waits for its quorum is dialled too.
            "publishNotReadyAddresses": True,
            "ports": [{"name": "p2p", "port": ports.POD_P2P, "targetPort": "p2p", "protocol": "TCP"}],
        },
    }


def _query_service(chain: chain.ChainPlan, owner: objects.Owner) -> dict[str, Any]:
    """Return the Service over all full nodes that answer."""
    numbers = {"rpc": chain.ports.rpc, "rest": chain.ports.rest, "grpc": chain.ports.grpc}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": owner.metadata(names.QUERY_SERVICE, names.FULL_NODE, chain.namespace, objects.SKIP_AWAIT),
        "spec": {
            "type": "ClusterIP",
            "selector": owner.labels(names.FULL_NODE),
            "ports": [
                {"name": name, "port": number, "targetPort": name, "protocol": "TCP"}
                for name, number in numbers.items()
            ],
        },
    }


def _workload(
    desired: desired.Desired,
    chain: chain.ChainPlan,
    extra: extra_nodes.ExtraNode,
    owner: objects.Owner,
) -> dict[str, Any]:
    """Return the StatefulSet: one replica, because two nodes cannot share a volume or a node id."""
    labels = _labels(extra, owner)
    genesis = chain.genesis
    preparing = [] if genesis is None else manifests_genesis.containers(genesis)
    if genesis is None:
        containers, volumes, checksums = [_waiting(desired, chain, extra)], _volumes(chain, extra)[:1], {}
    else:
        measuring = volume_use.containers(_version(chain, extra).image, chain.revision)
        containers, volumes = (
            [_container(desired, chain, extra, genesis), *measuring],
            _volumes(chain, extra),
        )
        checksums = {
            f"{names.DOMAIN}/config": objects.checksum(_files(desired, chain, extra)),
            f"{names.DOMAIN}/keys": objects.checksum([extra.node_key.node_id]),
            names.GENESIS_SHA256: manifests_genesis.expected(genesis),
        }
    spec = objects.pod_spec(
        containers,
        volumes,
        **({"initContainers": preparing} if preparing else {}),
        affinity=_affinity(extra, owner),
        terminationGracePeriodSeconds=node.GRACE_SECONDS,
    )
    template = objects.node_template(labels, spec, chain.pods, checksums)
    metadata = _metadata(chain, extra, owner, extra.name, waits=False)
    metadata["annotations"] |= node.software_notes(_version(chain, extra), _halt_height(extra))
    if extra.memory.volume_uid is not None:
        metadata["annotations"][names.VOLUME_UID] = extra.memory.volume_uid
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": metadata,
        "spec": {
            "replicas": 0 if chain.stage is lifecycle.ShutdownStage.STOPPED else 1,
            "serviceName": extra.name,
            "podManagementPolicy": "Parallel",
            "selector": {"matchLabels": labels},
            "updateStrategy": objects.update_strategy(template, extra.pod, desired.moment),
            "template": template,
        },
    }


def _affinity(extra: extra_nodes.ExtraNode, owner: objects.Owner) -> dict[str, Any]:
    """Return the preference to run on another host than the nodes whose loss this one should survive."""
    components = [names.NODE, names.SENTRY]
    if extra.role is extra_nodes.Role.FULL:
        components.append(names.FULL_NODE)
    apart = {
        "labelSelector": {
            "matchLabels": owner.selector(),
            "matchExpressions": [{"key": names.COMPONENT, "operator": "In", "values": components}],
        },
        "topologyKey": "kubernetes.io/hostname",
    }
    preference = {"weight": 100, "podAffinityTerm": apart}
    return {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [preference]}}


def _version(chain: chain.ChainPlan, extra: extra_nodes.ExtraNode) -> upgrades.Version:
    return consumer_chain.first_version(chain.definition) if extra.upgrade is None else extra.upgrade.version


def _halt_height(extra: extra_nodes.ExtraNode) -> int:
    return 0 if extra.upgrade is None else extra.upgrade.halt_height


def _waiting(
    desired: desired.Desired, chain: chain.ChainPlan, extra: extra_nodes.ExtraNode
) -> dict[str, Any]:
    """Return a container in the place of the node's that does nothing, with the same image and demands."""
    return {
        "name": names.NODE_CONTAINER,
        "image": _version(chain, extra).image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["/bin/sh", "-c", "trap 'exit 0' TERM; while :; do sleep 1 & wait $!; done"],
        "resources": {key: dict(value) for key, value in desired.settings.node.resources.items()},
        "securityContext": dict(objects.CONTAINER_SECURITY),
        "volumeMounts": [{"name": "data", "mountPath": node_files.DATA}],
    }


def _container(
    desired: desired.Desired,
    chain: chain.ChainPlan,
    extra: extra_nodes.ExtraNode,
    genesis: bytes | genesis_order.Ordered,
) -> dict[str, Any]:
    return node.container(
        desired,
        chain,
        genesis,
        version=_version(chain, extra),
        halt_height=_halt_height(extra),
        environment=[
            *objects.variables({"EXPECTED_POD": names.extra_pod(extra.name)}),
            key_check.downward("POD_NAME", "metadata.name"),
        ],
        ports=[],
        mounts=[
            {"name": "data", "mountPath": node_files.DATA},
            {"name": "tmp", "mountPath": node.TEMPORARY},
            {"name": "links", "mountPath": key_check.LINKS},
            *node.read_only(
                ("config", node_files.CONFIG),
                ("genesis", node_files.GENESIS),
                ("peers", node_files.PEERS),
                ("node-key", node_files.NODE_KEY),
                *([("seeds", node_files.SEEDS)] if chain.definition.seeds else []),
                *([("state-sync", node_files.STATE_SYNC)] if node.may_sync(chain) else []),
            ),
        ],
    )


def _volumes(chain: chain.ChainPlan, extra: extra_nodes.ExtraNode) -> list[dict[str, Any]]:
    def own(kind: str) -> str:
        return names.extra_object(extra.name, kind)

    return [
        {"name": "data", "persistentVolumeClaim": {"claimName": own("data")}},
        {"name": "tmp", "emptyDir": {}},
        {"name": "links", "emptyDir": {}},
        {"name": "config", "configMap": {"name": own("config")}},
        {"name": "genesis", "configMap": {"name": names.GENESIS_NAME}},
        {"name": "peers", "configMap": {"name": own("peers")}},
        {"name": "node-key", "secret": {"secretName": own("node-key"), "defaultMode": node.FILE_MODE}},
        *([{"name": "seeds", "configMap": {"name": names.SEEDS}}] if chain.definition.seeds else []),
        *([node.state_sync_volume()] if node.may_sync(chain) else []),
    ]
