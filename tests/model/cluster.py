"""One cluster: objects, disks behind its volume claims, and pods, whose scripts are really run."""

import base64
import datetime
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ics import errors, model, names
from ics.consumer import key_check
from ics.cosmos import addresses
from ics.keys import derivation
from tests.model import files, kube, shell, signer

SHELL = shell.Shell()
_CA = "-----BEGIN CERTIFICATE-----\nMII{name}\nAAAA\n-----END CERTIFICATE-----\n"


@dataclass(slots=True, eq=False)
class Disk:
    """Storage behind a claim."""

    tree: files.Tree = field(default_factory=dict)
    is_shared: bool = False
    """Whether any number of machines may mount it, and no lock holds between processes; else it is on one machine,
    where the node's database is locked by the process that has it open."""
    user: "Process | None" = None
    """Process that holds the database's lock."""

    def clone(self) -> "Disk":
        """Return a copy with the content of now."""
        return Disk(dict(self.tree), self.is_shared)


@dataclass(slots=True, eq=False)
class Process:
    """A running node."""

    name: str
    namespace: str
    cluster: "Cluster"
    key: bytes
    """Address of the key with which it signs, perhaps a throw-away one."""
    public_key: bytes
    state: signer.SignState
    mounts: files.Mounts
    state_path: str
    disk: Disk
    is_remote: bool = False
    """Whether a remote signer is asked for each signature."""
    height: int = 0
    """Last block that it has."""
    round: int = 0
    """Of its own height in progress, while it is cut off."""
    is_cut_off: bool = False
    """Whether it reaches none of its peers."""
    is_alive: bool = True

    def sign(self, height: int, round: int, step: signer.Step, content: str) -> str:
        """Sign, and save first what is signed.

        Raises:
            Refused: as `signer.SignState.sign`, or the state cannot be saved, at which a node exits.
        """
        signed = self.state.sign(height, round, step, content)
        try:
            self.mounts.write(self.state_path, self.state.text())
        except FileNotFoundError as error:
            self.stop()
            raise signer.Refused(f"the state cannot be saved: {error}") from None
        return signed

    def stop(self) -> None:
        """End the process."""
        self.is_alive = False
        if self.disk.user is self:
            self.disk.user = None


@dataclass(slots=True, eq=False)
class Pod:
    """A pod as an API object; its containers are `process`."""

    name: str
    namespace: str
    template: Mapping[str, Any]
    uid: str
    links: files.Tree = field(default_factory=dict)
    mounts: files.Mounts | None = None
    """Files of the node's container once it was started."""
    key_check: str = ""
    process: Process | None = None

    @property
    def is_running(self) -> bool:
        """Whether its node runs."""
        return self.process is not None and self.process.is_alive


