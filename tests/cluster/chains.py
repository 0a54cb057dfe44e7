"""Manifests as the renderer would make them: a gateway and some chains of six objects each."""

import base64
from collections.abc import Iterable
from typing import Any

from ics import model, names
from ics.consumer import chain as consumer_chain
from ics.engines.applyset import members
from tests.unit import factories

KEY_NAME = names.consensus_key_name(factories.place_id())
"""Name of the Secret with the key of each chain."""


def manifests(
    validator: str, gateway: str, consumers: Iterable[int], *, image: str = "node:1"
) -> list[dict[str, Any]]:
    """The gateway's namespace and Service, and the objects of each chain."""
    found = [
        _object("v1", "Namespace", "", gateway, validator, gateway),
        _object(
            "v1",
            "Service",
            gateway,
            names.GATEWAY_SERVICE,
            validator,
            gateway,
            spec={"type": "LoadBalancer", "ports": [{"name": "c-0", "port": 27346, "targetPort": 26656}]},
        ),
    ]
    for consumer in consumers:
        found += chain(validator, gateway, str(consumer), image=image)
    return found


def chain(validator: str, gateway: str, consumer: str, *, image: str = "node:1") -> list[dict[str, Any]]:
    """Namespace, volume, key, genesis, Service and StatefulSet of one chain; the first three are retained."""
    namespace = f"{validator}-{consumer}"
    kept = {names.RETAIN: "true"}

    def made(
        api: str, kind: str, name: str, component: str, retained: bool = False, **rest: Any
    ) -> dict[str, Any]:
        where = "" if kind == "Namespace" else namespace
        extra = kept if retained else {}
        return _object(api, kind, where, name, validator, gateway, consumer, component, extra, **rest)

    selector = {names.CONSUMER: consumer, names.COMPONENT: names.NODE}
    container = {
        "name": "node",
        "image": image,
        "env": [{"name": "HOME", "value": "/data"}],
        "resources": {"requests": {"cpu": "250m", "memory": "512Mi"}},
    }
    return [
        made("v1", "Namespace", namespace, names.NAMESPACE, retained=True),
        made(
            "v1",
            "PersistentVolumeClaim",
            names.VOLUME_NAME,
            names.VOLUME,
            retained=True,
            spec={"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "10Gi"}}},
        ),
        made(
            "v1",
            "Secret",
            KEY_NAME,
            names.CONSENSUS_KEY,
            retained=True,
            data={"priv_validator_key.json": base64.b64encode(b"top secret").decode()},
        ),
        made(
            "v1",
            "ConfigMap",
            names.GENESIS_NAME,
            names.GENESIS,
            data={"genesis.json": "{}", "note": "a\nb\n"},
        ),
        made(
            "v1",
            "Service",
            names.NODE_NAME,
            names.NODE,
            spec={
                "selector": selector,
                "ports": [{"name": "p2p", "port": 26656}, {"name": "rpc", "port": 26657}],
            },
        ),
        made(
            "apps/v1",
            "StatefulSet",
            names.NODE_NAME,
            names.NODE,
            spec={
                "replicas": 1,
                "serviceName": names.NODE_NAME,
                "selector": {"matchLabels": selector},
                "template": {"metadata": {"labels": selector}, "spec": {"containers": [container]}},
            },
        ),
    ]


def plan(validator: str) -> consumer_chain.ChainPlan:
    """Return alice's plan of chain 0, in the namespace that `manifests` gives the chain."""
    own = place(validator)
    (found,) = factories.judge(
        factories.consumer(found=factories.joined("alice", "bob")),
        memory=factories.memories({"0": factories.on_record(own.namespace)}),
    ).chains
    assert found.key.place == own
    return found


def place(validator: str, consumer: str = "0") -> model.Place:
    """Return the place of the key of a chain, in the namespace that `manifests` gives the chain."""
    return factories.place(namespace=f"{validator}-{consumer}")


def _object(
    api: str,
    kind: str,
    namespace: str,
    name: str,
    validator: str,
    gateway: str,
    consumer: str = "",
    component: str = names.GATEWAY,
    extra: dict[str, str] | None = None,
    **rest: Any,
) -> dict[str, Any]:
    metadata: dict[str, Any] = {
        "name": name,
        "labels": {
            names.PART_OF_SET: members.set_id(validator, gateway),
            names.MANAGED_BY: names.MANAGER,
            names.VALIDATOR: validator,
            names.PROVIDER: "provider-1",
            names.COMPONENT: component,
            **({names.CONSUMER: consumer} if consumer else {}),
            **(extra or {}),
        },
    }
    if namespace:
        metadata["namespace"] = namespace
    return {"apiVersion": api, "kind": kind, "metadata": metadata, **rest}
