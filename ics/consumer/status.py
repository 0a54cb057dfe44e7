"""What an operator is told: (desired, observations) to a report; pure.

Texts stay the same while nothing changes, so that a report that differs means something. The worst
condition of a chain is its state.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ics import model, names
from ics.conditions import Condition, Reason, Severity
from ics.consumer import chain, desired, health, participation, signing
from ics.consumer.peers import ports
from ics.cosmos import canonical_json


@dataclass(frozen=True, slots=True)
class NodeReport:
    """What is known of a chain's node."""

    height: int | None
    peers: int | None
    signing: bool
    """This validator's consumer key signed the last commit."""
    signers: int | None
    """How many keys signed the last commit."""
    validators: int | None
    """Size of the validator set as the node has it."""
    is_catching_up: bool | None
    is_ready: bool
    restarts: int


@dataclass(frozen=True, slots=True)
class ChainReport:
    """One line of the status."""

    chain_id: str
    consumer_id: str
    phase: model.Phase
    participation: participation.Participation
    namespace: str | None
    genesis_sha256: str | None
    ports: ports.Ports | None
    node: NodeReport | None
    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """The whole status of one validator."""

    validator: str
    provider_chain_id: str
    height: int
    chains: tuple[ChainReport, ...]
    conditions: tuple[Condition, ...]
    """Of the validator, not of one chain."""

    def as_dict(self) -> dict[str, Any]:
        """The JSON of `ics status --json`."""
        return {
            "validator": self.validator,
            "provider_chain_id": self.provider_chain_id,
            "height": self.height,
            "chains": [_chain_dict(chain) for chain in self.chains],
            "conditions": [_condition_dict(condition) for condition in self.conditions],
        }


def report(
    wanted: desired.Desired,
    observations: Mapping[str, model.Observation],
    troubles: Sequence[Condition] = (),
) -> Report:
    """Put the status together.

    Args:
        wanted: of this pass.
        observations: of workloads, by consumer id.
        troubles: errors that the pass met; those without a consumer id are the validator's.
    """
    chains = tuple(_chain(wanted, verdict, observations, troubles) for verdict in wanted.verdicts)
    own = tuple(sorted([*wanted.conditions, *(t for t in troubles if not t.consumer_id)]))
    return Report(wanted.settings.validator, wanted.provider_chain_id, wanted.height, chains, own)


def _chain(
    wanted: desired.Desired,
    verdict: desired.Verdict,
    observations: Mapping[str, model.Observation],
    troubles: Sequence[Condition],
) -> ChainReport:
    summary, chain = verdict.summary, verdict.chain
    seen = observations.get(summary.consumer_id)
    found = [*verdict.conditions, *(t for t in troubles if t.consumer_id == summary.consumer_id)]
    if chain is not None:
        found += _signing_conditions(chain, seen)
        found += health.conditions(chain, verdict.participation, seen, wanted.moment, wanted.settings)
    genesis = None if chain is None or chain.genesis is None else canonical_json.sha256_hex(chain.genesis)
    return ChainReport(
        summary.chain_id,
        summary.consumer_id,
        summary.phase,
        verdict.participation,
        None if chain is None else chain.namespace,
        genesis,
        wanted.ports.get(summary.consumer_id),
        None if chain is None or seen is None else _node(chain, seen),
        tuple(sorted(set(found), key=lambda c: (-c.severity, c.reason, c.message))),
    )


def _node(chain: chain.Chain, seen: model.Observation) -> NodeReport:
    pod, node = seen.pod, seen.node
    return NodeReport(
        height=node.height if node else None,
        peers=node.peers if node else None,
        signing=node is not None and chain.key.key.address in node.signers,
        signers=len(node.signers) if node else None,
        validators=len(node.validators) if node else None,
        is_catching_up=node.is_catching_up if node else None,
        is_ready=bool(pod and pod.is_ready),
        restarts=pod.restarts if pod else 0,
    )


