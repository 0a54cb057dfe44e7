"""Grafana's dashboard of a validator, generated from a list of panels; pure.

Queries are PromQL over `ics.monitoring.metrics`, and over what CometBFT and Hermes serve themselves. `max by (…)` drops
pod and instance, so that neither a standby nor a restarted pod makes a second line.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

UID: Final = "ics-validator"
LABEL: Final = "grafana_dashboard"
"""Label of a ConfigMap that Grafana's side-car loads; its value is `1`."""
FILE: Final = f"{UID}.json"

_WIDTH: Final = 24
"""Columns of Grafana's grid."""
_SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
_V: Final = 'validator=~"$validator"'
_F: Final = f'{_V},chain_id=~"$chain"'
_C: Final = "validator, consumer_id, chain_id"
_CHAIN: Final = "{{chain_id}}"


@dataclass(frozen=True, slots=True)
class Query:
    """One query of a panel."""

    expression: str
    legend: str = ""
    is_instant: bool = False
    style: str = "time_series"
    """`time_series`, `table` or `heatmap`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One panel."""

    title: str
    kind: str
    """Grafana's type of panel."""
    queries: tuple[Query, ...]
    description: str = ""
    unit: str = "short"
    width: int = 8
    height: int = 8
    steps: tuple[tuple[float | None, str], ...] = ((None, "green"),)
    """Values from which on a colour is used."""
    mappings: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """By value, the text that is shown and its colour."""
    without_data: str = ""
    """Text of a panel without data."""
    options: Mapping[str, Any] = field(default_factory=dict)
    transformations: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """Panels below one heading."""

    title: str
    panels: tuple[Panel, ...]


def _latest(metric: str, labels: str = _C, more: str = "") -> str:
    return f"max by ({labels}) ({metric}{{{_F}{more}}})"


def _stat(title: str, expression: str, description: str, **more: Any) -> Panel:
    stat = {"colorMode": "background", "graphMode": "none", "reduceOptions": {"calcs": ["lastNotNull"]}}
    queries = (Query(expression, is_instant=True),)
    values = {"width": 4, "height": 4, "options": stat, **more}
    return Panel(title=title, kind="stat", queries=queries, description=description, **values)


def _lines(title: str, *queries: Query, **more: Any) -> Panel:
    legend = {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}}
    return Panel(title=title, kind="timeseries", queries=queries, options=legend, **more)


_YES_NO: Final = {"0": ("no", "red"), "1": ("yes", "green")}
_SEVERITIES: Final = {
    "0": ("ok", "green"),
    "1": ("info", "blue"),
    "2": ("warning", "orange"),
    "3": ("critical", "red"),
}
_DAYS_LEFT: Final = ((None, "red"), (86_400.0, "orange"), (345_600.0, "green"))
_SHARE_USED: Final = ((None, "green"), (0.5, "orange"), (0.85, "red"))


def _by_severity(labels: str) -> str:
    """Return the expression of conditions as numbers: 1 info, 2 warning, 3 critical."""
    parts = [
        f"""{_latest("ics_condition", f"{labels}, severity", f',severity="{name}"')} * {value}"""
        for value, name in ((3, "critical"), (2, "warning"), (1, "info"))
    ]
    return f"max by ({labels}) ({' or '.join(parts)})"


