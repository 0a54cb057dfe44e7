"""A stack of the real Pulumi on a real API server: the facts of each pass are made up, all else is real."""

import asyncio
import base64
import contextlib
import dataclasses
import json
import os
import pathlib
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import yaml

from devnet import places
from ics import engines, model, names
from ics.cluster.api import client, connect, kinds, requests, tls
from ics.config import secret_sources, settings, stack_file
from ics.consumer import desired, observed
from ics.engines.applyset import members
from ics.reconciler import reconcile, wiring
from tests.cluster import apiserver, recording
from tests.pulumi import handed as handed_facts
from tests.pulumi import terminal
from tests.unit import factories

P = model.Phase
PASSPHRASE = "a passphrase of the tests"


@dataclass(frozen=True, slots=True)
class Stage:
    """A project, its stack, and the cluster that it is for."""

    root: pathlib.Path
    server: apiserver.Server
    validator: str
    renamed: str = ""
    """Name of the stack, where it is not the validator's."""

    @property
    def stack(self) -> str:
        """Name of the stack."""
        return self.renamed or self.validator

    @property
    def backend(self) -> pathlib.Path:
        """The folder of the state."""
        return self.root / "state"

    @property
    def settings(self) -> settings.Settings:
        """As the stack file has them."""
        return stack_file.load_settings(self.root, self.stack, {})

    def kube(self) -> tuple[client.KubeClient, recording.Transport]:
        """A client whose requests are written down."""
        access = connect.access(self.settings.cluster, self.root, {})
        context = tls.context_of(access)
        assert context is not None
        recorder = recording.Transport(httpx.AsyncHTTPTransport(verify=context))
        return connect.open_client(self.settings.cluster, self.root, {}, recorder), recorder

    def facts(
        self, running: Collection[int], launching: Collection[int] = (), staged: Collection[int] = ()
    ) -> observed.Observed:
        """The provider with these chains, by consumer id, all of which have their key on record.

        Args:
            running: their genesis is in the cluster.
            launching: this pass is the first that sees them launched.
            staged: they are not launched yet.
        """
        consumers, launches, chains = [], {}, {}
        for number in sorted({*running, *launching, *staged}):
            one = str(number)
            phase = P.INITIALIZED if number in staged else P.LAUNCHED
            chain = factories.consumer(phase, factories.joined("alice", "bob", consumer_id=one), one)
            consumers.append(chain)
            prefix = self.settings.cluster.namespace_prefix
            namespace = names.namespace(prefix, factories.PROVIDER, one, chain.summary.chain_id)
            chains[one] = factories.on_record(namespace, consumer_id=one)
            if phase is P.LAUNCHED:
                launches[one] = factories.launch("alice", "bob")
        return observed.Observed(
            spare=factories.SPARE,
            snapshot=factories.snapshot(*consumers, launches=launches),
            memory=factories.memories(chains),
        )

    def order(
        self,
        observed: observed.Observed,
        paused: Collection[str] = (),
        confirmed: Collection[str] = (),
        **changes: Any,
    ) -> engines.ApplyRequest:
        """What a pass that has seen these facts asks of its engine."""
        settings = self.settings
        definitions = asyncio.run(stack_file.load_definitions(self.root, wiring.fetch))
        wanted = desired.compute(observed, settings, factories.seed("alice"), definitions)
        manifests = [
            m
            for m in reconcile.render(wanted)
            if m["metadata"]["labels"].get(_CONSUMER, "") not in set(paused)
        ]
        return engines.ApplyRequest(
            manifests=manifests,
            paused=frozenset(paused),
            confirmed=frozenset(confirmed),
            is_attended=True,
            height=observed.snapshot.height,
            **changes,
        )

    def converge(
        self, request: engines.ApplyRequest, name: str = "pulumi"
    ) -> tuple[engines.Converged, list[str]]:
        """One convergence; answers what the operator's own client wrote, too."""

        async def run() -> tuple[engines.Converged, list[str]]:
            kube, recorder = self.kube()
            async with kube:
                return await self.engine(kube, name).converge(request), recorder.writes

        return asyncio.run(run())

    def preview(self, request: engines.ApplyRequest, name: str = "pulumi") -> tuple[engines.Change, ...]:
        """What a convergence would change."""
        return self.plan(request, name).changes

    def plan(self, request: engines.ApplyRequest, name: str = "pulumi") -> engines.PlannedChanges:
        """All that `ics plan` would say of a convergence."""

        async def run() -> engines.PlannedChanges:
            kube, _ = self.kube()
            async with kube:
                return await self.engine(kube, name).plan(dataclasses.replace(request, is_thorough=True))

        return asyncio.run(run())

    def objects(self, request: engines.ApplyRequest) -> dict[str, dict[str, Any]]:
        """The live objects of the set, by their name."""

        async def read() -> dict[str, dict[str, Any]]:
            kube, _ = self.kube()
            async with kube:
                keys = [members.key_of(manifest) for manifest in request.manifests]
                items = [await kube.find(key.kind, key.namespace, key.name) for key in keys]
            return {str(key): item for key, item in zip(keys, items, strict=True) if item is not None}

        return asyncio.run(read())

    def lease_holder(self) -> str:
        """Who holds the validator's Lease; empty if nobody does."""

        async def read() -> str:
            kube, _ = self.kube()
            async with kube:
                item = await kube.find(kinds.LEASE, self.settings.gateway.namespace, f"ics-{self.validator}")
            return "" if item is None else str(item["spec"]["holderIdentity"])

        return asyncio.run(read())

    def edit(self, kind: kinds.Kind, namespace: str, name: str, change: Callable[[Any], object]) -> None:
        """Changes an object as `kubectl edit` does."""

        async def put() -> None:
            kube, _ = self.kube()
            async with kube:
                item = await kube.find(kind, namespace, name)
                assert item is not None
                change(item)
                await kube.send(requests.update(item, "kubectl-edit"))

        asyncio.run(put())

    def delete(self, kind: kinds.Kind, namespace: str, name: str) -> None:
        """Deletes an object as `kubectl delete` does."""

        async def gone() -> None:
            kube, _ = self.kube()
            async with kube:
                await kube.delete(kind, namespace, name, None)

        asyncio.run(gone())

    def remake(self, kind: kinds.Kind, namespace: str, name: str, change: Callable[[Any], object]) -> None:
        """Deletes an object and makes another of its name, as `kubectl replace --force` does."""

        async def anew() -> None:
            kube, _ = self.kube()
            async with kube:
                item = await kube.find(kind, namespace, name)
                assert item is not None
                assert await kube.delete(kind, namespace, name, None) is None
                kept = ("name", "namespace", "labels", "annotations")
                item["metadata"] = {key: item["metadata"][key] for key in kept}
                change(item)
                body = requests.encode(item)
                await kube.send(
                    requests.KubeRequest(verb="create", kind=kind, namespace=namespace, name=None, body=body)
                )

        asyncio.run(anew())

    def set(self, key: str, value: Any) -> None:
        """Changes a setting in the stack file."""
        path = self.root / "stacks" / f"Pulumi.{self.stack}.yaml"
        content = yaml.safe_load(path.read_text())
        content["config"][f"ics:{key}"] = value
        path.write_text(yaml.safe_dump(content))

    def pulumi(self, *arguments: str, handed: observed.Observed | None = None) -> str:
        """The CLI by hand; answers all that it printed."""
        code, said = self.tried(*arguments, handed=handed)
        assert code == 0, said
        return said

    def tried(self, *arguments: str, handed: observed.Observed | None = None) -> tuple[int, str]:
        """The CLI by hand; answers its exit code, and all that it printed."""
        done = subprocess.run(
            ["pulumi", "--non-interactive", *arguments, "--stack", self.stack],
            cwd=self.root,
            env=self.environment(handed),
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    def environment(self, handed: observed.Observed | None) -> dict[str, str]:
        """The environment of the CLI by hand, and of its program the facts that it does not read itself."""
        environment = os.environ | {
            "PULUMI_BACKEND_URL": f"file://{self.backend}",
            "PULUMI_CONFIG_PASSPHRASE_FILE": str(self.root / "passphrase"),
        }
        if handed is not None:
            environment |= handed_facts.hand(handed, self.root / "handed")
        return environment

    @contextlib.contextmanager
    def prompting(self, handed: observed.Observed) -> Iterator[terminal.Prompt]:
        """A `pulumi up` at a terminal that waits at its prompt."""
        with terminal.prompt(self.root, self.stack, self.environment(handed)) as found:
            yield found

    def typed(self, *commands: Sequence[str]) -> None:
        """Commands as they are typed into one shell, whose environment says nothing of Pulumi."""
        environment = {key: value for key, value in os.environ.items() if not key.startswith("PULUMI_")}
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", "\n".join(shlex.join(words) for words in commands)],
            cwd=self.root,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def ics(self, *arguments: str) -> Any:
        """A command of the product's own; answers its JSON."""
        done = subprocess.run(
            [sys.executable, "-m", "ics.cli", *arguments, "--stack", self.stack, "--json"],
            cwd=self.root,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    def started(self, running: Collection[int]) -> subprocess.Popen[bytes]:
        """A pass in a process of its own, which may be killed."""
        spare = [str(self.root), self.validator, self.server.url, str(self.server.folder)]
        return subprocess.Popen(
            [sys.executable, "-m", "tests.pulumi.stage", *spare, *map(str, running)],
            cwd=places.CHECKOUT,
            start_new_session=True,
        )

    @property
    def checkpoint(self) -> dict[str, Any]:
        """The state as it lies in its file."""
        path = self.backend / ".pulumi" / "stacks" / "ics" / f"{self.stack}.json"
        content: dict[str, Any] = json.loads(path.read_text())["checkpoint"].get("latest") or {}
        return content

    @property
    def locks(self) -> list[pathlib.Path]:
        """Files of the locks."""
        return sorted((self.backend / ".pulumi" / "locks").rglob("*.json"))

    def engine(self, kube: client.KubeClient, name: str) -> engines.Engine:
        """The engine of that name."""
        settings = self.settings.model_copy(update={"engine": name})

        async def read(source: secret_sources.SecretSource, setting: str) -> model.Secret:
            assert source.file is not None, setting
            return model.Secret((self.root / source.file).read_text().strip())

        return wiring.engine_of(settings, self.root, self.stack, kube, _NoLease(), read)


_CONSUMER = "ics-operator.dev/consumer-id"


class _NoLease:
    async def ensure(self) -> None:
        pass

    async def release(self) -> None:
        pass

    async def acted_block(self, provider_chain_id: str) -> model.ActedBlock | None:
        return None

    async def annotations(self) -> Mapping[str, str]:
        return {}

    async def annotate(self, changes: Mapping[str, str]) -> None:
        pass

    def record_block(self, provider_chain_id: str, block: model.ActedBlock) -> None:
        pass


def make(folder: pathlib.Path, server: apiserver.Server, validator: str) -> Stage:
    """A project of its own, with a file for its state."""
    root = folder / "project"
    chains = root / "stacks" / "chains"
    chains.mkdir(parents=True)
    shutil.copy(places.CHECKOUT / "Pulumi.yaml", root)
    (root / "__main__.py").write_text(handed_facts.program(places.CHECKOUT / "__main__.py"))
    for name in ("ics", ".venv"):
        (root / name).symlink_to(places.CHECKOUT / name)
    (root / "state").mkdir()
    _private(root / "seed", factories.seed("alice").reveal().hex())
    _private(root / "passphrase", PASSPHRASE)
    _private(root / "kubeconfig", json.dumps(_inline(server)))
    example = factories.example().definition
    (chains / "base.json").write_text(factories.BASE)
    document = json.loads(example.model_dump_json(exclude_defaults=True))
    (chains / f"{example.name}.yaml").write_text(yaml.safe_dump(document))
    values = {
        "validator": validator,
        "operator_address": factories.valoper("alice"),
        "engine": "pulumi",
        "provider": {
            "chain_id": factories.PROVIDER,
            "rest": ["http://127.0.0.1:1"],
            "rpc": ["http://127.0.0.1:1"],
            "grpc": ["http://127.0.0.1:1"],
        },
        "seed": {"file": "seed"},
        "cluster": {"kubeconfig": "kubeconfig", "namespace_prefix": f"{validator}-"},
        "gateway": {"namespace": f"{validator}-gateway"},
        "pulumi": {"backend": f"file://{root / 'state'}", "passphrase": {"file": "passphrase"}},
        "staging": {"checklist": "none", "rehearse": False},
    }
    content = {"config": {f"ics:{key}": value for key, value in values.items()}}
    (root / "stacks" / f"Pulumi.{validator}.yaml").write_text(yaml.safe_dump(content))
    return Stage(root, server, validator)


def _inline(server: apiserver.Server) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(server.kubeconfig("admin").read_text())
    cluster = content["clusters"][0]["cluster"]
    authority = base64.b64encode(server.ca.read_bytes()).decode()
    del cluster["certificate-authority"]
    cluster["certificate-authority-data"] = authority
    return content


def _private(path: pathlib.Path, text: str) -> None:
    path.touch(0o600)
    path.write_text(text)


def main() -> None:
    """One pass over the chains that the arguments name."""
    root, validator, url, folder, *running = sys.argv[1:]
    found = Stage(pathlib.Path(root), apiserver.Server(url, pathlib.Path(folder)), validator)
    found.converge(found.order(found.facts([int(one) for one in running])))


if __name__ == "__main__":
    main()
