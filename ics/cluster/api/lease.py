"""The Lease that lets only one reconciler act for a validator at a time.

It also remembers the highest block of the provider that anybody acted upon, since whoever writes takes it
before: so that neither a crash nor another host lets an older answer count.
"""

import asyncio
import contextlib
import datetime
import time
from collections.abc import Awaitable, Callable
from typing import Any

from ics import errors as ics_errors
from ics import names
from ics.cluster.api import client, kinds, lease_holder, requests
from ics.cluster.api import errors as api_errors

_FORMAT = "%Y-%m-%dT%H:%M:%S.%fZ"
_ASK_EVERY = 0.5


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
        ticks: Callable[[], float] = time.monotonic,
        is_dead: Callable[[str], bool] = lease_holder.is_dead,
    ) -> None:
        """Nothing is sent yet.

        Args:
            kube: client.
            validator: name of the stack's validator.
            gateway: namespace that it lies in; made if it is not there.
            holder: who takes it, such as host and process id.
            seconds: how long it is held without being renewed.
            clock: the time, UTC.
            ticks: seconds of a clock that is never set.
            is_dead: whether a holder surely runs no more, so that nobody need wait for its time to be over.
        """
        self._kube = kube
        self._name = f"ics-{validator}"
        self._namespace = gateway
        self._holder = holder
        self._seconds = seconds
        self._clock = clock
        self._ticks = ticks
        self._is_dead = is_dead
        self._held: dict[str, Any] | None = None
        self._renewed_at = 0.0
        self._acted = ""
        self._is_borrowed = False
        self._taking = asyncio.Lock()

    async def ensure(self) -> None:
        """Take it, or do nothing when this holder surely has it still; call it before each burst of writes.

        Raises:
            Transient: another one holds it; names the holder.
        """
        async with self._taking:  # steps of several chains ask at the same time
            if self._held is None or self._age() > self._seconds / 3:
                await self._acquire()

    async def acquire(self) -> None:
        """Take it or renew it.

        Raises:
            Transient: another one holds it; names the holder.
        """
        async with self._taking:
            await self._acquire()

    async def release(self) -> None:
        """Give it back if this holder has it; one that another has taken over stays with that one.

        One that was borrowed outlives the passes of its command: `hand_back` ends it.
        """
        if not self._is_borrowed:
            await self._release()

    async def hand_back(self) -> None:
        """Give back what was borrowed."""
        self._is_borrowed = False
        await self._release()

    async def _release(self) -> None:
        async with self._taking:
            if self._held is not None:
                held, self._held = self._held, None
                with contextlib.suppress(api_errors.Conflict):
                    await self._put(held, held["spec"] | {"holderIdentity": ""})

    async def borrow(
        self, patience: float, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        """Take it for a command by hand: a resident reconciler that holds it is asked to step aside.

        Args:
            patience: seconds to wait for that.
            sleep: waits that many seconds.

        Raises:
            Transient: the holder does not step aside; names it.
        """
        deadline = self._ticks() + patience
        while True:
            try:
                await self.acquire()
            except api_errors.Conflict:
                pass  # just now somebody has written it
            except Held:
                if self._ticks() >= deadline:
                    raise
                await self._ask()
            else:
                self._is_borrowed = True
                return
            await sleep(_ASK_EVERY)

    async def is_taken(self) -> bool:
        """Whether another one acts; only looks."""
        found = await self._kube.find(kinds.LEASE, self._namespace, self._name)
        return found is not None and self._is_of_another(found.get("spec") or {})

    async def acted_height(self, provider_chain_id: str) -> int:
        """Height of this provider's newest block that any reconciler acted upon; 0: none."""
        held = self._held or await self._kube.find(kinds.LEASE, self._namespace, self._name)
        found = "" if held is None else _notes(held).get(names.ACTED_UPON, "")
        return max(_height(found, provider_chain_id), _height(self._acted, provider_chain_id))

    def note(self, provider_chain_id: str, height: int) -> None:
        """What is acted upon from now on is the provider at this height; it is written with the next write."""
        self._acted = f"{provider_chain_id}@{height}"

    async def begin(self, provider_chain_id: str, tx_hash: str, timeout_height: int) -> None:
        """Put down which transaction is handed over next, so that nobody sends it again after a crash.

        Raises:
            Transient: another one holds the Lease; nothing may be sent.
        """
        await self.ensure()
        async with self._taking:
            held = self._held
            if held is None:
                raise Held(f"Lease {self._namespace}/{self._name} was lost: nothing is sent")
            notes = _notes(held) | {names.TRANSACTION: f"{provider_chain_id} {tx_hash} {timeout_height}"}
            marked = held | {"metadata": held["metadata"] | {"annotations": notes}}
            self._held = await self._put(marked, held["spec"])

    async def begun(self, provider_chain_id: str) -> tuple[str, int] | None:
        """Hash and timeout height of the last transaction that was begun on this chain, by whomever."""
        held = self._held or await self._kube.find(kinds.LEASE, self._namespace, self._name)
        words = "" if held is None else _notes(held).get(names.TRANSACTION, "")
        chain_id, _, rest = words.partition(" ")
        tx_hash, _, timeout = rest.partition(" ")
        return (tx_hash, int(timeout)) if chain_id == provider_chain_id and timeout.isdecimal() else None

    # -- the object --------------------------------------------------------------------------------

    def _age(self) -> float:
        return self._ticks() - self._renewed_at

    async def _acquire(self) -> None:
        began = self._ticks()
        if self._held is not None:
            try:
                self._held = await self._put(self._held, self._held["spec"] | {"renewTime": self._stamp()})
            except (api_errors.Conflict, api_errors.Missing):
                pass  # somebody wrote or removed it: who holds it now is to be read
            else:
                self._renewed_at = began
                return
        found = await self._kube.find(kinds.LEASE, self._namespace, self._name)
        if found is None:
            self._held = await self._create()
        else:
            self._held = await self._taken(found)
        self._renewed_at = began

    async def _taken(self, found: dict[str, Any]) -> dict[str, Any]:
        spec = found.get("spec") or {}
        holder = spec.get("holderIdentity") or ""
        if holder == self._holder:
            return await self._put(found, spec | {"renewTime": self._stamp()})
        if self._is_of_another(spec):
            self._held = None
            raise Held(
                f"Lease {self._namespace}/{self._name}: {holder} is acting for this validator, until at most"
                f" {spec.get('leaseDurationSeconds')} s after {spec.get('renewTime')}: wait, or stop it",
                holder,
            )
        # Whoever wanted it asks again, if it is not the one that takes it now.
        notes = {name: text for name, text in _notes(found).items() if name != names.WANTED_BY}
        found = found | {"metadata": found["metadata"] | {"annotations": notes}}
        return await self._put(found, self._spec())

    async def _ask(self) -> None:
        """Write our name on the Lease that another holds."""
        found = await self._kube.find(kinds.LEASE, self._namespace, self._name)
        if found is None or _notes(found).get(names.WANTED_BY) == self._holder:
            return
        with contextlib.suppress(api_errors.Conflict):
            await self._put(found, found["spec"], self._holder)

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
        renewed = datetime.datetime.fromisoformat(spec["renewTime"]) if spec.get("renewTime") else None
        seconds = spec.get("leaseDurationSeconds") or 0
        return renewed is None or self._clock() >= renewed + datetime.timedelta(seconds=seconds)

    async def _create(self) -> dict[str, Any]:
        metadata = {
            "name": self._name,
            "namespace": self._namespace,
            "labels": {names.MANAGED_BY: names.MANAGER},
            "annotations": self._own_notes({"metadata": {}}),
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
        except api_errors.Missing:
            # The first pass of all: nobody has made the gateway's namespace yet.
            home = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self._namespace}}
            await self._kube.apply(home, names.LOOP_MANAGER, only_metadata=True)
            return (await self._kube.send(request)).body

    async def _put(self, lease: dict[str, Any], spec: dict[str, Any], wanted_by: str = "") -> dict[str, Any]:
        """Write it only if nobody has since it was read.

        Args:
            lease: as it was read.
            spec: what it shall say.
            wanted_by: who asks its holder to step aside; empty: we are the holder.
        """
        kept = ("name", "namespace", "uid", "resourceVersion", "labels")
        metadata = {key: lease["metadata"][key] for key in kept}
        metadata["annotations"] = _notes(lease) | (
            {names.WANTED_BY: wanted_by} if wanted_by else self._own_notes(lease)
        )
        manifest = {
            "apiVersion": lease["apiVersion"],
            "kind": lease["kind"],
            "metadata": metadata,
            "spec": spec,
        }
        return (await self._kube.send(requests.update(manifest, names.LOOP_MANAGER))).body

    def _own_notes(self, lease: dict[str, Any]) -> dict[str, str]:
        chain_id, _, height = self._acted.rpartition("@")
        if not chain_id or _height(_notes(lease).get(names.ACTED_UPON, ""), chain_id) > int(height):
            return {}  # what is on record is newer
        return {names.ACTED_UPON: self._acted}


