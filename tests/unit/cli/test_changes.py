"""Changes shown by `ics plan` and `ics up`: lines, JSON and exit code."""

import dataclasses
import json

import pytest

from ics import engines, errors, model
from ics.cli import changes
from ics.cli.commands import plan as plan_command
from ics.conditions import Condition, Reason
from ics.consumer import participation, status
from ics.engines import guard
from ics.reconciler import outcome
from tests.unit.cli import calls

CHAIN = status.ChainReport(
    chain_id="consumer1-1",
    consumer_id="0",
    phase=model.Phase.LAUNCHED,
    participation=participation.Participation.OPTED_IN,
    namespace="ns-0",
    genesis_sha256=None,
    ports=None,
    node=None,
    conditions=(),
)
SNAPSHOT = model.Snapshot(
    chain_id="provider-1",
    height=7,
    time="2026-01-01T00:00:00Z",
    validators=(),
    consumers=(),
    must_validate=frozenset(),
)
REPORT = status.Report(
    validator="alice", provider_chain_id="provider-1", height=7, chains=(CHAIN,), conditions=()
)
SHARED = engines.Change(action="create", kind="Service", namespace="provider", name="p2p-loadbalancer")
UPDATE = engines.Change(
    action="update",
    kind="ConfigMap",
    namespace="ns-0",
    name="config",
    diff=(("data.a", "x", None), ("data.b", 1, 2)),
    consumer_id="0",
    drift=(engines.FieldDrift("data.b", 1, 2, "bob"),),
)
KEY = engines.Change(
    action="update",
    kind="Secret",
    namespace="ns-0",
    name="node-key",
    diff=(("data.k", "[secret]", "[secret]"),),
    consumer_id="0",
    cause="drift",
    drift=(engines.FieldDrift("data.k", "[secret]", "[secret]", ""),),
)
REPLACED = engines.Change(
    action="replace",
    kind="StatefulSet",
    namespace="ns-0",
    name="node",
    diff=(("spec.serviceName", "a", "b"),),
    consumer_id="0",
    uid="0123456789",
)
GONE = engines.Change(
    action="create", kind="Service", namespace="ns-10", name="node", consumer_id="10", cause="drift"
)
REFUSED = engines.Change(
    action="create",
    kind="Job",
    namespace="ns-10",
    name="x",
    problem=errors.Transient("quota"),
    consumer_id="10",
)
TOP_UP = model.TopUp(
    consumer_id="0", chain_id="consumer1-1", purpose="relayer", address="cosmos1x", amount=5, denom="stake"
)
ALL = guard.with_confirmations(
    (SHARED, GONE, REFUSED, UPDATE, KEY, REPLACED), engines.ApplyRequest(manifests=())
)


def plan(*found: engines.Change, send: tuple[model.Intent, ...] = ()) -> outcome.Plan:
    return outcome.Plan(found, send, REPORT)


def test_plan_lines_group_changes_by_chain() -> None:
    assert changes.plan_lines(plan(*ALL, send=(model.PublishDetails("p2p=h"), TOP_UP))) == [
        "shared by all chains",
        "  create  Service                 provider/p2p-loadbalancer",
        "  send    publication of the validator's details: new details 'p2p=h'",
        "consumer 0  consumer1-1",
        "  update  ConfigMap               ns-0/config",
        '          data.a: "x" -> nothing',
        "          data.b: 1 -> 2  (changed by bob)",
        "  drift   Secret                  ns-0/node-key",
        '          data.k: "[secret]" -> "[secret]"  (removed)',
        "  replace StatefulSet             ns-0/node",
        '          spec.serviceName: "a" -> "b"',
        "          needs confirmation: spec.serviceName is immutable and requires replacement",
        "          revert the change, or, to replace the object, run: ics up --confirm StatefulSet/ns-0/node@01234567",
        "  send    top-up of the relayer account of consumer 0 (consumer1-1): 5stake to cosmos1x",
        "consumer 10",
        "  drift   Service                 ns-10/node",
        "          was deleted; recreated",
        "  create  Job                     ns-10/x",
        "          refused: quota",
        "3 to create, 2 to update, 1 to replace, 0 to delete, 3 of them revert drift, 1 refused by the cluster,"
        " 1 needs confirmation, 2 transactions to send",
    ]


def test_chains_are_ordered_by_consumer_id() -> None:
    ten, nine = (dataclasses.replace(SHARED, consumer_id=one) for one in ("10", "9"))
    found = [line for line in changes.lines((ten, nine, SHARED)) if not line.startswith(" ")]
    assert found == ["shared by all chains", "consumer 9", "consumer 10"]


