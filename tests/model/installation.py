"""One installation of the validator: its stack on one cluster, and its passes, each of which can be held or killed."""

import asyncio
import dataclasses
import datetime
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from ics import engines, errors, model, names
from ics.cluster import restore, sign_state
from ics.cluster.api import kinds
from ics.cluster.nodes import control
from ics.cluster.state import read as state_read
from ics.conditions import Condition
from ics.config import secret_sources
from ics.config import settings as config_settings
from ics.consumer import consensus_view, observed, reset, snapshots, volumes, watchdog
from ics.engines import guard
from ics.engines.applyset import members
from ics.keys import derivation
from ics.manifests import objects, place_notes
from ics.reconciler import kept_answers, observe, outcome, reconcile, world
from tests.model import cluster, files, kube, loop, provider, stack
from tests.model.provider import Lie, Provider

_SNAPSHOT = "data-older"
LOOP = loop.Loop()  # type: ignore[abstract]  # it has what a pass uses


class _Numbered:
    """Stands for `secrets` in the product's observation: no two passes get the same text, and a run can be repeated."""

    @staticmethod
    def token_hex(count: int) -> str:
        return f"{kube.Numbers.new():0{2 * count}x}"


class Killed(BaseException):
    """The process of the pass ended."""


class Forbidden(AssertionError):
    """A transaction was sent that must not be."""


@dataclass(slots=True, eq=False)
class Installation:
    """A stack of the validator and its cluster."""

    name: str
    cluster: cluster.Cluster
    provider: Provider
    settings: config_settings.Settings
    has_definition: bool = True
    has_question: bool = False
    """Whether a field that is immutable was changed, so that the engine asks before it replaces the StatefulSet."""
    joins: bool = False
    """Whether the operator orders an opt-in."""
    moves: bool = False
    """Whether the operator orders that the chain is moved here."""
    confirmed: frozenset[str] = frozenset()
    lie: Lie | None = None
    """What the endpoint of the next pass says wrongly."""
    lag: int = 0
    """Blocks by which that endpoint is behind."""
    sent_at: int = 0
    """Height of the last transaction's block."""
    passes: list["Pass"] = field(default_factory=list)
    """Passes that are held."""
    conditions: tuple[Condition, ...] = ()
    """Of the last complete pass."""
    asked: frozenset[str] = frozenset()
    """Changes of the last pass that wait for a confirmation."""
    troubles: tuple[str, ...] = ()
    last: outcome.Outcome | None = None

    @property
    def namespace(self) -> str:
        """Namespace of the chain in a fresh installation."""
        prefix = self.settings.cluster.namespace_prefix
        return names.namespace(prefix, stack.PROVIDER, stack.CONSUMER, stack.CHAIN_ID)

    def run(self, *, kill_at: int | None = None, hold_at: int | None = None) -> "Pass":
        """Run a pass, or begin one that is held before one of its effects.

        Args:
            kill_at: number of the effect before which the process ends.
            hold_at: number of the effect before which it is held.
        """
        started = Pass(self, kill_at, hold_at)
        started.go_on()
        return started

    def changes(self, **changes: Any) -> None:
        """Change the settings."""
        self.settings = self.settings.model_copy(update=changes)

    def own_addresses(self) -> set[bytes]:
        """Return the addresses of all keys whose place is, or may be, of this installation, by its records."""
        found = set()
        for _, item in self.cluster.objects.of_kind("Secret"):
            metadata = item["metadata"]
            if metadata["labels"].get(names.VALIDATOR) == self.settings.validator and (
                names.CONSENSUS_ADDRESS in metadata["annotations"]
            ):
                found.add(bytes.fromhex(metadata["annotations"][names.CONSENSUS_ADDRESS]))
        for _, item in self.cluster.objects.of_kind("PersistentVolumeClaim"):
            address = item["metadata"]["annotations"].get(names.CONSENSUS_ADDRESS)
            if address and item["metadata"]["labels"].get(names.VALIDATOR) == self.settings.validator:
                found.add(bytes.fromhex(address))
        return found

    def reset(self, view: consensus_view.ConsensusView, *, is_moving: bool) -> None:
        """Run `ics sign-state reset --allow-current-height`, which may refuse.

        Args:
            view: what the node knows about the block in progress.
            is_moving: whether the chain makes blocks.
        """
        command = Pass(self, None, None)
        command.task = LOOP.create_task(command.reset(view, is_moving=is_moving))
        command.go_on()

    def restore(
        self, tree: files.Tree, kill_at: int | None, hold_at: int | None, between: Callable[[], None]
    ) -> "Pass":
        """Run `ics restore`, which may be refused.

        Args:
            tree: content of the snapshot.
            kill_at: number of the effect before which the process ends; None: none.
            hold_at: number of the effect before which it is held; None: none.
            between: called before each effect.
        """
        command = Pass(self, kill_at, hold_at)
        command.task = LOOP.create_task(command.restore(tree, between))
        command.go_on()
        return command

    def remote(self, key: bytes) -> None:
        """Change the settings to a remote signer that holds a key."""
        source = secret_sources.ConsensusKeySource(
            remote=secret_sources.RemoteSigner(
                public_key=derivation.SignerKey(key, b"").public_json(), allow_from=("10.0.0.0/8",)
            )
        )
        self.changes(consensus_keys={stack.CONSUMER: source})


