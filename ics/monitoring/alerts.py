"""The catalogue of alerts: expression, severity, and the runbook of each; pure.

The expressions are PromQL over `ics.monitoring.metrics`. `max by (…)` drops pod and instance, so that neither a standby
nor a restarted pod makes a second alert.
"""

import enum
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from ics.conditions import Reason
from ics.consumer import jail


class AlertSeverity(enum.StrEnum):
    """Urgency of an alert, its label `severity`."""

    CRITICAL = "critical"
    """It calls for action now, at any hour."""
    WARNING = "warning"
    """It calls for action within a day."""
    NONE = "none"
    """Of the alert that always fires, for a dead man's switch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One alert with its runbook."""

    name: str
    severity: AlertSeverity
    hold: str
    """Duration for which the expression must hold, such as `5m`; empty: none."""
    expression: str
    summary: str
    """One line; `{{ $labels.NAME }}` stands for a label of the expression."""
    meaning: str
    impact: str
    look: str
    fix: str

    @property
    def anchor(self) -> str:
        """Anchor of its runbook on a page of all runbooks."""
        return self.name.lower()


_C: Final = "validator, consumer_id, chain_id"
_CHAIN: Final = "{{ $labels.chain_id }} (consumer {{ $labels.consumer_id }}) of {{ $labels.validator }}"


KEYS: Final = (
    Reason.KEY_MISMATCH,
    Reason.KEY_ELSEWHERE,
    Reason.KEY_SIGNS_ELSEWHERE,
    Reason.TWO_NODES,
    Reason.VOTE_NEEDED,
    Reason.KEY_SHARED,
    Reason.SIGNER_KEY_MISMATCH,
    Reason.SIGN_STATE_LOST,
    Reason.PROVIDER_KEY_IN_SET,
)
"""What may end in a double signature, or keeps a key from signing until the operator decides."""


def _condition(*reasons: Reason) -> str:
    return f'ics_condition{{reason=~"{"|".join(reasons)}"}}'


_WAITING: Final = _condition(Reason.NEEDS_CONFIRMATION)
_KEY_TROUBLE: Final = _condition(*KEYS)
_HALTED: Final = _condition(Reason.CHAIN_HALTED, Reason.CONSUMER_HALTED)
_NO_BLOCKS: Final = _condition(
    Reason.CHAIN_HALTED, Reason.WAITING_FOR_QUORUM, Reason.UPGRADE_HALTED, Reason.UPGRADING
)
_CRITICAL: Final = f'ics_condition{{severity="critical",reason!="{Reason.NEEDS_CONFIRMATION}"}}'
"""A change that waits has an alert of its own, which does not call at night: what runs goes on."""
_CCV: Final = 'ics_channel_open{channel="ccv"}'
_LAUNCHED: Final = 'ics_chain_phase{phase="LAUNCHED"}'
_INITIALIZED: Final = 'ics_chain_phase{phase="INITIALIZED"}'


