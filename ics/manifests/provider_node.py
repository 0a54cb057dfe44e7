"""The validator's own node of the provider chain, for stacks that run one."""

import datetime
from collections.abc import Mapping
from typing import Any

from ics import names
from ics.config import settings
from ics.consumer import provider_key, provider_plan
from ics.consumer.peers import ports
from ics.manifests import (
    gateway,
    key_check,
    node,
    node_files,
    objects,
    provider_node_files,
    volume_use,
)

_NAME = names.PROVIDER_NODE
"""Name of its StatefulSet, Services, volume and ConfigMap; its pod is `provider-node-0`."""


def build(
    settings: settings.Settings,
    owner: objects.Owner,
    plan: provider_plan.ProviderNodePlan,
    now: datetime.datetime,
) -> list[dict[str, Any]]:
    """Return all of its objects; none unless the settings enable it.

    Args:
        settings: of the stack.
        owner: validator and provider.
        plan: of the node.
        now: time of the provider's block.
    """
    if not settings.provider_node.enabled:
        return []
    built = [
        _volume(settings, owner, plan),
        _config(settings, owner, plan.revision),
        _service(settings, owner),
        stateful_set(settings, owner, plan, now),
    ]
    return [*built, _exposed(settings, owner)] if settings.provider_node.expose else built


def signs_with(settings: settings.Settings, key: provider_key.ProviderKey) -> str:
    """Return a description of the key with which it signs."""
    secret = settings.provider_node.consensus_key
    if secret is None:
        return "nothing: a full node, because consensus_key is not set"
    if not key.is_given:
        return f"nothing: the key in Secret {secret} is not released on this volume"
    return f"the key in Secret {secret}"


def _metadata(
    settings: settings.Settings,
    owner: objects.Owner,
    notes: Mapping[str, str] | None = None,
    name: str = _NAME,
) -> dict[str, Any]:
    return owner.metadata(name, names.PROVIDER_NODE, settings.gateway.namespace, notes)


def _volume(
    settings: settings.Settings, owner: objects.Owner, plan: provider_plan.ProviderNodePlan
) -> dict[str, Any]:
    wanted = settings.provider_node
    spec: dict[str, Any] = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": plan.volume.size if plan.volume else wanted.storage}},
    }
    if wanted.storage_class:
        spec["storageClassName"] = wanted.storage_class
    metadata = owner.metadata(
        _NAME, names.PROVIDER_NODE, settings.gateway.namespace, objects.SKIP_AWAIT, is_retained=True
    )
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec}


def _files(settings: settings.Settings, revision: int) -> dict[str, str]:
    return {
        "config.toml": provider_node_files.config_toml(settings, revision),
        "app.toml": provider_node_files.app_toml(settings),
        "key-check.sh": key_check.script(revision),
        "start.sh": provider_node_files.start_script(revision),
    }


def _config(settings: settings.Settings, owner: objects.Owner, revision: int) -> dict[str, Any]:
    return objects.config_map(_metadata(settings, owner), _files(settings, revision))


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
        "metadata": _metadata(settings, owner, notes, f"{_NAME}-p2p"),
        "spec": {
            "type": "LoadBalancer",
            "selector": owner.labels(names.PROVIDER_NODE),
            "publishNotReadyAddresses": True,
            "ports": [_service_port("p2p", ports.POD_P2P)],
        },
    }


def _service_port(name: str, number: int) -> dict[str, Any]:
    return {"name": name, "port": number, "targetPort": name, "protocol": "TCP"}


def stateful_set(
    settings: settings.Settings,
    owner: objects.Owner,
    plan: provider_plan.ProviderNodePlan,
    now: datetime.datetime,
) -> dict[str, Any]:
    """Return the StatefulSet: one replica, so that two pods never share a key; see `node.build`.

    Args:
        settings: of the stack.
        owner: validator and provider.
        plan: of the node.
        now: time of the provider's block.
    """
    key = plan.key
    notes = {**objects.SKIP_AWAIT, names.SIGNS: signs_with(settings, key)}
    notes[names.WITHHELD] = "false" if key.is_given else "true"
    if key.is_given:
        notes[names.VOLUME_UID] = key.claim_uid
    spec = objects.pod_spec(
        [
            _container(settings, plan),
            *volume_use.containers(plan.version(settings.provider_node).image, plan.revision),
        ],
        _volumes(settings),
        initContainers=[*_fetching(settings), _key_check(settings, plan)],
        terminationGracePeriodSeconds=node.GRACE_SECONDS,
    )
    template = objects.node_template(
        owner.labels(names.PROVIDER_NODE),
        spec,
        settings.pods.merged(settings.provider_node.pods),
        {f"{names.DOMAIN}/config": objects.checksum(_files(settings, plan.revision))},
    )
    notes |= objects.revision_notes(template, plan.revision)
    notes |= node.software_notes(plan.version(settings.provider_node), plan.halt_height)
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": _metadata(settings, owner, notes),
        "spec": {
            "replicas": 1,
            "serviceName": _NAME,
            "podManagementPolicy": "Parallel",
            "selector": {"matchLabels": owner.labels(names.PROVIDER_NODE)},
            "updateStrategy": objects.update_strategy(template, plan.pod, now),
            "template": template,
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
            "env": objects.variables(environment),
            "securityContext": dict(objects.CONTAINER_SECURITY),
            "volumeMounts": [{"name": "data", "mountPath": node_files.DATA}],
        }
    ]


