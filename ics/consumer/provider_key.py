"""Whether the validator's own provider node gets its key, and what is reported about it; pure.

No second key can replace the provider's own, so nothing heals automatically: the operator alone lets it sign on a
volume, by name. The record of that is kept outside of the volume; the pod's own check compares the volume's mark with
it.
"""

import enum
from dataclasses import dataclass

from ics import model
from ics.conditions import Condition, Reason, Severity
from ics.config import provider_node
from ics.consumer import binary_check, key_check, observed


class ProviderKeyStatus(enum.StrEnum):
    """Status of the provider node's key on its current volume."""

    NONE = "none"
    """The stack runs no provider node, or one that signs nothing."""
    NEW = "new"
    """The operator has not let it sign yet."""
    REQUESTED = "requested"
    """The operator lets it sign; mark and sign state are not on the volume yet."""
    READY = "ready"
    UNRECORDED = "unrecorded"
    """The record was lost, but the StatefulSet gives its pod the key on this very claim; it is restored."""
    LOST = "lost"
    """The volume is not the recorded one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderKey:
    """The provider node's key as a pass wants it."""

    status: ProviderKeyStatus = ProviderKeyStatus.NONE
    claim_uid: str = ""
    """uid of the claim with which the pod gets the key; empty: the key is withheld."""
    conditions: tuple[Condition, ...] = ()

    @property
    def is_given(self) -> bool:
        """Whether the pod gets the key."""
        return bool(self.claim_uid)


_REMEDY = "once no other node has the key, run: ics sign-state reset provider --confirm provider"


def decide(
    settings: provider_node.ProviderNodeSettings,
    memory: observed.ProviderNodeMemory,
    observation: model.Observation | None,
) -> ProviderKey:
    """Decide whether the provider node gets its key.

    Args:
        settings: of the node.
        memory: state of earlier passes.
        observation: of the node, None if it was not observed.
    """
    if not settings.enabled or settings.consensus_key is None:
        return ProviderKey()
    if memory.problem:
        # Neither given nor withheld by a record that cannot be read.
        given = memory.given if memory.given == memory.volume_uid else ""
        return ProviderKey(claim_uid=given, conditions=(_critical(memory.problem),))
    status = _status(memory)
    claim = _claim(status, memory)
    conditions = (*_of_binary(settings, observation), *_conditions(status, memory, observation))
    return ProviderKey(status=status, claim_uid=claim, conditions=conditions)


def _status(memory: observed.ProviderNodeMemory) -> ProviderKeyStatus:
    record, volume_uid = memory.record, memory.volume_uid
    if record is None:
        is_given = bool(memory.given) and volume_uid in (None, memory.given)
        return ProviderKeyStatus.UNRECORDED if is_given else ProviderKeyStatus.NEW
    if volume_uid is None:
        # A pod that runs may use a claim that is being deleted; a new one might get any copy.
        is_given = memory.given == record.volume_uid
        return ProviderKeyStatus.READY if is_given and record.is_ready else ProviderKeyStatus.LOST
    if record.volume_uid != volume_uid:
        return ProviderKeyStatus.LOST
    return ProviderKeyStatus.READY if record.is_ready else ProviderKeyStatus.REQUESTED


def _claim(status: ProviderKeyStatus, memory: observed.ProviderNodeMemory) -> str:
    if status is ProviderKeyStatus.UNRECORDED:
        return memory.given
    if status is ProviderKeyStatus.READY and memory.record is not None:
        return memory.record.volume_uid
    return ""


def _conditions(
    status: ProviderKeyStatus,
    memory: observed.ProviderNodeMemory,
    observation: model.Observation | None,
) -> tuple[Condition, ...]:
    if status is ProviderKeyStatus.NEW:
        text = f"the provider node runs without its key, which was never released on this volume; {_REMEDY}"
        return (Condition.new(Reason.PROVIDER_KEY_WITHHELD, text, severity=Severity.WARNING),)
    if status is ProviderKeyStatus.REQUESTED:
        text = "the provider node runs without its key until its sign state is on the volume"
        return (Condition.new(Reason.PROVIDER_KEY_WITHHELD, text, severity=Severity.WARNING),)
    if status is ProviderKeyStatus.LOST:
        recorded = memory.record.volume_uid if memory.record else ""
        now = memory.volume_uid or "missing"
        text = (
            f"the provider node runs without its key: its claim is {now}, not {recorded}, so the record of signed"
            f" blocks is lost or outdated; {_REMEDY}"
        )
        return (_critical(text),)
    pod = None if observation is None else observation.pod
    check, address = key_check.parse("" if pod is None else pod.key_check)
    if check is key_check.KeyCheck.READY_IN_OTHER_CLUSTER:
        text = (
            f"the mark beside the sign state of {address} knows none of this cluster's certificates: its CA was"
            " replaced, or it was restored from another cluster, which must not run; the provider node keeps its key"
        )
        return (Condition.new(Reason.PROVIDER_OTHER_CLUSTER, text),)
    if check in (None, key_check.KeyCheck.READY, key_check.KeyCheck.WITHHELD):
        return ()  # a withheld pod is of the time before the release
    text = f"the provider node runs without its key {address}: its check says {check}; {_REMEDY}"
    return (_critical(text),)


def _of_binary(
    settings: provider_node.ProviderNodeSettings, observation: model.Observation | None
) -> tuple[Condition, ...]:
    """Return the condition of a node that did not start, because its image contains another binary."""
    pod = None if observation is None else observation.pod
    found = binary_check.found("" if pod is None else pod.ending)
    if not found or observation is None or observation.node is not None:
        return ()
    text = (
        f"image {settings.image} contains a binary with sha256 {found}, not ics:provider_node.binary_hash"
        f" {settings.binary_hash}, so the provider node is not started; use the image of the release, by digest, or"
        " correct binary_hash"
    )
    return (Condition.new(Reason.BINARY_HASH_MISMATCH, text),)


def _critical(text: str) -> Condition:
    return Condition.new(Reason.PROVIDER_KEY_WITHHELD, text, severity=Severity.CRITICAL)


def signed_height(observation: model.Observation | None) -> tuple[str, int] | None:
    """Return the address of the provider node's key, and the height of a commit that it has signed; None if none."""
    if observation is None or observation.pod is None or observation.node is None:
        return None
    check, address = key_check.parse(observation.pod.key_check)
    given = (key_check.KeyCheck.READY, key_check.KeyCheck.READY_IN_OTHER_CLUSTER)
    if check not in given or bytes.fromhex(address) not in observation.node.signers:
        return None
    return address, observation.node.height - 1
