"""Status report for the operator, from the desired state and the observations; pure.

Texts do not vary while nothing changes, so that every difference between two reports is meaningful. The worst
condition of a chain is its state.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ics import errors, model, names
from ics.conditions import Condition, Reason, Severity
from ics.consumer import (
    chain,
    chain_decision,
    desired,
    extra_health,
    extra_nodes,
    health,
    key_check,
    missing_key,
    participation,
    signing,
    upgrades,
)
from ics.consumer import checklist as consumer_checklist
from ics.consumer import genesis as consumer_genesis
from ics.consumer.peers import ports


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeReport:
    """Status of a chain's node."""

    height: int | None
    peers: int | None
    signing: bool
    """Whether this node's own key, which is this validator's consumer key, signed the last commit."""
    signers: int | None
    """Number of keys that signed the last commit."""
    validators: int | None
    """Size of the node's validator set."""
    is_catching_up: bool | None
    is_ready: bool
    restarts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtraNodeReport:
    """Status of a sentry or full node."""

    name: str
    role: extra_nodes.Role
    is_published: bool
    """Whether it answers at the published endpoint."""
    height: int | None
    peers: int | None
    is_catching_up: bool | None
    is_ready: bool
    restarts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainReport:
    """Status of one chain."""

    chain_id: str
    consumer_id: str
    phase: model.Phase
    participation: participation.Participation
    namespace: str | None
    genesis_sha256: str | None
    ports: ports.Ports | None
    node: NodeReport | None
    conditions: tuple[Condition, ...]
    checklist: consumer_checklist.Checklist | None = None
    """Of a chain that is awaited."""
    upgrade: upgrades.NodeUpgrade | None = None
    """Version of its node, and its next upgrade; None: it has no node."""
    extra_nodes: tuple[ExtraNodeReport, ...] = ()
    """Its sentries and full nodes."""
    retired_key: str = ""
    """Address of the key that this node's key has replaced, once the chain's set has dropped it."""
    is_ccv_open: bool | None = None
    """Whether its CCV channel is open; None: nothing is known about it."""
    is_paused: bool = False
    """Whether it cannot be decided about, so that its objects are left as they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Complete status of one validator."""

    validator: str
    provider_chain_id: str
    height: int
    chains: tuple[ChainReport, ...]
    conditions: tuple[Condition, ...]
    """Conditions of the validator rather than of one chain."""
    provider_upgrade: upgrades.NodeUpgrade | None = None
    """Version of the validator's own provider node, and its next upgrade; None: the stack runs none."""

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON of `ics status --json`."""
        return {
            "validator": self.validator,
            "provider_chain_id": self.provider_chain_id,
            "height": self.height,
            "chains": [_chain_dict(chain) for chain in self.chains],
            "conditions": [_condition_dict(condition) for condition in self.conditions],
        }


def report(
    desired: desired.Desired,
    observations: Mapping[str, model.Observation],
    troubles: Sequence[Condition] = (),
    extra: Mapping[str, Mapping[str, model.Observation]] | None = None,
) -> Report:
    """Compose the status.

    Args:
        desired: of this pass.
        observations: of workloads, by consumer id.
        troubles: errors of the pass; those without a consumer id concern the validator.
        extra: observations of sentries and full nodes, by consumer id and name.
    """
    chains = tuple(
        _reported(
            desired, verdict, observations, (extra or {}).get(verdict.summary.consumer_id, {}), troubles
        )
        for verdict in desired.decisions
    )
    own = tuple(sorted([*desired.conditions, *(t for t in troubles if not t.consumer_id)]))
    return Report(
        validator=desired.settings.validator,
        provider_chain_id=desired.provider_chain_id,
        height=desired.height,
        chains=chains,
        conditions=own,
        provider_upgrade=desired.provider_node.upgrade,
    )


def _reported(
    desired: desired.Desired,
    decision: chain_decision.ChainDecision,
    observations: Mapping[str, model.Observation],
    extra: Mapping[str, model.Observation],
    troubles: Sequence[Condition],
) -> ChainReport:
    """Report on one chain; of one that cannot be reported on, at least its decision and why."""
    try:
        return _chain(desired, decision, observations, extra, troubles)
    except Exception as error:
        summary = decision.summary
        failure = Condition.new(Reason.UNEXPECTED_ERROR, str(errors.of_chain(error)), summary.consumer_id)
        return ChainReport(
            chain_id=summary.chain_id,
            consumer_id=summary.consumer_id,
            phase=summary.phase,
            participation=decision.participation,
            namespace=None,
            genesis_sha256=None,
            ports=desired.ports.get(summary.consumer_id),
            node=None,
            conditions=(failure, *decision.conditions),
            is_paused=True,
        )


def _chain(
    desired: desired.Desired,
    decision: chain_decision.ChainDecision,
    observations: Mapping[str, model.Observation],
    extra: Mapping[str, model.Observation],
    troubles: Sequence[Condition],
) -> ChainReport:
    summary, chain = decision.summary, decision.chain
    seen = observations.get(summary.consumer_id)
    conditions = [*decision.conditions, *(t for t in troubles if t.consumer_id == summary.consumer_id)]
    if chain is not None:
        conditions += _signing_conditions(chain, seen, decision.participation.is_member)
        conditions += health.conditions(chain, decision.participation, seen, desired.moment, desired.settings)
        conditions += extra_health.conditions(chain, extra, desired.moment, desired.settings)
    is_paused = summary.consumer_id in desired.paused
    if chain is None and is_paused and summary.phase is model.Phase.LAUNCHED and seen is not None:
        conditions += health.of_paused(summary.consumer_id, seen, desired.moment)
    digest = None if chain is None or chain.genesis is None else consumer_genesis.digest(chain.genesis)
    return ChainReport(
        chain_id=summary.chain_id,
        consumer_id=summary.consumer_id,
        phase=summary.phase,
        participation=decision.participation,
        namespace=None if chain is None else chain.namespace,
        genesis_sha256=digest or None,
        ports=desired.ports.get(summary.consumer_id),
        node=None if chain is None or seen is None else _node(chain, seen),
        checklist=decision.checklist,
        upgrade=None if chain is None else chain.upgrade,
        extra_nodes=() if chain is None else tuple(_extra_node(node, extra) for node in chain.extra.nodes),
        conditions=tuple(sorted(set(conditions), key=lambda c: (-c.severity, c.reason, c.message))),
        retired_key="" if chain is None or seen is None else _retired_key(chain, seen),
        is_ccv_open=None if chain is None else _is_ccv_open(chain),
        is_paused=is_paused,
    )


def _is_ccv_open(chain: chain.ChainPlan) -> bool | None:
    state = None if chain.relay is None else chain.relay.state
    return None if state is None else state.ccv is not None


def _retired_key(chain: chain.ChainPlan, observation: model.Observation) -> str:
    """Return the address of the replaced key once the node's set has the new key and not the old one; else empty."""
    former, node = chain.key.former, observation.node
    if former is None or node is None or chain.key.key.address not in node.validators:
        return ""
    address = former.consensus_address
    return address if bytes.fromhex(address) not in node.validators else ""