@dataclass(slots=True, eq=False)
class Pass:
    """One pass, a process of its own."""

    installation: Installation
    kill_at: int | None
    hold_at: int | None
    effects: int = 0
    is_dead: bool = False
    has_lease: bool = False
    answer: provider.Answer | None = None
    task: "asyncio.Task[outcome.Outcome | None] | None" = None
    _may_go_on: asyncio.Event = field(default_factory=asyncio.Event)

    def go_on(self) -> None:
        """Run until the pass is done, held or dead."""
        installation = self.installation
        if self.answer is None:
            self.answer = self._answer()
        if self.task is None:
            self.task = LOOP.create_task(self._whole())
        self._may_go_on.set()
        LOOP.run()
        if not self.task.done():
            if self not in installation.passes:
                installation.passes.append(self)
            return
        if self in installation.passes:
            installation.passes.remove(self)
        self._finish()

    def kill(self) -> None:
        """End the process where it is held."""
        self.is_dead = True
        self.go_on()

    async def step(self, what: str) -> None:
        """Come to the next effect.

        Raises:
            Killed: the process ends before it.
        """
        self.effects += 1
        if self.kill_at is not None and self.effects >= self.kill_at:
            self.is_dead = True
        if self.hold_at is not None and self.effects == self.hold_at:
            self._may_go_on.clear()
        await self._may_go_on.wait()
        if self.is_dead:
            raise Killed(what)

    # -- the Lease ------------------------------------------------------------------------------------

    async def ensure(self) -> None:
        """Acquire the Lease unless another process holds it."""
        if self.is_dead:
            raise Killed("lease")
        held = self.installation.cluster.holder
        name = self.installation.settings.validator
        if held.get(name) not in (None, self):
            raise errors.Transient("another process holds the Lease")
        held[name] = self
        self.has_lease = True

    async def release(self) -> None:
        """Release the Lease, unless the process is dead."""
        held, name = self.installation.cluster.holder, self.installation.settings.validator
        if held.get(name) is self and not self.is_dead:
            held[name] = None

    async def acted_block(self, provider_chain_id: str) -> model.ActedBlock | None:
        """Return the block that was acted upon."""
        return self.installation.cluster.acted.get(self.installation.settings.validator)

    async def annotations(self) -> Mapping[str, str]:
        """Return what passes keep on the Lease; no top-up is recorded."""
        return self.installation.cluster.kept.get(self.installation.settings.validator, {})

    async def annotate(self, changes: Mapping[str, str]) -> None:
        """Keep something on the Lease."""
        await self.ensure()
        kept, name = self.installation.cluster.kept, self.installation.settings.validator
        kept[name] = {**kept.get(name, {}), **changes}

    def record_block(self, provider_chain_id: str, block: model.ActedBlock) -> None:
        """Record the block that is acted upon from now on."""
        acted, name = self.installation.cluster.acted, self.installation.settings.validator
        acted[name] = max(block, acted.get(name, block), key=lambda one: one.height)

    # -- transactions ---------------------------------------------------------------------------------

    async def send(self, transaction: model.Intent | model.OptOut) -> object:
        """Send a transaction and wait for its block."""
        await self.step("send")
        installation, chain = self.installation, self.installation.provider
        self._check(transaction)
        if isinstance(transaction, model.OptIn):
            chain.opt_in(transaction.consumer_key)
        elif isinstance(transaction, model.AssignKey):
            chain.assign(transaction.consumer_key)
        else:
            raise AssertionError(f"unexpected {transaction}")
        chain.advance()
        installation.sent_at = chain.height
        await self.step("confirmation")
        return None

    async def await_pending(self) -> int:
        """Return the height of the last transaction, also of an earlier process."""
        return self.installation.sent_at

    def _check(self, transaction: model.Intent | model.OptOut) -> None:
        """Refuse a transaction from an installation that knows that the key is elsewhere, unless it was ordered."""
        assert self.answer is not None
        installation, detail = self.installation, self.answer.detail
        assigned = None if detail is None else detail.own_consumer_address
        if assigned is None or installation.moves or installation.joins:
            return
        if installation.settings.consensus_keys or assigned in installation.own_addresses():
            return
        raise Forbidden(
            f"{installation.name} sends {transaction}, although {assigned.hex().upper()} of another installation is"
            " assigned"
        )

    # -- the pass -------------------------------------------------------------------------------------

    def _answer(self) -> provider.Answer:
        installation = self.installation
        chain = installation.provider
        past = chain.past[-installation.lag] if 0 < installation.lag <= len(chain.past) else chain.answer()
        lie, installation.lie, installation.lag = installation.lie, None, 0
        return past if lie is None else lie.told(past)

    async def _whole(self) -> outcome.Outcome:
        recent = kept_answers.KeptAnswers(kept_answers.ROUTINE, kept_answers.ROUTINE)
        routine = dataclasses.replace(self._world(), recent=recent, is_routine=True)
        return await reconcile.run_pass(routine, Engine(self), self)

    async def reset(self, view: consensus_view.ConsensusView, *, is_moving: bool) -> None:
        """Let the assigned key sign again; arguments as for `Installation.reset`.

        Raises:
            IcsError: it is refused.
        """
        place = self._world()
        state, target = await observe.read(place)
        subject = reset.subject(target, state, stack.CONSUMER)
        written = reset.new_state(
            view, subject.address, subject.name, is_moving=is_moving, allows_current=True
        )
        if subject.unused is not None:
            await place.sign_state.ensure_retired(subject.unused)
        assert subject.place is not None
        await cast(sign_state.SignState, place.sign_state).request_reset(
            subject.place, subject.volume_uid, written
        )
        await self.release()

    async def restore(self, tree: files.Tree, between: Callable[[], None]) -> None:
        """Restore the volume from a snapshot; arguments as for `Installation.restore`.

        Raises:
            IcsError: it is refused.
        """
        there, place = self.installation.cluster, self._world()
        state, target = await observe.read(place)
        planned = next((one for one in target.chains if one.volume_uid is not None), None)
        if planned is None:
            return

        async def step(what: str) -> None:
            between()
            await self.step(what)

        there.snapshots[_SNAPSHOT] = dict(tree)
        client = cast(Any, VolumeClient(there.objects, step, there.certificates, there))
        owner = objects.Owner(self.installation.settings.validator, stack.PROVIDER)
        states = sign_state.SignState(client, owner, self.ensure)
        observation = state.observations.get(stack.CONSUMER)
        order = restore.RestoreOrder(
            chain=planned,
            snapshot=snapshots.VolumeSnapshot(
                name=_SNAPSHOT,
                namespace=planned.namespace,
                uid="snapshot",
                kind=snapshots.SnapshotKind.ORDERED,
                created=state.snapshot.moment,
                is_ready=True,
            ),
            size=planned.storage,
            storage_class="",
            node=None if observation is None else observation.node,
        )
        await restore.Restore(client, owner, states, self.ensure).run(order)
        await self.release()

    def _world(self) -> world.World:
        assert self.answer is not None
        installation = self.installation
        client = cast(
            Any, kube.Client(installation.cluster.objects, self.step, installation.cluster.certificates)
        )
        owner = objects.Owner(installation.settings.validator, stack.PROVIDER)
        state = state_read.StateReader(client, owner, installation.settings.gateway.namespace)
        state._cluster_uid = installation.cluster.uid
        ordered = frozenset({stack.CONSUMER})
        return world.World(
            settings=installation.settings,
            seed=stack.SEED,
            definitions=[stack.DEFINITION] if installation.has_definition else [],
            provider=provider.Endpoint(self.answer),
            state=state,
            nodes=cast(Any, Nodes(installation, self, control.Nodes(client, owner, self.ensure))),
            sign_state=sign_state.SignState(client, owner, self.ensure),
            provider_sign_state=cast(Any, None),  # there is no provider node
            hermes_jobs=cast(Any, None),
            gateway=cast(Any, Gateway()),
            lookups=cast(Any, None),  # there are no names
            trust_searches=cast(Any, None),  # the definition names no servers
            pull_secrets=cast(Any, None),  # there are none
            upgrade_pulls=cast(Any, None),  # none is listed
            rehearsals=cast(Any, None),  # they are switched off
            snapshots=cast(Any, None),  # the settings ask for none
            volumes=cast(Any, Volumes()),
            lease=self,
            opt_in_requests=ordered if installation.joins else frozenset(),
            move_requests=ordered if installation.moves else frozenset(),
            confirmed=installation.confirmed,
        )

    def _finish(self) -> None:
        assert self.task is not None
        installation = self.installation
        error = self.task.exception()
        if error is None:
            done = self.task.result()
            if done is None:
                return
            installation.last = done
            installation.conditions = tuple(c for chain in done.report.chains for c in chain.conditions)
            installation.troubles = tuple(map(str, done.troubles))
            return
        for found in _leaves(error):
            if isinstance(found, AssertionError) or not isinstance(found, Killed | errors.IcsError):
                raise found
        installation.troubles = (str(error),)


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for one in error.exceptions:
            yield from _leaves(one)
    else:
        yield error