def test_plan_lines_list_conditions_that_need_attention() -> None:
    conditions = (
        Condition.new(Reason.KEY_MISMATCH, "another key", "0"),
        Condition.new(Reason.STAGED, "waits", "0"),
    )
    report = dataclasses.replace(REPORT, chains=(dataclasses.replace(CHAIN, conditions=conditions),))
    assert changes.plan_lines(outcome.Plan((), (), report)) == [
        "consumer 0  consumer1-1  critical KeyMismatch: another key",
        "nothing to change, nothing to send",
    ]


def test_empty_plan_is_reported_as_nothing_to_do() -> None:
    assert changes.plan_lines(plan()) == ["nothing to change, nothing to send"]
    assert changes.plan(plan())["pending"] is False


def test_notes_of_a_plan_are_shown_with_and_without_changes() -> None:
    note = "Pulumi stack alice does not exist; `ics up` creates it"
    empty = dataclasses.replace(outcome.Plan((), (), REPORT), notes=(note,))
    assert changes.plan_lines(empty)[-2:] == [note, "nothing to change, nothing to send"]
    full = dataclasses.replace(plan(*ALL), notes=(note,))
    assert changes.plan_lines(full)[-2] == note
    assert changes.plan(full)["notes"] == [note]


def test_plan_is_rendered_as_json() -> None:
    shown = json.loads(json.dumps(changes.plan(plan(*ALL, send=(TOP_UP,)))))
    assert (shown["pending"], shown["summary"]) == (
        True,
        {
            "create": 3,
            "update": 2,
            "replace": 1,
            "delete": 0,
            "drift": 3,
            "refused": 1,
            "confirm": 1,
            "transactions": 1,
        },
    )
    assert shown["changes"][3] == {
        "action": "update",
        "cause": "wanted",
        "consumer_id": "0",
        "kind": "ConfigMap",
        "namespace": "ns-0",
        "name": "config",
        "diff": [["data.a", "x", None], ["data.b", 1, 2]],
        "drift": [{"path": "data.b", "now": 1, "wanted": 2, "manager": "bob"}],
    }
    assert shown["changes"][5]["confirm"] == {
        "name": "StatefulSet/ns-0/node@01234567",
        "reason": "spec.serviceName is immutable and requires replacement",
    }
    assert shown["changes"][2]["problem"] == "quota"
    assert set(shown) == {"pending", "summary", "changes", "transactions", "notes", "status"}


def test_outcome_is_shown_like_plan() -> None:
    done = outcome.Outcome(
        changes=(SHARED, KEY), sent=(TOP_UP,), report=REPORT, troubles=(), snapshot=SNAPSHOT
    )
    assert changes.outcome_lines(done) == [
        "shared by all chains",
        "  create  Service                 provider/p2p-loadbalancer",
        "consumer 0  consumer1-1",
        "  drift   Secret                  ns-0/node-key",
        '          data.k: "[secret]" -> "[secret]"  (removed)',
        "  sent    top-up of the relayer account of consumer 0 (consumer1-1): 5stake to cosmos1x",
    ]
    assert changes.outcome_lines(
        outcome.Outcome(changes=(), sent=(), report=REPORT, troubles=(), snapshot=SNAPSHOT)
    ) == ["nothing changed"]


REFUSED_FOR_GOOD = dataclasses.replace(REFUSED, problem=errors.Permanent("no"))


@pytest.mark.parametrize(
    ("planned", "code"),
    [
        (plan(), 0),
        (plan(SHARED), 3),
        (plan(send=(TOP_UP,)), 3),
        (plan(GONE), 3),
        (plan(SHARED, REFUSED), 1),
        (plan(SHARED, REFUSED, REFUSED_FOR_GOOD), 2),
        (plan(*guard.with_confirmations((REPLACED,), engines.ApplyRequest(manifests=()))), 2),
    ],
    ids=["nothing", "change", "transaction", "drift", "passes", "must be mended", "must be confirmed"],
)
def test_exit_code_depends_on_pending_changes(planned: outcome.Plan, code: int) -> None:
    assert plan_command.pending_code(planned) == code


@pytest.mark.parametrize("is_asked", [True, False])
def test_exit_code_option_is_off_by_default(is_asked: bool) -> None:
    words = ["plan", "--stack", "alice", *(["--exit-code"] if is_asked else [])]
    assert calls.arguments(*words).exit_code is is_asked