def _signing_conditions(chain: chain.Chain, seen: model.Observation | None) -> list[Condition]:
    node = None if seen is None else seen.node
    runs_unarmed = node is not None and node.consensus_key != chain.key.key.public_key
    if chain.arming is signing.Arming.REMOTE:
        return _signer_conditions(chain, seen, runs_unarmed)
    if chain.arming is signing.Arming.UNRECORDED and node is not None and not runs_unarmed:
        message = (
            "the node runs with its key, and no record says that the signing memory is on the present volume: a pass"
            " writes it again"
        )
        return [Condition.new(Reason.SIGNING_RECORD_LOST, message, chain.consumer_id)]
    is_refused = chain.arming in (signing.Arming.UNRECORDED, signing.Arming.REFUSED)
    if is_refused or (chain.arming is signing.Arming.ARMED and runs_unarmed):
        message = (
            "the volume is not the one on which the signing memory of"
            f" {chain.key.key.address.hex().upper()} was laid, or lacks it, and this key may have signed before: the"
            " node is given a throw-away key; when no other node holds this key, and the chain is past every height it"
            f" may have signed, run: ics arm {chain.consumer_id} --confirm {chain.chain_id}"
        )
        return [Condition.new(Reason.SIGN_STATE_LOST, message, chain.consumer_id)]
    return [] if signing.is_settled(chain.arming) else [_pending(chain)]


def _pending(chain: chain.Chain) -> Condition:
    if chain.arming is signing.Arming.NO_VOLUME:
        message = "the signing memory is not laid yet: the volume does not exist"
    elif chain.arming_waits:
        message = (
            f"the signing memory is not laid yet: the pod of its Job waits: {chain.arming_waits}; see kubectl"
            f" -n {chain.namespace} describe pods,pvc -l '{names.COMPONENT} in ({names.ARMING},{names.VOLUME})'"
        )
    else:
        message = "the signing memory is being laid on the volume"
    if chain.genesis is not None:
        message += ": until then the node runs with a throw-away key"
    is_in_order = chain.genesis is None and not chain.arming_waits
    severity = Severity.INFO if is_in_order else Severity.WARNING
    return Condition.new(Reason.SIGN_STATE_PENDING, message, chain.consumer_id, severity=severity)


def _signer_conditions(
    chain: chain.Chain, seen: model.Observation | None, is_other_key: bool
) -> list[Condition]:
    """Of a node whose signer is elsewhere: it does not come up before that has dialled in."""
    if seen is not None and seen.pod is not None and seen.node is None:
        message = (
            f"the node answers only once its remote signer has dialled port {ports.POD_SIGNER} of Service"
            f" {names.SIGNER_SERVICE} in namespace {chain.namespace}, and ends and starts anew until then: see that"
            f" the signer runs, that it signs for {chain.chain_id}, and that allow_from has its address"
        )
        return [Condition.new(Reason.SIGNER_AWAITED, message, chain.consumer_id)]
    if is_other_key:
        message = (
            f"the remote signer has another key than {chain.key.key.address.hex().upper()}, which is this validator's"
            f" on the chain: give it that key, or mend ics:consensus_keys.{chain.consumer_id}.remote.public_key"
        )
        return [Condition.new(Reason.SIGNER_KEY_MISMATCH, message, chain.consumer_id)]
    return []


def _chain_dict(chain: ChainReport) -> dict[str, Any]:
    found = None if chain.ports is None else ports.as_dict(chain.chain_id, chain.ports)
    node = chain.node
    return {
        "chain_id": chain.chain_id,
        "consumer_id": chain.consumer_id,
        "phase": chain.phase.value,
        "participation": chain.participation.value,
        "namespace": chain.namespace,
        "genesis_sha256": chain.genesis_sha256,
        "ports": found,
        "node": None
        if node is None
        else {
            "height": node.height,
            "peers": node.peers,
            "signing": node.signing,
            "signers": node.signers,
            "validators": node.validators,
            "catching_up": node.is_catching_up,
            "ready": node.is_ready,
            "restarts": node.restarts,
        },
        "conditions": [_condition_dict(condition) for condition in chain.conditions],
    }


def _condition_dict(condition: Condition) -> dict[str, Any]:
    return {
        "severity": condition.severity.name.lower(),
        "reason": condition.reason.value,
        "message": condition.message,
    }
