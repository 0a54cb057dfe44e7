"""The component package: its schema, and what its components register under Pulumi's own mocks."""

import atexit
import json
import pathlib
from collections.abc import Callable
from typing import Any

import pulumi
import pytest
import yaml
from pulumi.provider.experimental.component import ComponentProvider

from ics import errors, manifests
from ics.engines.pulumi import provider
from ics.pulumi_program import lease_keeper, package, plan, preparation
from tests.unit.pulumi_program import test_resources
from tests.unit.pulumi_program.test_resources import Recorder, launched

recorder = test_resources.recorder
ROOT = pathlib.Path(__file__).parents[3]
SETTINGS = {"type": "object", "additionalProperties": {"type": "string", "plain": True}, "plain": True}


def arguments(**more: Any) -> Any:
    """Arguments of a component, for a project in /ops."""
    return {"project": "/ops", "stack": "alice", **more}


def schema() -> dict[str, Any]:
    """The package's schema, as programs in other languages are generated from it."""
    provider = ComponentProvider(list(package.COMPONENTS), package.NAME, version="0.1.0")
    found: dict[str, Any] = json.loads(provider.schema or "")
    return found


def types(properties: dict[str, Any]) -> dict[str, Any]:
    """Properties without their descriptions, which must be there."""
    assert all(value["description"] for value in properties.values())
    return {name: undescribed(value) for name, value in properties.items()}


def undescribed(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {key: undescribed(inner) for key, inner in value.items() if key != "description"}


def test_schema_has_both_components() -> None:
    found = schema()
    text, plain = {"type": "string"}, {"type": "string", "plain": True}
    by_id = {"type": "object", "additionalProperties": text}
    assert found["name"] == "ics"
    assert set(found["resources"]) == {"ics:index:Validator", "ics:index:ConsumerChain"}
    whole, chain = found["resources"]["ics:index:Validator"], found["resources"]["ics:index:ConsumerChain"]
    assert whole["isComponent"]
    assert chain["isComponent"]
    assert types(whole["inputProperties"]) == {"project": plain, "stack": plain, "settings": SETTINGS}
    assert set(whole["requiredInputs"]) == {"project", "stack"}
    assert types(whole["properties"]) == {"endpoints": by_id, "genesisSha256": by_id}
    assert set(chain["requiredInputs"]) == {"project", "stack", "consumerId"}
    assert types(chain["inputProperties"])["consumerId"] == plain
    assert types(chain["properties"]) == {
        "chainId": text,
        "namespace": text,
        "endpoint": text,
        "ports": {"type": "object", "additionalProperties": {"type": "integer"}},
    }


def test_plugin_runs_in_the_projects_own_environment() -> None:
    plugin = yaml.safe_load((ROOT / "components" / "PulumiPlugin.yaml").read_text())
    assert plugin["runtime"] == {"name": "python", "options": {"virtualenv": "../.venv"}}
    assert (ROOT / "components" / "__main__.py").is_file()


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """Calls of the computation, which answers a launched chain without any endpoint or cluster."""
    calls: list[tuple[Any, ...]] = []

    async def compute(
        root: pathlib.Path, name: str, environment: Any, overrides: Any, *, is_preview: bool
    ) -> plan.ProgramPlan:
        calls.append((root, name, overrides, is_preview))
        if name == "broken":
            raise errors.SettingsError("ics:seed: missing")
        return plan.ProgramPlan(
            manifests=manifests.render(launched(), "set"),
            outputs={"endpoints": {"0": "192.0.2.1:26656"}, "genesis_sha256": {"0": "ab"}},
            cluster=provider.ProviderInputs("kubeconfig", "far", root / "kubeconfig"),
            warnings=("StatefulSet ns/node: would be replaced",),
        )

    monkeypatch.setattr(plan, "compute", compute)
    monkeypatch.setattr(atexit, "register", lambda *_: None)
    monkeypatch.setattr(preparation, "_held", set())
    monkeypatch.setattr(
        lease_keeper.LeaseKeeper, "start", lambda _, root, name, *__: calls.append(("Lease", root, name))
    )
    return calls


def construct(component: Callable[[], pulumi.ComponentResource]) -> dict[str, Any]:
    """Construct a component under the mocks; returns its outputs."""
    found: dict[str, Any] = {}

    @pulumi.runtime.test  # type: ignore[untyped-decorator]
    def run() -> pulumi.Output[None]:
        made = component()
        names = [name for name in type(made).__annotations__ if not name.startswith("_")]
        values = {name: getattr(made, name) for name in names}
        return pulumi.Output.all(**values).apply(found.update)

    run()
    return found


def registered(recorder: Recorder) -> set[str]:
    return {
        f"{one.typ} {one.name}" for one in recorder.registered if one.typ.startswith(("ics:", "pulumi:prov"))
    }


def test_validator_declares_the_whole_stack(recorder: Recorder, computed: list[tuple[Any, ...]]) -> None:
    args = arguments(settings={"gateway.host": "p2p.example.com"})
    outputs = construct(lambda: package.Validator("ours", args))
    ops = pathlib.Path("/ops")
    assert computed == [("Lease", ops, "alice"), (ops, "alice", ("gateway.host=p2p.example.com",), False)]
    assert outputs == {"endpoints": {"0": "192.0.2.1:26656"}, "genesis_sha256": {"0": "ab"}}
    assert registered(recorder) >= {
        "ics:index:Validator ours",
        "ics:index:Gateway ours-gateway",
        "ics:index:ConsumerChain ours-consumer-0",
        "pulumi:providers:kubernetes ours-cluster",
    }
    objects = [one for one in recorder.registered if one.typ.startswith("kubernetes:")]
    assert len(objects) == len(manifests.render(launched(), "set"))


def test_consumer_chain_declares_its_own_objects_only(
    recorder: Recorder, computed: list[tuple[Any, ...]]
) -> None:
    outputs = construct(lambda: package.ConsumerChain("one", arguments(consumer_id="0")))
    assert outputs["chain_id"] == "consumer1-1"
    assert outputs["ports"]["rpc"] > 0
    objects = [one for one in recorder.registered if one.typ.startswith("kubernetes:")]
    expected = [
        m
        for m in manifests.render(launched(), "set")
        if m["metadata"]["labels"].get("ics-operator.dev/consumer-id") == "0"
    ]
    assert len(objects) == len(expected)
    assert outputs["namespace"] in {
        o.inputs["metadata"]["name"] for o in objects if o.typ.endswith(":Namespace")
    }


def test_plugin_finds_the_projects_kubeconfig_from_the_other_programs_folder(
    recorder: Recorder, computed: list[tuple[Any, ...]]
) -> None:
    construct(lambda: package.ConsumerChain("one", arguments(consumer_id="0")))
    (provider,) = (one for one in recorder.registered if one.typ == "pulumi:providers:kubernetes")
    assert (provider.inputs["kubeconfig"], provider.inputs["context"]) == ("/ops/kubeconfig", "far")


def test_chain_without_objects_is_an_error_that_names_those_with_some(
    recorder: Recorder, computed: list[tuple[Any, ...]]
) -> None:
    with pytest.raises(
        pulumi.RunError, match=r"nothing is deployed for '7' now; consumer ids with objects: 0;"
    ):
        construct(lambda: package.ConsumerChain("one", arguments(consumer_id="7")))


def test_stack_that_cannot_be_read_is_one_line(recorder: Recorder, computed: list[tuple[Any, ...]]) -> None:
    with pytest.raises(pulumi.RunError, match=r"^ics:seed: missing$"):
        construct(lambda: package.Validator("ours", arguments(stack="broken")))
