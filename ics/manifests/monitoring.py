"""Objects of the Prometheus operator: all alerts, and which pods are scraped; pure.

They are printed for `kubectl apply` and are not part of the validator's set. Prometheus looks for them in a namespace,
and by labels, of its own (prometheus-operator, api/monitoring/v1).
"""

from collections.abc import Mapping
from typing import Any, Final

from ics import names
from ics.monitoring import rules

_API: Final = "monitoring.coreos.com/v1"
_MONITORS: Final = (
    ("ics-reconciler", names.RECONCILER, "http"),
    ("ics-nodes", names.NODE, "metrics"),
    ("ics-hermes", names.HERMES, "telemetry"),
)
"""Name, component whose pods it scrapes, port of their container. The Hermes of the evidence watch has no metrics."""
_TARGETS: Final = {"validator": names.VALIDATOR, "consumer_id": names.CONSUMER}
"""Labels of the series, and the labels of pods from which they come."""
_NO_SERIES_OF_OURS: Final = {"action": "drop", "sourceLabels": ["__name__"], "regex": "ics_.*"}


def build(namespace: str, labels: Mapping[str, str], runbooks: str) -> list[dict[str, Any]]:
    """Return a PrometheusRule, and a PodMonitor for each kind of pod.

    Args:
        namespace: in which Prometheus looks for them.
        labels: by which it selects them.
        runbooks: address of the page of runbooks.
    """

    def metadata(name: str) -> dict[str, Any]:
        return {"name": name, "namespace": namespace, "labels": {names.MANAGED_BY: names.MANAGER, **labels}}

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
            "spec": _monitor(component, port),
        }
        for name, component, port in _MONITORS
    ]
    return [rule, *monitors]


def _monitor(component: str, port: str) -> dict[str, Any]:
    endpoint: dict[str, Any] = {"port": port, "path": "/metrics", "interval": "30s"}
    if component != names.RECONCILER:
        # The programs of chains are others': they get labels, and may not serve series in this product's name.
        endpoint |= {"relabelings": _relabelings(), "metricRelabelings": [_NO_SERIES_OF_OURS]}
    return {
        "namespaceSelector": {"any": True},
        "selector": {"matchLabels": {names.MANAGED_BY: names.MANAGER, names.COMPONENT: component}},
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
