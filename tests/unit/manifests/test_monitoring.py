"""Objects of the Prometheus operator."""

from ics import names
from ics.manifests import monitoring
from ics.monitoring import rules
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
