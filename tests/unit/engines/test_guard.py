"""Changes that need confirmation, and the chains and objects paused until it is given."""

import dataclasses

import pytest

from ics import engines, model, names
from ics.engines import guard

Change = engines.Change

NODE = Change(
    action="delete", kind="StatefulSet", namespace="n-7", name="node", consumer_id="7", uid="0123456789ab"
)
MOVED = dataclasses.replace(NODE, action="replace", diff=(("spec.serviceName", "a", "b"),))
VOLUME = Change(
    action="replace",
    kind="PersistentVolumeClaim",
    namespace="n-7",
    name="data",
    diff=(("spec.storageClassName", "slow", "fast"),),
    consumer_id="7",
    uid="ba9876543210",
    is_retained=True,
)
KEY = dataclasses.replace(
    VOLUME, kind="Secret", name="consensus-key-0", diff=(("data.k", "[secret]", "[secret]"),)
)
SHARED = dataclasses.replace(NODE, namespace="provider", consumer_id="")


def order(
    *confirmed: str, paused: frozenset[str] = frozenset(), ended: frozenset[str] = frozenset()
) -> engines.ApplyRequest:
    return engines.ApplyRequest(manifests=(), paused=paused, ended=ended, confirmed=frozenset(confirmed))


def judged(*changes: engines.Change, under: engines.ApplyRequest) -> tuple[list[str], set[str], set[str]]:
    found = guard.review(changes, under)
    return (
        [question.name for question in found.confirmations],
        set(found.paused),
        {str(ref) for ref in found.left},
    )


@pytest.mark.parametrize(
    "change",
    [
        dataclasses.replace(NODE, action="update"),
        dataclasses.replace(NODE, action="create"),
        dataclasses.replace(NODE, kind="Deployment"),
        dataclasses.replace(MOVED, kind="ConfigMap"),
        dataclasses.replace(KEY, is_retained=False),
        dataclasses.replace(VOLUME, action="update"),
    ],
    ids=["update", "create", "deployment", "config", "node key", "volume grows"],
)
def test_harmless_change_needs_no_confirmation(change: engines.Change) -> None:
    assert guard.review([change], order()) == guard.Review()


def test_deleting_workload_of_ended_chain_needs_no_confirmation() -> None:
    assert guard.review([NODE], order(ended=frozenset({"7"}))) == guard.Review()


SENTRY = dataclasses.replace(NODE, name="sentry-1")


@pytest.mark.parametrize(
    "change",
    [SENTRY, dataclasses.replace(MOVED, name="full-node-12")],
    ids=["sentry deleted", "full node replaced"],
)
def test_workload_without_a_key_needs_no_confirmation(change: engines.Change) -> None:
    assert guard.review([change], order()) == guard.Review()


@pytest.mark.parametrize(
    "change",
    [
        dataclasses.replace(SENTRY, name="sentry-0"),
        dataclasses.replace(SENTRY, name="sentry-1-2"),
        dataclasses.replace(SENTRY, consumer_id=""),
        dataclasses.replace(MOVED, name="my-sentry-1"),
    ],
    ids=["number 0", "two numbers", "of no chain", "longer name"],
)
def test_workload_that_is_no_extra_node_of_a_chain_needs_confirmation(change: engines.Change) -> None:
    assert len(guard.review([change], order()).confirmations) == 1


def workload(name: str, kind: str = "StatefulSet", **spec: object) -> model.Manifest:
    volumes = [{"name": "key", "secret": {"secretName": "consensus-key-1"}}]
    return {
        "kind": kind,
        "metadata": {"namespace": "n-7", "name": name, "labels": {names.CONSUMER: "7"}},
        "spec": {"template": {"spec": {"volumes": volumes, "containers": []}}, **spec},
    }


@pytest.mark.parametrize(
    "second",
    [workload("sentry-1"), workload("node", replicas=2), workload("hermes", "Deployment")],
    ids=["sentry with the key", "two replicas", "another workload"],
)
def test_chain_with_a_second_signer_is_not_written_whatever_is_confirmed(second: model.Manifest) -> None:
    under = dataclasses.replace(
        order("StatefulSet/n-7/sentry-1@01234567"), manifests=(workload("node"), second)
    )
    assert guard.review([SENTRY], under).paused == {"7"}
    alone = dataclasses.replace(under, manifests=(workload("node"),))
    assert guard.review([SENTRY], alone).paused == frozenset()


@pytest.mark.parametrize(
    ("change", "name", "paused", "left"),
    [
        (NODE, "StatefulSet/n-7/node@01234567", {"7"}, set()),
        (MOVED, "StatefulSet/n-7/node@01234567", {"7"}, set()),
        (KEY, "Secret/n-7/consensus-key-0@ba987654", {"7"}, set()),
        (VOLUME, "PersistentVolumeClaim/n-7/data@ba987654", set(), {"PersistentVolumeClaim n-7/data"}),
        (SHARED, "StatefulSet/provider/node@01234567", set(), {"StatefulSet provider/node"}),
    ],
    ids=["deleted", "replaced", "key", "volume", "shared"],
)
def test_destructive_change_needs_confirmation(
    change: engines.Change, name: str, paused: set[str], left: set[str]
) -> None:
    assert judged(change, under=order()) == ([name], paused, left)


def test_replacement_in_ended_chain_needs_confirmation() -> None:
    assert judged(MOVED, under=order(ended=frozenset({"7"})))[1] == {"7"}


def test_confirmed_change_is_allowed() -> None:
    name = "StatefulSet/n-7/node@01234567"
    assert guard.review([MOVED], order(name, "other")) == guard.Review(answered=frozenset({name}))


def test_confirmed_volume_is_skipped_without_further_confirmation() -> None:
    under = order("PersistentVolumeClaim/n-7/data@ba987654")
    assert judged(VOLUME, under=under) == ([], set(), {"PersistentVolumeClaim n-7/data"})
    assert guard.with_confirmations([VOLUME, MOVED], under)[0].ref == MOVED.ref


@pytest.mark.parametrize("name", ["StatefulSet/n-7/node", "StatefulSet/n-7/node@99999999", "*", "7", "yes"])
def test_unrelated_confirmation_allows_nothing(name: str) -> None:
    assert judged(NODE, under=order(name))[1] == {"7"}


def test_pending_confirmation_pauses_its_chain_and_keeps_earlier_pauses() -> None:
    other = dataclasses.replace(NODE, action="update", consumer_id="8", namespace="n-8")
    assert judged(other, NODE, under=order(paused=frozenset({"3"})))[1] == {"3", "7"}


def test_preview_contains_the_confirmation() -> None:
    update = dataclasses.replace(NODE, action="update", namespace="n-8", consumer_id="8")
    shown = guard.with_confirmations([MOVED, update], order())
    assert [change.confirmation is not None for change in shown] == [True, False]
    assert shown[0].as_dict()["confirm"]["name"] == "StatefulSet/n-7/node@01234567"


def test_confirmation_text_names_object_reason_and_command() -> None:
    assert guard.review([MOVED], order()).confirmations[0].text == (
        "StatefulSet n-7/node: spec.serviceName is immutable and requires replacement;"
        " revert the change, or, to replace the object, run: ics up --confirm StatefulSet/n-7/node@01234567"
    )