def _key_check(settings: settings.Settings, plan: provider_plan.ProviderNodePlan) -> dict[str, Any]:
    mounts = {name: path for name, path in _mounted(settings).items() if name in ("config", "consensus-key")}
    return key_check.container(
        image=plan.version(settings.provider_node).image,
        script=node_files.KEY_CHECK,
        environment=_check_environment(plan.key),
        mounts=[{"name": name, "mountPath": path, "readOnly": True} for name, path in mounts.items()],
    )


def _check_environment(key: provider_key.ProviderKey) -> list[dict[str, Any]]:
    return key_check.environment(
        address="",
        key_folder=node_files.CONSENSUS_KEY,
        pod=names.PROVIDER_NODE_POD,
        is_withheld=not key.is_given,
        claim_uid=key.claim_uid,
    )


def _container(settings: settings.Settings, plan: provider_plan.ProviderNodePlan) -> dict[str, Any]:
    wanted = settings.provider_node
    version = plan.version(wanted)
    genesis = wanted.genesis.config_map if wanted.genesis is not None else None
    environment = {
        "BINARY": wanted.binary,
        "BINARY_HASH": version.binary_hash or "",
        "HOME": node.TEMPORARY,
        "GENESIS": provider_node_files.GENESIS if genesis is None else f"{node_files.GENESIS}/{genesis.key}",
        **node.upgrade_environment(version, plan.halt_height),
    }
    return {
        "name": names.NODE_CONTAINER,
        "image": version.image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["/bin/sh", f"{node_files.CONFIG}/start.sh"],
        "env": [
            *objects.variables(environment),
            *_check_environment(plan.key),
        ],
        "ports": [
            node.port("p2p", ports.POD_P2P),
            node.port("rpc", ports.POD_RPC),
            node.port("rest", ports.POD_REST),
            node.port("grpc", ports.POD_GRPC),
            *node.metrics_ports(plan.revision),
        ],
        "resources": {key: dict(value) for key, value in wanted.resources.items()},
        "securityContext": dict(objects.CONTAINER_SECURITY),
        **node.last_words(plan.revision),
        # A node may replay for a long time, or fetch a state snapshot, before it answers.
        "startupProbe": node.probe(period=10, failures=2160),
        "readinessProbe": node.probe(period=5, failures=3),
        "livenessProbe": node.probe(period=10, failures=6),
        "volumeMounts": [
            {"name": "data", "mountPath": node_files.DATA},
            {"name": "tmp", "mountPath": node.TEMPORARY},
            *key_check.own_mounts(),
            *(
                {"name": name, "mountPath": path, "readOnly": True}
                for name, path in _mounted(settings).items()
            ),
        ],
    }


def _mounted(settings: settings.Settings) -> dict[str, str]:
    """Return the mount path of each volume that the settings require."""
    wanted = settings.provider_node
    paths = {"config": node_files.CONFIG}
    if wanted.genesis is not None and wanted.genesis.config_map is not None:
        paths["genesis"] = node_files.GENESIS
    if wanted.node_key is not None:
        paths["node-key"] = node_files.NODE_KEY
    if wanted.consensus_key is not None:
        paths["consensus-key"] = node_files.CONSENSUS_KEY
    return paths


def _volumes(settings: settings.Settings) -> list[dict[str, Any]]:
    wanted = settings.provider_node
    volumes: list[dict[str, Any]] = [
        {"name": "data", "persistentVolumeClaim": {"claimName": _NAME}},
        {"name": "tmp", "emptyDir": {}},
        {"name": "config", "configMap": {"name": _NAME}},
        *key_check.volumes(names.PROVIDER_SIGNING),
    ]
    if wanted.genesis is not None and wanted.genesis.config_map is not None:
        volumes.append({"name": "genesis", "configMap": {"name": wanted.genesis.config_map.name}})
    for name, secret in (("node-key", wanted.node_key), ("consensus-key", wanted.consensus_key)):
        if secret is not None:
            volumes.append({"name": name, "secret": {"secretName": secret, "defaultMode": node.FILE_MODE}})
    return volumes
