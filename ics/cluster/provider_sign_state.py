"""Writes about the provider node's key in the cluster: its record and watermark, and the Jobs on its volume.

The key's Secret is the operator's own, so record and watermark are in a ConfigMap of the loop, which is retained.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from ics import errors, model, names
from ics.cluster import sign_state
from ics.cluster.api import client, kinds, requests
from ics.cluster.state import provider_record
from ics.config import pods, provider_node
from ics.consumer import key_check, watermark
from ics.manifests import key_check as manifest_key_check
from ics.manifests import objects, sign_state_job


class ProviderSignState:
    """The key of one validator's own provider node."""

    def __init__(
        self,
        kube: client.KubeClient,
        owner: objects.Owner,
        namespace: str,
        ensure_lease: Callable[[], Awaitable[None]],
        settings: pods.PodSettings | None = None,
    ) -> None:
        """Initialize without sending requests.

        Args:
            kube: client.
            owner: validator and provider.
            namespace: of the gateway, and so of the node.
            ensure_lease: acquires the Lease unless this pass holds it.
            settings: of the stack's pods.
        """
        self._pods = settings or pods.PodSettings.defaults()
        self._kube = kube
        self._owner = owner
        self._namespace = namespace
        self._ensure_lease = ensure_lease

    async def request_reset(self, volume_uid: str, reset: model.SignedState) -> None:
        """Record that the key may sign on this volume above a sign state, by the operator's order.

        The next passes write mark and sign state by a Job, and then give the node its key. A higher sign state on the
        volume is kept.

        Args:
            volume_uid: of the current PersistentVolumeClaim.
            reset: the key signs nothing at or below it.

        Raises:
            Transient: the API server is unreachable.
            Permanent: a permission is missing.
        """
        await self._ensure_lease()
        # An earlier Job, done or failed, would be mistaken for the new one.
        name = sign_state_job.provider_job_name(volume_uid)
        job = await self._kube.find(kinds.JOB, self._namespace, name, only_metadata=True)
        if job is not None:
            await self._kube.delete(kinds.JOB, self._namespace, name, job["metadata"]["uid"])
        await self._write(model.ProviderRecord(volume_uid=volume_uid, reset=reset, is_ready=False))

    async def ensure_job(
        self,
        node: provider_node.ProviderNodeSettings,
        volume_uid: str,
        reset: model.SignedState,
        address: str,
    ) -> model.JobState:
        """Create the Job that writes mark and sign state unless it exists; record it once it is done.

        With the same write the watermark becomes the height of that sign state, so that an older copy is refused from
        the node's first start on.

        Args:
            node: settings of the node.
            volume_uid: of the recorded claim.
            reset: the sign state that the operator ordered.
            address: of the validator's own key, upper-case hex.

        Raises:
            Transient: the Job is of another order, or did not end in time; it is deleted.
            Permanent: the Job failed.
        """
        await self._ensure_lease()
        name = sign_state_job.provider_job_name(volume_uid)
        job = await self._kube.find(kinds.JOB, self._namespace, name)
        if job is None:
            certificates = await self.cluster_certificates()
            await self._create(
                sign_state_job.provider_job(
                    self._owner,
                    self._namespace,
                    node,
                    volume_uid,
                    reset,
                    certificates,
                    self._pods.merged(node.pods),
                )
            )
            return model.JobState.RUNNING
        notes = job["metadata"].get("annotations") or {}
        if notes.get(names.SIGN_STATE_RESET) != sign_state_job.reset_note(reset):
            metadata = job["metadata"]
            # A pod that outlived its Job could replace the sign state that the next Job writes.
            await self._kube.delete(
                kinds.JOB, self._namespace, metadata["name"], metadata["uid"], propagation="Foreground"
            )
            raise errors.Transient(
                f"Job {self._namespace}/{name} was for a different height; it is deleted after its pod, and the next"
                " pass creates the right one"
            )
        state = await self._judged(job)
        if state is model.JobState.DONE:
            known = key_check.from_annotation(notes.get(names.CLUSTER_CERTIFICATES, ""))
            record = model.ProviderRecord(
                volume_uid=volume_uid, reset=reset, is_ready=True, certificates=known
            )
            await self._write(record, watermark.Change(address=address, height=reset.height))
            await self._remove(job)
        return state

    async def ensure_marked(
        self,
        node: provider_node.ProviderNodeSettings,
        record: model.ProviderRecord,
        certificates: Sequence[str],
    ) -> model.JobState:
        """Add this cluster's certificates to the mark by a Job, and record them once it is done.

        Raises:
            Transient: the Job did not end in time; it is deleted.
            Permanent: the Job failed, because the mark is not of this place.
        """
        await self._ensure_lease()
        name = sign_state_job.mark_job_name(record.volume_uid, certificates)
        job = await self._kube.find(kinds.JOB, self._namespace, name)
        if job is None:
            await self._create(
                sign_state_job.provider_mark_job(
                    self._owner,
                    self._namespace,
                    node,
                    record.volume_uid,
                    certificates,
                    self._pods.merged(node.pods),
                )
            )
            return model.JobState.RUNNING
        state = await self._judged(job)
        if state is model.JobState.DONE:
            await self._write(
                model.ProviderRecord(
                    volume_uid=record.volume_uid,
                    reset=record.reset,
                    is_ready=record.is_ready,
                    certificates=tuple(certificates),
                )
            )
            await self._remove(job)
        return state

    async def restore_record(self, volume_uid: str) -> None:
        """Record again that the key is ready on this volume, after the record was lost and the node was seen with it.

        The certificates in the mark are not known then, so that they are added again.
        """
        await self._ensure_lease()
        await self._write(model.ProviderRecord(volume_uid=volume_uid, reset=None, is_ready=True))

    async def update_watermark(self, change: watermark.Change) -> None:
        """Change what is recorded about the key outside of the volume; heights of commits are never lowered."""
        await self._ensure_lease()
        record, before = await self._read()
        if record is not None:
            await self._apply(record, watermark.after(before, change))

    async def cluster_certificates(self) -> tuple[str, ...]:
        """Return the sha256 (hex) of each certificate that the cluster publishes in the node's namespace, sorted."""
        found = await self._kube.find(kinds.CONFIG_MAP, self._namespace, manifest_key_check.CLUSTER_CA_NAME)
        return key_check.certificates(((found or {}).get("data") or {}).get("ca.crt", ""))

    async def withhold(self) -> None:
        """Withhold the key from the node before anything else is changed: its pod restarts without the key.

        Raises:
            Transient: the API server is unreachable.
            Permanent: the permission is missing.
        """
        await self._ensure_lease()
        await sign_state.withhold_from(self._kube, self._namespace, names.PROVIDER_NODE)

    async def _read(self) -> tuple[model.ProviderRecord | None, model.Watermark]:
        found = await self._kube.find(kinds.CONFIG_MAP, self._namespace, names.PROVIDER_SIGNING)
        if found is None:
            return None, model.Watermark()
        return provider_record.record(found), provider_record.watermark(found)

    async def _write(self, record: model.ProviderRecord, change: watermark.Change | None = None) -> None:
        # The heights of an earlier volume stay: no sign state may be below them.
        found = await self._kube.find(kinds.CONFIG_MAP, self._namespace, names.PROVIDER_SIGNING)
        before = model.Watermark() if found is None else provider_record.watermark(found)
        await self._apply(record, before if change is None else watermark.after(before, change))

    async def _apply(self, record: model.ProviderRecord, mark: model.Watermark) -> None:
        metadata = self._owner.metadata(
            names.PROVIDER_SIGNING,
            names.WATERMARK,
            self._namespace,
            provider_record.annotations(record),
            is_retained=True,
        )
        data = {address: str(height) for address, height in sorted(mark.heights.items())}
        await self._kube.apply(objects.config_map(metadata, data), names.LOOP_MANAGER, only_metadata=True)

    async def _judged(self, job: dict[str, Any]) -> model.JobState:
        """Return the state of a Job that may go on; raise as `ensure_job`."""
        name = job["metadata"]["name"]
        if sign_state.is_late(job):
            await self._remove(job)
            raise errors.Transient(
                f"Job {self._namespace}/{name} did not end within {sign_state_job.DEADLINE_SECONDS} s; it was deleted,"
                " and a later pass creates it again"
            )
        state = sign_state.job_state(job)
        if state is model.JobState.FAILED:
            raise errors.Permanent(
                f"Job {self._namespace}/{name} failed, so the provider node runs without its key; see kubectl -n"
                f" {self._namespace} logs job/{name}, then run ics sign-state reset provider --confirm provider again"
            )
        return state

    async def _create(self, manifest: model.Manifest) -> None:
        await self._kube.send(requests.create(manifest, names.LOOP_MANAGER))

    async def _remove(self, job: dict[str, Any]) -> None:
        metadata = job["metadata"]
        await self._kube.delete(kinds.JOB, self._namespace, metadata["name"], metadata["uid"])
