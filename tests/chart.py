"""Renders what the Helm chart takes from the product into its file: `python -m tests.chart`."""

import pathlib
from typing import Any

import yaml

from ics.config import settings
from ics.manifests import network_policies, objects, rights

CHART = pathlib.Path(__file__).resolve().parents[1] / "charts" / "ics-reconciler"
FILE = CHART / "files" / "product.yaml"
COMMAND = "python -m tests.chart"


def product() -> str:
    """Return the file: rights, network policy, security and defaults of the reconciler's pod."""
    subject = {"kind": "ServiceAccount", "name": "reconciler", "namespace": "provider"}
    rules = {one["kind"]: one["rules"] for one in rights.of_operator(subject, "provider") if "rules" in one}
    defaults = settings.ReconcilerSettings()
    values: dict[str, Any] = {
        "namespace": settings.GatewaySettings().namespace,
        "port": settings.DaemonSettings().port,
        "schedule": defaults.schedule,
        "resources": {key: dict(value) for key, value in defaults.resources.items()},
        "podSecurity": dict(objects.POD_SECURITY),
        "containerSecurity": dict(objects.CONTAINER_SECURITY),
        "egress": network_policies.reconciler_egress(),
        "clusterRules": rules["ClusterRole"],
        "gatewayRules": rules["Role"],
    }
    return f"# Rendered by {COMMAND}.\n{yaml.dump(values, Dumper=_NoAliases, sort_keys=False, width=110)}"


class _NoAliases(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        """Write every list and mapping where it is used."""
        return True


if __name__ == "__main__":
    FILE.write_text(product())