class Volumes:
    """Volumes of which nothing is known."""

    async def uses(self, _: object) -> dict[str, volumes.VolumeUse]:
        """Return nothing."""
        return {}


@dataclass(slots=True)
class VolumeClient(kube.Client):
    """A client that also reads and deletes pods, and lets go of volumes, as `ics restore` does."""

    cluster: cluster.Cluster

    async def find(
        self, kind: kinds.Kind, namespace: str | None, name: str, *, only_metadata: bool = False
    ) -> kube.Item | None:
        """Return an object, or None."""
        if kind == kinds.POD:
            pod = self.cluster.pods.get((namespace or "", name))
            return None if pod is None else {"metadata": {"uid": pod.uid}, "spec": pod.template["spec"]}
        return await kube.Client.find(self, kind, namespace, name)

    async def delete(
        self, kind: kinds.Kind, namespace: str | None, name: str, uid: str | None, **_: object
    ) -> None:
        """Delete an object; a claim is gone only once no pod uses it."""
        if kind == kinds.POD:
            await self.step(f"delete {kind.name}")
            pod = self.cluster.pods.get((namespace or "", name))
            if pod is not None and pod.uid == uid:
                self.cluster.remove(pod)
            return
        if kind == kinds.VOLUME_CLAIM:
            await self.step("wait for the pods of the claim")
            for pod in [one for one in self.cluster.pods.values() if one.namespace == namespace]:
                self.cluster.remove(pod)
            self.cluster.disks.pop(uid or "", None)
        await kube.Client.delete(self, kind, namespace, name, uid)


