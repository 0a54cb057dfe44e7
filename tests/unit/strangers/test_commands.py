"""Every command, run against chains whose ids, names, monikers and errors are hostile, prints nothing that acts."""

import contextlib
import dataclasses
import datetime
import decimal
import json
import pathlib
import types
import urllib.parse
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest

from ics import engines, errors, model
from ics.cli import __main__ as main
from ics.cli import dial, options, resident
from ics.cli.commands import config
from ics.cli.doctor import findings
from ics.cli.doctor import run as doctor
from ics.cluster import events as cluster_events
from ics.conditions import Condition, Reason
from ics.consumer import rewards, status
from ics.engines import tenure
from ics.engines.applyset import inventory, parent
from ics.monitoring import metrics
from ics.provider.owner import queries as owner_queries
from ics.reconciler import observe, outcome, reconcile, wiring
from ics.reconciler.daemon import health, wakeups
from ics.reconciler.pages import application
from tests.unit import factories
from tests.unit.cli import calls
from tests.unit.provider import fake
from tests.unit.provider.rest import test_queries
from tests.unit.strangers import hostile

P = model.Phase
TEXT = "\x1b[2J\n0 critical\u202e\u200b\x9b\u2028 run: x"
"""All kinds of them in one text."""
ME = factories.validator("alice", moniker=TEXT, details=f"{TEXT} p2p={TEXT}")
CHAINS = [factories.consumer(consumer_id="0")] + [
    factories.consumer(phase, consumer_id=str(at), chain_id=text)
    for phase in (P.REGISTERED, P.INITIALIZED, P.LAUNCHED, P.STOPPED)
    for at, text in enumerate(hostile.TEXTS, 1 + 100 * list(P).index(phase))
]


def _renamed(chain: model.Consumer) -> model.Consumer:
    detail = None if chain.detail is None else dataclasses.replace(chain.detail, owner=TEXT)
    return model.Consumer(dataclasses.replace(chain.summary, name=TEXT), detail)


SNAPSHOT = factories.snapshot(
    *(chain if chain.summary.consumer_id == "0" else _renamed(chain) for chain in CHAINS),
    validators=(ME, factories.validator("bob", moniker=TEXT, details=f"p2p={TEXT}")),
    problems={"1": TEXT},
)
SEEN = factories.observation(SNAPSHOT, memory=factories.staged(), spare=factories.SPARE)
WANTED = factories.judge(SEEN)
TROUBLE = Condition.new(Reason.UNEXPECTED_ERROR, TEXT, "0")
CHANGE = engines.Change(
    action="update",
    kind="StatefulSet",
    namespace="ns",
    name=TEXT,
    consumer_id="0",
    diff=(("spec", TEXT, f"{TEXT}2"),),
    problem=errors.Permanent(TEXT),
)


def passed() -> outcome.Outcome:
    return outcome.Outcome(
        changes=(CHANGE,),
        sent=(model.OptOut("1", TEXT),),  # type: ignore[arg-type]
        report=status.report(WANTED, {}, [TROUBLE]),
        troubles=(outcome.Trouble(errors.Transient(TEXT), "0"),),
        snapshot=SNAPSHOT,
    )


async def _run_pass(*arguments: object) -> outcome.Outcome:
    return passed()


async def _preview(*arguments: object) -> outcome.Plan:
    done = passed()
    return outcome.Plan((CHANGE,), done.sent, done.report)


async def _read(*arguments: object) -> Any:
    return SEEN, WANTED


class Anything:
    """An adapter whose every method fails with a hostile text."""

    world: Any = None

    def __getattr__(self, name: str) -> Any:
        async def fail(*arguments: object, **more: object) -> None:
            raise errors.Transient(f"{name}: {TEXT}")

        return fail


class Provider(Anything):
    async def open(self, floor: object = None) -> None:
        return None

    async def snapshot(self, operator: str, interest: object) -> model.Snapshot:
        return SNAPSHOT

    async def validator_rewards(self, operator: str) -> rewards.ValidatorRewards:
        return rewards.ValidatorRewards({TEXT: decimal.Decimal(1), f"ibc/{TEXT}": decimal.Decimal(2)}, {})

    async def reward_origin(self, denom: str) -> rewards.Origin:
        return rewards.Origin(TEXT, TEXT)