_NOW: Final = Row(
    "Now",
    (
        _stat("Chains that must sign", f"sum({_latest('ics_chain_in_set')})", "Running, with us in the set."),
        _stat(
            "Chains that sign",
            f"sum({_latest('ics_node_signing')} * on ({_C}) {_latest('ics_chain_in_set')})",
            "Whose last commit has the signature of the node here.",
        ),
        _stat(
            "Worst severity",
            f"max({_by_severity('validator')}) or vector(0)",
            "Of all conditions.",
            mappings=_SEVERITIES,
        ),
        _stat(
            "Next spawn",
            f"min({_latest('ics_chain_spawn_timestamp_seconds')} > time()) * 1000",
            "Next launch of a chain.",
            unit="dateTimeFromNow",
            without_data="none",
        ),
        _stat(
            "Next upgrade",
            f"min({_latest('ics_upgrade_expected_timestamp_seconds')} > time()) * 1000",
            "When the next upgrade of a chain is expected.",
            unit="dateTimeFromNow",
            without_data="none",
        ),
        _stat(
            "Lowest wallet",
            f"min({_latest('ics_wallet_balance', f'{_C}, purpose, denom')}"
            f" / {_latest('ics_wallet_target_balance', f'{_C}, purpose, denom')})",
            "Balance of a relayer's account, as a part of what passes top it up to.",
            unit="percentunit",
            steps=((None, "red"), (0.25, "orange"), (0.5, "green")),
            without_data="none",
        ),
        _stat(
            "Earliest client expiry",
            f"min({_latest('ics_client_expiry_timestamp_seconds', f'{_C}, host')} - time())",
            "Time until an IBC client expires if it is not updated.",
            unit="s",
            steps=_DAYS_LEFT,
            without_data="none",
        ),
    ),
)
_CONDITIONS: Final = Row(
    "Conditions",
    (
        Panel(
            title="Conditions",
            kind="state-timeline",
            queries=(Query(_by_severity(f"{_C}, reason"), f"{_CHAIN} {{{{reason}}}}"),),
            description="Each condition while it holds; without a chain: one of the validator.",
            width=_WIDTH,
            height=10,
            mappings=_SEVERITIES,
            without_data="no condition holds",
        ),
    ),
)
_COLUMNS: Final = (
    ("phase", f"{_latest('ics_chain_phase', f'{_C}, phase')} == 1"),
    ("height", _latest("ics_node_height")),
    ("signing", _latest("ics_node_signing")),
    (
        "missed of allowed",
        f"{_latest('ics_signing_missed_blocks')} / {_latest('ics_signing_allowed_missed_blocks')}",
    ),
    ("peers", _latest("ics_node_peers")),
    ("channel", _latest("ics_channel_open", _C, ',channel="ccv"')),
    ("version", _latest("ics_chain_info", f"{_C}, image")),
)
_TABLE: Final = Row(
    "Chains",
    (
        Panel(
            title="Chains",
            kind="table",
            queries=tuple(Query(expression, name, True, "table") for name, expression in _COLUMNS),
            width=_WIDTH,
            transformations=(
                {"id": "merge", "options": {}},
                {
                    "id": "organize",
                    "options": {
                        "excludeByName": {"Time": True, "Value #A": True, "Value #G": True},
                        "renameByName": {
                            f"Value #{_letter}": name
                            for _letter, (name, _) in zip("ABCDEFG", _COLUMNS, strict=True)
                        },
                    },
                },
            ),
        ),
    ),
)
_SIGNING: Final = Row(
    "Signing",
    (
        Panel(
            title="Missed of allowed blocks",
            kind="bargauge",
            queries=(Query(_COLUMNS[3][1], _CHAIN, True),),
            description="Blocks of the window that were missed, as a part of those after which a validator is jailed.",
            unit="percentunit",
            steps=_SHARE_USED,
        ),
        _lines(
            "Signers of the last block",
            Query(f"{_latest('ics_node_signers')} / {_latest('ics_node_validators')}", _CHAIN),
            description="As a part of the chain's validators; at two thirds or less the chain stands still.",
            unit="percentunit",
        ),
        _lines(
            "Rounds",
            Query(f"max by (chain_id) (cometbft_consensus_rounds{{{_F}}})", _CHAIN),
            description="Rounds of the present height, from the node itself.",
        ),
        _lines(
            "Missing validators",
            Query(f"max by (chain_id) (cometbft_consensus_missing_validators{{{_F}}})", _CHAIN),
            description="Validators that did not sign the last block, from the node itself.",
        ),
    ),
)
_NODES: Final = Row(
    "Nodes",
    (
        _lines("Blocks per minute", Query(f"60 * deriv(ics_node_height{{{_F}}}[5m])", _CHAIN)),
        _lines(
            "Age of the last block",
            Query(f"time() - {_latest('ics_node_block_timestamp_seconds')}", _CHAIN),
            unit="s",
        ),
        _lines(
            "Peers",
            Query(_latest("ics_node_peers"), _CHAIN),
            Query(_latest("ics_node_peers_missing"), f"{_CHAIN} missing"),
        ),
        _lines(
            "Restarts of nodes within an hour",
            Query(
                f"sum by (consumer_id) (changes(process_start_time_seconds{{{_V}}}[1h]))", "{{consumer_id}}"
            ),
        ),
        _lines(
            "Volume, and in four days",
            Query(f"{_latest('ics_volume_used_bytes')} / {_latest('ics_volume_size_bytes')}", _CHAIN),
            Query(
                f"max by ({_C}) (predict_linear(ics_volume_used_bytes{{{_F}}}[6h], 4 * 86400))"
                f" / {_latest('ics_volume_size_bytes')}",
                f"{_CHAIN} in four days",
            ),
            unit="percentunit",
            steps=_SHARE_USED,
        ),
    ),
)
_RELAYING: Final = Row(
    "Relaying",
    (
        _lines(
            "Time until clients expire",
            Query(
                f"{_latest('ics_client_expiry_timestamp_seconds', f'{_C}, host')} - time()",
                f"{_CHAIN} on the {{{{host}}}}",
            ),
            unit="s",
            steps=_DAYS_LEFT,
        ),
        _lines(
            "Pending packets",
            Query(_latest("ics_packets_pending", f"{_C}, direction"), f"{_CHAIN} {{{{direction}}}}"),
        ),
        _lines(
            "Wallets",
            Query(
                _latest("ics_wallet_balance", f"{_C}, purpose, denom"),
                f"{_CHAIN} {{{{purpose}}}} ({{{{denom}}}})",
            ),
        ),
        _lines(
            "Hermes: time to submit, 95 %",
            Query(
                f"histogram_quantile(0.95, sum by (le, chain) (rate(tx_latency_submitted_bucket{{{_V}}}[15m])))",
                "{{chain}}",
            ),
            unit="ms",
        ),
        _lines(
            "Hermes: reconnects within an hour",
            Query(f"sum by (chain) (increase(ws_reconnect_total{{{_V}}}[1h]))", "{{chain}}"),
        ),
    ),
)
_OPERATOR: Final = Row(
    "Operator",
    (
        _lines(
            "Passes",
            Query(f"sum by (result) (increase(ics_passes_total{{{_V}}}[5m]))", "{{result}}"),
            description="Within five minutes, by result.",
        ),
        Panel(
            title="Duration of passes",
            kind="heatmap",
            queries=(
                Query(
                    f"sum by (le) (increase(ics_pass_duration_seconds_bucket{{{_V}}}[5m]))",
                    "{{le}}",
                    style="heatmap",
                ),
            ),
            unit="s",
            options={"calculate": False, "yAxis": {"unit": "s"}},
        ),
        _lines("Wake-ups", Query(f"sum by (reason) (increase(ics_wakeups_total{{{_V}}}[5m]))", "{{reason}}")),
        _lines(
            "Changes and drift",
            Query(f"sum by (action, kind) (increase(ics_changes_total{{{_V}}}[5m]))", "{{action}} {{kind}}"),
            Query(f"sum by (kind) (increase(ics_drift_total{{{_V}}}[5m]))", "put back: {{kind}}"),
        ),
        _lines(
            "Transactions",
            Query(
                f"sum by (type, result) (increase(ics_transactions_total{{{_V}}}[1h]))", "{{type}} {{result}}"
            ),
        ),
        Panel(
            title="Endpoints",
            kind="state-timeline",
            queries=(Query(f"min by (kind, endpoint) (ics_endpoint_up{{{_V}}})", "{{kind}} {{endpoint}}"),),
            mappings=_YES_NO,
        ),
    ),
)
ROWS: Final = (_NOW, _CONDITIONS, _TABLE, _SIGNING, _NODES, _RELAYING, _OPERATOR)
_ANNOTATIONS: Final = (
    (
        "Changes",
        f"sum by (action, kind) (increase(ics_changes_total{{{_V}}}[1m])) > 0",
        "{{action}} {{kind}}",
        False,
    ),
    (
        "Upgrades",
        f"{_latest('ics_upgrade_expected_timestamp_seconds', f'{_C}, upgrade')} * 1000",
        f"upgrade of {_CHAIN} {{{{upgrade}}}}",
        True,
    ),
    (
        "Spawns",
        f"{_latest('ics_chain_spawn_timestamp_seconds')} * 1000",
        f"spawn time of {_CHAIN}",
        True,
    ),
)
"""Title, query, text, and whether the value is the time."""
_VARIABLES: Final = (
    ("validator", "label_values(ics_build_info, validator)"),
    ("chain", 'label_values(ics_chain_info{validator=~"$validator"}, chain_id)'),
)


