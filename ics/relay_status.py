"""What an operator is told about the relaying to one chain; pure."""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ics import deployment, ibc, labels, model, relaying, seen


@dataclass(frozen=True, slots=True)
class RelayReport:
    """The relaying to one chain."""

    consumer_id: str
    chain_id: str
    state: str
    """`waiting`, `opening`, `relaying`, `stuck`, or `ended`."""
    facts: relaying.Facts | None
    finding: relaying.Finding | None
    pods: Mapping[str, model.PodStatus]
    """By component: `hermes` and `evidence`."""
    balances: Mapping[str, int | None]
    """By purpose: `consumer`, `relayer`, `evidence`; None: not known."""
    jobs: Mapping[str, model.JobState]
    last_words: Mapping[str, str]
    """By failed Job: what Hermes said last; empty if unknown."""
    conditions: tuple[model.Condition, ...]

    def as_dict(self) -> dict[str, Any]:
        """The JSON of one chain in `ics hermes status`."""
        facts, finding = self.facts, self.finding
        packets = facts.packets if facts else None
        return {
            "consumer_id": self.consumer_id,
            "chain_id": self.chain_id,
            "state": self.state,
            "deployments": {name: _pod(self.pods.get(name)) for name in (labels.HERMES, labels.EVIDENCE)},
            "clients": {
                "provider": _client(facts.provider_client, facts.consumer_time) if facts else None,
                "consumer": _client(facts.consumer_client, facts.provider_time) if facts else None,
            },
            "connection": _pair(finding.connection if finding else None),
            "channels": {
                "ccv": _channel(facts, finding.ccv if finding else None, "provider", "consumer"),
                "transfer": _channel(facts, finding.transfer if finding else None, "transfer", "transfer"),
            },
            "next_step": finding.step.message.value if finding and finding.step else None,
            "wallets": dict(self.balances),
            "packets": None
            if packets is None
            else {
                "pending_to_consumer": packets.unacknowledged_by_consumer,
                "pending_to_provider": packets.unacknowledged_by_provider,
                "last_vsc_sent": packets.last_sent,
                "last_vsc_received": packets.last_received,
            },
            "jobs": {
                name: {"state": state.value, "said": self.last_words.get(name, "")}
                for name, state in sorted(self.jobs.items())
            },
            "errors": [
                {"reason": c.reason, "message": c.message}
                for c in self.conditions
                if c.severity > model.Severity.INFO
            ],
        }


def report(
    observed: seen.Seen,
    chain: deployment.Chain,
    pods: Mapping[str, model.PodStatus],
    accounts: Mapping[str, str],
    conditions: tuple[model.Condition, ...],
    last_words: Mapping[str, str],
) -> RelayReport:
    """Put together what is known of the relaying to one chain.

    Args:
        observed: of this pass.
        chain: with its relayer.
        pods: of Hermes in the chain's namespace, by component.
        accounts: addresses on the provider by purpose.
        conditions: of the chain.
        last_words: what Hermes said last, by failed Job.
    """
    facts = observed.relays.get(chain.consumer_id)
    plan = chain.relay
    finding = plan.finding if plan else None
    balances: dict[str, int | None] = {"consumer": facts.consumer_balance if facts else None}
    balances |= {purpose: observed.balances.get(address) for purpose, address in accounts.items()}
    memory = observed.memory.chains.get(chain.consumer_id)
    own = (
        *(c for c in conditions if c.reason in REASONS),
        *_pod_conditions(chain, pods),
        *_job_conditions(chain, last_words),
    )
    return RelayReport(
        chain.consumer_id,
        chain.chain_id,
        _state(chain, own),
        facts,
        finding,
        pods,
        balances,
        memory.jobs if memory else {},
        last_words,
        own,
    )