class Lease(Anything):
    is_held = True

    async def ensure(self) -> None:
        return None

    release = give_up = return_to_holder = ensure

    async def request(self, seconds: float) -> None:
        return None

    async def is_taken(self) -> bool:
        return False

    async def acted_block(self, chain_id: str) -> None:
        return None

    async def annotations(self) -> dict[str, str]:
        return {}


class Recorded:
    """Events whose texts others have written."""

    async def read(self) -> list[cluster_events.RecordedEvent]:
        now = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
        texts = {name: TEXT for name in ("type", "reason", "consumer_id", "object", "note")}
        return [cluster_events.RecordedEvent(seen=now, count=2, **texts)]

    async def write(self, *arguments: object) -> None:
        raise errors.Transient(TEXT)


class Pods(Anything):
    """A cluster with one pod, whose log is hostile."""

    async def select(self, *arguments: object, **more: object) -> list[dict[str, Any]]:
        metadata = {"namespace": "ns", "name": TEXT}
        return [{"metadata": metadata, "spec": {"containers": [{"name": TEXT}]}}]

    async def text(self, *arguments: object) -> str:
        # The cluster writes a time before each line.
        return "\n".join(f"2026-01-01T00:00:00Z {line}" for line in TEXT.split("\n"))


class Balancer(Anything):
    async def find(self) -> None:
        return None

    async def ensure_slices(self, *arguments: object) -> None:
        return None


class State(Anything):
    async def cluster_uid(self) -> str:
        return factories.CLUSTER


class Engine(Anything):
    async def destroy(self) -> engines.Converged:
        return engines.Converged(changes=(CHANGE,), errors=(errors.Permanent(TEXT),))


class Refused:
    """Objects of chains that an API server refuses with a text of somebody else."""

    async def read(self) -> None:
        raise errors.Permanent(TEXT)


def stack() -> Any:
    adapter = Anything()
    world = factories.world(adapter, provider=Provider(), lease=Lease(), state=State(), gateway=Balancer())
    return types.SimpleNamespace(
        world=world,
        engine=Engine(),
        sender=adapter,
        gateway=Balancer(),
        sign_state=adapter,
        provider_sign_state=adapter,
        lease=Lease(),
        events=Recorded(),
        chain_objects=Refused(),
        kube=Pods(),
        definitions=types.SimpleNamespace(loaded=world.definitions, problem=TEXT, invalid=()),
    )


class HostileNetwork(fake.Network):
    """The provider's own gateway with hostile names, monikers, owners and errors."""

    async def handle_async_request(self, request: Any) -> Any:
        answer = await super().handle_async_request(request)
        return type(answer)(answer.status_code, text=_spoiled(answer.text))


def _spoiled(body: str) -> str:
    """Put the text wherever the provider has a text of strangers."""

    def spoil(value: Any) -> Any:
        if isinstance(value, dict):
            return {
                key: TEXT
                if key in ("name", "description", "moniker", "details", "chain_id", "message")
                and isinstance(inner, str)
                else spoil(inner)
                for key, inner in value.items()
            }
        return [spoil(one) for one in value] if isinstance(value, list) else value

    return json.dumps(spoil(json.loads(body)))


