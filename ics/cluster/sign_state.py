"""Writes of the sign state in the cluster: the recorded request, the Job, and the record that it is ready.

`ics.reconciler.sign_state` decides on the order of these steps. Each step can be repeated after a crash.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from ics import errors, model, names
from ics.cluster.api import client, kinds, requests
from ics.cluster.nodes import decode
from ics.cluster.state import node_records
from ics.consumer import chain, key_check, watermark
from ics.manifests import key_check as manifest_key_check
from ics.manifests import objects, sign_state_job


class SignState:
    """Sign states of one validator's consumer keys: the record on each key's Secret, and the Job."""

    def __init__(
        self, kube: client.KubeClient, owner: objects.Owner, ensure_lease: Callable[[], Awaitable[None]]
    ) -> None:
        """Initialize without sending requests.

        Args:
            kube: client.
            owner: validator and provider.
            ensure_lease: acquires the Lease unless this pass holds it.
        """
        self._kube = kube
        self._owner = owner
        self._ensure_lease = ensure_lease

    async def waits(self) -> dict[str, str]:
        """Return why the pods of sign-state Jobs wait, by consumer id; pods that do not wait are omitted.

        Raises:
            Transient: the API server is unreachable.
            Permanent: the permission to list pods is missing.
        """
        items = await self._kube.select(kinds.POD, self._owner.selector(names.SIGN_STATE))
        waiting = {item["metadata"]["labels"][names.CONSUMER]: decode.pod(item).waiting for item in items}
        return {consumer_id: reason for consumer_id, reason in waiting.items() if reason}

    async def ensure_requested(self, place: model.Place, volume_uid: str) -> bool:
        """Record on the key's Secret that its sign state is requested for this volume, but not ready.

        Returns:
            Whether the record was written.

        Raises:
            Permanent: the Secret does not exist.
        """
        await self._ensure_lease()
        secret = await _secret(self._kube, place)
        if _annotations(secret).get(names.VOLUME_UID) == volume_uid:
            return False
        await _annotate(self._kube, secret, {names.VOLUME_UID: volume_uid})
        return True

    async def request_reset(self, place: model.Place, volume_uid: str, state: model.SignedState) -> None:
        """Record, as the operator confirmed, that the sign state of a key that may have signed is written at a height.

        It is one write, so that no crash leaves a request without its height, for which an empty one would be created.

        Raises:
            Permanent: the Secret does not exist.
        """
        await self._ensure_lease()
        secret = await _secret(self._kube, place)
        # An earlier Job, done or failed, would be mistaken for the new one.
        job = await self._kube.find(kinds.JOB, place.namespace, sign_state_job.name(volume_uid))
        if job is not None:
            await _withdraw(self._kube, job)
        # Server-side apply removes annotations that are not applied again, here the record of the sign state.
        await _annotate(
            self._kube,
            secret,
            {names.VOLUME_UID: volume_uid, names.SIGN_STATE_RESET: sign_state_job.reset_note(state)},
        )

    async def ensure_job(self, chain: chain.ChainPlan, volume_uid: str) -> model.JobState:
        """Create the Job that writes the recorded sign state unless it exists, and return its state.

        Args:
            chain: plan of the chain, with its key.
            volume_uid: uid of the recorded volume.

        Raises:
            Transient: a Job for a different key exists, the Job waits for an image that is no longer the chain's, or it
                did not end in time; it is deleted.
            Permanent: the key's Secret does not exist, or its record of a reset was edited.
        """
        await self._ensure_lease()
        place, address = chain.key.place, chain.key.key.address.hex().upper()
        namespace = place.namespace
        job = await self._kube.find(kinds.JOB, namespace, sign_state_job.name(volume_uid))
        reset = _recorded_reset(await _secret(self._kube, place))
        if job is None:
            image = chain.version.image
            owner = self._owner.of_chain(chain)
            # Read before the Job runs: one that is added in between is then found missing, and added again.
            certificates = await self.cluster_certificates(namespace)
            manifest = sign_state_job.job(
                owner, namespace, volume_uid, address, image, reset, certificates, chain.pods
            )
            await self._kube.send(requests.create(manifest, names.LOOP_MANAGER))
            return model.JobState.RUNNING
        wanted = (address, None if reset is None else sign_state_job.reset_note(reset))
        notes = _annotations(job)
        if (notes.get(names.CONSENSUS_ADDRESS), notes.get(names.SIGN_STATE_RESET)) != wanted:
            await _withdraw(self._kube, job)
            raise errors.Transient(
                f"Job {namespace}/{sign_state_job.name(volume_uid)} was for a different key or height; it is deleted"
                " after its pod, and the next pass creates the right one"
            )
        if not is_started(job) and _image(job) != chain.version.image:
            await _withdraw(self._kube, job)
            raise errors.Transient(
                f"Job {namespace}/{sign_state_job.name(volume_uid)} waits with the image {_image(job)}, and this chain"
                " has another now; it is deleted after its pod, and the next pass creates it again"
            )
        if is_late(job):
            await _remove(self._kube, job)
            raise errors.Transient(
                f"Job {namespace}/{sign_state_job.name(volume_uid)}, which creates the sign state, did not end within"
                f" {sign_state_job.DEADLINE_SECONDS} s; it was deleted, and the next pass creates it again; for the"
                f" reason, run kubectl -n {namespace} describe pods -l {names.COMPONENT}={names.SIGN_STATE}"
            )
        return job_state(job)

    async def ensure_ready_recorded(self, place: model.Place, volume_uid: str) -> bool:
        """Record that the sign state on this volume is ready, then delete the Job.

        Returns:
            Whether the record was written.

        Raises:
            Permanent: the Secret does not exist, or the sign state was requested for a different volume.
        """
        await self._ensure_lease()
        secret = await _secret(self._kube, place)
        notes = _annotations(secret)
        if notes.get(names.VOLUME_UID) != volume_uid:
            raise errors.Permanent(
                f"Secret {place.namespace}/{names.consensus_key_name(place.place_id)}: the sign state was requested for"
                f" volume {notes.get(names.VOLUME_UID)}, not for {volume_uid}, so it is not recorded as ready"
            )
        job = await self._kube.find(
            kinds.JOB, place.namespace, sign_state_job.name(volume_uid), only_metadata=True
        )
        is_due = notes.get(names.SIGN_STATE_READY) != "true"
        if is_due:
            changes = {names.VOLUME_UID: volume_uid, names.SIGN_STATE_READY: "true"}
            written = {} if job is None else _annotations(job)
            if names.CLUSTER_CERTIFICATES in written:
                changes[names.CLUSTER_CERTIFICATES] = written[names.CLUSTER_CERTIFICATES]
            await _annotate(self._kube, secret, _kept(notes, names.SIGN_STATE_RESET) | changes)
        if job is not None and "deletionTimestamp" not in job["metadata"]:
            await _remove(self._kube, job)
        return is_due

    async def restore_record(self, place: model.Place, volume_uid: str) -> None:
        """Record that the sign state is ready on this volume, after it was observed there.

        This is one write, because a sign state that is recorded only as requested would be created again.

        Raises:
            Permanent: the Secret does not exist.
        """
        await self._ensure_lease()
        secret = await _secret(self._kube, place)
        await _annotate(self._kube, secret, {names.VOLUME_UID: volume_uid, names.SIGN_STATE_READY: "true"})

    async def ensure_retired(self, place: model.Place) -> bool:
        """Record that this validator left its chain with a key, which must never be used again.

        Returns:
            Whether the record was written.

        Raises:
            Permanent: the Secret does not exist.
        """
        secret = await _secret(self._kube, place)
        notes = _annotations(secret)
        if notes.get(names.RETIRED) == "true":
            return False
        await self._ensure_lease()
        await _annotate(self._kube, secret, _kept(notes, *_RECORD) | {names.RETIRED: "true"})
        return True

    async def withdraw(self, place: model.Place) -> bool:
        """Record that a key is ready on no volume any more, because a remote signer took its place.

        Returns:
            Whether the record was written.

        Raises:
            Permanent: the Secret does not exist.
        """
        secret = await _secret(self._kube, place)
        notes = _annotations(secret)
        if notes.get(names.VOLUME_UID) in (None, names.WITHDRAWN):
            return False
        await self._ensure_lease()
        await _annotate(self._kube, secret, _kept(notes, names.RETIRED) | {names.VOLUME_UID: names.WITHDRAWN})
        return True

    async def update_watermark(self, chain: chain.ChainPlan, change: watermark.Change) -> bool:
        """Change what is recorded about one key outside of the volume; heights of commits are never lowered.

        Returns:
            Whether it was written.

        Raises:
            Transient: the API server is unreachable.
            Permanent: a permission or the namespace is missing, or the watermark was edited.
        """
        metadata = self._owner.of_chain(chain).metadata(
            names.WATERMARK, names.WATERMARK, chain.namespace, is_retained=True
        )
        return await self._write_watermark(metadata, change)

    async def _write_watermark(self, metadata: dict[str, Any], change: watermark.Change) -> bool:
        await self._ensure_lease()
        # Read again, because an earlier holder of the Lease may have written since this pass looked.
        found = await self._kube.find(kinds.CONFIG_MAP, metadata["namespace"], metadata["name"])
        before = model.Watermark() if found is None else node_records.watermark(found)
        after = watermark.after(before, change)
        if after == before:
            return False
        await self._kube.apply(
            objects.config_map(
                metadata,
                # All of them, because server-side apply removes those that are not applied again.
                {address: str(height) for address, height in sorted(after.heights.items())},
            ),
            names.LOOP_MANAGER,
            only_metadata=True,
        )
        return True

    async def cluster_certificates(self, namespace: str) -> tuple[str, ...]:
        """Return the sha256 (hex) of each certificate that the cluster publishes in a namespace, sorted.

        They are empty before Kubernetes has published any, which it does soon after it created the namespace.

        Raises:
            Transient: the API server is unreachable.
            Permanent: the permission is missing.
        """
        found = await self._kube.find(kinds.CONFIG_MAP, namespace, manifest_key_check.CLUSTER_CA_NAME)
        return key_check.certificates(((found or {}).get("data") or {}).get("ca.crt", ""))

    async def ensure_marked(
        self, chain: chain.ChainPlan, volume_uid: str, certificates: Sequence[str]
    ) -> model.JobState:
        """Add this cluster's certificates to the mark beside a key's sign state, and record it.

        The first call creates a Job; the call that finds it done records the certificates on the key's Secret and
        deletes the Job. A pod that is started from then on gets the key.

        Args:
            chain: plan of the chain, with its key.
            volume_uid: uid of the chain's current volume.
            certificates: see `cluster_certificates`.

        Raises:
            Transient: the Job did not end in time; it is deleted.
            Permanent: the key's Secret does not exist, or the mark is not of this place.
        """
        await self._ensure_lease()
        place, address = chain.key.place, chain.key.key.address.hex().upper()
        name = sign_state_job.mark_job_name(volume_uid, certificates)
        job = await self._kube.find(kinds.JOB, place.namespace, name)
        if job is None:
            manifest = sign_state_job.mark_job(
                self._owner.of_chain(chain),
                place.namespace,
                volume_uid,
                address,
                chain.version.image,
                certificates,
                chain.pods,
            )
            await self._kube.send(requests.create(manifest, names.LOOP_MANAGER))
            return model.JobState.RUNNING
        if is_late(job):
            await _remove(self._kube, job)
            raise errors.Transient(
                f"Job {place.namespace}/{name}, which adds the cluster's certificates to the mark of {address}, did not"
                f" end within {sign_state_job.DEADLINE_SECONDS} s; it was deleted, and a later pass creates it again"
            )
        state = job_state(job)
        if state is model.JobState.DONE:
            secret = await _secret(self._kube, place)
            known = key_check.to_annotation(certificates)
            kept = _kept(_annotations(secret), *_RECORD, names.RETIRED)
            await _annotate(self._kube, secret, kept | {names.CLUSTER_CERTIFICATES: known})
            await _remove(self._kube, job)
        if state is model.JobState.FAILED:
            raise errors.Permanent(
                f"Job {place.namespace}/{name}: the mark of {address} is not of this place, so this cluster's"
                f" certificates were not added; see kubectl -n {place.namespace} logs job/{name}"
            )
        return state

    async def withhold(self, namespace: str, place: model.Place) -> None:
        """Withhold the key from a node whose objects the engine does not change: its pod restarts without the key.

        Raises:
            Transient: the API server is unreachable.
            Permanent: the permission is missing.
        """
        await self._ensure_lease()
        await withhold_from(self._kube, namespace, names.NODE_NAME, place.place_id)


async def withhold_from(
    kube: client.KubeClient, namespace: str, name: str, place_id: str | None = None
) -> None:
    """Change a StatefulSet so that its pod restarts without the key; the engine's next apply may give it back.

    Args:
        kube: client.
        namespace: of the StatefulSet.
        name: its name.
        place_id: nothing is changed unless it has the key of this place; None: whatever it has.

    Raises:
        Transient: the API server is unreachable.
        Permanent: the permission is missing.
    """
    workload = await kube.find(kinds.STATEFUL_SET, namespace, name, only_metadata=True)
    if workload is None or place_id not in (None, _annotations(workload).get(names.PLACE_ID)):
        return
    check = {"name": names.KEY_CHECK, "env": [{"name": manifest_key_check.WITHHELD, "value": "true"}]}
    manifest = {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": workload["metadata"]["uid"],
            "annotations": {names.WITHHELD: "true"},
        },
        "spec": {
            # Pod settings that wait for the pod's next start keep it from being replaced; a key does not wait.
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}},
            "template": {"spec": {"initContainers": [check]}},
        },
    }
    await kube.apply(manifest, names.LOOP_MANAGER)


def is_started(item: Mapping[str, Any]) -> bool:
    """Return whether a pod of a Job runs, or has run."""
    status = item.get("status") or {}
    return any(status.get(key) for key in ("ready", "succeeded", "failed", "conditions"))


def _image(job: Mapping[str, Any]) -> str:
    return str(job["spec"]["template"]["spec"]["containers"][0]["image"])


def is_late(item: Mapping[str, Any]) -> bool:
    """Return whether a Job failed because it exceeded its deadline."""
    conditions = (item.get("status") or {}).get("conditions") or []
    return any(c["type"] == "Failed" and c.get("reason") == "DeadlineExceeded" for c in conditions)


def job_state(item: dict[str, Any]) -> model.JobState:
    """Return the state of a Job."""
    if "deletionTimestamp" in item["metadata"]:
        return model.JobState.RUNNING  # it is created again once it is gone
    met = {c["type"] for c in (item.get("status") or {}).get("conditions") or [] if c["status"] == "True"}
    if "Complete" in met:
        return model.JobState.DONE
    return model.JobState.FAILED if "Failed" in met else model.JobState.RUNNING


def _recorded_reset(secret: dict[str, Any]) -> model.SignedState | None:
    """Return the sign state that the operator confirmed, None if the key is new.

    Raises:
        Permanent: the record was edited; an empty sign state must not take its place.
    """
    text = _annotations(secret).get(names.SIGN_STATE_RESET)
    if text is None:
        return None
    state = sign_state_job.parse_reset_note(text)
    if state is None:
        metadata = secret["metadata"]
        raise errors.Permanent(
            f"Secret {metadata['namespace']}/{metadata['name']}: invalid annotation {names.SIGN_STATE_RESET}={text!r};"
            " run ics sign-state reset again"
        )
    return state


_RECORD = (
    names.VOLUME_UID,
    names.SIGN_STATE_READY,
    names.SIGN_STATE_RESET,
    names.CLUSTER_CERTIFICATES,
)
"""Annotations on a key's Secret that say on which volume it may sign."""


