"""Settings of notifications; pure."""

import pydantic

from ics.config import base, units
from ics.config.endpoint import Endpoint


class MonitoringSettings(base.Frozen):
    """Where conditions are reported to, besides `ics status`."""

    chain_objects: bool = True
    """Whether passes write a `ConsumerChain` object about each chain, for `kubectl get consumerchains -A`."""

    alertmanager: tuple[Endpoint, ...] = ()
    """Addresses of Alertmanagers, to each of which every pass pushes its warnings and critical conditions as alerts: a
    URL, or `{url, headers}`."""
    resolve_after: units.Duration = pydantic.Field(default=300, ge=60)
    """Time after the last push of an alert at which it is resolved; longer than the interval between two passes;
    default 5m."""
