"""`ics chain rehearse`: its result, and that nothing is left behind."""

import datetime
import json
import types
from typing import Any, cast

import pytest

from ics import errors, names
from ics.cli.arguments import chain as arguments
from ics.cli.commands import chain
from ics.cluster.api import client as api
from ics.cluster.api import requests
from ics.manifests import objects
from ics.reconciler import wiring
from tests.model import kube
from tests.unit import factories


class Client(kube.Client):
    """A cluster in which every Job ends at once."""

    ends = "Complete"
    says = "block 1 after 3 s"

    async def apply(self, manifest: Any, manager: str, **options: Any) -> api.Answer:
        found: Any = await super().apply(manifest, manager)
        return api.Answer(200, found)

    async def send(self, request: requests.KubeRequest, timeout: float | None = None) -> api.Answer:
        created: Any = await super().send(request, timeout)
        metadata = created["metadata"]
        key = kube.Key("Job", metadata["namespace"], metadata["name"])
        status = {"conditions": [{"type": self.ends, "status": "True"}]}
        self.objects.items[key] = {**created, "status": status}
        state = {"terminated": {"exitCode": 0, "message": self.says}}
        labels = {**metadata["labels"], "job-name": metadata["name"]}
        self.objects.items[kube.Key("Pod", metadata["namespace"], "pod")] = {
            "metadata": {"namespace": metadata["namespace"], "name": "pod", "labels": labels},
            "status": {"containerStatuses": [{"name": "rehearsal", "state": state}]},
        }
        return api.Answer(201, created)

    async def delete(
        self, kind: Any, namespace: str | None, name: str, uid: str | None, **options: Any
    ) -> None:
        """With a namespace goes all that is in it."""
        await super().delete(kind, namespace, name, uid)
        if kind.name == "Namespace":
            for key in [key for key in self.objects.items if key.namespace == name]:
                self.objects.delete(key)


class Play:
    def __init__(self) -> None:
        async def step(text: str) -> None:
            self.steps.append(text)

        self.steps: list[str] = []
        self.kube = Client(kube.Objects(), step, "")
        self.definitions = [factories.example(match={"owner": factories.OWNER, "chain_id": "consumer1-1"})]

    async def run(self, name: str = "ics-example", **changes: Any) -> int:
        world = types.SimpleNamespace(settings=factories.settings(), definitions=self.definitions)
        stack = cast(Any, types.SimpleNamespace(world=world, kube=self.kube))
        args = arguments.Rehearse(definition=name, **{"json": True, **changes})
        return await chain._rehearse(args, stack)

    @property
    def left(self) -> list[kube.Key]:
        return list(self.kube.objects.items)


async def test_rehearsal_by_hand_says_how_it_went_and_leaves_nothing(capsys: Any) -> None:
    play = Play()
    assert await play.run() == 0
    said = json.loads(capsys.readouterr().out)
    assert said == {
        "definition": "ics-example",
        "chain_id": "consumer1-1",
        "ok": True,
        "text": "block 1 after 3 s",
        "upgrades": [],
    }
    assert play.steps[:4] == ["apply Namespace", "apply NetworkPolicy", "create", "apply ConfigMap"]
    assert play.left == []


async def test_chain_id_of_a_pattern_is_one_that_it_matches(capsys: Any) -> None:
    play = Play()
    play.definitions = [factories.example()]
    assert await play.run() == 0
    assert json.loads(capsys.readouterr().out)["chain_id"] == "consumer-1"


async def test_failed_rehearsal_exits_with_2(capsys: Any) -> None:
    play = Play()
    play.kube.ends, play.kube.says = "Failed", "panic"
    assert await play.run(json=False) == 2
    assert capsys.readouterr().out == "ics-example: failed: panic\n"
    assert play.left == []


async def test_namespace_is_deleted_whatever_happens() -> None:
    play = Play()

    async def refuse(request: requests.KubeRequest, timeout: float | None = None) -> api.Answer:
        raise errors.Permanent("refused")

    play.kube.send = refuse  # type: ignore[method-assign]
    with pytest.raises(errors.Permanent, match="refused"):
        await play.run()
    assert play.left == []


async def test_namespace_of_a_killed_rehearsal_is_deleted_by_the_next_one() -> None:
    play = Play()
    labels = objects.Owner("alice", factories.PROVIDER, "rehearsal").labels(names.REHEARSAL)
    ages = {"old": datetime.timedelta(hours=1), "young": datetime.timedelta(minutes=1)}
    for name, age in ages.items():
        made = (wiring.now() - age).isoformat()
        play.kube.objects.items[kube.Key("Namespace", "", name)] = {
            "metadata": {"name": name, "uid": name, "labels": labels, "creationTimestamp": made}
        }
    await play.run()
    assert [key.name for key in play.left] == ["young"]


@pytest.mark.parametrize(
    ("changes", "text"),
    [({"initial_height": 0}, "initial height 0 is not valid"), ({"chain_id": "a b"}, "'a b'")],
)
async def test_what_cannot_be_completed_is_said(changes: dict[str, Any], text: str) -> None:
    play = Play()
    with pytest.raises(errors.SettingsError, match=f"definition ics-example: .*{text}"):
        await play.run(**changes)
    assert play.left == []


async def test_unknown_definition_and_unknown_chain_id_are_named() -> None:
    play = Play()
    with pytest.raises(
        errors.SettingsError, match="definition 'other': not in stacks/chains; use one of: ics-example"
    ):
        await play.run("other")
    play.definitions = [factories.example(match={"owner": factories.OWNER, "chain_id": "*"})]
    with pytest.raises(errors.SettingsError, match="matches several chain ids; use --chain-id ID"):
        await play.run()
    assert play.steps == []
