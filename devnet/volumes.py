"""Volumes and their snapshots: folders of a host, as a cloud's storage would provide them.

| StorageClass  | volume                                                    | expands |
|---------------|-----------------------------------------------------------|---------|
| `local`       | a folder, of no limited size                              | no      |
| `sized`       | a tmpfs of the claim's size, mounted again when it grows  | yes     |
| `sized-fixed` | the same                                                  | no      |
| `sized-wait`  | the same as `sized`, once a pod that uses it is scheduled | yes     |

A snapshot is a copy of the folder. Programs that have a file of it open stand still meanwhile, so that the copy is as
consistent as a disk after a power failure. A claim whose source is a snapshot begins with its content.
"""

import contextlib
import datetime
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from devnet import cgroups, commands, hosts, places, processes
from devnet.api import Api, Object
from devnet.plan import Host
from ics.config import units

PROVISIONER: Final = "devnet.ics/folder"
LOCAL: Final = "local"
SIZED: Final = ("sized", "sized-fixed", "sized-wait")
SNAPSHOT_CLASS: Final = "copies"
CLAIMS: Final = "/api/v1/persistentvolumeclaims"
SNAPSHOTS: Final = "/apis/snapshot.storage.k8s.io/v1/volumesnapshots"
_SELECTED_NODE: Final = "volume.kubernetes.io/selected-node"
_PROVISIONED_BY: Final = "pv.kubernetes.io/provisioned-by"
_KEPT: Final = "devnet.ics/copy"
"""Finalizer of a snapshot whose copy exists."""


def give_volume(client: Api, host: Host, claim: Object) -> None:
    """Create the volume of a claim that has none, or enlarge one that is too small for its claim."""
    spec, metadata = claim["spec"], claim["metadata"]
    storage_class = spec.get("storageClassName")
    if storage_class not in (LOCAL, *SIZED) or _is_leaving(claim):
        return
    if spec.get("volumeName"):
        if storage_class in SIZED:
            _enlarge(client, host, claim)
        return
    if storage_class == "sized-wait" and _SELECTED_NODE not in (metadata.get("annotations") or {}):
        return
    source = _source(client, host, claim)
    if source is not None and not source.is_dir():
        return  # the claim waits for its snapshot, and is seen again when that is ready
    name, size = f"pvc-{metadata['uid']}", spec["resources"]["requests"]["storage"]
    folder = _volumes(host) / name
    if storage_class in SIZED:
        _mount(host, folder, size)
    else:
        folder.mkdir(parents=True, exist_ok=True)
    inside = seen_by(host, folder)
    if source is not None:
        _copy(source, inside)
    # Pods that write here run as various users other than root.
    inside.chmod(0o777)
    client.apply(_volume(claim, name, folder, size))


def take_volume(client: Api, host: Host, volume: Object) -> None:
    """Delete a released volume with its folder."""
    metadata = volume["metadata"]
    ours = metadata.get("annotations", {}).get(_PROVISIONED_BY) == PROVISIONER
    released = volume.get("status", {}).get("phase") == "Released"
    if ours and released and volume["spec"]["persistentVolumeReclaimPolicy"] == "Delete":
        folder = _volumes(host) / metadata["name"]
        if volume["spec"]["storageClassName"] in SIZED and _is_mounted(host, folder):
            commands.run(*hosts.inside(host, ["umount", "--no-mtab", "--lazy", folder]))
        shutil.rmtree(folder, ignore_errors=True)
        client.delete(f"/api/v1/persistentvolumes/{metadata['name']}")