class Held(ics_errors.Transient):
    """Another one acts for this validator.

    Args:
        text: the line for the operator.
        holder: who holds it; empty: nobody knows.
    """

    def __init__(self, text: str, holder: str = "") -> None:
        super().__init__(text)
        self.holder = holder


class Stopping(ics_errors.Transient):
    """This reconciler begins nothing more."""


class Tenure(Lease):
    """The Lease as a resident reconciler holds it: over many passes, renewed beside them.

    Whether another's Lease has expired is judged by how long it was seen not to change, so that no two
    clocks need agree. A command by hand may ask for it; then it is to be given up for a while.
    """

    _others: tuple[str, float] = ("", 0.0)
    """What another's Lease said last, and since when it has not changed."""
    _is_stopping = False

    @property
    def is_held(self) -> bool:
        """Nobody else can have it: it was renewed not long ago."""
        return self._held is not None and self._age() < self._seconds * 2 / 3

    @property
    def is_wanted(self) -> bool:
        """A command by hand waits for it."""
        return self._held is not None and bool(_notes(self._held).get(names.WANTED_BY))

    async def ensure(self) -> None:
        """Make sure, before each burst of writes, that it is still ours; it is taken between passes only.

        Raises:
            Transient: it is lost, or this reconciler is stopping.
        """
        if self._is_stopping:
            raise Stopping("this reconciler is stopping: the next one goes on from here")
        if not self.is_held:
            raise Held(
                f"Lease {self._namespace}/{self._name}: this reconciler could not renew it in time and does not"
                " act until it has it again: another one may be acting"
            )

    async def release(self) -> None:
        """Nothing: it outlives the pass."""

    async def give_up(self) -> None:
        """Give it back, so that another may take it at once."""
        await self._release()

    def stop(self) -> None:
        """From now on no burst of writes begins."""
        self._is_stopping = True

    def _is_expired(self, spec: dict[str, Any]) -> bool:
        says = f"{spec.get('holderIdentity')} {spec.get('renewTime')}"
        if self._others[0] != says:
            self._others = (says, self._ticks())
        return self._ticks() - self._others[1] >= (spec.get("leaseDurationSeconds") or 0)


def _notes(lease: dict[str, Any]) -> dict[str, str]:
    return dict(lease["metadata"].get("annotations") or {})


def _height(text: str, provider_chain_id: str) -> int:
    chain_id, _, height = text.rpartition("@")
    return int(height) if chain_id == provider_chain_id and height.isdigit() else 0
