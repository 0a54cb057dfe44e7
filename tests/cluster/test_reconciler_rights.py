"""The reconciler's own service account: passes as it, on a real API server with RBAC, and no right too many.

Its rights are compared with the requests that were really sent, so that a new request needs its right here,
and a right that nothing uses any more is found.
"""

import asyncio
import contextlib
import dataclasses
import json
import pathlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

import pytest

from ics import engines, errors, model, names
from ics.cluster.api import client, connect, kinds, lease, requests
from ics.cluster.nodes import watch as nodes_watch
from ics.conditions import Condition
from ics.config import settings
from ics.consumer import desired, observed
from ics.cosmos import gas_prices
from ics.engines.applyset import engine
from ics.manifests import hermes_jobs, rights
from ics.reconciler import chain_reports, outcome, reconcile, wiring, world
from ics.relayer import inputs
from tests.cluster import conftest, test_consumer_chains, test_events
from tests.unit import factories
from tests.unit.monitoring import test_notifications
from tests.unit.reconciler import test_chain_reports
from tests.unit.relayer import relaying

pytestmark = pytest.mark.cluster

HOME = "home-of-rights"
SPACE = "consumer1-1-0-d2b42c08"
NOW = "2026-01-01T00:00:00Z"
PLACE = {"namespace": "ics-secrets", "name": "alice"}
SETTINGS = factories.settings(
    gateway={"namespace": HOME},
    seed={"secret": {**PLACE, "key": "seed"}},
    account={"secret": {**PLACE, "key": "account"}},
    reconciler={"enabled": True, "image": "ics:1"},
    monitoring={"enabled": False},
)
P = model.Phase
OWN = factories.place(namespace=SPACE)
"""Of the chain that the relaying is tried with."""

Right = tuple[str, str, str, str]
"""Namespace of the gateway or empty, group, resource, verb."""


@dataclass
class Provider:
    """The provider chain as the scenes have it."""

    found: model.Snapshot

    async def open(self, floor: model.ActedBlock | None) -> object:
        return None

    def endpoint_states(self) -> tuple[model.EndpointState, ...]:
        return ()

    def conditions(self) -> tuple[Condition, ...]:
        return ()

    async def check_rpc(self) -> None:
        return None

    async def snapshot(self, *_: object) -> model.Snapshot:
        return self.found

    async def is_key_used(self, consumer_id: str, consumer_address: str) -> bool:
        return False

    async def dissent(self, consumer_id: str, snapshot: model.Snapshot) -> tuple[str, ...]:
        return ()

    async def is_outvoted(self, consumer_id: str, snapshot: model.Snapshot) -> bool:
        return False

    async def slashing_params(self) -> model.SlashingParams:
        return factories.SLASHING

    async def queued_terms(self, consumer_id: str) -> model.InfractionParameters:
        return model.InfractionParameters()

    async def launch(self, consumer_id: str, with_details: bool = True) -> model.Launch:
        return factories.launch("alice", "bob")

    async def gas_price(self) -> gas_prices.GasPrice:
        return gas_prices.GasPrice()

    async def balances(self, *_: object) -> Mapping[str, int]:
        return {}


class Watched(client.KubeClient):
    """Writes down which right each request needs."""

    used: set[Right]

    async def send(self, request: requests.KubeRequest, timeout: float | None = None) -> client.Answer:
        self._use(request, request.verb)
        answer = await super().send(request, timeout)
        if request.verb == "patch" and answer.status == 201:
            self._use(request, "create")  # what an apply makes is created
        return answer

    async def text(self, request: requests.KubeRequest, timeout: float | None = None) -> str:
        self._use(request, request.verb)
        return await super().text(request, timeout)

    async def follow(self, request: requests.KubeRequest, silence: float) -> AsyncIterator[dict[str, Any]]:
        async for event in super().follow(request, silence):
            self._use(request, request.verb)
            yield event

    def _use(self, request: requests.KubeRequest, verb: str) -> None:
        in_home = request.namespace == HOME and request.kind in (kinds.LEASE, kinds.ENDPOINT_SLICE)
        self.used.add((HOME if in_home else "", request.kind.group, request.resource, verb))


