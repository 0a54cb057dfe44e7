"""Keeps the nodes that run: tells them new peers, restarts what is stuck; one restart in a pass, never two at once.

note a look at a node that is behind     passes of a cron job have nothing else to remember it by
tell a node its new peers, then note it  a crash between the two tells it once more
note a restart, then restart             a crash between the two costs some looks more
"""

import dataclasses
import datetime
from collections.abc import Collection
from dataclasses import dataclass

from ics import errors, model
from ics.config import settings
from ics.consumer import chain, desired, observed, watchdog
from ics.consumer.peers import updates
from ics.reconciler import world


@dataclass(frozen=True, slots=True)
class Patient:
    """A node that answers."""

    chain: chain.Chain
    pod: model.PodStatus
    node: model.NodeStatus

    @property
    def process(self) -> str:
        """Identity of its process."""
        return watchdog.process(self.pod)

    @property
    def lacking(self) -> dict[str, str]:
        """Peers that it is not connected with."""
        return updates.missing(self.chain.peering.persistent_peers, self.node)


@dataclass(slots=True)
class Round:
    """One round of all nodes."""

    cluster: world.Cluster
    settings: settings.Settings
    now: datetime.datetime
    may_restart: bool
    """False once a node is restarting."""

    async def tend(self, patient: Patient) -> None:
        """Take what is due for one node."""
        chain, care = patient.chain, patient.chain.care
        patience = datetime.timedelta(seconds=self.settings.node.stuck_after)
        found = watchdog.progress(patient.node, self.now, patience)
        looked = watchdog.looked(care, patient.process, patient.node, found, self.now)
        if looked != care:
            await self.cluster.record_care(chain.namespace, looked)
        if watchdog.is_stuck(looked, patient.process):
            await self._restart(chain, watchdog.restarted(looked, self.now, is_stuck=True))
        elif updates.is_stale(chain.peering.persistent_peers, chain.laid_peers, looked, patient.pod):
            await self._update(patient, looked)

    async def _update(self, patient: Patient, care: model.Care) -> None:
        """Let a node know its new peers in the way that the settings allow."""
        own = patient.chain.key.key.address
        is_allowed = self.settings.auto_update_consumers and watchdog.may_restart(own, patient.node)
        lacking = frozenset(patient.lacking)
        if self.settings.hybrid_peer_updates:
            try:
                lacking = await dial(self.cluster, patient)
            except errors.IcsError:
                if not self.settings.auto_update_consumers:
                    raise
            else:
                if not (lacking and is_allowed):
                    # It goes on trying by itself.
                    await note_told(self.cluster, patient, care)
                    return
        if lacking and is_allowed:
            await self._restart(patient.chain, watchdog.restarted(care, self.now, is_stuck=False))

    async def _restart(self, chain: chain.Chain, care: model.Care) -> None:
        if not self.may_restart:
            return
        self.may_restart = False
        await self.cluster.record_care(chain.namespace, care)
        await self.cluster.restart_node(chain.namespace)


async def tell(cluster: world.Cluster, patient: Patient, care: model.Care) -> frozenset[str]:
    """Tell a node its peers while it runs, and note it.

    Returns:
        Node ids of wanted peers that it is not connected with after a few seconds; it goes on trying.

    Raises:
        IcsError: it could not be told.
    """
    lacking = await dial(cluster, patient)
    await note_told(cluster, patient, care)
    return lacking


async def dial(cluster: world.Cluster, patient: Patient) -> frozenset[str]:
    """Tell a node its peers; answers and raises as `tell`."""
    wanted = patient.chain.peering.persistent_peers
    # A node cannot be told that it has no peers any more; those of before do no harm.
    connected = await cluster.tell_peers(patient.chain.namespace, wanted) if wanted else frozenset()
    return frozenset(updates.addresses(wanted)) - connected


async def note_told(cluster: world.Cluster, patient: Patient, care: model.Care) -> None:
    """Note that the process that runs knows its peers of now."""
    told = updates.digest(patient.chain.peering.persistent_peers)
    known = care if care.process == patient.process else model.Care(patient.process, restarts=care.restarts)
    await cluster.record_care(patient.chain.namespace, dataclasses.replace(known, told=told))


def patients(wanted: desired.Desired, observed: observed.Seen) -> list[Patient]:
    """The nodes that answer, of chains that are neither held nor without a genesis."""
    found = []
    for planned in wanted.chains:
        observation = observed.observations.get(planned.consumer_id)
        if planned.genesis is None or observation is None or planned.consumer_id in wanted.held:
            continue
        if observation.pod is not None and observation.node is not None:
            found.append(Patient(planned, observation.pod, observation.node))
    return found


def _is_quiet(observed: observed.Seen) -> bool:
    """Whether no node is on its way up, also none of a chain that is held."""
    now, remembered = observed.snapshot.moment, observed.memory.chains
    return not any(
        watchdog.is_coming_up(found.pod, remembered[consumer_id].care, now)
        for consumer_id, found in observed.observations.items()
    )


async def tend(
    place: world.World, wanted: desired.Desired, observed: observed.Seen, restarted: Collection[str] = ()
) -> list[tuple[str, errors.IcsError]]:
    """Take what is due for every node, one after the other.

    Args:
        place: the validator's world.
        wanted: what should be.
        observed: what it was made of.
        restarted: consumer ids of the nodes that this pass has restarted already, to give them their key.

    Returns:
        What went wrong, by consumer id; one node's trouble is its own.
    """
    may_restart = not restarted and _is_quiet(observed)
    turn = Round(place.cluster, place.settings, observed.snapshot.moment, may_restart)
    troubles: list[tuple[str, errors.IcsError]] = []
    for patient in patients(wanted, observed):
        try:
            await turn.tend(patient)
        except errors.IcsError as error:
            troubles.append((patient.chain.consumer_id, error))
    return troubles
