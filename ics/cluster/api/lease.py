"""The Lease that lets only one reconciler act for a validator at a time.

It also stores the latest provider block that any reconciler has acted upon, because every writer holds the Lease:
neither a crash nor a change of the host lets an older answer count.
"""

import asyncio
import contextlib
import datetime
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from ics import errors, model, names
from ics.cluster.api import client, kinds, lease_holder, requests
from ics.cluster.api import errors as api_errors
from ics.cosmos import times

_FORMAT = "%Y-%m-%dT%H:%M:%S.%fZ"
_ASK_EVERY = 0.5
_LARGEST = 240 * 1024
"""Bytes of all annotations together; the API server takes 256 KiB, and each write may add some."""
_DISPENSABLE = (names.ANSWERS, names.REPORTED)
"""Annotations that only save queries or repeated Events."""


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


class Lease:
    """The Lease `ics-<validator>` in the gateway namespace, for one holder."""

    def __init__(
        self,
        kube: client.KubeClient,
        validator: str,
        gateway: str,
        holder: str,
        seconds: int,
        clock: Callable[[], datetime.datetime] = _now,
        monotonic: Callable[[], float] = time.monotonic,
        is_dead: Callable[[str], bool] = lease_holder.is_dead,
        *,
        yields: bool = False,
    ) -> None:
        """Initialize without sending requests.

        Args:
            kube: client.
            validator: name of the stack's validator.
            gateway: namespace of the Lease; created if it does not exist.
            holder: identity of this holder, such as host and process id.
            seconds: duration of the Lease without renewal.
            clock: returns the current time in UTC.
            monotonic: returns the seconds of a monotonic clock.
            is_dead: returns whether a holder has certainly ended, so that its Lease need not expire.
            yields: whether this holder ends its work early for a reconciler that sees a launch.
        """
        self._kube = kube
        self._name = f"ics-{validator}"
        self._namespace = gateway
        self._holder = holder
        self._seconds = seconds
        self._clock = clock
        self._monotonic = monotonic
        self._is_dead = is_dead
        self._yields = yields
        self._held: dict[str, Any] | None = None
        self._renewed_at = 0.0
        self._acted = ""
        self._is_borrowed = False
        self._taking = asyncio.Lock()

    async def ensure(self) -> None:
        """Acquire the Lease unless it was renewed recently; call this before each burst of writes.

        Raises:
            HeldByOther: another holder has it, or may have it, because it could not be renewed in time.
            Transient: it cannot be renewed now.
        """
        async with self._taking:  # steps of several chains call this concurrently
            if self._held is not None and self._age() <= self._seconds / 3:
                return
            try:
                await self._acquire()
            except HeldByOther:
                raise
            except errors.Transient as error:
                if self._held is not None and self._age() >= self._seconds * 2 / 3:
                    raise self._overdue() from error
                raise

    async def acquire(self) -> None:
        """Acquire or renew the Lease.

        Raises:
            Transient: another holder has it; the message names the holder.
        """
        async with self._taking:
            await self._acquire()

    async def release(self) -> None:
        """Release the Lease if this holder has it.

        A Lease acquired by `request` outlives the passes of its command and is released by `return_to_holder`.
        """
        if not self._is_borrowed:
            await self._release()

    async def return_to_holder(self) -> None:
        """Release the Lease that `request` acquired."""
        self._is_borrowed = False
        await self._release()

    async def _release(self) -> None:
        """Release the Lease unless another holder has it.

        It may be newer than this process knows: a renewal whose answer was lost, or a request for it.
        """
        async with self._taking:
            lease, self._held = self._held, None
            while lease is not None and lease["spec"].get("holderIdentity") == self._holder:
                try:
                    await self._put(lease, lease["spec"] | {"holderIdentity": ""})
                    return
                except api_errors.ObjectNotFound:
                    return
                except api_errors.Conflict:
                    lease = await self._kube.find(kinds.LEASE, self._namespace, self._name)

    async def request(
        self, timeout: float, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        """Acquire the Lease for a manual command, and ask a daemon that holds it to release it.

        Args:
            timeout: seconds to wait for the release.
            sleep: waits for a number of seconds.

        Raises:
            Transient: the holder does not release it; the message names the holder.
        """
        deadline = self._monotonic() + timeout
        while True:
            try:
                await self.acquire()
            except api_errors.Conflict:
                pass  # a concurrent write; try again
            except HeldByOther:
                if self._monotonic() >= deadline:
                    raise
                await self._ask(names.WANTED_BY)
            else:
                self._is_borrowed = True
                return
            await sleep(_ASK_EVERY)

    @property
    def is_wanted(self) -> bool:
        """Whether another process asks for it."""
        return self._held is not None and bool(_annotations(self._held).get(names.WANTED_BY))

    @property
    def is_wanted_for_launch(self) -> bool:
        """Whether a reconciler asks for it because of a launch."""
        return self._held is not None and bool(_annotations(self._held).get(names.WANTED_FOR_LAUNCH))

    async def ask_for_launch(self) -> None:
        """Ask the holder of the Lease to end its work because of a launch, and to give the Lease up."""
        await self._ask(names.WANTED_BY, names.WANTED_FOR_LAUNCH)

    async def is_taken(self) -> bool:
        """Return whether another holder has the Lease, without writing."""
        lease = await self._kube.find(kinds.LEASE, self._namespace, self._name)
        return lease is not None and self._is_of_another(lease.get("spec") or {})

    async def acted_block(self, provider_chain_id: str) -> model.ActedBlock | None:
        """Return this provider's newest block that any reconciler acted upon; None: none."""
        lease = self._held or await self._kube.find(kinds.LEASE, self._namespace, self._name)
        acted = "" if lease is None else _annotations(lease).get(names.ACTED_HEIGHT, "")
        recorded = [_block(text, provider_chain_id) for text in (acted, self._acted)]
        # The later one, not the higher one: a height that was a lie is replaced by the block that refutes it.
        return max(filter(None, recorded), key=lambda block: block.moment, default=None)

    def record_block(self, provider_chain_id: str, block: model.ActedBlock) -> None:
        """Set the provider's block that is acted upon from now on; the next write stores it."""
        moment = block.moment.astimezone(datetime.UTC).strftime(_FORMAT)
        self._acted = f"{provider_chain_id}@{block.height}@{moment}"

    async def annotations(self) -> dict[str, str]:
        """Return the annotations of the Lease, empty if there is none."""
        lease = self._held or await self._kube.find(kinds.LEASE, self._namespace, self._name)
        return {} if lease is None else _annotations(lease)

    async def annotate(self, changes: Mapping[str, str]) -> None:
        """Write annotations, as its holder, before anything that they announce is done.

        If all of them would be too large, those that only save work are removed: a transaction can always be recorded.

        Raises:
            Transient: another holder has the Lease; nothing may be sent.
        """
        await self.ensure()
        async with self._taking:
            lease = self._held
            if lease is None:
                raise HeldByOther(f"Lease {self._namespace}/{self._name}: was lost; nothing is sent")
            annotations = _fitting(_annotations(lease) | dict(changes))
            recorded = lease | {"metadata": lease["metadata"] | {"annotations": annotations}}
            self._held = await self._put(recorded, lease["spec"])

    # -- the object --------------------------------------------------------------------------------

    def _overdue(self) -> "HeldByOther":
        return HeldByOther(
            f"Lease {self._namespace}/{self._name}: not renewed in time; this reconciler pauses until it holds the"
            " Lease again, because another process may be acting"
        )

    def _age(self) -> float:
        return self._monotonic() - self._renewed_at

    async def _acquire(self) -> None:
        started = self._monotonic()
        if self._held is not None:
            try:
                self._held = await self._put(self._held, self._held["spec"] | {"renewTime": self._stamp()})
            except (api_errors.Conflict, api_errors.ObjectNotFound):
                pass  # another client wrote or deleted the Lease, so read its current holder
            else:
                self._renewed_at = started
                return
        lease = await self._kube.find(kinds.LEASE, self._namespace, self._name)
        if lease is None:
            self._held = await self._create()
        else:
            self._held = await self._acquired(lease)
        self._renewed_at = started

    async def _acquired(self, lease: dict[str, Any]) -> dict[str, Any]:
        spec = lease.get("spec") or {}
        holder = spec.get("holderIdentity") or ""
        if holder == self._holder:
            return await self._put(lease, spec | {"renewTime": self._stamp()})
        if self._is_of_another(spec):
            self._held = None
            raise HeldByOther(
                f"Lease {self._namespace}/{self._name}: {holder} is acting for this validator until at most"
                f" {spec.get('leaseDurationSeconds')} s after {spec.get('renewTime')}; wait, or stop it",
                holder,
                yields=_annotations(lease).get(names.YIELDS) == holder,
            )
        # Any other requester repeats its request.
        asked = (names.WANTED_BY, names.WANTED_FOR_LAUNCH)
        annotations = {name: text for name, text in _annotations(lease).items() if name not in asked}
        lease = lease | {"metadata": lease["metadata"] | {"annotations": annotations}}
        return await self._put(lease, self._spec())

    async def _ask(self, *annotations: str) -> None:
        """Request the Lease from its holder by writing this holder's name into annotations of it."""
        lease = await self._kube.find(kinds.LEASE, self._namespace, self._name)
        request = dict.fromkeys(annotations, self._holder)
        if lease is None or request.items() <= _annotations(lease).items():
            return
        with contextlib.suppress(api_errors.Conflict):
            await self._put(lease, lease["spec"], request)

    def _stamp(self) -> str:
        return self._clock().strftime(_FORMAT)

    def _spec(self) -> dict[str, Any]:
        now = self._stamp()
        return {
            "holderIdentity": self._holder,
            "leaseDurationSeconds": self._seconds,
            "acquireTime": now,
            "renewTime": now,
        }

    def _is_of_another(self, spec: dict[str, Any]) -> bool:
        holder = spec.get("holderIdentity") or ""
        return holder not in ("", self._holder) and not self._is_expired(spec) and not self._is_dead(holder)

    def _is_expired(self, spec: dict[str, Any]) -> bool:
        renewed = times.parse_time(spec["renewTime"]) if spec.get("renewTime") else None
        seconds = spec.get("leaseDurationSeconds") or 0
        return renewed is None or self._clock() >= renewed + datetime.timedelta(seconds=seconds)

    async def _create(self) -> dict[str, Any]:
        metadata = {
            "name": self._name,
            "namespace": self._namespace,
            "labels": {names.MANAGED_BY: names.MANAGER},
            "annotations": self._own_annotations({"metadata": {}}),
        }
        manifest = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": metadata,
            "spec": self._spec(),
        }
        request = requests.create(manifest, names.LOOP_MANAGER)
        try:
            return (await self._kube.send(request)).body
        except api_errors.ObjectNotFound:
            # In the very first pass, the gateway's namespace does not exist yet.
            namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self._namespace}}
            await self._kube.apply(namespace, names.LOOP_MANAGER, only_metadata=True)
            return (await self._kube.send(request)).body

    async def _put(
        self, lease: dict[str, Any], spec: dict[str, Any], request: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """Write the Lease unless it has changed since it was read.

        Args:
            lease: the Lease as read.
            spec: its new spec.
            request: annotations that request the Lease from its holder; None: this process is the holder.
        """
        kept = ("name", "namespace", "uid", "resourceVersion", "labels")
        metadata = {key: lease["metadata"][key] for key in kept}
        changes = self._own_annotations(lease) if request is None else request
        metadata["annotations"] = {**_annotations(lease), **changes}
        manifest = {
            "apiVersion": lease["apiVersion"],
            "kind": lease["kind"],
            "metadata": metadata,
            "spec": spec,
        }
        return (await self._kube.send(requests.update(manifest, names.LOOP_MANAGER))).body

    def _own_annotations(self, lease: dict[str, Any]) -> dict[str, str]:
        yielding = {names.YIELDS: self._holder} if self._yields else {}
        chain_id = self._acted.rsplit("@", 2)[0]
        own = _block(self._acted, chain_id)
        stored = _block(_annotations(lease).get(names.ACTED_HEIGHT, ""), chain_id)
        if own is None or (stored is not None and stored.moment > own.moment):
            return yielding  # the stored block is newer
        return {names.ACTED_HEIGHT: self._acted, **yielding}


class HeldByOther(errors.Transient):
    """Another holder acts for this validator.

    Args:
        text: message for the operator.
        holder: identity of the holder; empty: unknown.
        yields: whether the holder ends its work early for a reconciler that asks because of a launch.
    """

    def __init__(self, text: str, holder: str = "", *, yields: bool = False) -> None:
        super().__init__(text)
        self.holder = holder
        self.yields = yields


class Stopping(errors.Transient):
    """This reconciler is stopping and starts no further writes."""


class DaemonLease(Lease):
    """The daemon's Lease, which is held over many passes and renewed concurrently.

    Another holder's Lease counts as expired if it was observed unchanged for its duration, so that clocks need not
    agree. A manual command may request the Lease; then the daemon releases it for a while.
    """

    _others: tuple[str, float] = ("", 0.0)
    """Last content of another holder's Lease, and the time since which it is unchanged."""
    _is_stopping = False

    @property
    def is_held(self) -> bool:
        """Whether it was renewed so recently that no other process can hold it."""
        return self._held is not None and self._age() < self._seconds * 2 / 3

    async def ensure(self) -> None:
        """Check before each burst of writes that this daemon holds the Lease, which it acquires between passes only.

        Raises:
            Transient: the Lease is lost, or this reconciler is stopping.
        """
        if self._is_stopping:
            raise Stopping("this reconciler is stopping; the next one continues from here")
        if not self.is_held:
            raise self._overdue()

    async def release(self) -> None:
        """Do nothing, because the daemon's Lease outlives the pass."""

    async def give_up(self) -> None:
        """Release the Lease, so that another holder can acquire it immediately."""
        await self._release()

    def stop(self) -> None:
        """Reject further bursts of writes."""
        self._is_stopping = True

    def _is_expired(self, spec: dict[str, Any]) -> bool:
        content = f"{spec.get('holderIdentity')} {spec.get('renewTime')}"
        if self._others[0] != content:
            self._others = (content, self._monotonic())
        return self._monotonic() - self._others[1] >= (spec.get("leaseDurationSeconds") or 0)


def _annotations(lease: dict[str, Any]) -> dict[str, str]:
    return dict(lease["metadata"].get("annotations") or {})


def _fitting(annotations: dict[str, str]) -> dict[str, str]:
    """Return annotations without dispensable ones if they are too large for an object."""
    kept = dict(annotations)
    for name in _DISPENSABLE:
        if sum(len(f"{key}{text}".encode()) for key, text in kept.items()) > _LARGEST:
            kept.pop(name, None)
    return kept


def _block(text: str, provider_chain_id: str) -> model.ActedBlock | None:
    """Decode a recorded block, `CHAIN-ID@HEIGHT@TIME`; None if there is none of this chain, or it was edited."""
    chain_id, height, moment = [*text.rsplit("@", 2), "", ""][:3]
    if chain_id != provider_chain_id or not re.fullmatch(r"[0-9]{1,20}", height):
        return None
    try:
        return model.ActedBlock(int(height), times.parse_time(moment))
    except ValueError:
        return None
