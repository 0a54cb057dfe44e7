"""A fault for each alert, as series over minutes: healthy, then faulty, then healthy again."""

from dataclasses import dataclass, field
from typing import Any

from ics.monitoring import alerts, rules

V = {"validator": "alice"}
C = {**V, "consumer_id": "0", "chain_id": "consumer1-1"}


def level(*parts: tuple[float, int]) -> str:
    """Return values that stay for a number of minutes each."""
    return " ".join(f"{value:g}+0x{minutes - 1}" for value, minutes in parts)


def series(name: str, labels: dict[str, str], values: str) -> dict[str, str]:
    """Return an input series of promtool."""
    shown = ",".join(f'{label}="{value}"' for label, value in labels.items())
    return {"series": f"{name}{{{shown}}}", "values": values}


@dataclass(frozen=True)
class Scenario:
    """Series with the minutes at which an alert fires, and at which it does not."""

    alert: str
    series: list[dict[str, str]]
    labels: dict[str, str]
    """Of the alert, without its severity."""
    fires: tuple[int, ...]
    quiet: tuple[int, ...]
    others: frozenset[str] = field(default=frozenset())
    """Alerts that fire beside it."""

    def document(self) -> dict[str, Any]:
        """Return the test of promtool."""
        checks = [
            {"eval_time": f"{minute}m", "alertname": self.alert, "exp_alerts": [self._expected()]}
            for minute in self.fires
        ]
        checks += [
            {"eval_time": f"{minute}m", "alertname": self.alert, "exp_alerts": []} for minute in self.quiet
        ]
        return {"name": self.alert, "interval": "1m", "input_series": self.series, "alert_rule_test": checks}

    def _expected(self) -> dict[str, Any]:
        [rule] = [rule for rule in rules.rules()["groups"][0]["rules"] if rule["alert"] == self.alert]
        return {
            "exp_labels": {**self.labels, **rule["labels"]},
            "exp_annotations": {name: self._filled(text) for name, text in rule["annotations"].items()},
        }

    def _filled(self, text: str) -> str:
        for label, value in self.labels.items():
            text = text.replace(f"{{{{ $labels.{label} }}}}", value)
        return text


def gauge(alert: str, name: str, labels: dict[str, str], fault: float, **more: Any) -> Scenario:
    """Return a scenario of a gauge that is at its fault's value from minute 10 to minute 90."""
    hold = next(one.hold for one in alerts.ALERTS if one.name == alert)
    minutes = {"": 0, "1m": 1, "2m": 2, "5m": 5, "10m": 10, "15m": 15, "30m": 30, "1h": 60}[hold]
    healthy = more.pop("healthy", 1 - fault)
    values = level((healthy, 10), (fault, 80), (healthy, 30))
    beside = more.pop("beside", [])
    shown = more.pop("shown", labels)
    before = (9, *((9 + minutes,) if minutes else ()))
    return Scenario(
        alert, [series(name, labels, values), *beside], shown, (10 + minutes, 89), (*before, 90), **more
    )


def condition(alert: str, reason: str, severity: str, shown: dict[str, str]) -> Scenario:
    """Return a scenario of a condition that holds from minute 10 to minute 90."""
    labels = {**C, "reason": reason, "severity": severity}
    values = "_x10 1+0x79 stale _x20"
    found = gauge(alert, "ics_condition", labels, 1, shown=shown)
    return Scenario(alert, [series("ics_condition", labels, values)], shown, found.fires, (9, 91))


UPGRADE = {**C, "upgrade": "v2", "source": "plan"}
ALWAYS = level((1, 120))
SPAWN = [
    series("ics_chain_spawn_timestamp_seconds", C, level((4800, 120))),
    series("ics_chain_wanted", C, ALWAYS),
]

