"""All that exists in one run of the model, and what harm does to it."""

import base64
import dataclasses
import datetime
from dataclasses import dataclass, field

from ics import names
from ics.consumer import consensus_view
from ics.cosmos import addresses
from tests.model import cluster, files, installation, kube, provider, signer, stack, voting

STAGING = datetime.timedelta(minutes=61)
"""Time after which the sign state of a place is on record, or never."""


_KEY_FILE = "priv_validator_key.json"
CLUSTERS = 2
"""Control planes at the beginning."""


class PlaceUsedTwice(AssertionError):
    """One place's key was given to nodes of two sites."""


@dataclass(slots=True)
class Backup:
    """A copy of one namespace: its objects, and the disk of its claim."""

    objects: dict[kube.Key, kube.Item]
    tree: files.Tree
    height: int
    """Of the newest sign state in it."""


@dataclass(slots=True)
class Universe:
    """One provider, one consumer chain, and the installations of one validator."""

    provider: provider.Provider
    installations: list[installation.Installation]
    backups: dict[int, Backup] = field(default_factory=dict)
    """By position of the installation."""
    remote: voting.RemoteSigner | None = None
    remote_at: int = 0
    """Installation that uses it."""
    is_relaying: bool = True

    @property
    def clusters(self) -> list[cluster.Cluster]:
        """All control planes."""
        return list(dict.fromkeys(one.cluster for one in self.installations))

    def processes(self) -> list[cluster.Process]:
        """Return all running nodes."""
        return [process for there in self.clusters for process in there.alive()]

    def process_of(self, one: installation.Installation) -> cluster.Process | None:
        """Return the node of an installation's pod."""
        pod = self.pod_of(one)
        return pod.process if pod is not None and pod.is_running else None

    def pod_of(self, one: installation.Installation) -> cluster.Pod | None:
        """Return the pod of an installation's node."""
        return one.cluster.pods.get((one.namespace, names.NODE_POD))

    def assigned(self) -> bytes | None:
        """Return the address of the key that is assigned."""
        key = self.provider.assigned
        return None if key is None else addresses.consensus_address(key)

    def run_pass(self, one: installation.Installation, *, is_prompt: bool = True) -> None:
        """Run a whole pass, after which the kubelets may do their work at once."""
        one.run()
        if self.assigned() in one.own_addresses():
            one.moves = False
        if self.provider.is_opted_in:
            one.joins = False
        if is_prompt:
            one.cluster.settle()

    def vote(self, choice: str = "") -> None:
        """Let all nodes vote."""
        if self.provider.chain is not None:
            voting.vote(self.provider.chain, self.processes(), self.remote, choice)

    def go_on(self) -> None:
        """End the height in progress, unless the chain stands still."""
        if self.provider.chain is not None and not self.provider.chain.is_halted:
            self.provider.chain.commit()

    def block(self) -> None:
        """Make a block of the provider, and relay."""
        self.provider.advance()
        if self.is_relaying and self.provider.chain is not None and not self.provider.chain.is_halted:
            self.provider.relay()

    def check_places(self) -> None:
        """Check that no place was used at two sites.

        Raises:
            PlaceUsedTwice: one was.
        """
        sites: dict[str, tuple[str, str]] = {}
        for there in self.clusters:
            for place_id, namespace, pod in there.given:
                site = (there.name, namespace)
                if sites.setdefault(place_id, site) != site:
                    raise PlaceUsedTwice(
                        f"place {place_id}: used at {sites[place_id]} and by {pod} at {site}"
                    )

    # -- harm to volumes and namespaces ---------------------------------------------------------------

    def wipe(self, one: installation.Installation, *, is_stopped: bool) -> None:
        """Empty the disk under its claim, and lose the pod with it, or let it run on."""
        if is_stopped:
            self.stop_pod(one)
        disk = one.cluster.disk(one.namespace)
        if disk is not None:
            disk.tree.clear()

    def lose_volume(self, one: installation.Installation) -> None:
        """Delete the claim, its disk and the pod on it."""
        self.stop_pod(one)
        item = one.cluster.objects.delete(kube.Key("PersistentVolumeClaim", one.namespace, names.VOLUME_NAME))
        if item is not None:
            disk = one.cluster.disks.pop(item["metadata"]["uid"], None)
            for process in self.processes():
                if process.disk is disk:
                    process.stop()

    def stop_pod(self, one: installation.Installation) -> None:
        """Delete the pod."""
        pod = self.pod_of(one)
        if pod is not None:
            one.cluster.remove(pod)

    def backup(self, position: int) -> None:
        """Take a backup of an installation's namespace."""
        one = self.installations[position]
        disk = one.cluster.disk(one.namespace)
        if disk is None:
            return
        found = {
            key: item for key, item in one.cluster.objects.items.items() if key.namespace == one.namespace
        }
        self.backups[position] = Backup(found, dict(disk.tree), newest(disk.tree))

    def restore_under_claim(self, position: int) -> None:
        """Put back an older copy of the disk under its claim, if all keys on it are below the watermark.

        A copy that is younger than the watermark is not told from the disk that it replaces, and nothing promises that.
        """
        one, backup = self.installations[position], self.backups.get(position)
        disk = one.cluster.disk(one.namespace)
        if backup is None or disk is None:
            return
        marks = one.cluster.objects.get("ConfigMap", one.namespace, names.WATERMARK)
        data = (marks or {}).get("data") or {}
        for address, height in heights(backup.tree).items():
            if height >= int(data.get(address, 0)):
                return
        self.stop_pod(one)
        disk.tree.clear()
        disk.tree.update(backup.tree)

    def restore_volume(self, position: int) -> None:
        """Put back a copy of the disk under a new claim, and let a pass see it before a pod starts."""
        one, backup = self.installations[position], self.backups.get(position)
        if backup is None:
            return
        claim = kube.Key("PersistentVolumeClaim", one.namespace, names.VOLUME_NAME)
        if claim not in backup.objects:
            return
        self.lose_volume(one)
        item = one.cluster.objects.put(claim, backup.objects[claim])
        one.cluster.disks[item["metadata"]["uid"]] = cluster.Disk(
            dict(backup.tree), is_shared=one.cluster.is_shared_storage
        )

    def restore_snapshot(self, position: int, *, kill_at: int = 0, intrude_at: int = 0) -> None:
        """Run `ics restore` with the backup's disk as the snapshot, while controllers go on and all nodes vote.

        Args:
            position: of the installation.
            kill_at: number of the effect before which it ends; 0: none.
            intrude_at: number of the effect before which a whole pass runs, as after a lost Lease; 0: none.
        """
        one, backup = self.installations[position], self.backups.get(position)
        if backup is None or one.passes:
            return

        def between() -> None:
            one.cluster.settle()
            self.vote()

        one.cluster.holder.clear()
        command = one.restore(backup.tree, kill_at or None, intrude_at or None, between)
        if command in one.passes:
            one.cluster.holder.clear()
            one.run()
            between()
            command.go_on()
        between()
        one.cluster.holder.clear()

    def restore_namespace(self, position: int) -> None:
        """Put back a whole namespace under its name, and let a pass see it before a pod starts."""
        one, backup = self.installations[position], self.backups.get(position)
        if backup is None:
            return
        self.lose_volume(one)
        for key in [key for key in one.cluster.objects.items if key.namespace == one.namespace]:
            one.cluster.objects.delete(key)
        for key, item in backup.objects.items():
            if key.kind != "Job":
                one.cluster.objects.put(key, item)
        claim = one.cluster.objects.get("PersistentVolumeClaim", one.namespace, names.VOLUME_NAME)
        if claim is not None:
            one.cluster.disks[claim["metadata"]["uid"]] = cluster.Disk(
                dict(backup.tree), is_shared=one.cluster.is_shared_storage
            )

    def copy_namespace(self, one: installation.Installation, *, has_disk: bool, is_renamed: bool) -> None:
        """Copy a namespace within its cluster, as backup tools and `kubectl get | sed | apply` do.

        Args:
            one: the installation.
            has_disk: whether the disk is cloned; else the copy gets an empty one.
            is_renamed: whether the namespace is replaced in annotations and variables, too.
        """
        there, copy = one.cluster, _copy_of(one)
        if any(key.namespace == copy for key in there.objects.items):
            return
        disk = there.disk(one.namespace)
        kinds = ("PersistentVolumeClaim", "Secret", "ConfigMap", "StatefulSet", "Service")
        for key, item in list(there.objects.items.items()):
            if key.namespace != one.namespace or key.kind not in kinds:
                continue
            metadata = dict(item["metadata"])
            if is_renamed:
                notes = metadata.get("annotations") or {}
                metadata["annotations"] = {n: v.replace(one.namespace, copy) for n, v in notes.items()}
            there.objects.put(kube.Key(key.kind, copy, key.name), {**item, "metadata": metadata})
        claim = there.objects.get("PersistentVolumeClaim", copy, names.VOLUME_NAME)
        if claim is not None and disk is not None and has_disk:
            there.disks[claim["metadata"]["uid"]] = disk.clone()

    def delete_copies(self, one: installation.Installation) -> None:
        """Delete a copied namespace, as the operator is asked to."""
        there, copy = one.cluster, _copy_of(one)
        for key in [key for key in there.objects.items if key.namespace == copy]:
            there.objects.delete(key)
        for pod in [pod for pod in there.pods.values() if pod.namespace == copy]:
            there.remove(pod)

    def restore_cluster(self, one: installation.Installation, *, has_disks: bool) -> None:
        """Restore a cluster's etcd as a second control plane: with disks and another CA, or neither."""
        old = one.cluster
        self.provider.time += STAGING
        new = cluster.Cluster(
            name=f"{old.name}-restored",
            uid=old.uid,
            ca=(f"{old.name}R",) if has_disks else old.ca,
            objects=old.objects.copy(),
            disks={uid: disk.clone() for uid, disk in old.disks.items()} if has_disks else {},
            applied=dict(old.applied),
            acted=dict(old.acted),
            kept=dict(old.kept),
            is_shared_storage=old.is_shared_storage,
        )
        self.installations.append(
            installation.Installation(
                name=f"{one.name} restored",
                cluster=new,
                provider=one.provider,
                settings=one.settings,
            )
        )
        for key in [key for key in new.objects.items if key.kind == "Job"]:
            new.objects.delete(key)  # its deadline is over
        new.settle()

    def lose_secret(self, one: installation.Installation) -> None:
        """Delete all key Secrets, not within the minutes in which their sign states are created."""
        self.provider.time += STAGING
        for key in self.key_secrets(one):
            one.cluster.objects.delete(key)

    def key_secrets(self, one: installation.Installation) -> list[kube.Key]:
        """Return the key Secrets in an installation's namespace."""
        prefix = names.consensus_key_name("")
        return [
            key
            for key, _ in one.cluster.objects.of_kind("Secret")
            if key.namespace == one.namespace and key.name.startswith(prefix)
        ]

    def confuse_keys(self, one: installation.Installation) -> None:
        """Put the key file of another installation, or of another place here, into all key Secrets; if none, no key."""
        found = [
            other.cluster.objects.items[key]["data"]
            for other in self.installations
            for key in self.key_secrets(other)
        ]
        for key in self.key_secrets(one):
            item = one.cluster.objects.items[key]
            others = [data for data in found if data != item["data"] and _KEY_FILE in data]
            data = others[0] if others else {_KEY_FILE: base64.b64encode(b"{}").decode()}
            one.cluster.objects.items[key] = {**item, "data": data}
            one.cluster.objects.touched.add(key)
        self.stop_pod(one)

    def mend_keys(self, one: installation.Installation) -> None:
        """Let the key Secrets be overwritten, as the operator is asked to, and start the pod anew."""
        self.run_pass(one)
        one.confirmed = frozenset(name for name in one.asked if name.startswith("Secret/"))
        self.run_pass(one, is_prompt=False)
        one.confirmed = frozenset()
        self.stop_pod(one)
        one.cluster.settle()

    def break_state(self, one: installation.Installation) -> None:
        """Truncate the sign states, as a power failure may, and lose the pod with it."""
        disk = one.cluster.disk(one.namespace)
        if disk is None:
            return
        self.stop_pod(one)
        for process in self.processes():
            if process.disk is disk:
                process.stop()
        for name, entry in disk.tree.items():
            if name.endswith("priv_validator_state.json") and isinstance(entry, str):
                disk.tree[name] = entry[: len(entry) // 2]

    def reset(self, one: installation.Installation) -> None:
        """Let the assigned key sign again, as the operator may who knows that nothing else has it.

        Nobody knows that beside a restored cluster. On a chain that stands still, a vote that no other node has is the
        operator's own risk, too.
        """
        chain, process, address = self.provider.chain, self.process_of(one), self.assigned()
        if len(self.clusters) > CLUSTERS or self.remote is not None or one.passes:
            return
        if chain is None or process is None or address is None:
            return
        if any(other.key == address for other in self.processes()):
            return
        votes = chain.ledger.of(address, chain.height + 1)
        if chain.is_halted and not votes <= chain.seen:
            return
        view = consensus_view.ConsensusView(
            own_height=chain.height + 1,
            own_round=chain.round,
            height=chain.height + 1,
            round=chain.round,
            peers=2,
            votes=tuple(
                consensus_view.SeenVote(round, step, key, has_node=True)
                for key, round, step in sorted(chain.seen)
            ),
            members=chain.set_at(chain.height + 1),
        )
        one.reset(view, is_moving=not chain.is_halted)

    def use_remote_signer(self, position: int) -> None:
        """Move a running node's key to a remote signer, which signs through another node before a pod restarts."""
        one = self.installations[position]
        process = self.process_of(one)
        if self.remote is not None or process is None or process.key != self.assigned():
            return
        if self.installations[position].settings.consensus_keys or one.passes:
            return
        if any(other is not process and other.key == process.key for other in self.processes()):
            return
        self.remote = voting.RemoteSigner(process.key, dataclasses.replace(process.state))
        self.remote_at = position
        self.stop_pod(one)
        one.remote(process.public_key)
        self._confirmed_pass(one)

    def leave_remote_signer(self) -> None:
        """Stop the remote signer, and return to derived keys."""
        one = self.installations[self.remote_at]
        self.remote = None
        one.changes(consensus_keys={})
        self._confirmed_pass(one)

    def _confirmed_pass(self, one: installation.Installation) -> None:
        one.run()
        if one.asked:
            one.confirmed = one.asked
            one.run()
            one.confirmed = frozenset()


def _copy_of(one: installation.Installation) -> str:
    return f"{one.namespace[:50]}-copy"


def heights(tree: files.Tree) -> dict[str, int]:
    """Return the heights of the sign states on a disk, by address; of a broken one the highest there may be."""
    found = {}
    for name, entry in tree.items():
        if name.endswith("/priv_validator_state.json") and isinstance(entry, str):
            try:
                height = signer.SignState.parse(entry).height
            except ValueError:
                height = 0
            found[name.split("/")[1]] = height
    return found


def newest(tree: files.Tree) -> int:
    """Return the highest height of a disk's sign states."""
    return max(heights(tree).values(), default=0)


def create(*, is_shared_storage: bool, lost_volume: str) -> Universe:
    """Return a provider with a chain that is not launched yet, and three installations on two clusters.

    Args:
        is_shared_storage: whether volumes are on a shared file system without locks.
        lost_volume: setting `ics:signing.lost_volume`.
    """
    kube.Numbers.begin()
    chain = provider.Provider()
    first = cluster.Cluster("east", kube.new_uid(), ("east",), is_shared_storage=is_shared_storage)
    second = cluster.Cluster("west", kube.new_uid(), ("west",), is_shared_storage=is_shared_storage)
    signing = {"lost_volume": lost_volume}
    places = (("a", first, "a"), ("b", second, "a"), ("c", first, "c"))
    return Universe(
        chain,
        [
            installation.Installation(name, there, chain, stack.settings(label, signing=signing))
            for name, there, label in places
        ],
    )
