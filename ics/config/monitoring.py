"""Settings of notifications; pure."""

from collections.abc import Mapping
from typing import Literal

import pydantic

from ics.config import base, units
from ics.config.endpoint import Endpoint


class MonitoringSettings(base.Frozen):
    """Where conditions are reported to, besides `ics status`."""

    enabled: Literal["auto"] | bool = "auto"
    """Whether a PrometheusRule with all alerts, PodMonitors, and a ConfigMap with the dashboard for Grafana's side-car
    are objects of the stack; auto: if the cluster has the kinds of the Prometheus operator."""
    labels: Mapping[str, str] = pydantic.Field(default_factory=dict)
    """Labels of the PrometheusRule and the PodMonitors, by which Prometheus selects them."""
    runbooks: str = "docs/runbooks.md"
    """Address of the page of runbooks, for the alerts' annotation `runbook_url`."""
    chain_objects: bool = True
    """Whether passes write a `ConsumerChain` object about each chain, for `kubectl get consumerchains -A`."""

    alertmanager: tuple[Endpoint, ...] = ()
    """Addresses of Alertmanagers, to each of which every pass pushes its warnings and critical conditions as alerts: a
    URL, or `{url, headers}`."""
    resolve_after: units.Duration = pydantic.Field(default=300, ge=60)
    """Time after the last push of an alert at which it is resolved; longer than the interval between two passes, and
    at least twice `daemon.polling.background`; default 5m."""
    watchdog: bool = False
    """Whether every pass also pushes the alert `IcsWatchdog`, which resolves once passes have stopped: for a dead man's
    switch. Route it there first, as `ics show alertmanager` does."""