SCENARIOS = (
    Scenario(
        "IcsReconcilerGone",
        [series("ics_build_info", {**V, "version": "1", "pod": "a"}, "1+0x9 stale _x19 1+0x20")],
        V,
        (15, 29),
        (9, 14, 30),
    ),
    Scenario(
        "IcsNoSuccessfulPass",
        # A standby takes over at minute 10, and its last pass succeeds at minute 20; the other one can read on.
        [
            series("ics_acting", {**V, "pod": "a"}, level((1, 10), (0, 70))),
            series("ics_acting", {**V, "pod": "b"}, level((0, 10), (1, 70))),
            series("ics_last_successful_pass_timestamp_seconds", {**V, "pod": "a"}, "0+60x80"),
            series(
                "ics_last_successful_pass_timestamp_seconds",
                {**V, "pod": "b"},
                "0+60x20 1200+0x28 3000+60x30",
            ),
        ],
        V,
        (33, 49),
        (20, 32, 50),
    ),
    Scenario(
        "IcsActing",
        [
            series("ics_acting", {**V, "pod": "a"}, level((1, 20), (0, 20), (1, 60))),
            series("ics_acting", {**V, "pod": "b"}, level((0, 60), (1, 20), (0, 20))),
        ],
        V,
        (25, 39, 65, 79),
        (19, 24, 40, 64, 80),
    ),
    gauge(
        "IcsEndpointDown",
        "ics_endpoint_up",
        {**V, "kind": "rest", "endpoint": "a:1317"},
        0,
        beside=[series("ics_endpoint_up", {**V, "kind": "rest", "endpoint": "b:1317"}, ALWAYS)],
    ),
    Scenario(
        "IcsTransactionFails",
        [
            series("ics_transactions_total", {**V, "type": "opt-in", "result": "confirmed"}, "0+1x120"),
            series(
                "ics_transactions_total",
                {**V, "type": "opt-in", "result": "refused"},
                level((0, 10), (1, 110)),
            ),
        ],
        {**V, "type": "opt-in"},
        (10, 38),
        (9, 41),
    ),
    condition("IcsChangeWaits", "NeedsConfirmation", "critical", C),
    gauge("IcsJailed", "ics_validator_jailed", V, 1),
    condition("IcsKeyTrouble", "KeyMismatch", "critical", {**C, "reason": "KeyMismatch"}),
    # The launch is at minute 80, and the node is ready at minute 90.
    Scenario(
        "IcsLaunchNear",
        [
            *SPAWN,
            series("ics_chain_phase", {**C, "phase": "INITIALIZED"}, ALWAYS),
            series("ics_chain_staged", C, level((0, 90), (1, 30))),
        ],
        C,
        (26, 89),
        (20, 25, 90),
    ),
    gauge(
        "IcsNodeDown",
        "ics_node_up",
        C,
        0,
        beside=[series("ics_chain_must_validate", C, ALWAYS)],
    ),
    gauge(
        "IcsNotSigning",
        "ics_node_signing",
        C,
        0,
        beside=[
            series("ics_chain_in_set", C, ALWAYS),
            # Another chain halts, which is no excuse for this one.
            series("ics_condition", {**C, "consumer_id": "1", "reason": "ChainHalted"}, ALWAYS),
        ],
    ),
    gauge(
        "IcsDowntimeNear",
        "ics_signing_missed_blocks",
        C,
        51,
        healthy=50,
        beside=[series("ics_signing_allowed_missed_blocks", C, level((100, 120)))],
    ),
    condition("IcsChainHalted", "ConsumerHalted", "warning", C),
    Scenario(
        "IcsVolumeFilling",
        [
            series("ics_volume_used_bytes", C, level((80, 10), (86, 80), (20, 30))),
            series("ics_volume_size_bytes", C, level((100, 120))),
        ],
        C,
        (40, 89),
        (9, 39, 90),
    ),
    # It grows by 5 % of its size in 100 minutes, until it is pruned.
    Scenario(
        "IcsVolumeFilling",
        [
            series("ics_volume_used_bytes", C, "50+0x9 50+0.05x60 20+0x30"),
            series("ics_volume_size_bytes", C, level((100, 120))),
        ],
        C,
        (69,),
        (9, 75),
    ),
    # A young volume, which at the rate of its first hours would be full soon, but is nearly empty.
    Scenario(
        "IcsVolumeFilling",
        [
            series("ics_volume_used_bytes", C, "0+0.4x119"),
            series("ics_volume_size_bytes", C, level((100, 120))),
        ],
        C,
        (),
        (30, 60, 119),
    ),
    # Less than a day away from minute 20 on; a later upgrade is not ready either, and no reason to call.
    Scenario(
        "IcsUpgradeUnready",
        [
            series("ics_upgrade_ready", UPGRADE, level((0, 80), (1, 40))),
            series("ics_upgrade_expected_timestamp_seconds", UPGRADE, level((86_400 + 1140, 120))),
            series("ics_upgrade_ready", {**UPGRADE, "upgrade": "v3"}, level((0, 120))),
            series(
                "ics_upgrade_expected_timestamp_seconds", {**UPGRADE, "upgrade": "v3"}, level((900_000, 120))
            ),
        ],
        {**C, "upgrade": "v2"},
        (25, 79),
        (19, 24, 80),
    ),
    gauge(
        "IcsClientExpires",
        "ics_client_expiry_timestamp_seconds",
        {**C, "host": "provider"},
        20_000,
        healthy=90_000,
        beside=[
            series("ics_client_trusting_period_seconds", {**C, "host": "provider"}, level((60_000, 120))),
            series("ics_client_expiry_timestamp_seconds", {**C, "host": "consumer"}, level((90_000, 120))),
            series("ics_client_trusting_period_seconds", {**C, "host": "consumer"}, level((60_000, 120))),
        ],
    ),
    gauge(
        "IcsChannelNotOpen",
        "ics_channel_open",
        {**C, "channel": "ccv"},
        0,
        shown=C,
        beside=[series("ics_chain_phase", {**C, "phase": "LAUNCHED"}, ALWAYS)],
    ),
    # In flight from minute 10 to minute 60; another one, from minute 70 on, is relayed within 15 minutes.
    Scenario(
        "IcsPacketsPending",
        [
            series(
                "ics_packets_pending_since_timestamp_seconds",
                {**C, "direction": "to_consumer"},
                level((0, 10), (600, 50), (0, 10), (4200, 15), (0, 35)),
            )
        ],
        {**C, "direction": "to_consumer"},
        (26, 59),
        (9, 25, 60, 84, 90),
    ),
    gauge(
        "IcsWalletLow",
        "ics_wallet_balance",
        {**C, "purpose": "relayer", "denom": "stake"},
        24,
        healthy=25,
        beside=[
            series(
                "ics_wallet_target_balance", {**C, "purpose": "relayer", "denom": "stake"}, level((100, 120))
            ),
            # One without a target is the operator's own business.
            series("ics_wallet_balance", {**C, "purpose": "consumer", "denom": "stake"}, level((0, 120))),
        ],
    ),
    condition("IcsCritical", "GenesisInvalid", "critical", {**C, "reason": "GenesisInvalid"}),
    Scenario("IcsWatchdog", [], {}, (0, 1, 60), ()),
)

