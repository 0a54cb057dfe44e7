"""One host's Kubernetes as its administrator sees it: the hand that deletes and edits things by itself."""

import json
import os
import pathlib
import signal
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from devnet import places, plan, volumes
from ics import names
from ics.cluster.api import kinds
from ics.consumer.peers import ports

Object = dict[str, Any]

VOLUME = kinds.Kind(
    name="PersistentVolume", group="", version="v1", plural="persistentvolumes", is_namespaced=False, rank=-1
)
METRICS_PORT = 26660
"""Of CometBFT's metrics, which the example's definition turns on."""
_DEFINITIONS = "customresourcedefinitions"
_READING = ("get", "list", "watch")


class Kube:
    """The administrator of one host's cluster."""

    def __init__(self, host: plan.Host) -> None:
        self.host = host
        keys = places.host_state(host.name) / "pki"
        context = ssl.create_default_context(cafile=str(keys / "ca.crt"))
        context.load_cert_chain(str(keys / "admin.crt"), str(keys / "admin.key"))
        self._http = httpx.Client(base_url=host.api, verify=context, timeout=20, trust_env=False)

    def close(self) -> None:
        """Ends the connection."""
        self._http.close()

    # -- objects -----------------------------------------------------------------------------------

    def find(self, kind: kinds.Kind, namespace: str, name: str) -> Object | None:
        """An object, None when it is not there."""
        answer = self._http.get(kind.path(namespace, name))
        return None if answer.status_code == httpx.codes.NOT_FOUND else _checked(answer)

    def get(self, kind: kinds.Kind, namespace: str, name: str) -> Object:
        """An object that must be there."""
        return _checked(self._http.get(kind.path(namespace, name)))

    def all(self, kind: kinds.Kind, namespace: str = "", **wanted: str) -> list[Object]:
        """The objects of a kind in one namespace, or in all, with these labels."""
        selector = ",".join(f"{key}={value}" for key, value in wanted.items())
        answer = self._http.get(kind.path(namespace), params={"labelSelector": selector})
        items: list[Object] = _checked(answer)["items"]
        return items

    def follow(self, kind: kinds.Kind, **wanted: str) -> Iterator[dict[str, Any]]:
        """The events of all objects of a kind with these labels, for ever; those that are there may come twice."""
        selector = ",".join(f"{key}={value}" for key, value in wanted.items())
        query = {"watch": "1", "labelSelector": selector, "timeoutSeconds": "3600"}
        while True:
            with self._http.stream("GET", kind.path(), params=query, timeout=None) as answer:
                answer.raise_for_status()
                # An API server that has just begun ends a watch with an error until its cache is filled.
                yield from (
                    event for event in map(json.loads, answer.iter_lines()) if event["type"] != "ERROR"
                )

    def create(self, item: Mapping[str, Any]) -> Object:
        """Makes an object."""
        namespace = item["metadata"].get("namespace", "")
        return _checked(self._http.post(kinds.of(item).path(namespace), json=item))

    def put(self, kind: kinds.Kind, item: Mapping[str, Any]) -> Object:
        """Replaces an object, as `kubectl edit` does."""
        metadata = item["metadata"]
        path = kind.path(metadata.get("namespace", ""), metadata["name"])
        return _checked(self._http.put(path, json=item, params={"fieldManager": "kubectl-edit"}))

    def delete(self, kind: kinds.Kind, namespace: str, name: str, grace: int | None = None) -> None:
        """Deletes an object that must be there.

        Args:
            kind: its kind.
            namespace: where it is.
            name: its name.
            grace: seconds that a pod has to end; 0: by force, its object goes whether its container has ended or not.
        """
        params = {} if grace is None else {"gracePeriodSeconds": str(grace)}
        _checked(self._http.delete(kind.path(namespace, name), params=params))

    def members(self) -> list[Object]:
        """All objects of the operator's, with their kinds: its set, and the slices and Jobs of its loop."""
        owned = {names.MANAGED_BY: names.MANAGER}
        found = [(kind, item) for kind in kinds.MEMBERS for item in self.all(kind, **owned)]
        # Kubernetes gives the slices that it makes itself the labels of their Service.
        slices = self.all(kinds.ENDPOINT_SLICE, **owned, **{names.COMPONENT: names.GATEWAY})
        found += [(kinds.ENDPOINT_SLICE, item) for item in slices]
        return [{**item, "kind": kind.name} for kind, item in found]

    # -- nodes -------------------------------------------------------------------------------------

    def pod(self, namespace: str) -> Object | None:
        """The node's pod."""
        return self.find(kinds.POD, namespace, names.NODE_POD)

    def ask_node(
        self, namespace: str, path: str, *, pod: str = names.NODE_POD, **query: str
    ) -> dict[str, Any]:
        """What the consumer node itself, or another node of its chain, answers on its RPC; empty while it does not.

        Through the API server, so no address of a pod has to be reachable from here.
        """
        try:
            found: dict[str, Any] = json.loads(self._proxied(namespace, ports.POD_RPC, path, query, pod))[
                "result"
            ]
        except (ValueError, KeyError):
            return {}
        return found

    def ask_app(self, namespace: str, path: str, **query: str) -> dict[str, Any]:
        """What the consumer chain's application answers on the node's REST gateway."""
        found: dict[str, Any] = json.loads(self._proxied(namespace, ports.POD_REST, path, query))
        return found

    def metrics(self, namespace: str) -> str:
        """The node's metrics; empty while it does not answer."""
        return self._proxied(namespace, METRICS_PORT, "/metrics", {})

    def _proxied(
        self, namespace: str, port: int, path: str, query: Mapping[str, str], pod: str = names.NODE_POD
    ) -> str:
        url = f"/api/v1/namespaces/{namespace}/pods/{pod}:{port}/proxy{path}"
        try:
            answer = self._http.get(url, params=query)
        except httpx.HTTPError:
            return ""
        return answer.text if answer.is_success else ""

    def forward(self, namespace: str, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        """What a request to the node's RPC gets for an answer, status and content."""
        url = f"/api/v1/namespaces/{namespace}/pods/{names.NODE_POD}:{ports.POD_RPC}/proxy{path}"
        headers = {"Content-Type": "application/json"} if body else {}
        answer = self._http.request(method, url, content=body or None, headers=headers)
        return answer.status_code, answer.content

    def key_check(self, namespace: str, name: str = names.NODE_POD) -> str:
        """What a pod's own check said, `RESULT ADDRESS`; empty before it has ended."""
        ended = self.check_states(namespace, name)
        return str(ended[-1].get("message", "")) if ended else ""

    def check_states(self, namespace: str, name: str) -> list[dict[str, Any]]:
        """How the runs of a pod's own check have ended, as far as Kubernetes still knows, the last one last."""
        found = self.find(kinds.POD, namespace, name) or {}
        statuses = found.get("status", {}).get("initContainerStatuses", [])
        states = [one[which] for one in statuses for which in ("lastState", "state") if which in one]
        return [state["terminated"] for state in states if "terminated" in state]

    def log(self, namespace: str, lines: int = 2000) -> str:
        """The last lines that the node's container printed."""
        path = f"/api/v1/namespaces/{namespace}/pods/{names.NODE_POD}/log"
        answer = self._http.get(path, params={"container": "node", "tailLines": str(lines)})
        assert answer.is_success, answer.text
        return answer.text

    def events(self) -> list[Object]:
        """What the cluster tells of all namespaces."""
        items: list[Object] = _checked(self._http.get("/api/v1/events"))["items"]
        return items

    def told(self, namespace: str, **wanted: str) -> str:
        """What there is to know of the pods with these labels: their states, last words, and the events.

        For the message of a failure: what cannot be read is told as such.
        """
        base = f"/api/v1/namespaces/{namespace}"
        words = []
        for pod in self.all(kinds.POD, namespace, **wanted):
            name, status = pod["metadata"]["name"], pod["status"]
            states = [one["state"] for one in status.get("containerStatuses", [])]
            words.append(f"pod {name}: {status['phase']} since {status.get('startTime')}: {states}")
            container = pod["spec"]["containers"][0]["name"]
            query = {"tailLines": "30", "container": container}
            words.append(self._http.get(f"{base}/pods/{name}/log", params=query).text)
        events = _checked(self._http.get(f"{base}/events"))["items"]
        for event in sorted(events, key=lambda one: one.get("lastTimestamp") or "")[-20:]:
            about = f"{event['involvedObject']['kind']} {event['involvedObject']['name']}"
            words.append(f"event {event.get('lastTimestamp')} {about}: {event['reason']}: {event['message']}")
        return "\n".join(words) or f"namespace {namespace} has no such pod, and no event"

    def height(self, namespace: str) -> int:
        """Height of the node's last block, -1 while it does not answer."""
        status = self.ask_node(namespace, "/status")
        return int(status["sync_info"]["latest_block_height"]) if status else -1

    def running_key(self, namespace: str) -> str:
        """Address of the key that the node runs with, upper-case hex; empty while it does not answer."""
        status = self.ask_node(namespace, "/status")
        return str(status["validator_info"]["address"]) if status else ""

    def signers(self, namespace: str, height: int) -> set[str]:
        """Addresses whose signatures are in the commit of a height, upper-case hex."""
        commit = self.ask_node(namespace, "/commit", height=str(height))
        signatures = commit["signed_header"]["commit"]["signatures"]
        return {one["validator_address"] for one in signatures if one["block_id_flag"] == 2}

    def peers(self, namespace: str, pod: str = names.NODE_POD) -> list[dict[str, Any]]:
        """A node's connected peers."""
        found: list[dict[str, Any]] = self.ask_node(namespace, "/net_info", pod=pod).get("peers", [])
        return found

    def processes(self, namespace: str, name: str = names.NODE_POD) -> list[int]:
        """Ids of the processes in a pod's container, the node's or another one; the oldest first."""
        pod = self.get(kinds.POD, namespace, name)
        container = pod["status"]["containerStatuses"][0]["containerID"].rpartition("/")[2]
        found = []
        for process in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                is_its = container in (process / "cgroup").read_text()
            except OSError:  # it ended meanwhile
                continue
            if is_its:
                found.append(int(process.name))
        return sorted(found)

    def process(self, namespace: str) -> int:
        """Id of the node's process."""
        return self.processes(namespace)[0]

    def hermes(self, namespace: str) -> list[str]:
        """Names of the pods that relay to a chain."""
        found = self.all(kinds.POD, namespace, **{names.COMPONENT: names.HERMES})
        return [item["metadata"]["name"] for item in found]

    def kill_container(self, namespace: str, pod: str = names.NODE_POD) -> None:
        """Ends a node's process as a crash would: SIGKILL, by its id."""
        for process in self.processes(namespace, pod):
            os.kill(process, signal.SIGKILL)

    def volume(self, namespace: str) -> pathlib.Path:
        """The folder that is the chain's volume, by a path that leads to what the host has mounted there, too."""
        claim = self.get(kinds.VOLUME_CLAIM, namespace, names.VOLUME_NAME)
        volume = self.get(VOLUME, "", claim["spec"]["volumeName"])
        return volumes.seen_by(self.host, pathlib.Path(volume["spec"]["hostPath"]["path"]))

    def signing_memory(self, namespace: str, address: str) -> dict[str, Any]:
        """What the chain's volume remembers of what a key has signed."""
        folder = self.volume(namespace) / pathlib.Path(names.SIGNING_PATH).name / address
        content: dict[str, Any] = json.loads((folder / "priv_validator_state.json").read_text())
        return content


@dataclass(frozen=True)
class Audit:
    """What the API server wrote down of one user, counted from a mark on.

    Leases are left aside, dry runs too, and with `tried` what was refused counts as well.
    """

    host: plan.Host
    user: str
    mark: int

    @classmethod
    def begin(cls, host: plan.Host, user: str) -> "Audit":
        """Counts from now on."""
        return cls(host, user, places.audit_log(host.name).stat().st_size)

    def writes(self, *, with_reports: bool = False) -> list[str]:
        """Each write as `verb resource namespace/name (code)`, without Leases and what reports transitions."""
        reports = {"leases"} if with_reports else {"leases", "events", "consumerchains", _DEFINITIONS}
        with places.audit_log(self.host.name).open("rb") as log:
            log.seek(self.mark)
            events = [json.loads(line) for line in log.read().splitlines()]
        return [
            _shown(event)
            for event in events
            if event["user"]["username"] == self.user
            and event["verb"] not in _READING
            and event.get("objectRef", {}).get("resource") not in reports
            and "dryRun=" not in event["requestURI"]
        ]


def _shown(event: Mapping[str, Any]) -> str:
    what = event.get("objectRef", {})
    where = f"{what.get('namespace', '')}/{what.get('name', '')}"
    return f"{event['verb']} {what.get('resource')} {where} ({event.get('responseStatus', {}).get('code')})"


def _checked(answer: httpx.Response) -> Object:
    if answer.is_error:
        raise AssertionError(f"{answer.request.method} {answer.request.url}: {answer.text[:300]}")
    found: Object = answer.json()
    return found
