"""The Lease that lets only one reconciler act for a validator at a time."""

import asyncio
import contextlib
import datetime
from collections.abc import Callable
from typing import Any

from ics import errors, labels
from ics.cluster import answers, client, kinds, requests

_FORMAT = "%Y-%m-%dT%H:%M:%S.%fZ"


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


class Lease:
    """The Lease `ics-<validator>` in the gateway namespace, seen by one holder."""

    def __init__(
        self,
        kube: client.Client,
        validator: str,
        gateway: str,
        holder: str,
        seconds: int,
        clock: Callable[[], datetime.datetime] = _now,
    ) -> None:
        """Nothing is sent yet.

        Args:
            kube: client.
            validator: name of the stack's validator.
            gateway: namespace that it lies in; made if it is not there.
            holder: who takes it, such as host and process id.
            seconds: how long it is held without being renewed.
            clock: the time, UTC.
        """
        self._kube = kube
        self._name = f"ics-{validator}"
        self._namespace = gateway
        self._holder = holder
        self._seconds = seconds
        self._clock = clock
        self._held: dict[str, Any] | None = None
        self._taking = asyncio.Lock()

    async def ensure(self) -> None:
        """Take it, or do nothing when this holder has it already.

        Raises:
            Transient: another one holds it; names the holder.
        """
        async with self._taking:  # steps of several chains ask at the same time
            if self._held is None:
                await self.acquire()

    async def acquire(self) -> None:
        """Take it or renew it.

        Raises:
            Transient: another one holds it; names the holder.
        """
        found = self._held or await self._kube.find(kinds.LEASE, self._namespace, self._name)
        if found is None:
            self._held = await self._create()
            return
        spec = found.get("spec") or {}
        holder = spec.get("holderIdentity") or ""
        if holder not in ("", self._holder) and not self._is_expired(spec):
            raise errors.Transient(
                f"Lease {self._namespace}/{self._name}: {holder} is acting for this validator, until at most"
                f" {spec.get('leaseDurationSeconds')} s after {spec.get('renewTime')}: wait, or stop it"
            )
        taken = spec if holder == self._holder else self._spec()
        self._held = await self._put(found, taken | {"renewTime": self._clock().strftime(_FORMAT)})

    async def release(self) -> None:
        """Give it back if this holder has it; one that another has taken over stays with that one."""
        if self._held is not None:
            held, self._held = self._held, None
            with contextlib.suppress(answers.Conflict):
                await self._put(held, held["spec"] | {"holderIdentity": ""})

    def _spec(self) -> dict[str, Any]:
        now = self._clock().strftime(_FORMAT)
        return {
            "holderIdentity": self._holder,
            "leaseDurationSeconds": self._seconds,
            "acquireTime": now,
            "renewTime": now,
        }

    def _is_expired(self, spec: dict[str, Any]) -> bool:
        renewed = datetime.datetime.fromisoformat(spec["renewTime"]) if spec.get("renewTime") else None
        seconds = spec.get("leaseDurationSeconds") or 0
        return renewed is None or self._clock() >= renewed + datetime.timedelta(seconds=seconds)

    async def _create(self) -> dict[str, Any]:
        metadata = {
            "name": self._name,
            "namespace": self._namespace,
            "labels": {labels.MANAGED_BY: labels.MANAGER},
        }
        manifest = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": metadata,
            "spec": self._spec(),
        }
        request = requests.create(manifest, labels.LOOP_MANAGER)
        try:
            return (await self._kube.send(request)).body
        except answers.Missing:
            # The first pass of all: nobody has made the gateway's namespace yet.
            home = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self._namespace}}
            await self._kube.apply(home, labels.LOOP_MANAGER, only_metadata=True)
            return (await self._kube.send(request)).body

    async def _put(self, lease: dict[str, Any], spec: dict[str, Any]) -> dict[str, Any]:
        """Write it only if nobody has since it was read."""
        metadata = {
            key: lease["metadata"][key] for key in ("name", "namespace", "uid", "resourceVersion", "labels")
        }
        manifest = {
            "apiVersion": lease["apiVersion"],
            "kind": lease["kind"],
            "metadata": metadata,
            "spec": spec,
        }
        return (await self._kube.send(requests.update(manifest, labels.LOOP_MANAGER))).body