@dataclass(slots=True, eq=False)
class Cluster:
    """One control plane with its machines."""

    name: str
    uid: str
    """Of its namespace kube-system."""
    ca: tuple[str, ...]
    """Names of its certificates."""
    objects: kube.Objects = field(default_factory=kube.Objects)
    disks: dict[str, Disk] = field(default_factory=dict)
    """By uid of the claim."""
    snapshots: dict[str, files.Tree] = field(default_factory=dict)
    """By name."""
    pods: dict[tuple[str, str], Pod] = field(default_factory=dict)
    """By namespace and name."""
    processes: list[Process] = field(default_factory=list)
    """All running nodes, also those whose pod was force-deleted."""
    applied: dict[kube.Key, tuple[Mapping[str, Any], str]] = field(default_factory=dict)
    """What the engines applied last: manifest and uid."""
    acted: dict[str, model.ActedBlock] = field(default_factory=dict)
    """By validator, the provider's height that was acted upon."""
    kept: dict[str, dict[str, str]] = field(default_factory=dict)
    """By validator, what passes keep on the Lease."""
    holder: dict[str, object] = field(default_factory=dict)
    """By validator, the pass that has the Lease."""
    is_shared_storage: bool = False
    machines: int = 0
    given: list[tuple[str, str, str]] = field(default_factory=list)
    """Place id, namespace and pod of each time that a node got its key."""

    def disk(self, namespace: str) -> Disk | None:
        """Return the disk of the claim in a namespace."""
        claim = self.objects.get("PersistentVolumeClaim", namespace, names.VOLUME_NAME)
        if claim is None:
            return None
        uid = claim["metadata"]["uid"]
        if uid not in self.disks:
            source = claim["spec"].get("dataSource", {}).get("name", "")
            content = dict(self.snapshots.get(source, {}))
            self.disks[uid] = Disk(content, is_shared=self.is_shared_storage)
        return self.disks[uid]

    def alive(self) -> Iterator[Process]:
        """Return the running nodes."""
        self.processes = [one for one in self.processes if one.is_alive]
        return iter(self.processes)

    # -- controllers ----------------------------------------------------------------------------------

    def settle(self) -> None:
        """Let controllers and kubelets do what is due: Jobs, pods of StatefulSets, starts."""
        self._run_jobs()
        workloads = {key.namespace: item for key, item in self.objects.of_kind("StatefulSet")}
        for namespace, name in sorted(self.pods):
            item = workloads.get(namespace)
            number = int(name.rsplit("-", 1)[1])
            pod = self.pods[namespace, name]
            if item is None or number >= item["spec"]["replicas"] or pod.template != item["spec"]["template"]:
                self.remove(pod)
        for namespace, item in sorted(workloads.items()):
            for number in range(item["spec"]["replicas"]):
                name = f"{names.NODE_NAME}-{number}"
                if (namespace, name) not in self.pods:
                    template = item["spec"]["template"]
                    self.pods[namespace, name] = Pod(name, namespace, template, kube.new_uid())
                self._start(self.pods[namespace, name])

    def remove(self, pod: Pod, *, is_forced: bool = False) -> None:
        """Delete a pod, and with `is_forced` leave its containers running on a machine that nobody reaches."""
        if pod.process is not None and not is_forced:
            pod.process.stop()
        self.pods.pop((pod.namespace, pod.name), None)

    def _run_jobs(self) -> None:
        for key, item in list(self.objects.of_kind("Job")):
            disk = self.disk(key.namespace)
            if item.get("status") or disk is None:
                continue
            (container,) = item["spec"]["template"]["spec"]["containers"]
            mounts = files.Mounts({"/data": disk.tree, "/etc/ics/cluster-ca": {"ca.crt": self.certificates}})
            command = container["command"]
            assert command[:2] == ["/bin/sh", "-c"]
            ran = SHELL.run(
                command[2], _variables(container, key.namespace, ""), mounts, "/etc/ics/cluster-ca"
            )
            kind = "Failed" if ran.code else "Complete"
            self.objects.items[key] = {**item, "status": {"conditions": [{"type": kind, "status": "True"}]}}

    @property
    def certificates(self) -> str:
        """What the cluster publishes in each namespace."""
        return "".join(_CA.format(name=name) for name in self.ca)

    def _start(self, pod: Pod) -> None:
        """Start a pod's containers, as far as its volumes let it."""
        if pod.is_running:
            return
        disk = self.disk(pod.namespace)
        if disk is None:
            return
        if pod.key_check == "" and not self._check(pod, disk):
            return
        if not self._prepare(pod, disk):
            return
        if disk.user is not None and not disk.is_shared:
            return  # the database is locked; the container starts again later
        self._run(pod, disk)

    def _check(self, pod: Pod, disk: Disk) -> bool:
        """Run the check; return whether the node may be started."""
        mounts = self._mounts(pod, disk)
        if mounts is None:
            return False
        (container,) = pod.template["spec"]["initContainers"]
        inside = _inside(container, mounts)
        script = inside.read(container["command"][1])
        assert script is not None
        read_only = [one["mountPath"] for one in container["volumeMounts"] if one.get("readOnly")]
        ran = SHELL.run(script, _variables(container, pod.namespace, pod.name), inside, *read_only)
        if ran.code:
            return False
        pod.key_check = ran.result
        return True

    def _prepare(self, pod: Pod, disk: Disk) -> bool:
        """Run the start script of the node's container; return whether it comes to the program.

        What is mounted is what the objects say by then. The container is started again if it fails at first.
        """
        mounts = self._mounts(pod, disk)
        if mounts is None:
            return False
        container = pod.template["spec"]["containers"][0]
        assert container["name"] == names.NODE_CONTAINER
        pod.mounts = _inside(container, mounts)
        script = pod.mounts.read(container["command"][1])
        assert script is not None
        given = _variables(container, pod.namespace, pod.name) | {"BINARY": "true"}
        for _ in range(2):
            ran = SHELL.run(script, given, pod.mounts)
            if not ran.code:
                return True
            if key_check.parse(ran.result)[0] is not None:
                pod.key_check = ran.result
        return False

    def _mounts(self, pod: Pod, disk: Disk) -> dict[str, files.Tree] | None:
        """Return the trees of a pod's volumes by name, None while an object that it mounts is missing."""
        trees: dict[str, files.Tree] = {}
        for volume in pod.template["spec"]["volumes"]:
            name = volume["name"]
            if "persistentVolumeClaim" in volume:
                trees[name] = disk.tree
            elif "emptyDir" in volume:
                trees[name] = pod.links if name == "links" else {}
            elif volume.get("configMap", {}).get("name") == "kube-root-ca.crt":
                trees[name] = {"ca.crt": self.certificates}
            else:
                found = self._content(pod.namespace, volume)
                if found is None:
                    return None
                trees[name] = found
        return trees

    def _content(self, namespace: str, volume: Mapping[str, Any]) -> files.Tree | None:
        if "secret" in volume:
            item = self.objects.get("Secret", namespace, volume["secret"]["secretName"])
            data = {} if item is None else item["data"]
            return None if item is None else {k: base64.b64decode(v).decode() for k, v in data.items()}
        source = volume["configMap"]
        item = self.objects.get("ConfigMap", namespace, source["name"])
        if item is None:
            return {} if source.get("optional") else None
        return dict(item.get("data") or {})

    def _run(self, pod: Pod, disk: Disk) -> None:
        """Start the program as CometBFT loads its key, see `LoadOrGenFilePV`."""
        assert pod.mounts is not None
        config = tomllib.loads(pod.mounts.read("/data/home/config/config.toml") or "")
        key_path, state_path = config["priv_validator_key_file"], config["priv_validator_state_file"]
        text = pod.mounts.read(key_path)
        number = kube.Numbers.new()
        if text is None:
            public = number.to_bytes(32, "big")
            key, state = addresses.consensus_address(public), signer.SignState()
        else:
            try:
                parsed = derivation.parse_priv_validator_key(model.Secret(text), "key")
            except errors.SettingsError:
                return  # the program exits
            public, key = parsed.public_key, parsed.address
            content = pod.mounts.read(state_path)
            try:
                state = signer.SignState.parse(content or "")
            except ValueError:
                return  # the program exits
            self._note_given(pod)
        pod.process = Process(
            name=f"{self.name}/{pod.namespace}/{pod.name}#{number}",
            namespace=pod.namespace,
            cluster=self,
            key=key,
            public_key=public,
            state=state,
            mounts=pod.mounts,
            state_path=state_path,
            disk=disk,
            is_remote="priv_validator_laddr" in config,
        )
        disk.user = pod.process
        self.processes.append(pod.process)

    def _note_given(self, pod: Pod) -> None:
        (secret,) = (
            v["secret"]["secretName"] for v in pod.template["spec"]["volumes"] if v["name"] == "consensus-key"
        )
        self.given.append((secret.removeprefix(names.consensus_key_name("")), pod.namespace, pod.name))


def _inside(container: Mapping[str, Any], trees: Mapping[str, files.Tree]) -> files.Mounts:
    return files.Mounts({one["mountPath"]: trees[one["name"]] for one in container["volumeMounts"]})


def _variables(container: Mapping[str, Any], namespace: str, pod: str) -> dict[str, str]:
    """Return a container's variables, with the pod's own fields."""
    fields = {"metadata.namespace": namespace, "metadata.name": pod}
    return {
        one["name"]: fields[one["valueFrom"]["fieldRef"]["fieldPath"]]
        if "valueFrom" in one
        else one.get("value", "")
        for one in container["env"]
    }


def started(since: datetime.datetime) -> datetime.datetime:
    """Return when a pod was started: long ago."""
    return since - datetime.timedelta(hours=1)