class Gateway:
    """The shared LoadBalancer, of which nothing is modelled."""

    async def ensure_slices(self, *_: object) -> None:
        """Do nothing."""


@dataclass(slots=True)
class Nodes:
    """The chain's nodes in the installation's cluster."""

    installation: Installation
    running: Pass
    records: control.Nodes
    """Records what is remembered about nodes."""

    async def observe(self, namespaces: Mapping[str, str]) -> Mapping[str, model.Observation]:
        """Observe the nodes in these namespaces."""
        return {consumer_id: self._one(namespace) for consumer_id, namespace in namespaces.items()}

    def _one(self, namespace: str) -> model.Observation:
        installation = self.installation
        pod = installation.cluster.pods.get((namespace, names.NODE_POD))
        chain, now = installation.provider.chain, installation.provider.time
        if pod is None or chain is None:
            return model.Observation()
        started = cluster.started(now)
        status = model.PodStatus(
            name=pod.name,
            ip="10.0.0.1",
            node_name="machine",
            is_ready=pod.is_running,
            restarts=0,
            waiting="",
            uid=pod.uid,
            created=started,
            started=started,
            key_check=pod.key_check,
        )
        process = pod.process
        if process is None or not process.is_alive:
            return model.Observation(status, None, "no answer")
        is_behind = process.is_cut_off and process.height < chain.height
        members = dict(chain.set_at(process.height + 1))
        return model.Observation(
            status,
            model.NodeStatus(
                height=process.height,
                is_catching_up=is_behind,
                consensus_key=process.public_key,
                peers=0 if process.is_cut_off else 2,
                signers=chain.commits[process.height - 2] if process.height > 1 else frozenset(),
                validators={**members, b"o" * 20: 900},
                block_time=now - datetime.timedelta(hours=1)
                if process.is_cut_off or chain.is_halted
                else now,
                blocks_behind=None,
            ),
        )

    async def restart(self, namespace: str) -> None:
        """Delete the node's pod."""
        await self.running.ensure()
        await self.running.step("restart")
        pod = self.installation.cluster.pods.get((namespace, names.NODE_POD))
        if pod is not None:
            self.installation.cluster.remove(pod)

    async def send_peers(self, namespace: str, persistent_peers: str) -> frozenset[str]:
        """Do nothing; peers are not modelled."""
        return frozenset()

    async def record_watchdog(self, namespace: str, record: watchdog.WatchdogRecord) -> None:
        """Record when a node was first seen without its key, and the watchdog's probes."""
        await self.records.record_watchdog(namespace, record)

    async def record_ending(self, namespace: str, seen: observed.EndingSeen | None) -> None:
        """Record since when the provider's answers would end a node."""
        await self.records.record_ending(namespace, seen)

    async def signers(self, namespace: str, height: int) -> frozenset[bytes]:
        """Return who signed a block."""
        chain = self.installation.provider.chain
        assert chain is not None
        return chain.commits[height - 1]

    async def signing_window(self, namespace: str, address: str) -> model.SigningWindow:
        """Fail: nobody is jailed by the consumer."""
        raise errors.Transient("not answered")


