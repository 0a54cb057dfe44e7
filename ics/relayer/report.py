"""Status report of one chain's relayer; pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ics import model, names
from ics.conditions import Condition, Severity, Topic
from ics.relayer import facts, handshake, ibc, inputs, plan


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayReport:
    """Status of one chain's relayer."""

    consumer_id: str
    chain_id: str
    state: str
    """`waiting`, `opening`, `relaying`, `stuck`, or `ended`."""
    facts: facts.Facts | None
    handshake: handshake.HandshakeState | None
    pods: Mapping[str, model.PodStatus]
    """Pods by component: `hermes` and `evidence`."""
    balances: Mapping[str, int | None]
    """Balances by purpose, `consumer`, `relayer` and `evidence`; None if unknown."""
    jobs: Mapping[str, model.JobState]
    last_words: Mapping[str, str]
    """Last message of Hermes by failed Job; empty if unknown."""
    conditions: tuple[Condition, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON of one chain in `ics hermes status`."""
        facts, finding = self.facts, self.handshake
        packets = facts.packets if facts else None
        return {
            "consumer_id": self.consumer_id,
            "chain_id": self.chain_id,
            "state": self.state,
            "deployments": {name: _pod(self.pods.get(name)) for name in (names.HERMES, names.EVIDENCE)},
            "clients": {side.value: _client(facts, side) if facts else None for side in ibc.Side},
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
                {"reason": c.reason.value, "message": c.message}
                for c in self.conditions
                if c.severity > Severity.INFO
            ],
        }


def build(
    *,
    consumer_id: str,
    chain_id: str,
    relays: bool,
    facts: facts.Facts | None,
    plan: plan.RelayerPlan | None,
    memory: inputs.RelayerMemory,
    balances: Mapping[str, int | None],
    conditions: tuple[Condition, ...],
) -> RelayReport:
    """Compose the report of one chain's relayer.

    Args:
        consumer_id: of the chain.
        chain_id: of the chain.
        relays: false once the relayer of a stopped chain was removed.
        facts: as read in this pass; None if they could not be read.
        plan: of the chain's relayer; None if it has none.
        memory: state of the relayer in the cluster.
        balances: on the provider, by purpose of the account; None if unknown.
        conditions: all of the chain.
    """
    own = tuple(c for c in conditions if Topic.RELAYING in c.reason.entry.topics)
    consumer_balance: dict[str, int | None] = {"consumer": facts.consumer_balance if facts else None}
    return RelayReport(
        consumer_id=consumer_id,
        chain_id=chain_id,
        state=_state(plan, own) if relays else "ended",
        facts=facts,
        handshake=plan.state if plan else None,
        pods={name: instance.pod for name, instance in memory.instances.items() if instance.pod is not None},
        balances=consumer_balance | dict(balances),
        jobs=memory.jobs,
        last_words=memory.last_words,
        conditions=own,
    )


def _state(plan: plan.RelayerPlan | None, conditions: tuple[Condition, ...]) -> str:
    if any(c.severity is Severity.CRITICAL for c in conditions):
        return "stuck"
    if plan is None or plan.state is None:
        return "waiting"
    return "relaying" if plan.state.ccv is not None and plan.relays is not None else "opening"


def _pod(pod: model.PodStatus | None) -> dict[str, Any] | None:
    if pod is None:
        return None
    return {"ready": pod.is_ready, "restarts": pod.restarts, "waiting": pod.waiting}


def _client(facts: facts.Facts, side: ibc.Side) -> dict[str, Any] | None:
    live = next((live for live in facts.clients if live.host is side), None)
    if live is None:
        return None
    client = live.client
    left = max(0, int((client.expires - live.now).total_seconds()))
    is_expired = client.is_expired(live.now)
    return {"id": client.id, "seconds_left": left, "expired": is_expired, "frozen": client.is_frozen}


def _pair(pair: ibc.Pair | None) -> dict[str, str] | None:
    return None if pair is None else {"provider": pair.provider, "consumer": pair.consumer}


def _channel(
    facts: facts.Facts | None, pair: ibc.Pair | None, provider_port: str, consumer_port: str
) -> dict[str, Any] | None:
    """Return an open channel with the states of both ends, or else all existing ends."""
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
    channels = {
        name: [{"id": end.id, "state": end.state.value} for end in ends.channels if end.port == port]
        for name, ends, port in sides
    }
    return channels if any(channels.values()) else None
