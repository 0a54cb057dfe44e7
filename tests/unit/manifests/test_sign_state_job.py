"""The Job that creates a sign state, and its script in a real shell."""

import pathlib
import subprocess

import pytest

from ics import model, names
from ics.cluster import sign_state
from ics.manifests import objects, sign_state_job

ADDRESS = "0123456789ABCDEF0123456789ABCDEF01234567"


def run(folder: pathlib.Path, by_name: str = "") -> "subprocess.CompletedProcess[str]":
    script = sign_state_job.SCRIPT.replace("/data/", f"{folder}/")
    environment = {"PATH": "/usr/bin:/bin", "KEY_ADDRESS": ADDRESS, "CONFIRMED": by_name}
    return subprocess.run(
        ["/bin/sh", "-c", script], env=environment, text=True, capture_output=True, check=False
    )


def state(folder: pathlib.Path) -> pathlib.Path:
    return folder / "signing" / ADDRESS / "priv_validator_state.json"


def test_script_lays_an_empty_memory(tmp_path: pathlib.Path) -> None:
    assert run(tmp_path).returncode == 0
    assert state(tmp_path).read_text() == '{"height":"0","round":0,"step":0}'
    assert state(tmp_path).stat().st_mode & 0o777 == 0o600
    assert [path.name for path in state(tmp_path).parent.iterdir()] == ["priv_validator_state.json"]


WHOLE = '{\n  "height": "7",\n  "round": 0,\n  "step": 3\n}\n'
BROKEN = ["", '{\n  "height": "7",\n  "sig', "\0" * 40]


@pytest.mark.parametrize(("content", "code"), [(WHOLE, 0), *((one, 1) for one in BROKEN)])
def test_script_never_touches_a_memory(tmp_path: pathlib.Path, content: str, code: int) -> None:
    state(tmp_path).parent.mkdir(parents=True)
    state(tmp_path).write_text(content)

    assert run(tmp_path).returncode == code
    assert state(tmp_path).read_text() == content


@pytest.mark.parametrize("content", BROKEN)
def test_by_name_a_broken_memory_gives_way(tmp_path: pathlib.Path, content: str) -> None:
    state(tmp_path).parent.mkdir(parents=True)
    state(tmp_path).write_text(content)

    assert run(tmp_path, "true").returncode == 0
    assert state(tmp_path).read_text() == '{"height":"0","round":0,"step":0}'
    assert state(tmp_path).with_name("priv_validator_state.json.broken").read_text() == content


def test_by_name_a_whole_memory_stays(tmp_path: pathlib.Path) -> None:
    state(tmp_path).parent.mkdir(parents=True)
    state(tmp_path).write_text(WHOLE)

    assert run(tmp_path, "true").returncode == 0
    assert state(tmp_path).read_text() == WHOLE


def test_job() -> None:
    owner = objects.Owner("alice", "provider-1", "7", "consumer-1")

    job = sign_state_job.job(owner, "ns", "12345678-aaaa", ADDRESS, "node:1")

    pod = job["spec"]["template"]["spec"]
    assert job["metadata"]["name"] == "sign-state-12345678"
    assert job["metadata"]["annotations"][names.CONSENSUS_ADDRESS] == ADDRESS
    assert job["spec"]["template"]["metadata"]["labels"][names.COMPONENT] == "sign-state"
    assert job["spec"]["activeDeadlineSeconds"] == 600
    (near,) = pod["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    # The Job's own pods are included: without a node there is no pod to be next to.
    assert near == {
        "labelSelector": {
            "matchExpressions": [
                {"key": names.COMPONENT, "operator": "In", "values": [names.SIGN_STATE, names.NODE]}
            ]
        },
        "topologyKey": "kubernetes.io/hostname",
    }
    assert names.PART_OF_SET not in job["metadata"]["labels"]
    assert pod["securityContext"]["runAsUser"] == pod["securityContext"]["fsGroup"] == 1000
    assert pod["containers"][0]["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod["volumes"] == [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]
    assert pod["containers"][0]["volumeMounts"] == [{"name": "data", "mountPath": "/data"}]


@pytest.mark.parametrize(
    ("types", "expected"),
    [
        ([], model.JobState.RUNNING),
        (["Suspended"], model.JobState.RUNNING),
        (["SuccessCriteriaMet", "Complete"], model.JobState.DONE),
        (["FailureTarget", "Failed"], model.JobState.FAILED),
    ],
)
def test_job_state(types: list[str], expected: model.JobState) -> None:
    conditions = [{"type": kind, "status": "True"} for kind in types]
    item = {"metadata": {}, "status": {"conditions": conditions}}

    assert sign_state.job_state(item) is expected
    leaving = item | {"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}
    assert sign_state.job_state(leaving) is model.JobState.RUNNING
