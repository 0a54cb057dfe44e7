"""Alerts, scrapes and dashboard: objects of the Prometheus operator, and a ConfigMap for Grafana's side-car; pure.

Where the cluster has the operator's kinds, they are part of the validator's set; for other set-ups they are printed for
`kubectl apply`. Prometheus looks for them by labels of its own (prometheus-operator, api/monitoring/v1).
"""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from ics import names
from ics.consumer import desired
from ics.manifests import objects
from ics.monitoring import dashboard, rules

_API: Final = "monitoring.coreos.com/v1"
_MONITORS: Final = (
    ("ics-reconciler", names.RECONCILER, "http"),
    ("ics-nodes", names.NODE, "metrics"),
    ("ics-hermes", names.HERMES, "telemetry"),
)
"""Name, component whose pods it scrapes, port of their container. The Hermes of the evidence watch has no metrics."""
_DASHBOARD: Final = "ics-dashboard"
"""ConfigMap."""
_TARGETS: Final = {"validator": names.VALIDATOR, "consumer_id": names.CONSUMER}
"""Labels of the series, and the labels of pods from which they come."""
_NO_SERIES_OF_OURS: Final = {"action": "drop", "sourceLabels": ["__name__"], "regex": "ics_.*"}


def of_stack(desired: desired.Desired, owner: objects.Owner) -> list[dict[str, Any]]:
    """Return the objects of a stack that has them, in the gateway's namespace.

    Args:
        desired: the desired state.
        owner: validator and provider.
    """
    settings, namespace = desired.settings.monitoring, desired.settings.gateway.namespace

    def metadata(name: str) -> dict[str, Any]:
        own = owner.metadata(name, names.MONITORING, namespace)
        return {**own, "labels": {**settings.labels, **own["labels"]}}

    found = owner.metadata(_DASHBOARD, names.MONITORING, namespace)
    found["labels"][dashboard.LABEL] = "1"
    text = json.dumps(dashboard.build(), indent=1, sort_keys=True)
    board = objects.config_map(found, {dashboard.FILE: text})
    return [*_built(metadata, settings.runbooks, {names.VALIDATOR: owner.validator}), board]


def build(namespace: str, labels: Mapping[str, str], runbooks: str) -> list[dict[str, Any]]:
    """Return a PrometheusRule, and a PodMonitor for each kind of pod of all validators.

    Args:
        namespace: in which Prometheus looks for them.
        labels: by which it selects them.
        runbooks: address of the page of runbooks.
    """

    def metadata(name: str) -> dict[str, Any]:
        return {"name": name, "namespace": namespace, "labels": {names.MANAGED_BY: names.MANAGER, **labels}}

    return _built(metadata, runbooks, {})


def _built(
    metadata: Callable[[str], dict[str, Any]], runbooks: str, selected: Mapping[str, str]
) -> list[dict[str, Any]]:
    rule = {
        "apiVersion": _API,
        "kind": "PrometheusRule",
        "metadata": metadata(rules.GROUP),
        "spec": rules.rules(runbooks),
    }
    monitors = [
        {
            "apiVersion": _API,
            "kind": "PodMonitor",
            "metadata": metadata(name),
            "spec": _monitor(component, port, selected),
        }
        for name, component, port in _MONITORS
    ]
    return [rule, *monitors]


def _monitor(component: str, port: str, selected: Mapping[str, str]) -> dict[str, Any]:
    endpoint: dict[str, Any] = {"port": port, "path": "/metrics", "interval": "30s"}
    if component != names.RECONCILER:
        # The programs of chains are others': they get labels, and may not serve series in this product's name.
        endpoint |= {"relabelings": _relabelings(), "metricRelabelings": [_NO_SERIES_OF_OURS]}
    return {
        "namespaceSelector": {"any": True},
        "selector": {
            "matchLabels": {names.MANAGED_BY: names.MANAGER, names.COMPONENT: component, **selected}
        },
        "podMetricsEndpoints": [endpoint],
    }


def _relabelings() -> list[dict[str, Any]]:
    return [
        {
            "action": "replace",
            "sourceLabels": [f"__meta_kubernetes_pod_label_{_sanitized(label)}"],
            "targetLabel": target,
        }
        for target, label in _TARGETS.items()
    ]


def _sanitized(label: str) -> str:
    """Return a label's name as Prometheus' service discovery writes it."""
    return "".join(character if character.isalnum() else "_" for character in label)
