"""What an operator is told about the relaying to one chain; pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ics import model, names
from ics.conditions import Condition, Severity, Topic
from ics.consumer import chain, observed
from ics.relayer import facts, handshake, ibc


@dataclass(frozen=True, slots=True)
class RelayReport:
    """The relaying to one chain."""

    consumer_id: str
    chain_id: str
    state: str
    """`waiting`, `opening`, `relaying`, `stuck`, or `ended`."""
    facts: facts.Facts | None
    finding: handshake.Finding | None
    pods: Mapping[str, model.PodStatus]
    """By component: `hermes` and `evidence`."""
    balances: Mapping[str, int | None]
    """By purpose: `consumer`, `relayer`, `evidence`; None: not known."""
    jobs: Mapping[str, model.JobState]
    last_words: Mapping[str, str]
    """By failed Job: what Hermes said last; empty if unknown."""
    conditions: tuple[Condition, ...]

    def as_dict(self) -> dict[str, Any]:
        """The JSON of one chain in `ics hermes status`."""
        facts, finding = self.facts, self.finding
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


def report(
    observed: observed.Seen,
    chain: chain.Chain,
    accounts: Mapping[str, str],
    conditions: tuple[Condition, ...],
) -> RelayReport:
    """Put together what is known of the relaying to one chain.

    Args:
        observed: of this pass.
        chain: with its relayer.
        accounts: addresses on the provider by purpose.
        conditions: of the chain.
    """
    facts = observed.relays.get(chain.consumer_id)
    plan = chain.relay
    finding = plan.finding if plan else None
    balances: dict[str, int | None] = {"consumer": facts.consumer_balance if facts else None}
    balances |= {purpose: observed.balances.get(address) for purpose, address in accounts.items()}
    memory = observed.memory.chains.get(chain.consumer_id) or model.ChainMemory("")
    own = tuple(c for c in conditions if Topic.RELAYING in c.reason.entry.topics)
    return RelayReport(
        chain.consumer_id,
        chain.chain_id,
        _state(chain, own),
        facts,
        finding,
        {name: found.pod for name, found in memory.instances.items() if found.pod is not None},
        balances,
        memory.jobs,
        memory.last_words,
        own,
    )


def _state(chain: chain.Chain, conditions: tuple[Condition, ...]) -> str:
    plan = chain.relay
    if not chain.stage.relays:
        return "ended"
    if any(c.severity is Severity.CRITICAL for c in conditions):
        return "stuck"
    if plan is None or plan.finding is None:
        return "waiting"
    return "relaying" if plan.finding.ccv is not None and plan.relays is not None else "opening"


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
