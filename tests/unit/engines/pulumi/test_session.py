"""Decoding of the events of a Pulumi run."""

import contextlib
import json
import pathlib
import tempfile
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from pulumi import automation
from pulumi.automation import CommandResult

from ics import engines, errors
from ics.cluster.api import client, kubeconfig
from ics.engines.applyset import members
from ics.engines.pulumi import cli as cli_module
from ics.engines.pulumi import processes, provider, runs, session, stack
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
    monkeypatch.setattr(cli_module, "command", lambda: None)
    where = stack.Stack(tmp_path, "alice", "file:///state", policy_packs=(tmp_path / "packs",))
    with (
        pytest.raises(engines.EngineUnusable, match=r"policy_packs: \S+/packs has no PulumiPolicy\.yaml"),
        session.open_session(where, None),
    ):
        pass


def test_no_run_looks_for_newer_versions_or_writes_its_state_more_than_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    cli = Cli([])
    monkeypatch.delenv("PULUMI_SKIP_CHECKPOINTS", raising=False)
    monkeypatch.setattr(cli_module, "command", lambda: cli)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with session.open_session(stack.Stack(tmp_path, "alice", f"file://{tmp_path}"), None) as pulumi:
        pulumi.preview(register_nothing, is_refreshing=False)
    [environment] = cli.environments
    assert environment["PULUMI_SKIP_UPDATE_CHECK"] == "true"
    assert environment["PULUMI_SKIP_CHECKPOINTS"] == "true"


def test_program_failure_belongs_to_no_resource() -> None:
    assert session.read_events([said("the provider is down")]).failures == {"": "the provider is down"}


def test_pending_operations_are_detected() -> None:
    text = "Attempting to deploy or update resources with 2 pending operations from previous deployment."
    assert session.read_events([said(text, "warning")]) == runs.RunResult(has_pending=True)


class Cli:
    """Stands for the CLI: notes each command, and answers with events or an error."""

    def __init__(self, *answers: list[dict[str, Any]] | automation.CommandError) -> None:
        self.answers = list(answers)
        self.commands: list[list[str]] = []
        self.environments: list[dict[str, str]] = []

    def run(self, arguments: list[str], _: str, environment: dict[str, str]) -> None:
        self.commands.append(arguments)
        self.environments.append(environment)
        assert environment["PULUMI_DEBUG_COMMANDS"] == "true"  # without it there is no --event-log
        answer = self.answers.pop(0) if self.answers else []
        if "--event-log" in arguments:
            events = [] if isinstance(answer, automation.CommandError) else answer
            log = pathlib.Path(arguments[arguments.index("--event-log") + 1])
            log.write_text("".join(f"{json.dumps(one)}\n" for one in events) + '{"sequence": ')
        if isinstance(answer, automation.CommandError):
            raise answer

    @property
    def words(self) -> list[str]:
        """The commands without names and files."""
        hidden = ("/", "--client=unix:///")
        return [" ".join(one for one in command if not one.startswith(hidden)) for command in self.commands]


MISSING = automation.StackNotFoundError(CommandResult("", "no stack named 'alice' found", 255))


def register_nothing() -> None:
    """Register nothing."""


def opened(
    folder: pathlib.Path, cli: Cli, creates: bool = False, backend: str = "file:///state"
) -> session.Session:
    command: Any = cli
    workspace = automation.LocalWorkspace(work_dir=str(folder), env_vars={}, pulumi_command=command)
    where = stack.Stack(folder, "alice", "file:///state")
    return session.Session(
        stack=where,
        folder=folder,
        workspace=workspace,
        location=stack.locate(stack.Candidates(setting=backend, login=None)),
        creates=creates,
    )


def test_each_run_is_one_start_of_the_cli(tmp_path: pathlib.Path) -> None:
    told = {"sequence": 1, "timestamp": 1, "resourcePreEvent": metadata("create")}
    cli = Cli([told], [told], [told], [told])
    pulumi = opened(tmp_path, cli)
    key = members.Key("Service", "c1", "node")

    results = [
        pulumi.preview(register_nothing, is_refreshing=False),
        pulumi.preview(register_nothing, is_refreshing=True),
        pulumi.refresh([key], "read"),
        pulumi.update(register_nothing, [URN], "pass", is_refreshing=True),
    ]

    assert [one.steps[0].urn for one in results] == [URN] * 4
    every = "--stack alice --event-log --suppress-outputs --suppress-progress"
    inline = "--exec-kind auto.inline"
    assert cli.words == [
        f"preview {every} {inline}",
        f"preview {every} {inline} --refresh",
        f"refresh {every} --yes --skip-preview --message read --target urn:pulumi:alice::*::**::service/c1/node",
        f"up {every} {inline} --yes --skip-preview --continue-on-error --refresh --message pass --target {URN}",
    ]


