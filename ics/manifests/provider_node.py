"""The validator's own node of the provider chain, when its stack is to run one."""

from collections.abc import Mapping
from typing import Any

from ics import names
from ics.config import settings
from ics.consumer.peers import ports
from ics.manifests import consumer, gateway, node, node_files, objects, provider_node_files

NAME = "provider-node"
"""Of its StatefulSet, Services, volume, ConfigMap and NetworkPolicy; its pod is `provider-node-0`."""


def build(settings: settings.Settings, owner: objects.Owner) -> list[dict[str, Any]]:
    """All of it; nothing unless the settings ask for it."""
    if not settings.provider_node.enabled:
        return []
    built = [
        _volume(settings, owner),
        _config(settings, owner),
        _service(settings, owner),
        _network_policy(settings, owner),
        _stateful_set(settings, owner),
    ]
    return [*built, _exposed(settings, owner)] if settings.provider_node.expose else built


def signs(settings: settings.Settings) -> str:
    """What it signs with, for people."""
    secret = settings.provider_node.consensus_key
    if secret is None:
        return "nothing: a full node, for no consensus_key is named"
    return f"the key in Secret {secret}, once its signing memory lies on the volume; until then nothing"


def _metadata(
    settings: settings.Settings,
    owner: objects.Owner,
    notes: Mapping[str, str] | None = None,
    name: str = NAME,
) -> dict[str, Any]:
    return owner.metadata(name, names.PROVIDER_NODE, settings.gateway.namespace, notes)


def _volume(settings: settings.Settings, owner: objects.Owner) -> dict[str, Any]:
    wanted = settings.provider_node
    spec: dict[str, Any] = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": wanted.storage}},
    }
    if wanted.storage_class:
        spec["storageClassName"] = wanted.storage_class
    metadata = owner.metadata(
        NAME, names.PROVIDER_NODE, settings.gateway.namespace, objects.SKIP_AWAIT, is_retained=True
    )
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec}


def _files(settings: settings.Settings) -> dict[str, str]:
    return {
        "config.toml": provider_node_files.config_toml(settings),
        "app.toml": provider_node_files.app_toml(settings),
        "start.sh": provider_node_files.START_SCRIPT,
    }


def _config(settings: settings.Settings, owner: objects.Owner) -> dict[str, Any]:
    return objects.config_map(_metadata(settings, owner), _files(settings))


def _service(settings: settings.Settings, owner: objects.Owner) -> dict[str, Any]:
    numbers = {
        "p2p": ports.POD_P2P,
        "rpc": ports.POD_RPC,
        "rest": ports.POD_REST,
        "grpc": ports.POD_GRPC,
    }
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _metadata(settings, owner, objects.SKIP_AWAIT),
        "spec": {
            "type": "ClusterIP",
            "selector": owner.labels(names.PROVIDER_NODE),
            "publishNotReadyAddresses": True,
            "ports": [_service_port(name, number) for name, number in numbers.items()],
        },
    }


def _exposed(settings: settings.Settings, owner: objects.Owner) -> dict[str, Any]:
    notes = {**gateway.annotations(settings), **objects.SKIP_AWAIT}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _metadata(settings, owner, notes, f"{NAME}-p2p"),
        "spec": {
            "type": "LoadBalancer",
            "selector": owner.labels(names.PROVIDER_NODE),
            "publishNotReadyAddresses": True,
            "ports": [_service_port("p2p", ports.POD_P2P)],
        },
    }


def _service_port(name: str, number: int) -> dict[str, Any]:
    return {"name": name, "port": number, "targetPort": name, "protocol": "TCP"}


def _network_policy(settings: settings.Settings, owner: objects.Owner) -> dict[str, Any]:
    inside: list[dict[str, Any]] = [{"namespaceSelector": {}}]
    inside += [{"ipBlock": {"cidr": cidr}} for cidr in consumer.PRIVATE_RANGES]
    services = [ports.POD_RPC, ports.POD_GRPC, ports.POD_REST]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": _metadata(settings, owner),
        "spec": {
            "podSelector": {"matchLabels": owner.labels(names.PROVIDER_NODE)},
            "policyTypes": ["Ingress"],
            "ingress": [
                {"ports": [{"port": ports.POD_P2P, "protocol": "TCP"}]},
                {"from": inside, "ports": [{"port": number, "protocol": "TCP"} for number in services]},
            ],
        },
    }