HEALTHY = (
    series("ics_build_info", {**V, "version": "1"}, ALWAYS),
    series("ics_acting", {**V, "pod": "a"}, ALWAYS),
    series("ics_acting", {**V, "pod": "standby"}, level((0, 120))),
    series("ics_last_successful_pass_timestamp_seconds", {**V, "pod": "a"}, "0+60x120"),
    series("ics_last_successful_pass_timestamp_seconds", {**V, "pod": "standby"}, level((0, 120))),
    series("ics_endpoint_up", {**V, "kind": "rest", "endpoint": "a"}, ALWAYS),
    series("ics_transactions_total", {**V, "type": "opt-in", "result": "confirmed"}, "0+1x120"),
    series("ics_transactions_total", {**V, "type": "opt-in", "result": "unknown"}, level((0, 120))),
    series("ics_condition", {**C, "reason": "PeersMissing", "severity": "info"}, ALWAYS),
    series("ics_validator_jailed", V, level((0, 120))),
    # Launched long ago; a sign state that is missing is not about a launch.
    series("ics_chain_spawn_timestamp_seconds", C, level((60, 120))),
    series("ics_chain_wanted", C, ALWAYS),
    series("ics_chain_staged", C, level((0, 120))),
    series("ics_chain_phase", {**C, "phase": "INITIALIZED"}, level((0, 120))),
    series("ics_chain_phase", {**C, "phase": "LAUNCHED"}, ALWAYS),
    series("ics_chain_must_validate", C, ALWAYS),
    series("ics_node_up", C, ALWAYS),
    series("ics_node_signing", C, ALWAYS),
    series("ics_chain_in_set", C, ALWAYS),
    series("ics_signing_missed_blocks", C, level((0, 120))),
    series("ics_signing_allowed_missed_blocks", C, level((0, 120))),
    series("ics_channel_open", {**C, "channel": "ccv"}, ALWAYS),
    series("ics_channel_open", {**C, "channel": "transfer"}, level((0, 120))),
    series("ics_packets_pending_since_timestamp_seconds", {**C, "direction": "to_consumer"}, level((0, 120))),
    series("ics_client_expiry_timestamp_seconds", {**C, "host": "provider"}, "60000+60x120"),
    series("ics_client_trusting_period_seconds", {**C, "host": "provider"}, level((60_000, 120))),
    series("ics_wallet_balance", {**C, "purpose": "relayer", "denom": "stake"}, level((30, 120))),
    series("ics_wallet_target_balance", {**C, "purpose": "relayer", "denom": "stake"}, level((100, 120))),
)
"""Series of a validator without any trouble."""

WAITING = (
    series("ics_condition", {**C, "reason": "NeedsConfirmation", "severity": "critical"}, ALWAYS),
    series("ics_condition", {**C, "reason": "GenesisInvalid", "severity": "critical"}, "_x60 1+0x59"),
)
"""A change that waits for the operator, and later a fault of the same chain."""

HALTED = (
    series("ics_node_signing", C, level((0, 120))),
    series("ics_chain_in_set", C, ALWAYS),
    series("ics_condition", {**C, "reason": "ChainHalted", "severity": "warning"}, ALWAYS),
)
"""A chain that makes no blocks, which no signature can be missing from."""