def expressions() -> tuple[str, ...]:
    """Return every query of panels and annotations, with the variables of the dashboard in it."""
    of_panels = (query.expression for row in ROWS for panel in row.panels for query in panel.queries)
    return (*of_panels, *(expression for _, expression, _, _ in _ANNOTATIONS))


def build() -> dict[str, Any]:
    """Return the dashboard as Grafana's JSON (schema 39, which Grafana 10 and later read)."""
    return {
        "uid": UID,
        "title": "Consumer chains of a validator",
        "tags": ["ics-operator"],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "utc",
        "templating": {"list": [_datasource(), *(_variable(*each) for each in _VARIABLES)]},
        "annotations": {"list": [_annotation(*each) for each in _ANNOTATIONS]},
        "panels": list(_panels()),
    }


def _datasource() -> dict[str, Any]:
    return {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Data source"}


def _variable(name: str, query: str) -> dict[str, Any]:
    return {
        "name": name,
        "type": "query",
        "datasource": _SOURCE,
        "query": {"query": query, "refId": name},
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        # Conditions of the validator have an empty chain.
        "allValue": ".*",
        "current": {"text": ["All"], "value": ["$__all"]},
    }


def _annotation(name: str, expression: str, text: str, is_time: bool) -> dict[str, Any]:
    return {
        "name": name,
        "enable": True,
        "iconColor": "blue",
        "datasource": _SOURCE,
        "expr": expression,
        "titleFormat": text,
        "useValueForTime": "on" if is_time else "",
    }


def _panels() -> Iterator[dict[str, Any]]:
    """Yield rows and panels with their places, each row from left to right in lines as they fit."""
    number, top = 0, 0
    for row in ROWS:
        number += 1
        place = {"h": 1, "w": _WIDTH, "x": 0, "y": top}
        yield {
            "id": number,
            "type": "row",
            "title": row.title,
            "collapsed": False,
            "gridPos": place,
            "panels": [],
        }
        top, left, line = top + 1, 0, 0
        for panel in row.panels:
            if left + panel.width > _WIDTH:
                top, left, line = top + line, 0, 0
            number += 1
            yield _panel(panel, number, left, top)
            left, line = left + panel.width, max(line, panel.height)
        top += line


def _panel(panel: Panel, number: int, left: int, top: int) -> dict[str, Any]:
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": _SOURCE,
        "gridPos": {"h": panel.height, "w": panel.width, "x": left, "y": top},
        "targets": _targets(panel.queries),
        "options": dict(panel.options),
        "transformations": [dict(each) for each in panel.transformations],
        "fieldConfig": {
            "defaults": {
                "unit": panel.unit,
                "noValue": panel.without_data,
                "thresholds": {
                    "mode": "absolute",
                    "steps": [{"value": value, "color": color} for value, color in panel.steps],
                },
                "mappings": _mappings(panel.mappings),
            },
            "overrides": [],
        },
    }


def _targets(queries: Sequence[Query]) -> list[dict[str, Any]]:
    return [
        {
            "refId": chr(ord("A") + index),
            "datasource": _SOURCE,
            "expr": query.expression,
            "legendFormat": query.legend,
            "instant": query.is_instant,
            "range": not query.is_instant,
            "format": query.style,
        }
        for index, query in enumerate(queries)
    ]


def _mappings(mappings: Mapping[str, tuple[str, str]]) -> list[dict[str, Any]]:
    if not mappings:
        return []
    options = {
        value: {"text": text, "color": color, "index": index}
        for index, (value, (text, color)) in enumerate(mappings.items())
    }
    return [{"type": "value", "options": options}]
