"""Decoding of the events of a Pulumi run."""

import contextlib
import pathlib
from collections.abc import Iterator
from typing import Any, cast

import httpx
import pytest
from pulumi import automation
from pulumi.automation import CommandResult

from ics import engines, errors
from ics.cluster.api import client, kubeconfig
from ics.engines.pulumi import runs, session, stack
from ics.engines.pulumi.engine import PulumiEngine

URN = "urn:pulumi:alice::ics::ics:index:ConsumerChain$kubernetes:core/v1:Service::service/c1/node"
ABOVE = "urn:pulumi:alice::ics::ics:index:ConsumerChain::consumer-1"
INPUTS = {"metadata": {"name": "node", "labels": {"ics-operator.dev/retain": "true"}}}


def event(**content: Any) -> automation.EngineEvent:
    return automation.EngineEvent.from_json({"sequence": 1, "timestamp": 1, **content})


def metadata(op: str, **states: Any) -> dict[str, Any]:
    return {"metadata": {"op": op, "urn": URN, "type": "t", "provider": "p", **states}}


def said(text: str, severity: str = "error", urn: str = "") -> automation.EngineEvent:
    return event(diagnosticEvent={"message": text, "severity": severity, "color": "never", "urn": urn})


def test_events_become_steps_and_results() -> None:
    state = {"type": "t", "urn": URN, "id": "c1/node", "parent": ABOVE, "provider": "p", "inputs": INPUTS}
    told = session.read_events(
        [
            event(resourcePreEvent=metadata("delete", old=state)),
            event(resOutputsEvent=metadata("delete", old=state)),
        ]
    )
    step = runs.PulumiStep(op="delete", urn=URN, parent=ABOVE, before=INPUTS, after={}, is_retained=True)
    assert told == runs.RunResult((step,), frozenset({URN}))


def test_unchanged_resource_is_not_counted_as_done() -> None:
    assert session.read_events([event(resOutputsEvent=metadata("same"))]) == runs.RunResult()


def test_failures_are_assigned_to_resources() -> None:
    told = session.read_events(
        [
            event(resOutputsEvent=metadata("update")),
            event(resOpFailedEvent={**metadata("update"), "status": 1, "steps": 1}),
            said("<{%fg 1%}>error: refused\n by the cluster", urn=URN),
            said("cannot complete a resource 'x' whose registration isn't pending", urn=ABOVE),
            said("update failed"),
        ]
    )
    assert told == runs.RunResult(failures={URN: "refused by the cluster"})


def test_violated_policy_is_the_failure_of_its_resource() -> None:
    def violation(level: str, text: str) -> automation.EngineEvent:
        content = {"policyName": "one-replica", "policyPackName": "ics-security", "resourceUrn": URN}
        return event(policyEvent={**content, "enforcementLevel": level, "message": text, "color": "never"})

    told = session.read_events(
        [
            violation("mandatory", "<{%fg 1%}>two\n replicas"),
            violation("mandatory", "and no volume"),
            violation("advisory", "could be better"),
            said("resource violates a policy", urn=URN),
        ]
    )
    named = "policy ics-security/one-replica"
    assert told.failures == {URN: f"{named}: two replicas; {named}: and no volume"}


def test_missing_policy_pack_is_named_before_pulumi_starts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    monkeypatch.setattr(session.cli, "command", lambda: None)
    where = stack.Stack(tmp_path, "alice", policy_packs=(tmp_path / "packs",))
    with (
        pytest.raises(errors.SettingsError, match=r"policy_packs: \S+/packs has no PulumiPolicy\.yaml"),
        session.open_session(where, None),
    ):
        pass


def test_program_failure_belongs_to_no_resource() -> None:
    assert session.read_events([said("the provider is down")]).failures == {"": "the provider is down"}


def test_pending_operations_are_detected() -> None:
    text = "Attempting to deploy or update resources with 2 pending operations from previous deployment."
    assert session.read_events([said(text, "warning")]) == runs.RunResult(has_pending=True)


async def test_preview_of_missing_stack_does_not_create_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    asked: list[str] = []

    def select(name: str, _: Any) -> automation.Stack:
        asked.append(name)
        raise automation.StackNotFoundError(CommandResult("", f"no stack named '{name}' found", 255))

    @contextlib.contextmanager
    def opened(where: stack.Stack, _: Any) -> Iterator[session.Session]:
        yield session.Session(
            stack=where, folder=tmp_path, workspace=cast(Any, None)
        )  # without a workspace nothing can be run

    async def passphrase() -> None:
        pass

    monkeypatch.setattr(automation.Stack, "select", select)
    monkeypatch.setattr(session, "open_session", opened)
    nothing = httpx.MockTransport(lambda _: httpx.Response(404, json={"reason": "NotFound"}))
    async with client.KubeClient(kubeconfig.Access(server="https://h:6443"), nothing) as kube:
        where = stack.Stack(tmp_path, "alice")
        engine = PulumiEngine(kube, "alice", "provider", where, passphrase)
        assert await engine.preview(engines.ApplyRequest(manifests=())) == ()
    assert asked == ["alice"]
