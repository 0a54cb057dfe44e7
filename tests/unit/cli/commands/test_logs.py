"""`ics logs`: the log of a chain's pods, and every line of it once when it is followed."""

import json
import types
from typing import Any

import pytest

from ics import errors, names
from ics.cli.commands import logs
from ics.cluster.api import requests
from tests.unit import factories
from tests.unit.cli import calls

FIRST = "2026-01-01T00:00:00.1Z starts"
SECOND = "2026-01-01T00:00:00.12Z runs"
THIRD = "2026-01-01T00:00:01Z ends"


class Cluster:
    """Pods, and what each logs at each look."""

    def __init__(self, pods: dict[str, list[str]], *looks: list[str]) -> None:
        self.asked: list[Any] = []
        self._pods = pods
        self._looks = list(looks)

    async def select(self, kind: object, labels: Any) -> list[dict[str, Any]]:
        self.asked.append(labels)
        return [
            {
                "metadata": {"namespace": "ns", "name": name},
                "spec": {"containers": [{"name": container} for container in containers]},
            }
            for name, containers in self._pods.items()
        ]

    async def text(self, request: requests.KubeRequest) -> str:
        self.asked.append((request.name, request.query["container"], request.query["tailLines"]))
        if not self._looks:
            raise errors.Transient("gone")
        return "\n".join(self._looks.pop(0))

    async def logs(self, *words: str) -> int:
        stack: Any = types.SimpleNamespace(world=factories.world(), kube=self)
        return await logs._logs(calls.arguments("logs", *words, "--stack", "alice"), stack)


async def test_node_is_asked_for_its_first_container(capsys: pytest.CaptureFixture[str]) -> None:
    cluster = Cluster({"node-0": ["node", "volume-use"]}, [FIRST, SECOND])
    assert await cluster.logs("0") == 0
    labels = {names.VALIDATOR: "alice", names.CONSUMER: "0", names.COMPONENT: names.NODE}
    assert cluster.asked == [labels, ("node-0", "node", "100")]
    assert capsys.readouterr().out.splitlines() == [FIRST, SECOND]


async def test_lines_of_several_pods_name_them(capsys: pytest.CaptureFixture[str]) -> None:
    cluster = Cluster({"sentry-2-0": ["node"], "sentry-1-0": ["node"]}, [FIRST], [SECOND])
    assert await cluster.logs("0", "--component", "sentry", "--tail", "7") == 0
    assert cluster.asked[1:] == [("sentry-1-0", "node", "7"), ("sentry-2-0", "node", "7")]
    assert capsys.readouterr().out.splitlines() == [f"sentry-1-0  {FIRST}", f"sentry-2-0  {SECOND}"]


async def test_followed_log_has_every_line_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(logs, "_LOOK_EVERY", 0.0)
    cluster = Cluster({"node-0": ["node"]}, [FIRST], [FIRST, SECOND], [FIRST, SECOND], [SECOND, THIRD])
    with pytest.raises(errors.Transient, match="gone"):
        await cluster.logs("0", "-f", "-o", "json")
    shown = [json.loads(line)["line"] for line in capsys.readouterr().out.splitlines()]
    assert shown == [FIRST, SECOND, THIRD]


async def test_provider_node_is_found_without_a_chain() -> None:
    cluster = Cluster({"provider-node-0": ["node"]}, [FIRST])
    assert await cluster.logs("provider") == 0
    assert cluster.asked[0] == {names.VALIDATOR: "alice", names.COMPONENT: names.PROVIDER_NODE}


@pytest.mark.parametrize(
    ("pods", "words", "problem"),
    [
        ({}, ("7",), "consumer id '7': no pod of its node here"),
        ({"node-0": ["node", "x"]}, ("0", "-c", "y"), "--container 'y': pod node-0 has node, x"),
        ({}, ("0", "--tail", "0"), "--tail 0: use a number from 1 to 5000"),
        ({}, ("provider", "--component", "hermes"), "--component hermes: the provider node has none"),
    ],
)
async def test_what_is_not_there_is_named(
    pods: dict[str, list[str]], words: tuple[str, ...], problem: str
) -> None:
    with pytest.raises(errors.SettingsError) as raised:
        await Cluster(pods).logs(*words)
    assert str(raised.value).startswith(problem)


def test_components_are_those_of_the_manifests_and_no_job() -> None:
    from ics.cli.arguments import logs as arguments

    known = {names.NODE, names.SENTRY, names.FULL_NODE, names.HERMES, names.EVIDENCE}
    assert {component.value for component in arguments.Component} == known
