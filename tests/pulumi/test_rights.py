"""Pulumi with the rights of a restricted account, on a real API server with RBAC, which logs every request."""

import asyncio
import json
import pathlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import pytest

from ics import engines, errors, model
from ics.cluster.api import kinds, requests
from ics.manifests import rights
from tests.cluster import apiserver
from tests.pulumi import secrecy, stage, test_engine

pytestmark = pytest.mark.pulumi

OPERATOR = "ops"
SECRET = {"namespace": "ics-secrets", "name": "alice"}


@dataclass(frozen=True)
class Account:
    """A stage whose kubeconfig is a restricted account's."""

    place: stage.Stage
    user: str
    """As the API server knows it."""

    def requests(self) -> list[dict[str, Any]]:
        return self.place.server.audit(self.user)

    def used(self) -> set[tuple[str, str, str]]:
        """Group, resource and verb of each of its requests."""
        asked = ((event.get("objectRef") or {}, event["verb"]) for event in self.requests())
        return {(ref.get("apiGroup", ""), ref.get("resource", ""), verb) for ref, verb in asked}

    def refused(self) -> list[str]:
        """Its requests for which it lacks a right."""
        return [
            f"{event['verb']} {event['requestURI']}"
            for event in self.requests()
            if event.get("responseStatus", {}).get("code") == HTTPStatus.FORBIDDEN
        ]


@pytest.fixture(params=["operator outside", "reconciler in the cluster"])
def account(
    server: apiserver.Server, tmp_path: pathlib.Path, request: pytest.FixtureRequest
) -> Iterator[Account]:
    """A stack that an administrator has prepared, with another's rights from then on."""
    with secrecy.temporary(tmp_path / "temporary"):
        if request.param == "operator outside":
            yield operator(stage.make(tmp_path, server, "outside"))
        else:
            yield reconciler(stage.make(tmp_path, server, "inside"))


def operator(place: stage.Stage) -> Account:
    """What `ics show rights --user ops --pulumi` prints is applied."""
    subject = {"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": OPERATOR}
    apply(place, rights.of_operator(subject, place.settings.gateway.namespace, with_pulumi=True))
    become(place, OPERATOR)
    return Account(place, OPERATOR)


def reconciler(place: stage.Stage) -> Account:
    """The reconciler is installed, without a chain; the token is that of its service account."""
    place.pulumi("stack", "init")  # its pod cannot write the salt
    secrets = {key: {**SECRET, "key": key} for key in ("seed", "account", "passphrase")}
    more = {"enabled": True, "mode": "deployment", "image": "ics:1", "state_volume": "state"}
    place.set("reconciler", secrets | more)
    done, _ = place.converge(place.order(place.facts([])), "apply")
    assert done.errors == ()
    home = place.settings.gateway.namespace
    become(place, token(place, home, "reconciler"))
    return Account(place, f"system:serviceaccount:{home}:reconciler")


def apply(place: stage.Stage, manifests: Sequence[model.Manifest]) -> None:
    async def run() -> None:
        kube, _ = place.kube()
        async with kube:
            for manifest in manifests:
                await kube.apply(manifest, "administrator")

    asyncio.run(run())


def token(place: stage.Stage, namespace: str, name: str) -> str:
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    request = requests.KubeRequest(
        verb="create",
        kind=kinds.SERVICE_ACCOUNT,
        namespace=namespace,
        name=None,
        body=requests.encode(body),
        subpath=f"/{name}/token",
    )

    async def ask() -> str:
        kube, _ = place.kube()
        async with kube:
            return str((await kube.send(request)).body["status"]["token"])

    return asyncio.run(ask())


def become(place: stage.Stage, token: str) -> None:
    """Everything that follows uses this token."""
    path = place.root / "kubeconfig"
    content = json.loads(path.read_text())
    content["users"][0]["user"] = {"token": token}
    path.write_text(json.dumps(content))


def converged(place: stage.Stage, request: engines.ApplyRequest) -> list[str]:
    """A pass without an error, after which nothing is left to do."""
    done, _ = place.converge(request)
    assert (done.errors, done.confirmations) == ((), ())
    assert place.converge(request)[0].writes == 0
    return test_engine.brief(done)


def test_every_kind_of_pass_has_the_rights_that_it_uses(account: Account) -> None:
    place = account.place
    converged(place, place.order(place.facts([0, 1])))
    converged(place, place.order(place.facts([0, 1], staged=[2])))
    everything = place.order(place.facts([0, 1], launching=[2]))
    converged(place, everything)
    home = test_engine.home(everything, "0")
    place.delete(kinds.CONFIG_MAP, home, "peers")
    place.edit(kinds.SERVICE, home, "node", lambda item: item["spec"]["ports"][0].update(port=61000))
    everything = place.order(place.facts([0, 1, 2]))
    assert sorted(converged(place, everything)) == [
        f"create ConfigMap {home}/peers",
        f"update Service {home}/node",
    ]
    place.set("node", {"resources": {"limits": {"memory": "5Gi"}}})
    updated = converged(place, place.order(place.facts([0, 1, 2])))
    assert sum(change.startswith("update StatefulSet ") for change in updated) == 3
    place.pulumi("preview", "--expect-no-changes", "--refresh", handed=place.facts([0, 1, 2]))

    fewer = place.facts([0, 1])
    asked, _ = place.converge(place.order(fewer))
    done, _ = place.converge(place.order(fewer, confirmed=[one.name for one in asked.confirmations]))

    assert (done.errors, "delete" in {change.action for change in done.changes}) == ((), True)
    left = {
        name.split()[0] for name in place.objects(everything) if test_engine.home(everything, "2") in name
    }
    assert left == {"Namespace", "PersistentVolumeClaim", "Secret"}
    assert account.refused() == []
    with pytest.raises(errors.Permanent, match="missing permission"):
        place.delete(kinds.NAMESPACE, "", home)
    assert account.refused() == [f"delete /api/v1/namespaces/{home}"]  # so the log has what is refused
    # What the plugin reads while it waits: for a Deployment, which only a relayer has, and this chain has none.
    waiting = {("apps", "deployments", "watch"), ("apps", "statefulsets", "watch"), ("", "events", "list")}
    further = {right[:3] for right in rights.used_by_pulumi()} - waiting
    assert further - account.used() == set()