@dataclass(slots=True)
class Engine:
    """An engine that applies, object by object, what has changed, with the product's own guard."""

    running: Pass

    async def preview(self, request: engines.ApplyRequest) -> tuple[engines.Change, ...]:
        """Return the changes that the guard may stop."""
        return guard.with_confirmations(self._changes(request), request)

    async def plan(self, request: engines.ApplyRequest) -> engines.PlannedChanges:
        """Return the same."""
        return engines.PlannedChanges(await self.preview(request))

    async def converge(self, request: engines.ApplyRequest) -> engines.Converged:
        """Apply and delete; each write is a step of the pass."""
        there = self.running.installation.cluster
        judged = guard.review(self._changes(request), request)
        writes = 0
        self.running.installation.asked = frozenset(question.name for question in judged.confirmations)
        for key, manifest in self._wanted(request):
            consumer_id = members.consumer_of(manifest)
            if consumer_id in judged.paused or self._is_current(key, manifest):
                continue
            await self.running.ensure()
            await self.running.step(f"apply {key}")
            item = there.objects.apply(manifest, names.FIELD_MANAGER)
            there.applied[key] = (manifest, item["metadata"]["uid"])
            writes += 1
        for key, item in self._leaving(request):
            if _consumer(item) in judged.paused:
                continue
            await self.running.ensure()
            await self.running.step(f"delete {key}")
            there.objects.delete(key)
            writes += 1
        return engines.Converged(writes=writes, confirmations=judged.confirmations, answered=judged.answered)

    async def destroy(self) -> engines.Converged:
        """Not used."""
        raise AssertionError("not used")

    def _wanted(self, request: engines.ApplyRequest) -> Sequence[tuple[kube.Key, model.Manifest]]:
        ranked = sorted(
            ((members.key_of(manifest).rank, _key(manifest), manifest) for manifest in request.manifests),
            key=lambda entry: entry[:2],
        )
        return [(key, manifest) for _, key, manifest in ranked]

    def _is_current(self, key: kube.Key, manifest: model.Manifest) -> bool:
        there = self.running.installation.cluster
        item, applied = there.objects.items.get(key), there.applied.get(key)
        if item is None or applied is None or key in there.objects.touched:
            return False
        return applied[1] == item["metadata"]["uid"] and applied[0] == manifest

    def _is_replaced(self, key: kube.Key, manifest: model.Manifest) -> bool:
        item = self.running.installation.cluster.objects.items.get(key)
        if item is None or key.kind != "Secret" or not key.name.startswith(names.CONSENSUS_KEY):
            return False
        return bool(item["data"] != manifest["data"])

    def _leaving(self, request: engines.ApplyRequest) -> Sequence[tuple[kube.Key, kube.Item]]:
        wanted = {_key(manifest) for manifest in request.manifests}
        validator = self.running.installation.settings.validator
        there = self.running.installation.cluster.objects.items
        copied = place_notes.copied_namespaces(
            item for item in there.values() if item["metadata"].get("namespace")
        )
        return [
            (key, item)
            for key, item in sorted(self.running.installation.cluster.objects.items.items(), reverse=True)
            if key not in wanted
            and key.namespace not in copied
            and (labels := item["metadata"].get("labels") or {}).get(names.VALIDATOR) == validator
            and names.PART_OF_SET in labels
            and labels.get(names.RETAIN) != "true"
            and labels.get(names.CONSUMER) not in request.paused
        ]

    def _changes(self, request: engines.ApplyRequest) -> list[engines.Change]:
        there = self.running.installation.cluster.objects
        changes = []
        for key, manifest in self._wanted(request):
            consumer_id = members.consumer_of(manifest)
            is_asked = (
                key.kind == "StatefulSet" and key in there.items and self.running.installation.has_question
            )
            if consumer_id not in request.paused and (is_asked or self._is_replaced(key, manifest)):
                changes.append(_change("replace", key, there.items[key], consumer_id))
        for key, item in self._leaving(request):
            changes.append(_change("delete", key, item, _consumer(item)))
        return changes


def _change(action: engines.Action, key: kube.Key, item: kube.Item, consumer_id: str) -> engines.Change:
    return engines.Change(
        action=action,
        kind=key.kind,
        namespace=key.namespace,
        name=key.name,
        consumer_id=consumer_id,
        is_retained=(item["metadata"].get("labels") or {}).get(names.RETAIN) == "true",
        uid=item["metadata"]["uid"],
    )


def _consumer(item: kube.Item) -> str:
    return str((item["metadata"].get("labels") or {}).get(names.CONSUMER, ""))


def _key(manifest: model.Manifest) -> kube.Key:
    metadata = manifest["metadata"]
    return kube.Key(manifest["kind"], metadata.get("namespace", ""), metadata["name"])


cast(Any, observe).secrets = _Numbered