def _kept(notes: Mapping[str, str], *kept: str) -> dict[str, str]:
    """Return annotations to apply again, because server-side apply removes those that are not."""
    return {name: notes[name] for name in kept if name in notes}


async def _secret(kube: client.KubeClient, place: model.Place) -> dict[str, Any]:
    name = names.consensus_key_name(place.place_id)
    secret = await kube.find(kinds.SECRET, place.namespace, name, only_metadata=True)
    if secret is None:
        raise errors.Permanent(
            f"Secret {place.namespace}/{name} not found; it is created by the next successful pass"
        )
    return secret


async def _annotate(kube: client.KubeClient, secret: dict[str, Any], annotations: dict[str, str]) -> None:
    metadata = secret["metadata"]
    await kube.apply(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            # The uid prevents the apply from recreating a deleted Secret without its key.
            "metadata": {
                "name": metadata["name"],
                "namespace": metadata["namespace"],
                "uid": metadata["uid"],
                "annotations": annotations,
            },
        },
        names.LOOP_MANAGER,
        only_metadata=True,
    )


async def _remove(kube: client.KubeClient, job: dict[str, Any]) -> None:
    metadata = job["metadata"]
    await kube.delete(kinds.JOB, metadata["namespace"], metadata["name"], metadata["uid"])


async def _withdraw(kube: client.KubeClient, job: dict[str, Any]) -> None:
    """Delete a Job, and before it a pod that may still run.

    Until the pod is gone, no Job of this name is created: a pod that outlived its Job could replace a sign state that
    the next Job wrote and a node has signed with.
    """
    metadata = job["metadata"]
    await kube.delete(
        kinds.JOB,
        metadata["namespace"],
        metadata["name"],
        metadata["uid"],
        propagation="Foreground" if job_state(job) is model.JobState.RUNNING else "Background",
    )


def _annotations(item: dict[str, Any]) -> dict[str, str]:
    return item["metadata"].get("annotations") or {}