def take_snapshot(client: Api, host: Host, snapshot: Object) -> None:
    """Make the copy of a new snapshot, or delete that of one which is being deleted."""
    metadata = snapshot["metadata"]
    path = f"/apis/snapshot.storage.k8s.io/v1/namespaces/{metadata['namespace']}/volumesnapshots/{metadata['name']}"
    copy = _copies(host) / metadata["uid"]
    if _is_leaving(snapshot):
        shutil.rmtree(copy, ignore_errors=True)
        client.patch(path, {"metadata": {"finalizers": None}})
        return
    if (snapshot.get("status") or {}).get("readyToUse"):
        return
    name = snapshot["spec"]["source"].get("persistentVolumeClaimName", "")
    claim = client.get(f"/api/v1/namespaces/{metadata['namespace']}/persistentvolumeclaims/{name}")
    if snapshot["spec"].get("volumeSnapshotClassName") != SNAPSHOT_CLASS:
        _fail(
            client, path, f"there is no VolumeSnapshotClass {snapshot['spec'].get('volumeSnapshotClassName')}"
        )
        return
    if claim is None or not claim["spec"].get("volumeName"):
        _fail(client, path, f"PersistentVolumeClaim {name} has no volume")
        return
    client.patch(path, {"metadata": {"finalizers": [_KEPT]}})
    folder = seen_by(host, _volumes(host) / claim["spec"]["volumeName"])
    shutil.rmtree(copy, ignore_errors=True)
    unfinished = copy.with_suffix(".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    with _standing_still(host, folder):
        _copy(folder, unfinished)
    unfinished.rename(copy)
    status = {
        "readyToUse": True,
        "creationTime": _now(),
        "restoreSize": claim["status"]["capacity"]["storage"],
        "boundVolumeSnapshotContentName": f"devnet-{metadata['uid']}",
        "error": None,
    }
    client.patch(f"{path}/status", {"status": status})
    _wake_claims(client, metadata)


def seen_by(host: Host, folder: Path) -> Path:
    """Return the path by which this machine sees a folder as the host does, with what is mounted there."""
    return Path(f"/proc/{processes.pid(host.name, 'mounts')}/root{folder}")


def _wake_claims(client: Api, snapshot: Object) -> None:
    """Let claims that wait for a snapshot be seen again."""
    claims = client.get(f"/api/v1/namespaces/{snapshot['namespace']}/persistentvolumeclaims") or {}
    for claim in claims.get("items", []):
        if not claim["spec"].get("volumeName"):
            path = f"/api/v1/namespaces/{snapshot['namespace']}/persistentvolumeclaims"
            note = {"devnet.ics/snapshot-ready": snapshot["uid"]}
            client.patch(f"{path}/{claim['metadata']['name']}", {"metadata": {"annotations": note}})


def _source(client: Api, host: Host, claim: Object) -> Path | None:
    """Return the folder with the first content of a claim; None if it begins empty."""
    source = claim["spec"].get("dataSource") or {}
    if source.get("kind") != "VolumeSnapshot":
        return None
    namespace = claim["metadata"]["namespace"]
    found = client.get(
        f"/apis/snapshot.storage.k8s.io/v1/namespaces/{namespace}/volumesnapshots/{source['name']}"
    )
    return _copies(host) / ("missing" if found is None else found["metadata"]["uid"])


def _volume(claim: Object, name: str, folder: Path, size: str) -> Object:
    metadata = claim["metadata"]
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {
            "name": name,
            "annotations": {
                _PROVISIONED_BY: PROVISIONER,
                "devnet.ics/claim": f"{metadata['namespace']}/{metadata['name']}",
            },
        },
        "spec": {
            "capacity": {"storage": size},
            "accessModes": claim["spec"]["accessModes"],
            "volumeMode": "Filesystem",
            "persistentVolumeReclaimPolicy": "Delete",
            "storageClassName": claim["spec"]["storageClassName"],
            "hostPath": {"path": str(folder), "type": "Directory"},
            "claimRef": {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "namespace": metadata["namespace"],
                "name": metadata["name"],
                "uid": metadata["uid"],
            },
        },
    }


def _enlarge(client: Api, host: Host, claim: Object) -> None:
    spec, metadata = claim["spec"], claim["metadata"]
    wanted = spec["resources"]["requests"]["storage"]
    present = ((claim.get("status") or {}).get("capacity") or {}).get("storage")
    if present is None or units.amount(wanted) <= units.amount(present):
        return
    folder = _volumes(host) / spec["volumeName"]
    options = f"remount,size={int(units.amount(wanted))}"
    commands.run(*hosts.inside(host, ["mount", "-n", "-o", options, folder]))
    client.patch(
        f"/api/v1/persistentvolumes/{spec['volumeName']}", {"spec": {"capacity": {"storage": wanted}}}
    )
    path = f"/api/v1/namespaces/{metadata['namespace']}/persistentvolumeclaims/{metadata['name']}/status"
    client.patch(path, {"status": {"capacity": {"storage": wanted}}})


def _mount(host: Host, folder: Path, size: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if not _is_mounted(host, folder):
        options = f"size={int(units.amount(size))},mode=0777"
        commands.run(*hosts.inside(host, ["mount", "-n", "-t", "tmpfs", "-o", options, "tmpfs", folder]))


def _is_mounted(host: Host, folder: Path) -> bool:
    mounts = Path(f"/proc/{processes.pid(host.name, 'mounts')}/mounts").read_text().splitlines()
    return any(line.split()[1] == str(folder) for line in mounts)


@contextlib.contextmanager
def _standing_still(host: Host, folder: Path) -> Iterator[None]:
    """Stop the host's processes that have a file of a folder open, for as long as the context lasts."""
    device = folder.stat().st_dev
    files = {path.lstat().st_ino for path in folder.rglob("*") if path.is_file()}
    stopped = [pid for pid in cgroups.processes() if _has_open(pid, device, files)]
    for pid in stopped:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in stopped:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def _has_open(pid: int, device: int, files: set[int]) -> bool:
    try:
        descriptors = list(Path(f"/proc/{pid}/fd").iterdir())
    except (FileNotFoundError, ProcessLookupError):
        return False
    for descriptor in descriptors:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            found = descriptor.stat()
            if found.st_dev == device and found.st_ino in files:
                return True
    return False


def _copy(source: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    commands.run("cp", "-a", f"{source}/.", target, timeout=300)


def _fail(client: Api, path: str, message: str) -> None:
    client.patch(f"{path}/status", {"status": {"readyToUse": False, "error": {"message": message}}})


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _volumes(host: Host) -> Path:
    return places.host_state(host.name) / "volumes"


def _copies(host: Host) -> Path:
    return places.host_state(host.name) / "snapshots"


def _is_leaving(item: Object) -> bool:
    return "deletionTimestamp" in item["metadata"]