def _stateful_set(settings: settings.Settings, owner: objects.Owner) -> dict[str, Any]:
    """One replica, never two pods with one key; see `ics.manifests.node.build`."""
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": _metadata(settings, owner, {**objects.SKIP_AWAIT, names.SIGNS: signs(settings)}),
        "spec": {
            "replicas": 1,
            "serviceName": NAME,
            "podManagementPolicy": "Parallel",
            "selector": {"matchLabels": owner.labels(names.PROVIDER_NODE)},
            "template": {
                "metadata": {
                    "labels": owner.labels(names.PROVIDER_NODE),
                    "annotations": {f"{names.DOMAIN}/config": objects.checksum(_files(settings))},
                },
                "spec": {
                    "terminationGracePeriodSeconds": node.GRACE_SECONDS,
                    "automountServiceAccountToken": False,
                    "enableServiceLinks": False,
                    "securityContext": dict(objects.POD_SECURITY),
                    "initContainers": _fetching(settings),
                    "containers": [_container(settings)],
                    "volumes": _volumes(settings),
                },
            },
        },
    }


def _fetching(settings: settings.Settings) -> list[dict[str, Any]]:
    genesis = settings.provider_node.genesis
    if genesis is None or genesis.url is None or genesis.sha256 is None:
        return []
    environment = {"URL": genesis.url, "SHA256": genesis.sha256}
    return [
        {
            "name": "genesis",
            "image": settings.provider_node.fetch_image,
            "command": ["/bin/sh", "-c", provider_node_files.FETCH_SCRIPT],
            "env": [{"name": name, "value": value} for name, value in environment.items()],
            "securityContext": dict(objects.CONTAINER_SECURITY),
            "volumeMounts": [{"name": "data", "mountPath": node_files.DATA}],
        }
    ]


def _container(settings: settings.Settings) -> dict[str, Any]:
    wanted = settings.provider_node
    genesis = wanted.genesis.config_map if wanted.genesis is not None else None
    environment = {
        "BINARY": wanted.binary,
        "HOME": node.TEMPORARY,
        "GENESIS": provider_node_files.GENESIS if genesis is None else f"{node_files.GENESIS}/{genesis.key}",
    }
    return {
        "name": "node",
        "image": wanted.image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["/bin/sh", f"{node_files.CONFIG}/start.sh"],
        "env": [{"name": name, "value": value} for name, value in environment.items()],
        "ports": [
            node.port("p2p", ports.POD_P2P),
            node.port("rpc", ports.POD_RPC),
            node.port("rest", ports.POD_REST),
            node.port("grpc", ports.POD_GRPC),
        ],
        "resources": {key: dict(value) for key, value in wanted.resources.items()},
        "securityContext": dict(objects.CONTAINER_SECURITY),
        # A node may replay for long, or fetch a state, before it answers.
        "startupProbe": node.probe(period=10, failures=2160),
        "readinessProbe": node.probe(period=5, failures=3),
        "livenessProbe": node.probe(period=10, failures=6),
        "volumeMounts": [
            {"name": "data", "mountPath": node_files.DATA},
            {"name": "tmp", "mountPath": node.TEMPORARY},
            *(
                {"name": name, "mountPath": path, "readOnly": True}
                for name, path in _mounted(settings).items()
            ),
        ],
    }


def _mounted(settings: settings.Settings) -> dict[str, str]:
    """Where what the settings name is mounted, by volume."""
    wanted = settings.provider_node
    found = {"config": node_files.CONFIG}
    if wanted.genesis is not None and wanted.genesis.config_map is not None:
        found["genesis"] = node_files.GENESIS
    if wanted.node_key is not None:
        found["node-key"] = node_files.NODE_KEY
    if wanted.consensus_key is not None:
        found["consensus-key"] = node_files.CONSENSUS_KEY
    return found


def _volumes(settings: settings.Settings) -> list[dict[str, Any]]:
    wanted = settings.provider_node
    found: list[dict[str, Any]] = [
        {"name": "data", "persistentVolumeClaim": {"claimName": NAME}},
        {"name": "tmp", "emptyDir": {}},
        {"name": "config", "configMap": {"name": NAME}},
    ]
    if wanted.genesis is not None and wanted.genesis.config_map is not None:
        found.append({"name": "genesis", "configMap": {"name": wanted.genesis.config_map.name}})
    for name, secret in (("node-key", wanted.node_key), ("consensus-key", wanted.consensus_key)):
        if secret is not None:
            found.append({"name": name, "secret": {"secretName": secret, "defaultMode": node.FILE_MODE}})
    return found