def _extra_node(
    extra: extra_nodes.ExtraNode, observations: Mapping[str, model.Observation]
) -> ExtraNodeReport:
    observation = observations.get(extra.name)
    pod = None if observation is None else observation.pod
    node = None if observation is None else observation.node
    return ExtraNodeReport(
        name=extra.name,
        role=extra.role,
        is_published=extra.is_published,
        height=node.height if node else None,
        peers=node.peers if node else None,
        is_catching_up=node.is_catching_up if node else None,
        is_ready=bool(pod and pod.is_ready),
        restarts=pod.restarts if pod else 0,
    )


def _node(chain: chain.ChainPlan, observation: model.Observation) -> NodeReport:
    pod, node = observation.pod, observation.node
    return NodeReport(
        height=node.height if node else None,
        peers=node.peers if node else None,
        signing=node is not None and _signs(chain, node),
        signers=len(node.signers) if node else None,
        validators=len(node.validators) if node else None,
        is_catching_up=node.is_catching_up if node else None,
        is_ready=bool(pod and pod.is_ready),
        restarts=pod.restarts if pod else 0,
    )


def _signs(chain: chain.ChainPlan, node: model.NodeStatus) -> bool:
    """Return whether this node signed the last commit; the same key may also be at another node, which signed it."""
    return node.consensus_key == chain.key.key.public_key and chain.key.key.address in node.signers


def _signing_conditions(
    chain: chain.ChainPlan, observation: model.Observation | None, is_member: bool
) -> list[Condition]:
    node = None if observation is None else observation.node
    runs_unarmed = node is not None and node.consensus_key != chain.key.key.public_key
    if chain.sign_state is signing.SignStateStatus.REMOTE:
        return _signer_conditions(chain, observation, runs_unarmed, is_member)
    if chain.sign_state is signing.SignStateStatus.UNRECORDED and node is not None and not runs_unarmed:
        message = (
            "the node runs with its key, but the record of the sign state on the current volume is missing;"
            " a pass"
            " restores it"
        )
        return [Condition.new(Reason.SIGNING_RECORD_LOST, message, chain.consumer_id)]
    if chain.key.lost is not None:
        return []  # its own condition says what is done about it
    if chain.sign_state is signing.SignStateStatus.READY and _is_other_cluster(chain, observation):
        return [_other_cluster(chain)]
    is_refused = chain.sign_state in (signing.SignStateStatus.UNRECORDED, signing.SignStateStatus.UNSAFE)
    if is_refused or (chain.sign_state is signing.SignStateStatus.READY and runs_unarmed):
        message = (
            f"the volume is not the one with the sign state of {chain.key.key.address.hex().upper()}, or"
            " lacks it,"
            " and this key may have signed before, so the node runs with a throw-away key;"
            " once no other node has this"
            " key and the chain is past every height it may have signed, run: ics sign-state reset"
            f" {chain.consumer_id} --confirm {chain.chain_id}"
        )
        return [Condition.new(Reason.SIGN_STATE_LOST, message, chain.consumer_id)]
    return [] if signing.is_settled(chain.sign_state) else [_pending(chain, is_member)]