def test_missing_stack_is_created_by_an_update_alone(tmp_path: pathlib.Path) -> None:
    cli = Cli(MISSING, [])
    opened(tmp_path, cli, creates=True).update(register_nothing, [], "pass")
    assert [one.split()[0] for one in cli.words] == ["up", "stack", "up"]
    assert cli.commands[1] == ["stack", "init", "alice"]

    for act in (session.Session.destroy, lambda one: one.preview(register_nothing, is_refreshing=False)):
        cli = Cli(MISSING)
        with pytest.raises(session.StackMissing):
            act(opened(tmp_path, cli))
        assert len(cli.commands) == 1


def test_lock_in_a_folder_is_found_without_a_start_of_the_cli(tmp_path: pathlib.Path) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: ics\n")
    lock = tmp_path / ".pulumi/locks/organization/ics/alice/one.json"
    lock.parent.mkdir(parents=True)
    cli = Cli()
    pulumi = opened(tmp_path, cli, backend=f"file://{tmp_path}")
    content = {"pid": 7, "username": "bob", "hostname": "other", "timestamp": "2026-01-02T03:04:05Z"}
    lock.write_text(json.dumps(content))
    with pytest.raises(engines.StackLocked, match="locked by bob@other"):
        pulumi.check_lock()

    own = processes.this_process()
    dead = {"pid": 2**22 + 1, "username": own.user, "hostname": own.host}
    lock.write_text(json.dumps(content | dead))
    pulumi.check_lock()  # the next run that writes removes it
    lock.unlink()
    pulumi.check_lock()
    assert cli.commands == []


def test_reason_of_a_failed_run_is_its_error_text(tmp_path: pathlib.Path) -> None:
    failed = automation.CommandError(CommandResult("", "error: incorrect passphrase", 255))
    with pytest.raises(errors.SettingsError, match=r"ics:pulumi\.passphrase"):
        opened(tmp_path, Cli(failed)).preview(register_nothing, is_refreshing=False)


def test_error_text_shows_no_credentials_of_the_backend(tmp_path: pathlib.Path) -> None:
    url = "postgres://ics:hunter2@db.example/pulumi"
    failed = automation.CommandError(CommandResult("", f"error: unable to open database {url}: refused", 255))
    pulumi = opened(tmp_path, Cli(failed))
    pulumi.location = stack.locate(stack.Candidates(environment=url, login=None))
    with pytest.raises(engines.EngineUnusable, match="unable to open database") as raised:
        pulumi.preview(register_nothing, is_refreshing=False)
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize(
    ("backend", "extra", "is_tried"),
    [
        pytest.param("file:///state", "", True, id="folder"),
        pytest.param("s3://bucket", "encryptionsalt: v1:abc\n", True, id="salt of an earlier stack"),
        pytest.param("https://api.pulumi.com", "", False, id="service"),
        pytest.param("file:///state", "secretsprovider: awskms://alias/x\n", False, id="key service"),
        pytest.param("", "", False, id="unknown backend"),
    ],
)
def test_plan_tries_the_creation_of_a_missing_stack_elsewhere(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path, backend: str, extra: str, is_tried: bool
) -> None:
    monkeypatch.delenv("PULUMI_BACKEND_URL", raising=False)
    monkeypatch.setattr(cli_module, "has_plugin", lambda: False)
    (tmp_path / "stacks").mkdir()
    path = tmp_path / "stacks" / "Pulumi.alice.yaml"
    path.write_text(f"config: {{}}\n{extra}")
    cli = Cli()
    pulumi = opened(tmp_path, cli, backend=backend)

    notes = pulumi.try_creation()

    assert notes == (
        f"Pulumi's Kubernetes plugin {cli_module.plugin_version()} is not installed; `ics up` downloads it",
    )
    assert cli.commands == ([["stack", "init", "alice"]] if is_tried else [])
    assert path.read_text() == f"config: {{}}\n{extra}"


async def test_plan_of_missing_stack_says_that_it_is_created(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    (tmp_path / "stacks").mkdir()
    (tmp_path / "stacks" / "Pulumi.alice.yaml").write_text("config: {}")
    cli = Cli(MISSING)

    @contextlib.contextmanager
    def open_session(*_: Any) -> Iterator[session.Session]:
        yield opened(tmp_path, cli)

    async def passphrase() -> None:
        pass

    monkeypatch.setattr(session, "open_session", open_session)
    monkeypatch.setattr(cli_module, "has_plugin", lambda: True)
    nothing = httpx.MockTransport(lambda _: httpx.Response(404, json={"reason": "NotFound"}))
    async with client.KubeClient(kubeconfig.Access(server="https://h:6443"), nothing) as kube:
        where = stack.Stack(tmp_path, "alice")
        engine = PulumiEngine(
            kube, "alice", "provider", where, passphrase, provider.ProviderInputs(None, None)
        )
        planned = await engine.plan(engines.ApplyRequest(manifests=()))
    assert planned == engines.PlannedChanges(
        notes=("Pulumi stack alice does not exist; `ics up` creates it",)
    )
    assert [one.split()[0] for one in cli.words] == [
        "preview",
        "stack",
    ]  # the second one in a folder of its own