ALERTS: Final = (
    Alert(
        name="IcsReconcilerGone",
        severity=AlertSeverity.CRITICAL,
        hold="5m",
        expression=(
            "group by (validator) (max_over_time(ics_build_info[1d])) unless group by (validator) (ics_build_info)"
        ),
        summary="no reconciler of {{ $labels.validator }} is scraped any more",
        meaning="Prometheus has scraped a reconciler of this validator within the last day, and finds none now.",
        impact="Nodes run and sign, but no chain is joined, launched or repaired, and no other alert fires.",
        look="`kubectl -n provider get pods,events`, or `systemctl status` of the unit; the targets page of Prometheus",
        fix=(
            "Start the reconciler again; every pass continues from where the last one ended. If it runs, open its port"
            " to Prometheus: `ics:cluster.metrics_from`. After an intended removal the alert ends within a day."
        ),
    ),
    Alert(
        name="IcsNoSuccessfulPass",
        severity=AlertSeverity.CRITICAL,
        hold="2m",
        # A standby that reads both must not hide that the process which acts cannot.
        expression=(
            "time() - max by (validator) (ics_last_successful_pass_timestamp_seconds and ics_acting == 1) > 600"
        ),
        summary="no pass of {{ $labels.validator }} has succeeded for ten minutes",
        meaning=(
            "The reconciler that acts has not been able to read the provider or the cluster for ten minutes, or passes"
            " from cron have stopped."
        ),
        impact="As without a reconciler: launches and losses are not noticed. Nodes run and sign.",
        look="`/readyz` of the daemon, or the output of the last pass: it names what does not answer; `ics doctor`",
        fix=(
            "Fix the endpoint, the cluster or the credentials that the message names; add a second address to"
            " `ics:provider.rest`. For passes from cron, see that cron still starts them."
        ),
    ),
    Alert(
        name="IcsActing",
        severity=AlertSeverity.CRITICAL,
        hold="5m",
        expression="sum by (validator) (ics_acting) != 1",
        summary="not exactly one reconciler acts for {{ $labels.validator }}",
        meaning="Of all processes that are scraped, none holds the Lease, or more than one says that it acts.",
        impact="Without one nothing is done. Two that act are two clusters, or a daemon beside passes from cron.",
        look="`ics_acting` by instance; `kubectl -n provider get lease`: who holds it; `/readyz` of each",
        fix=(
            "None: start one, or fix what its `/readyz` says. Two in two clusters: stop one of them at once, and read"
            " the page on moving a validator. A daemon beside cron: remove one of the two."
        ),
    ),
    Alert(
        name="IcsEndpointDown",
        severity=AlertSeverity.WARNING,
        hold="15m",
        expression="min by (validator, kind, endpoint) (ics_endpoint_up) == 0",
        summary="{{ $labels.kind }} endpoint {{ $labels.endpoint }} of {{ $labels.validator }} is not usable",
        meaning="An endpoint of the provider is down, lags, belongs to another chain or contradicts the others.",
        impact="Another endpoint is used. If it was the last one, passes fail and `IcsNoSuccessfulPass` follows.",
        look="`ics doctor`: the address with the reason; conditions `EndpointTrouble` and `EndpointOfOtherChain`",
        fix="Fix the endpoint, or replace it in `ics:provider`.",
    ),
    Alert(
        name="IcsTransactionFails",
        severity=AlertSeverity.WARNING,
        hold="",
        expression=(
            'sum by (validator, type) (increase(ics_transactions_total{result!="confirmed"}[30m])) > 0'
        ),
        summary="a transaction of {{ $labels.validator }} failed: {{ $labels.type }}",
        meaning="A transaction was refused, or not confirmed in time, within the last half hour.",
        impact="opt-in, assign-key: a chain may launch without this validator. top-up: a relayer may lose its funds.",
        look="`ics status` and the log of the pass: `TransactionFailed`, `GasPriceHigh`, `GasRefused`, `NoAccount`",
        fix="Do what the condition says; usually fund the account, or raise `ics:provider.max_gas_price`.",
    ),
    Alert(
        name="IcsChangeWaits",
        severity=AlertSeverity.WARNING,
        hold="1h",
        expression=f"max by ({_C}) ({_WAITING}) > 0",
        summary=f"a change waits for a confirmation: {_CHAIN}",
        meaning="A change would delete or replace something, so passes make it only once it is confirmed.",
        impact=(
            "What runs goes on. A volume or a namespace is only left as it is; anything else keeps all other changes of"
            " its chain waiting, too, such as an upgrade."
        ),
        look="`ics plan`: the change, why it needs a confirmation, and its name",
        fix="Take back what led to the change; if it is wanted, run `ics up --confirm NAME`.",
    ),
    Alert(
        name="IcsJailed",
        severity=AlertSeverity.CRITICAL,
        hold="",
        expression="max by (validator) (ics_validator_jailed) > 0",
        summary="{{ $labels.validator }} is jailed on the provider",
        meaning="The provider has jailed this validator, for downtime on the provider or on a consumer chain.",
        impact="No chain counts its signatures, it earns nothing, and it joins no further chain.",
        look="`ics status`: which chain does not sign; the provider's slashing module for the end of the jail time",
        fix="Make sure that all nodes are healthy and sign, then run `ics unjail`.",
    ),
    Alert(
        name="IcsKeyTrouble",
        severity=AlertSeverity.CRITICAL,
        hold="1m",
        expression=f"max by ({_C}, reason) ({_KEY_TROUBLE}) > 0",
        summary=f"{{{{ $labels.reason }}}}: {_CHAIN}",
        meaning="A consensus key is at two places, is not the one of the chain, or has lost its sign state.",
        impact=(
            "The node runs without its key until it is safe to sign. Blocks are missed meanwhile; a key at two places"
            " may end in a double signature, for which a validator is tombstoned."
        ),
        look="`ics status`: the message of this condition; the page on signing",
        fix=(
            "Never copy keys or volumes to make it go away. Do what the message says: it names the one command that is"
            " safe in this situation."
        ),
    ),
    Alert(
        name="IcsLaunchNear",
        severity=AlertSeverity.CRITICAL,
        hold="5m",
        expression=(
            f"(max by ({_C}) (ics_chain_spawn_timestamp_seconds) - time() < 3600)"
            f" and on ({_C}) (max by ({_C}) ({_INITIALIZED}) == 1)"
            f" and on ({_C}) (max by ({_C}) (ics_chain_staged) == 0)"
            f" and on ({_C}) (max by ({_C}) (ics_chain_wanted) == 1)"
        ),
        summary=f"the launch is less than an hour away and the node is not ready: {_CHAIN}",
        meaning="The chain's spawn time is near, and its objects or its sign state are not there yet.",
        impact="The chain may launch without this validator's signature.",
        look="`ics status`: the conditions and the checklist of the chain; `ics plan`",
        fix="Fix the worst condition first: image, volume, genesis, account. Everything goes on with the next pass.",
    ),
    Alert(
        name="IcsNodeDown",
        severity=AlertSeverity.CRITICAL,
        hold="5m",
        expression=(
            f"(max by ({_C}) (ics_node_up) == 0) and on ({_C}) (max by ({_C}) (ics_chain_must_validate) == 1)"
        ),
        summary=f"the node does not answer: {_CHAIN}",
        meaning="The node of a chain that this validator has to validate has not answered for five minutes.",
        impact="Blocks are missed. After the chain's window the validator is jailed.",
        look="`ics status`; `kubectl -n NAMESPACE describe pod node-0`; `kubectl -n NAMESPACE logs node-0`",
        fix=(
            "Do what the conditions `PodWaiting`, `PodMissing` or `NodeUnreachable` say: image, volume, memory, host. A"
            " host that is cordoned takes no pods: `kubectl uncordon HOST`. The node then starts without help."
        ),
    ),
    Alert(
        name="IcsNotSigning",
        severity=AlertSeverity.CRITICAL,
        hold="2m",
        expression=(
            f"(max by ({_C}) (ics_node_signing) == 0)"
            f" and on ({_C}) (max by ({_C}) (ics_chain_in_set) == 1)"
            f" unless on ({_C}) (max by ({_C}) ({_NO_BLOCKS}) == 1)"
        ),
        summary=f"the validator does not sign: {_CHAIN}",
        meaning="The chain has the validator in its set and makes blocks, and its node did not sign the last ones.",
        impact="Blocks are missed. After the chain's window the validator is jailed.",
        look="`ics status`: SIGNING, peers and the conditions of the key; `kubectl -n NAMESPACE logs node-0`",
        fix=(
            "A node that is down or catches up signs again on its own. Without peers: `ics peers update CONSUMER_ID`."
            " With a condition of its key, do what that says. Never start a second node."
        ),
    ),
    Alert(
        name="IcsDowntimeNear",
        severity=AlertSeverity.CRITICAL,
        hold="1m",
        expression=(
            f"max by ({_C}) (ics_signing_missed_blocks)"
            f" / on ({_C}) max by ({_C}) (ics_signing_allowed_missed_blocks) > {jail.NEAR:g}"
        ),
        summary=f"more than half of the blocks that may be missed are missed: {_CHAIN}",
        meaning="The chain's slashing module counts more than half of the missed blocks that it allows in its window.",
        impact="Once all of them are missed, the provider jails the validator, and every chain loses its signature.",
        look="The condition `DowntimeNear`; `ics_signing_missed_blocks` and `ics_signing_allowed_missed_blocks`",
        fix="Make the node sign: see IcsNotSigning and IcsNodeDown. The count falls as the window moves on.",
    ),
    Alert(
        name="IcsChainHalted",
        severity=AlertSeverity.WARNING,
        hold="10m",
        expression=f"max by ({_C}) ({_HALTED}) > 0",
        summary=f"the chain makes no blocks: {_CHAIN}",
        meaning="No peer has a newer block: two thirds of the voting power must sign again.",
        impact="Nothing is relayed, and IBC clients of the chain come closer to their expiry.",
        look=(
            "`ics status`: signers of the last block; `ics endpoint check`: which other nodes are down; the chain's own"
            " channel of announcements"
        ),
        fix="Nothing here, if this node is healthy. Ask the other validators to start their nodes.",
    ),
    Alert(
        name="IcsUpgradeUnready",
        severity=AlertSeverity.CRITICAL,
        hold="5m",
        expression=(
            f"(max by ({_C}, upgrade) (ics_upgrade_ready) == 0) and on ({_C}, upgrade)"
            f" (max by ({_C}, upgrade) (ics_upgrade_expected_timestamp_seconds) - time() < 86400)"
        ),
        summary=f"upgrade {{{{ $labels.upgrade }}}} is less than a day away and not ready: {_CHAIN}",
        meaning="The next upgrade of the chain is expected within a day, and its image is not known or not pulled.",
        impact="At that height the node stops, and misses blocks until it gets the next version.",
        look="`ics upgrade plan CONSUMER_ID`; `ics status`: `UpgradeImageMissing`, `UpgradeDiffers`",
        fix=(
            "Add the upgrade with the image of the chain's release to `upgrades` of its definition, or correct the"
            " image. Everything else is done by the passes."
        ),
    ),
    Alert(
        name="IcsVolumeFilling",
        severity=AlertSeverity.WARNING,
        hold="30m",
        expression=(
            f"(max by ({_C}) (ics_volume_used_bytes) / on ({_C}) max by ({_C}) (ics_volume_size_bytes) > 0.85)"
            f" or ((max by ({_C}) (predict_linear(ics_volume_used_bytes[6h], 345600))"
            f" > on ({_C}) max by ({_C}) (ics_volume_size_bytes))"
            f" and on ({_C}) (max by ({_C}) (ics_volume_used_bytes)"
            f" / on ({_C}) max by ({_C}) (ics_volume_size_bytes) > 0.5))"
        ),
        summary=f"the node's volume fills up: {_CHAIN}",
        meaning=(
            "The volume is 85 % full, or it is half full and will be full within four days at the rate of the last six"
            " hours."
        ),
        impact="A node whose volume is full stops, and blocks are missed.",
        look="`ics status`: `VolumeFilling`; `kubectl -n NAMESPACE get pvc`",
        fix=(
            "Let volumes grow with `ics:node.volume.max`, or raise `storage` in the chain's definition; or prune more:"
            " `pruning` in its definition."
        ),
    ),
    Alert(
        name="IcsClientExpires",
        severity=AlertSeverity.CRITICAL,
        hold="5m",
        expression=(
            f"(max by ({_C}, host) (ics_client_expiry_timestamp_seconds) - time())"
            f" < on ({_C}, host) 0.33 * max by ({_C}, host) (ics_client_trusting_period_seconds)"
        ),
        summary=f"the IBC client on the {{{{ $labels.host }}}} was not updated for long: {_CHAIN}",
        meaning="An IBC client has less than a third of its trusting period left.",
        impact="Once it has expired, only a governance vote can recover it, and the chain stands apart meanwhile.",
        look="`ics hermes status CONSUMER_ID --verbose`: balances, channel, the last error of Hermes",
        fix=(
            "Fund the relayer's accounts, let Hermes run again, or ask for blocks of a halted chain. Any relayer of any"
            " validator may update the client."
        ),
    ),
    Alert(
        name="IcsChannelNotOpen",
        severity=AlertSeverity.WARNING,
        hold="30m",
        expression=(f"(max by ({_C}) ({_CCV}) == 0) and on ({_C}) (max by ({_C}) ({_LAUNCHED}) == 1)"),
        summary=f"the CCV channel is not open: {_CHAIN}",
        meaning="The chain was launched half an hour ago or more, and its channel to the provider is not open.",
        impact="Updates of the validator set and rewards do not pass between the chains.",
        look="`ics hermes status CONSUMER_ID --verbose`; the Jobs in the chain's namespace",
        fix="Fix `StepFailed`, `WalletEmpty` or `RelayerUnfunded`; the handshake continues in the next pass.",
    ),
    Alert(
        name="IcsPacketsPending",
        severity=AlertSeverity.WARNING,
        hold="",
        expression=(
            f"time() - min by ({_C}, direction) (ics_packets_pending_since_timestamp_seconds > 0) > 900"
        ),
        summary=f"a packet was not relayed for 15 minutes ({{{{ $labels.direction }}}}): {_CHAIN}",
        meaning="The oldest packet of the CCV channel has had no acknowledgement for a quarter of an hour.",
        impact="Changes of the validator set, a new key among them, do not reach the chain.",
        look="`ics hermes status CONSUMER_ID --verbose`; the logs of Hermes",
        fix="Fund the relayer's accounts, or restart Hermes: `kubectl -n NAMESPACE rollout restart deployment/hermes`.",
    ),
    Alert(
        name="IcsWalletLow",
        severity=AlertSeverity.WARNING,
        hold="10m",
        expression=(
            f"max by ({_C}, purpose, denom) (ics_wallet_balance)"
            f" < on ({_C}, purpose, denom) 0.25 * max by ({_C}, purpose, denom) (ics_wallet_target_balance)"
        ),
        summary=f"the account for {{{{ $labels.purpose }}}} is low: {_CHAIN}",
        meaning="A relayer's account has less than a quarter of its target, so top-ups fail or are limited.",
        impact="Hermes soon relays nothing on the provider.",
        look="`ics hermes status CONSUMER_ID`; conditions `TopUpsLimited` and `TransactionFailed`",
        fix="Fund the account of `ics:account`, or raise `ics:relayer.daily_gas`.",
    ),
    Alert(
        name="IcsCritical",
        severity=AlertSeverity.CRITICAL,
        hold="5m",
        expression=f"max by ({_C}, reason) ({_CRITICAL}) > 0",
        summary=f"{{{{ $labels.reason }}}}: {_CHAIN}",
        meaning=(
            "A critical condition has held for five minutes; the net under all other alerts. `NeedsConfirmation` has"
            " the alert `IcsChangeWaits` instead."
        ),
        impact="The page on conditions says it for each reason.",
        look="`ics status`: the message of the condition",
        fix="Do what the message says; the page on conditions lists every reason.",
    ),
    Alert(
        name="IcsWatchdog",
        severity=AlertSeverity.NONE,
        hold="",
        expression="vector(1)",
        summary="Prometheus and Alertmanager work; this alert always fires",
        meaning="It always fires. Send it to a dead man's switch, which calls when it stops coming.",
        impact="If it stops, no alert would reach anybody.",
        look="Prometheus and Alertmanager themselves",
        fix="Repair the way from Prometheus through Alertmanager to the receiver.",
    ),
)
"""All alerts."""


def names() -> Iterable[str]:
    """Return the names of all alerts."""
    return (alert.name for alert in ALERTS)