def _is_other_cluster(chain: chain.ChainPlan, observation: model.Observation | None) -> bool:
    pod = None if observation is None else observation.pod
    if pod is None:
        return False
    found = key_check.result(pod.key_check, chain.key.key.address.hex().upper())
    return found is key_check.KeyCheck.OTHER_CLUSTER


def _other_cluster(chain: chain.ChainPlan) -> Condition:
    address = chain.key.key.address.hex().upper()
    message = (
        f"the mark beside the sign state of {address} knows none of this cluster's certificates, so the node runs with"
        f" a throw-away key; after {missing_key.SILENT_COMMITS} blocks in a row without the key's signature, a new key"
        " replaces it, if ics:signing lets it. If no other cluster runs with these volumes, keep this key by: ics"
        f" sign-state reset {chain.consumer_id} --confirm {chain.chain_id}"
    )
    return Condition.new(Reason.OTHER_CLUSTER, message, chain.consumer_id)


def _pending(chain: chain.ChainPlan, is_member: bool) -> Condition:
    if chain.sign_state is signing.SignStateStatus.NO_VOLUME:
        message = "the sign state is not created yet: the volume does not exist"
    elif chain.sign_state_waits:
        definition = chain.definition
        is_image = consumer_checklist.is_image_trouble(chain.sign_state_waits)
        check = (
            f" check image in stacks/chains/{definition.name}.yaml ({definition.image}), or"
            if is_image
            else ""
        )
        message = (
            f"the sign state is not created yet: the pod of its Job waits: {chain.sign_state_waits};"
            f"{check} see kubectl"
            f" -n {chain.namespace} describe pods,pvc -l '{names.COMPONENT} in"
            f" ({names.SIGN_STATE},{names.VOLUME})'"
        )
    else:
        message = "the sign state is being created on the volume"
    if chain.genesis is not None:
        message += "; until then the node runs with a throw-away key"
    is_in_order = chain.genesis is None and not chain.sign_state_waits
    severity = Severity.INFO if is_in_order else Severity.WARNING
    if is_member and chain.genesis is not None:
        severity = Severity.CRITICAL
    return Condition.new(Reason.SIGN_STATE_PENDING, message, chain.consumer_id, severity=severity)


def _signer_conditions(
    chain: chain.ChainPlan, observation: model.Observation | None, is_other_key: bool, is_member: bool
) -> list[Condition]:
    """Return the conditions of a node with a remote signer, without which the node does not start."""
    if observation is not None and observation.pod is not None and observation.node is None:
        message = (
            f"waiting for the remote signer to dial port {ports.POD_SIGNER} of Service {names.SIGNER_SERVICE}"
            " in"
            f" namespace {chain.namespace}; the node restarts until then;"
            " check that the signer runs, that it signs"
            f" for {chain.chain_id}, and that allow_from contains its address"
        )
        severity = Severity.CRITICAL if is_member else Severity.WARNING
        return [Condition.new(Reason.SIGNER_AWAITED, message, chain.consumer_id, severity=severity)]
    if is_other_key:
        message = (
            f"the remote signer's key is not {chain.key.key.address.hex().upper()}, this validator's key on"
            " the chain;"
            f" configure the signer with it, or fix ics:consensus_keys.{chain.consumer_id}.remote.public_key"
        )
        return [Condition.new(Reason.SIGNER_KEY_MISMATCH, message, chain.consumer_id)]
    return []


def _chain_dict(chain: ChainReport) -> dict[str, Any]:
    ports_dict = None if chain.ports is None else ports.as_dict(chain.chain_id, chain.ports)
    node = chain.node
    return {
        "chain_id": chain.chain_id,
        "consumer_id": chain.consumer_id,
        "phase": chain.phase.value,
        "participation": chain.participation.value,
        "namespace": chain.namespace,
        "genesis_sha256": chain.genesis_sha256,
        "ports": ports_dict,
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
        "upgrade": None if chain.upgrade is None else _upgrade_dict(chain.upgrade),
        "extra_nodes": [
            {
                "name": node.name,
                "role": node.role.value,
                "published": node.is_published,
                "height": node.height,
                "peers": node.peers,
                "catching_up": node.is_catching_up,
                "ready": node.is_ready,
                "restarts": node.restarts,
            }
            for node in chain.extra_nodes
        ],
        "checklist": None if chain.checklist is None else chain.checklist.as_list(),
        "conditions": [_condition_dict(condition) for condition in chain.conditions],
    }


def _upgrade_dict(upgrade: upgrades.NodeUpgrade) -> dict[str, Any]:
    return {
        "image": upgrade.version.image,
        "state": upgrade.state.value,
        "height": upgrade.height or None,
    }


def _condition_dict(condition: Condition) -> dict[str, Any]:
    return {
        "severity": condition.severity.name.lower(),
        "reason": condition.reason.value,
        "message": condition.message,
    }
