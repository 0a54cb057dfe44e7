"""Objects of the Prometheus operator."""

import dataclasses
import json

from ics import names
from ics.consumer.monitoring_kinds import MonitoringKinds
from ics.manifests import monitoring
from ics.monitoring import dashboard, rules
from tests.unit import factories
from tests.unit.relayer import relaying

RUNBOOKS = "https://example.org/runbooks"
OBJECTS = monitoring.build("monitoring", {"release": "prometheus"}, RUNBOOKS)


def test_rule_has_all_alerts_where_prometheus_looks() -> None:
    rule = OBJECTS[0]
    assert (rule["apiVersion"], rule["kind"]) == ("monitoring.coreos.com/v1", "PrometheusRule")
    assert rule["metadata"] == {
        "name": "ics-operator",
        "namespace": "monitoring",
        "labels": {"app.kubernetes.io/managed-by": "ics-operator", "release": "prometheus"},
    }
    assert rule["spec"] == rules.rules(RUNBOOKS)


def test_pods_of_each_component_are_scraped_on_a_port_that_they_have() -> None:
    """The selectors match the labels of the pods that passes create, and the ports are those of their containers."""
    settings = factories.settings(
        seed={"secret": {"namespace": "s", "name": "n", "key": "k"}},
        account={"secret": {"namespace": "s", "name": "n", "key": "k"}},
        reconciler={"enabled": True, "image": "ics:1", "mode": "deployment"},
    )
    record = relaying.accepted(relaying.OPEN)
    desired = relaying.judge(relaying.OPEN, record=record, stack={})
    running = factories.rendered(desired)
    installed = factories.rendered(factories.judge(factories.snapshot(), stack=settings))
    templates = [
        manifest["spec"]["template"]
        for manifest in (*running.values(), *installed.values())
        if manifest["kind"] in ("StatefulSet", "Deployment")
    ]
    assert len(templates) >= 3
    scraped: dict[str, set[bool]] = {}
    for monitor in OBJECTS[1:]:
        [endpoint] = monitor["spec"]["podMetricsEndpoints"]
        fixed = monitor["spec"]["selector"]["matchLabels"]
        for template in templates:
            labels = template["metadata"]["labels"]
            if fixed.items() <= labels.items():
                ports = [
                    port["name"] for one in template["spec"]["containers"] for port in one.get("ports", ())
                ]
                scraped.setdefault(monitor["metadata"]["name"], set()).add(endpoint["port"] in ports)
    assert scraped == {"ics-reconciler": {True}, "ics-nodes": {True}, "ics-hermes": {True}}


def test_programs_of_chains_serve_no_series_in_the_name_of_this_product() -> None:
    endpoints = {
        monitor["metadata"]["name"]: monitor["spec"]["podMetricsEndpoints"][0] for monitor in OBJECTS[1:]
    }
    assert "relabelings" not in endpoints["ics-reconciler"]
    for name in ("ics-nodes", "ics-hermes"):
        assert endpoints[name]["metricRelabelings"] == [
            {"action": "drop", "sourceLabels": ["__name__"], "regex": "ics_.*"}
        ]
        assert [(one["sourceLabels"], one["targetLabel"]) for one in endpoints[name]["relabelings"]] == [
            (["__meta_kubernetes_pod_label_ics_operator_dev_validator"], "validator"),
            (["__meta_kubernetes_pod_label_ics_operator_dev_consumer_id"], "consumer_id"),
        ]
    assert names.DOMAIN == "ics-operator.dev"


def test_objects_of_a_stack_are_those_of_its_validator() -> None:
    settings = factories.settings(monitoring={"labels": {"release": "prometheus"}, "runbooks": RUNBOOKS})
    there = dataclasses.replace(
        factories.observation(snapshot=factories.snapshot()), monitoring=MonitoringKinds.THERE
    )
    found = factories.rendered(factories.judge(there, stack=settings))
    own = {
        name: manifest
        for name, manifest in found.items()
        if manifest["metadata"]["labels"][names.COMPONENT] == names.MONITORING
    }
    assert list(own) == [
        "ConfigMap/ics-dashboard",
        "PodMonitor/ics-hermes",
        "PodMonitor/ics-nodes",
        "PodMonitor/ics-reconciler",
        "PrometheusRule/ics-operator",
    ]
    for name, manifest in own.items():
        labels = manifest["metadata"]["labels"]
        assert manifest["metadata"]["namespace"] == settings.gateway.namespace
        assert labels[names.PART_OF_SET] == "set"
        assert labels.get("release") == (None if name.startswith("ConfigMap") else "prometheus")
    board = own.pop("ConfigMap/ics-dashboard")
    assert board["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert json.loads(board["data"]["ics-validator.json"]) == dashboard.build()
    assert own.pop("PrometheusRule/ics-operator")["spec"] == rules.rules(RUNBOOKS)
    selected = [manifest["spec"]["selector"]["matchLabels"][names.VALIDATOR] for manifest in own.values()]
    assert selected == ["alice"] * 3


def test_stack_without_the_kinds_has_none_of_them() -> None:
    found = factories.rendered(factories.judge(factories.snapshot()))
    components = {manifest["metadata"]["labels"][names.COMPONENT] for manifest in found.values()}
    assert names.MONITORING not in components
