"""Judges NetworkPolicies as Kubernetes defines them: whether one pod or address may reach a port of another.

https://kubernetes.io/docs/concepts/services-networking/network-policies/: a pod that a policy selects for a direction
is closed in it but for what any policy opens; both ends must allow a connection. An address block is taken to match
pods too, which some network plugins do not do: what is said to be closed is closed with all of them.
"""

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ics import model


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """One end of a connection: a pod, or an address outside of the cluster."""

    address: str
    namespace: str = ""
    """Empty: not a pod."""
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def namespace_labels(self) -> Mapping[str, str]:
        return {"kubernetes.io/metadata.name": self.namespace}


def is_open(
    policies: Iterable[model.Manifest], source: End, target: End, port: int, protocol: str = "TCP"
) -> bool:
    """Return whether the source may open a connection to a port of the target."""
    found = [one for one in policies if one["kind"] == "NetworkPolicy"]
    return all(
        _is_open_at(found, own, other, direction, port, protocol)
        for own, other, direction in ((source, target, "Egress"), (target, source, "Ingress"))
    )


def _is_open_at(
    policies: Sequence[model.Manifest], own: End, other: End, direction: str, port: int, protocol: str
) -> bool:
    selecting = [
        one["spec"]
        for one in policies
        if own.namespace == one["metadata"]["namespace"]
        and direction in one["spec"]["policyTypes"]
        and _selects(one["spec"]["podSelector"], own.labels)
    ]
    key = "to" if direction == "Egress" else "from"
    rules = [(own.namespace, rule) for spec in selecting for rule in spec.get(direction.lower()) or ()]
    return not selecting or any(
        _has_port(rule.get("ports"), port, protocol)
        and (not rule.get(key) or any(_is_peer(peer, other, namespace) for peer in rule[key]))
        for namespace, rule in rules
    )


def _has_port(ports: Sequence[Mapping[str, Any]] | None, port: int, protocol: str) -> bool:
    return not ports or any(
        one.get("protocol", "TCP") == protocol
        and ("port" not in one or one["port"] <= port <= one.get("endPort", one["port"]))
        for one in ports
    )


def _is_peer(peer: Mapping[str, Any], end: End, namespace: str) -> bool:
    if "ipBlock" in peer:
        block = peer["ipBlock"]
        address = ipaddress.ip_address(end.address)
        return address in ipaddress.ip_network(block["cidr"]) and not any(
            address in ipaddress.ip_network(cidr) for cidr in block.get("except") or ()
        )
    if not end.namespace:
        return False
    is_there = (
        _selects(peer["namespaceSelector"], end.namespace_labels)
        if "namespaceSelector" in peer
        else end.namespace == namespace
    )
    return is_there and _selects(peer.get("podSelector") or {}, end.labels)


def _selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    wanted = selector.get("matchLabels") or {}
    return all(labels.get(key) == value for key, value in wanted.items()) and all(
        _fits(one, labels) for one in selector.get("matchExpressions") or ()
    )


def _fits(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    value, operator = labels.get(expression["key"]), expression["operator"]
    if operator in ("In", "NotIn"):
        return (value in expression["values"]) is (operator == "In")
    return (value is not None) is (operator == "Exists")