@dataclass
class Corner:
    """The cluster, with the reconciler installed in it."""

    scene: conftest.Scene
    kube: Watched

    def adapters(self) -> wiring.Adapters:
        """Adapters of one pass, with a Lease that it has not taken yet."""
        return wiring.Adapters(self.kube, SETTINGS, lease.Lease(self.kube, "alice", HOME, "pod", 120))

    def engine(self, kube: client.KubeClient | None = None) -> engine.ApplyEngine:
        return engine.ApplyEngine(kube or self.kube, "alice", HOME)

    async def passes(self, *consumers: model.Consumer) -> outcome.Outcome:
        """One whole pass as the service account; none of its steps may lack a right."""
        provider = cast(world.Provider, Provider(factories.snapshot(*consumers)))
        known = [factories.example()]
        own = self.adapters().world(SETTINGS, factories.seed("alice"), known, provider, {})
        done = await reconcile.run_pass(own, self.engine(), None)
        assert [str(trouble) for trouble in done.troubles if "missing permission" in str(trouble)] == []
        return done

    async def merge(
        self, kind: kinds.Kind, namespace: str, name: str, change: dict[str, Any], sub: str = ""
    ) -> None:
        """Change an object as somebody else would."""
        body = requests.encode(change)
        kind_of_patch = "application/merge-patch+json"
        await self.scene.kube.send(
            requests.KubeRequest(
                verb="patch",
                kind=kind,
                namespace=namespace,
                name=name,
                query={},
                body=body,
                content_type=kind_of_patch,
                subpath=sub,
            )
        )

    async def end_jobs(self) -> None:
        """End the Jobs as their controller would."""
        for job in await self.scene.kube.select(kinds.JOB, {}, namespace=SPACE):
            met = [
                {"type": type_, "status": "True", "lastTransitionTime": NOW}
                for type_ in ("SuccessCriteriaMet", "Complete")
            ]
            status = {"conditions": met, "startTime": NOW, "completionTime": NOW, "succeeded": 1}
            await self.merge(kinds.JOB, SPACE, job["metadata"]["name"], {"status": status}, "/status")

    async def pod(self, name: str, component: str, address: str = "192.0.2.1") -> None:
        """A pod as its kubelet would report it; nobody answers on its address."""
        own = {
            names.MANAGED_BY: names.MANAGER,
            names.VALIDATOR: "alice",
            names.PROVIDER: factories.PROVIDER,
            names.CONSUMER: "0",
            names.COMPONENT: component,
        }
        metadata = {"name": name, "namespace": SPACE, "labels": own}
        restricted = {
            "runAsNonRoot": True,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        }
        spec = {"nodeName": "n1", "containers": [{"name": "c", "image": "i", "securityContext": restricted}]}
        await self.scene.kube.apply(
            {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}, "test"
        )
        status = {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}]}
        await self.merge(kinds.POD, SPACE, name, {"status": status}, "/status")


def order(desired: desired.Desired, **more: Any) -> engines.ApplyRequest:
    return engines.ApplyRequest(
        manifests=reconcile.render(dataclasses.replace(desired, settings=SETTINGS)), **more
    )


@contextlib.asynccontextmanager
async def installed(scene: conftest.Scene, folder: pathlib.Path) -> AsyncIterator[Corner]:
    """An administrator installs it; from then on it acts with its own token."""
    empty = relaying.judge(None)
    nothing = dataclasses.replace(
        empty, decisions=(), gateway_ports={}, open_ports={}, definitions=(factories.example(),)
    )
    done = await engine.ApplyEngine(scene.kube, "alice", HOME).converge(order(nothing))
    assert done.errors == ()
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    request = requests.KubeRequest(
        verb="create",
        kind=kinds.SERVICE_ACCOUNT,
        namespace=HOME,
        name=None,
        body=requests.encode(body),
        subpath="/reconciler/token",
    )
    token = (await scene.kube.send(request)).body["status"]["token"]
    found = json.loads(scene.server.kubeconfig("admin").read_text())
    found["users"][0]["user"] = {"token": token}
    found["clusters"][0]["cluster"]["certificate-authority"] = str(scene.server.ca)
    path = folder / "kubeconfig"
    path.write_text(json.dumps(found))
    async with Watched(connect.access(settings.ClusterSettings(kubeconfig=str(path)), folder, {})) as kube:
        kube.used = set()
        yield Corner(scene, kube)