REASONS = frozenset(
    {
        "CatchingUp",
        "ChannelClosed",
        "ChannelOpening",
        "ClientExpired",
        "ConsumerHalted",
        "HandshakeLeftovers",
        "NodeUnreachable",
        "PacketsPending",
        "PodMissing",
        "PodWaiting",
        "RelayerConfigInvalid",
        "RelayerConfigRefused",
        "RelayerUnfunded",
        "RelayingUnreadable",
        "StepFailed",
        "Stopped",
        "TransferOpening",
        "WaitingForQuorum",
        "WalletEmpty",
    }
)
"""Conditions that are about relaying, and those of the node that keep it waiting."""


def _pod_conditions(chain: deployment.Chain, pods: Mapping[str, model.PodStatus]) -> list[model.Condition]:
    """What keeps the Hermes that should run on from running."""
    plan = chain.relay
    wanted = {
        labels.HERMES: (labels.HERMES_NAME, plan is not None and plan.relays is not None),
        labels.EVIDENCE: (labels.EVIDENCE_NAME, plan is not None and plan.base is not None),
    }
    found = []
    for component, (name, is_wanted) in wanted.items():
        pod = pods.get(component)
        if not is_wanted or (pod is not None and pod.is_ready):
            continue
        why = "it has no pod yet" if pod is None else pod.waiting or "it is starting"
        again = f", after {pod.restarts} restarts" if pod is not None and pod.restarts else ""
        is_fresh = pod is not None and not (pod.waiting or pod.restarts)
        message = (
            f"{name} is not ready: {why}{again}: read kubectl -n {chain.namespace} logs deployment/{name}"
        )
        severity = model.Severity.INFO if is_fresh else model.Severity.WARNING
        found.append(model.Condition(severity, "HermesNotReady", message, chain.consumer_id))
    return found


def _job_conditions(chain: deployment.Chain, last_words: Mapping[str, str]) -> list[model.Condition]:
    """Why Jobs failed; of no interest any more once Hermes relays."""
    if chain.relay is None or chain.relay.relays is not None:
        return []
    return [
        model.Condition(
            model.Severity.WARNING,
            "JobFailed",
            f"{name} failed: {said or 'without a word'}: read kubectl -n {chain.namespace} logs job/{name}",
            chain.consumer_id,
        )
        for name, said in sorted(last_words.items())
    ]


def _state(chain: deployment.Chain, conditions: tuple[model.Condition, ...]) -> str:
    plan = chain.relay
    if not chain.stage.relays:
        return "ended"
    if any(c.severity is model.Severity.CRITICAL for c in conditions):
        return "stuck"
    if plan is None or plan.finding is None:
        return "waiting"
    return "relaying" if plan.finding.ccv is not None and plan.relays is not None else "opening"


def _pod(pod: model.PodStatus | None) -> dict[str, Any] | None:
    if pod is None:
        return None
    return {"ready": pod.is_ready, "restarts": pod.restarts, "waiting": pod.waiting}


def _client(client: ibc.Client | None, now: datetime.datetime) -> dict[str, Any] | None:
    if client is None:
        return None
    left = max(0, int((client.expires - now).total_seconds()))
    return {"id": client.id, "seconds_left": left, "expired": client.is_expired(now)}


def _pair(pair: ibc.Pair | None) -> dict[str, str] | None:
    return None if pair is None else {"provider": pair.provider, "consumer": pair.consumer}


def _channel(
    facts: relaying.Facts | None, pair: ibc.Pair | None, provider_port: str, consumer_port: str
) -> dict[str, Any] | None:
    """An open channel with its two states; while there is none, the ends that there are."""
    if facts is None:
        return None
    sides = (("provider", facts.provider, provider_port), ("consumer", facts.consumer, consumer_port))
    if pair is not None:
        ids = {"provider": pair.provider, "consumer": pair.consumer}
        return {
            name: next(
                ({"id": end.id, "state": end.state.value} for end in ends.channels if end.id == ids[name]),
                None,
            )
            for name, ends, _ in sides
        }
    found = {
        name: [{"id": end.id, "state": end.state.value} for end in ends.channels if end.port == port]
        for name, ends, port in sides
    }
    return found if any(found.values()) else None
