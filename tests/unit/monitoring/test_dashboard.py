"""The dashboard as Grafana reads it; `tests/monitoring` asks its queries of a real Prometheus."""

import itertools
import json
import re

from ics.monitoring import dashboard, metrics

OTHERS = {
    "cometbft_consensus_rounds",
    "cometbft_consensus_missing_validators",
    "process_start_time_seconds",
    "tx_latency_submitted_bucket",
    "ws_reconnect_total",
}
"""Metrics of nodes and of Hermes."""
LEFT_OUT = {
    *("ics_acting", "ics_ready", "ics_provider_height", "ics_provider_block_timestamp_seconds"),
    *("ics_last_successful_pass_timestamp_seconds", "ics_events_connected", "ics_pods_watched"),
    *("ics_endpoint_height", "ics_validator_bonded", "ics_validator_jailed", "ics_chains"),
    *("ics_chain_wanted", "ics_chain_staged", "ics_chain_opted_in", "ics_chain_must_validate"),
    *("ics_chain_key_matches", "ics_chain_sign_state_ready", "ics_node_up", "ics_node_ready"),
    *("ics_node_catching_up", "ics_node_app_height", "ics_signing_window_blocks", "ics_upgrade_height"),
    *("ics_upgrade_ready", "ics_client_trusting_period_seconds", "ics_client_frozen", "ics_relayer_up"),
    *("ics_packets_pending_since_timestamp_seconds", "ics_chain_fees", "ics_chain_relayer_funding"),
    *("ics_chain_rewards_commission", "ics_chain_rewards_outstanding"),
}
"""Shown as a condition or by an alert, or a part of what is shown."""


def used() -> set[str]:
    """Names of all metrics in its queries."""
    texts = [re.sub(r'"[^"]*"', "", text) for text in dashboard.expressions()]
    return {name for text in texts for name in re.findall(r"\b(\w+)(?=\{)", text)}


def test_every_metric_is_of_the_catalogue_or_of_a_program_that_is_scraped() -> None:
    series = set(metrics.BY_NAME) | {f"{metrics.PASS_DURATION.name}_bucket"}
    assert used() - series == OTHERS
    assert series - used() == LEFT_OUT | {metrics.BUILD_INFO.name, metrics.PASS_DURATION.name}


def test_panels_have_places_of_their_own() -> None:
    panels = dashboard.build()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    places = [panel["gridPos"] for panel in panels]
    assert all(place["x"] + place["w"] <= 24 for place in places)
    for one, other in itertools.combinations(places, 2):
        is_apart = (
            one["x"] + one["w"] <= other["x"]
            or other["x"] + other["w"] <= one["x"]
            or one["y"] + one["h"] <= other["y"]
            or other["y"] + other["h"] <= one["y"]
        )
        assert is_apart, (one, other)


def test_json_is_that_of_the_design() -> None:
    found = dashboard.build()
    assert found["uid"] == "ics-validator"
    assert [one["name"] for one in found["templating"]["list"]] == ["datasource", "validator", "chain"]
    rows = [panel["title"] for panel in found["panels"] if panel["type"] == "row"]
    assert rows == ["Now", "Conditions", "Chains", "Signing", "Nodes", "Relaying", "Operator"]
    assert [one["name"] for one in found["annotations"]["list"]] == ["Changes", "Upgrades", "Spawns"]
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_each_query_is_of_the_chosen_validator() -> None:
    assert [text for text in dashboard.expressions() if 'validator=~"$validator"' not in text] == []