@pytest.fixture(autouse=True)
def _fakes(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    monkeypatch.chdir(tmp_path)  # `ics export` writes files

    @contextlib.asynccontextmanager
    async def open_stack(*arguments: object, **more: object) -> AsyncIterator[Any]:
        yield stack()

    @contextlib.asynccontextmanager
    async def open_chain(*arguments: object, **more: object) -> AsyncIterator[Any]:
        network = HostileNetwork(good=test_queries.gate())
        settings = test_queries.ask(network)._provider
        async with owner_queries.OwnerQueries(
            settings, lambda: test_queries.NOW, transport=network
        ) as provider:
            await provider.open()
            account = types.SimpleNamespace(
                party=types.SimpleNamespace(principal=fake.OWNER, signer=fake.OWNER, is_grantee=False),
                estimate=_estimate,
                order=_send,
                finish=_finish,
            )
            own = factories.settings().model_copy(update={"operator_address": fake.valoper(1)})

            async def account_of(*, sends: bool = True) -> Any:
                return account

            yield types.SimpleNamespace(
                provider=provider, validator=own, as_owner=account_of, as_validator=account_of
            )

    async def read_parent(*arguments: object) -> parent.Parent:
        return parent.Parent(
            confirmations=(parent.PendingConfirmation("0", TEXT),),
            tenure=tenure.Tenure(engine=TEXT, since=TEXT, by=TEXT),
        )

    async def examine(*arguments: object) -> list[findings.Finding]:
        return [findings.fail(TEXT, TEXT), *findings.of_error("x", ValueError(TEXT))]

    async def probe(*arguments: object) -> Any:
        raise errors.Transient(TEXT)

    async def nothing(*arguments: object, **more: object) -> list[Any]:
        return []

    monkeypatch.setattr(wiring, "open_stack", open_stack)
    monkeypatch.setattr(wiring, "open_chain", open_chain)
    monkeypatch.setattr(observe, "read", _read)
    monkeypatch.setattr(reconcile, "run_pass", _run_pass)
    monkeypatch.setattr(reconcile, "preview", _preview)
    monkeypatch.setattr(inventory, "read_parent", read_parent)
    monkeypatch.setattr(doctor, "examine", examine)
    monkeypatch.setattr(dial, "probe", probe)
    monkeypatch.setattr(options, "offer_installation", nothing)
    monkeypatch.setattr(config, "_check", _fail)


async def _fail(*arguments: object) -> int:
    raise errors.SettingsError(TEXT, f"second {TEXT}")


async def _estimate(*arguments: object) -> Any:
    return types.SimpleNamespace(gas=1, fee=1, denom="stake")


async def _send(*arguments: object) -> Any:
    return types.SimpleNamespace(hash="AB", height=1, consumer_id="0", is_earlier=False)


async def _finish(*arguments: object) -> None:
    return None


STACK = ("--stack", "alice", "--project", ".")
COMMANDS: dict[str, tuple[str, ...]] = {
    "plan": (*STACK,),
    "export": ("--output-dir", "rendered", *STACK),
    "up": (*STACK,),
    "status": (*STACK,),
    "describe": ("1", *STACK),
    "explain": (TEXT,),
    "logs": ("0", *STACK),
    "watch": (),
    "page": (),
    "destroy": (*STACK,),
    "config check": (*STACK,),
    "chain rehearse": (TEXT, *STACK),
    "chain import": (f"/nowhere/{TEXT}", "--offline"),
    "chain check": (f"/nowhere/{TEXT}",),
    "doctor": (*STACK,),
    "init": ("/nowhere", "--yes", "--rest", TEXT),
    "opt-in": ("1", *STACK),
    "opt-out": ("103", *STACK),
    "commission": ("2", *STACK),
    "unjail": (*STACK,),
    "sign-state reset": ("1", "--confirm", TEXT, *STACK),
    "takeover": ("1", "--confirm", TEXT, *STACK),
    "assign-key": ("1", "--confirm", hostile.TEXTS[0], *STACK),
    "snapshot": ("1", *STACK),
    "restore": ("1", "--snapshot", TEXT, "--confirm", TEXT, *STACK),
    "purge": ("1", "--confirm", TEXT, *STACK),
    "alerts test": (*STACK,),
    "targets watcher": (*STACK,),
    "targets tenderduty": (*STACK,),
    "events": (*STACK,),
    "rewards": (*STACK,),
    "hermes status": (*STACK,),
    "peers update": ("1", *STACK),
    "nodes roll": ("1", *STACK),
    "upgrade list": (*STACK,),
    "upgrade plan": (*STACK,),
    "endpoint register": ("--host", "h.example", "--dry-run", *STACK),
    "endpoint show": (*STACK,),
    "endpoint check": (*STACK,),
    "consumer list": (*STACK,),
    "consumer show": ("2", *STACK),
    "consumer create": ("new-1", "--description", TEXT, "--dry-run", *STACK),
    "consumer update": ("1", "--description", f"{TEXT}2", "--dry-run", *STACK),
    "consumer remove": ("2", "--confirm", "no", *STACK),
    "consumer force-launch": ("1", "--confirm", "no", *STACK),
    "keys add": (),
    "keys recover": (),
    "keys list": (),
    "keys show": (),
    "keys export": (),
    "keys import": (),
    "keys delete": (),
    "show ports": ("consumer-1", TEXT),
    "show peers": ("--details", f"p2p={TEXT}", "--details", f"p2p.{TEXT}=a:1 relayer={TEXT}"),
    "show node-id": ("--public", "--moniker", TEXT, "--chain-id", TEXT),
    "show genesis": ("--base", f"/nowhere/{TEXT}", "--ccv", "x"),
    "show rights": ("--user", TEXT),
    "show settings": (),
    "show alerts": ("--runbooks", TEXT, "--namespace", TEXT, "--label", f"{TEXT}={TEXT}"),
    "show alertmanager": (),
    "completion": ("bash",),
    "show dashboard": (),
    "show selection": ("--validators", f"/nowhere/{TEXT}"),
}
"""Arguments of each command; the keystore's commands meet no text of strangers, and `watch` and `page`
have tests of their own."""


def test_every_command_has_a_case() -> None:
    assert set(calls.every()) == set(COMMANDS)


def check(shown: str) -> None:
    for line in shown.split("\n"):
        assert hostile.is_plain(line), ascii(line)
        assert not line.startswith("0 critical")


@pytest.mark.parametrize(
    "name", [name for name in COMMANDS if not name.startswith("keys") and name not in ("watch", "page")]
)
@pytest.mark.parametrize("flags", [(), ("--json",)], ids=["text", "json"])
def test_command_prints_nothing_that_acts(
    name: str, flags: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    main.main([*name.split(), *COMMANDS[name], *flags])

    shown = capsys.readouterr()
    # A mistake in these fakes would keep the command from showing anything.
    assert "Traceback" not in shown.err
    check(shown.out)
    check(shown.err)
    if flags and shown.out and "--dry-run" not in COMMANDS[name]:
        for text in texts(json.loads(shown.out)):
            check(text)
            assert "\n" not in text


def texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from texts(inner)
    elif isinstance(value, list):
        for one in value:
            yield from texts(one)


@pytest.mark.parametrize("is_json", [False, True])
def test_log_of_the_daemon_has_nothing_that_acts(is_json: bool, capsys: pytest.CaptureFixture[str]) -> None:
    log = resident.PassLog(is_json)
    for result in (passed(), errors.Transient(TEXT), f"standby: {TEXT}"):
        log.write_outcome(result, (wakeups.Wakeup(TEXT),))

    shown = capsys.readouterr().out
    check(shown)
    if is_json:
        for line in shown.splitlines():
            for text in texts(json.loads(line)):
                check(text)


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", f"/{TEXT}"])
async def test_probe_has_nothing_that_acts(path: str) -> None:
    state = health.DaemonHealth(
        trouble=TEXT, lease_trouble=TEXT, samples=(metrics.CHAIN_STAGED.of(1, "alice", "0", TEXT),)
    )
    daemon = application.Daemon(look=lambda: state, monotonic=lambda: 1.0)
    served = application.build(daemon=daemon, pages=None)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(served), base_url="http://x") as client:
        body = (await client.get(urllib.parse.quote(path, errors="surrogatepass"))).text
    if path == "/metrics":
        for line in body.splitlines():
            check(line)
        assert "ics_chain_staged{" in body
    else:
        check(body)


def test_error_that_is_not_expected_is_visible(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def fail(*arguments: object) -> None:
        raise KeyError(TEXT)

    monkeypatch.setattr(observe, "read", fail)

    assert main.main(["status", *STACK]) == 1
    shown = capsys.readouterr().err
    check(shown)
    assert "KeyError" in shown


def test_takeover_of_a_hostile_chain_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["takeover", "--all", "--confirm", TEXT, *STACK]) == 2
    check(capsys.readouterr().err)