def granted() -> set[Right]:
    """What the manifests grant."""
    scopes = ((rights.in_cluster("x"), ""), (rights.in_gateway("x"), HOME))
    return {
        ("" if "resourceNames" in rule else scope, group, resource, verb)
        for rules, scope in scopes
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def joined(memory: observed.Memory) -> model.ConsumerDetail:
    """The chain after alice's opt-in with the key that is on record."""
    [record] = memory.chains["0"].records
    detail = factories.joined("alice", "bob")
    key, own = factories.key_of(record.place), factories.valcons("alice")
    validators = tuple(
        dataclasses.replace(one, consumer_key=key.public_key) if one.consensus_address == own else one
        for one in detail.validators
    )
    return dataclasses.replace(detail, validators=validators, own_consumer_address=key.address)


async def a_chains_life(corner: Corner) -> None:
    """From the place on record and the opt-in to the node that is reached by its peers."""
    await corner.passes(factories.consumer(P.INITIALIZED))
    detail = joined(await corner.adapters().state.load())
    staged = factories.consumer(P.INITIALIZED, detail)
    for _ in range(3):
        await corner.passes(staged)
        await corner.end_jobs()
    running = factories.consumer(P.LAUNCHED, detail)
    await corner.passes(running)
    for address in ("192.0.2.1", "192.0.2.2"):
        await corner.pod(names.NODE_POD, names.NODE, address)
        await corner.passes(running)
    at_once = {"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0}
    await corner.scene.kube.send(
        requests.KubeRequest(
            verb="delete", kind=kinds.POD, namespace=SPACE, name=names.NODE_POD, body=requests.encode(at_once)
        )
    )
    await corner.passes(running)


def relays() -> desired.Desired:
    """Alice's launched chain with an open relayer."""
    return relaying.judge(
        relaying.OPEN,
        namespace=SPACE,
        records=(factories.record(at=OWN),),
        record=relaying.accepted(relaying.OPEN),
    )


async def the_relaying(corner: Corner) -> None:
    """All that a pass does for the relaying, and for what goes wrong."""
    wanted = relays()
    (chain,) = wanted.chains
    done = await corner.engine().converge(order(wanted))
    assert done.errors == ()
    await corner.pod(names.NODE_POD, names.NODE)
    await corner.pod("hermes-0", names.HERMES)
    own = corner.adapters()
    signer = hermes_jobs.HermesSigner("consumer1-1", "r", hermes_jobs.CONSUMER_MNEMONIC)
    for name in ("one", "two"):
        step = hermes_jobs.HermesStep(
            name=name,
            image="hermes:1",
            config=names.HERMES_BASE,
            signers=(signer,),
            commands=[("tx", "conn-init")],
        )
        await own.hermes_jobs.ensure_step_job(chain, step)
        await corner.end_jobs()
    await own.hermes_jobs.ensure_check_job(chain, inputs.Setup("hermes:1", "[global]"))
    await own.hermes_jobs.record(chain, relaying.record(relaying.MARK))
    for asked in (
        own.nodes.consumer_side(SPACE, "address", "stake"),
        own.nodes.received(SPACE, "channel-0", "channel-1"),
    ):
        with pytest.raises(errors.Transient):  # nobody answers there, but it was let through
            await asked
    await own.hermes_jobs.restart_hermes(SPACE)
    await own.hermes_jobs.stop_copy(SPACE)
    await own.nodes.restart(SPACE)
    await own.hermes_jobs.forget(SPACE, "0")
    await own.sign_state.ensure_retired(OWN)
    await own.lease.release()


async def the_watch(corner: Corner) -> None:
    """A reconciler that stays is told of its pods."""
    changes = asyncio.Event()
    watch = nodes_watch.PodWatch(corner.kube, "alice", lambda has_address: changes.set())
    task = asyncio.create_task(watch.run())
    async with asyncio.timeout(60):
        while not watch.is_watching:
            await asyncio.sleep(0.05)
        number = 0
        while ("", "", "pods", "watch") not in corner.kube.used:
            await corner.pod(names.NODE_POD, names.NODE, f"192.0.2.{10 + number % 200}")
            number += 1
            await asyncio.sleep(0.2)
        await changes.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def the_events(corner: Corner) -> None:
    """What has become true, twice."""
    for _ in range(2):
        await corner.adapters().events.write(test_events.transition("", ""))


async def the_objects(corner: Corner) -> None:
    """The objects of its chains, whose kind it defines itself; nothing of it may lack a right."""
    lines: list[str] = []
    [chain] = test_notifications.report().chains
    for chains in ((dataclasses.replace(chain, namespace=SPACE),), ()):
        own = corner.adapters()
        reports = chain_reports.ChainReports(own.chain_objects, own.lease, wiring.now, lines.append)
        await reports.after_pass(test_chain_reports.result(*chains))
    assert lines == []


async def what_others_changed(corner: Corner) -> None:
    """Somebody takes over a label of each object, and moves the LoadBalancer's port."""
    wanted = order(relays())
    for manifest in wanted.manifests:
        metadata = manifest["metadata"]
        change = {"metadata": {"labels": {names.MANAGED_BY: "somebody"}}}
        await corner.merge(kinds.of(manifest), metadata.get("namespace", ""), metadata["name"], change)
    ports = [{"name": "c-0", "port": 4444, "targetPort": 4444, "protocol": "TCP"}]
    await corner.merge(kinds.SERVICE, HOME, names.GATEWAY_SERVICE, {"spec": {"ports": ports}})
    done = await corner.engine().converge(wanted)
    assert done.errors == ()
    for manifest in wanted.manifests:
        metadata = manifest["metadata"]
        live = await corner.scene.live(kinds.of(manifest), metadata.get("namespace", ""), metadata["name"])
        assert live is not None
        assert live["metadata"]["labels"][names.MANAGED_BY] == names.MANAGER


async def its_end(corner: Corner) -> None:
    wanted = order(relays())
    shared = [m for m in wanted.manifests if names.CONSUMER not in m["metadata"]["labels"]]
    without = [m for m in shared if m["kind"] != "Service"]
    done = await corner.engine().converge(engines.ApplyRequest(manifests=without, ended=frozenset({"0"})))
    assert done.errors == ()


@conftest.gives_up_requests
async def test_its_rights_are_those_that_its_passes_use(
    scene: conftest.Scene, tmp_path: pathlib.Path
) -> None:
    async with installed(scene, tmp_path) as corner:
        await a_chains_life(corner)
        await the_relaying(corner)
        await the_watch(corner)
        await what_others_changed(corner)
        await its_end(corner)
        await the_events(corner)
        await test_consumer_chains.remove_definition(scene)
        await the_objects(corner)
        assert corner.kube.used == granted()


async def test_it_can_grant_itself_nothing(scene: conftest.Scene, tmp_path: pathlib.Path) -> None:
    async with installed(scene, tmp_path) as corner:
        rules = [*rights.in_cluster(f"ics-{HOME}-alice")]
        rules.append({"apiGroups": [""], "resources": ["nodes"], "verbs": ["delete"]})
        role = {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {"name": f"ics-{HOME}-alice"},
            "rules": rules,
        }
        with pytest.raises(errors.Permanent, match="attempting to grant RBAC permissions not currently held"):
            await corner.kube.apply(role, names.FIELD_MANAGER)
        with pytest.raises(errors.Permanent, match="missing permission"):
            await corner.kube.delete(kinds.NAMESPACE, None, SPACE, None)
