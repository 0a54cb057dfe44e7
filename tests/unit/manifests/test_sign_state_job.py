"""The Job that creates a sign state, and its script in a real shell."""

import pathlib
import shutil
import subprocess

import pytest

from ics import model, names
from ics.cluster import sign_state
from ics.manifests import objects, sign_state_job
from tests.unit.manifests import shell

ADDRESS = "0123456789ABCDEF0123456789ABCDEF01234567"
in_shells = pytest.mark.parametrize("sh", shell.SHELLS, ids=shell.IDS)


@pytest.fixture
def root(tmp_path: pathlib.Path) -> pathlib.Path:
    """The paths of the Job's pod."""
    certificates = tmp_path / "etc/ics/cluster-ca/ca.crt"
    certificates.parent.mkdir(parents=True)
    certificates.write_text(shell.certificate("MIIB") + shell.certificate("MIIC"))
    (tmp_path / "data").mkdir()
    return tmp_path


def run(
    root: pathlib.Path,
    reset: model.SignedState | None = None,
    sh: tuple[str, ...] = ("/bin/sh",),
    script: str = "",
) -> "subprocess.CompletedProcess[str]":
    """Run the script with the variables that the Job's container gives it."""
    owner = objects.Owner("alice", "provider-1", "7", "consumer-1")
    job = sign_state_job.job(owner, "ns", "12345678-aaaa", ADDRESS, "node:1", reset)
    (container,) = job["spec"]["template"]["spec"]["containers"]
    values = shell.environment(container, POD_NAMESPACE="ns")
    return shell.run(sh, script or sign_state_job.SCRIPT, root, values)


def state(root: pathlib.Path) -> pathlib.Path:
    return root / "data/signing" / ADDRESS / "priv_validator_state.json"


@in_shells
def test_script_lays_an_empty_memory_and_its_mark(root: pathlib.Path, sh: tuple[str, ...]) -> None:
    assert run(root, sh=sh).returncode == 0
    assert state(root).read_text() == '{"height":"0","round":0,"step":0}'
    mark = state(root).with_name("mark")
    lines = mark.read_text().splitlines()
    assert lines[:2] == [f"address {ADDRESS}", "namespace ns"]
    assert [(line[:3], len(line)) for line in lines[2:]] == [("ca ", 67)] * 2
    assert [path.stat().st_mode & 0o777 for path in (state(root), mark)] == [0o600, 0o600]
    assert {path.name for path in mark.parent.iterdir()} == {"mark", "priv_validator_state.json"}


@in_shells
def test_mark_is_written_before_the_memory(root: pathlib.Path, sh: tuple[str, ...]) -> None:
    """Whatever ends the script leaves no sign state that lacks a mark."""
    commands = sign_state_job.SCRIPT.splitlines(keepends=True)
    first = next(number for number, line in enumerate(commands) if line.startswith("mkdir -p"))
    seen = set()
    for end in range(first, len(commands) + 1):
        shutil.rmtree(root / "data", ignore_errors=True)
        # Cut within a block it is no script, and does nothing.
        run(root, sh=sh, script="".join(commands[:end]))
        seen.add((state(root).with_name("mark").exists(), state(root).exists()))
    assert seen == {(False, False), (True, False), (True, True)}


WHOLE = '{\n  "height": "7",\n  "round": 0,\n  "step": 3\n}\n'
BROKEN = ["", '{\n  "height": "7",\n  "sig', "\0" * 40]


@pytest.mark.parametrize(("content", "code"), [(WHOLE, 0), *((one, 1) for one in BROKEN)])
def test_script_never_touches_a_memory(root: pathlib.Path, content: str, code: int) -> None:
    state(root).parent.mkdir(parents=True)
    state(root).write_text(content)

    assert run(root).returncode == code
    assert state(root).read_text() == content


RESET = model.SignedState(height=70, round=4, step=2)
WRITTEN = '{"height":"70","round":4,"step":2}'
OLDER = {(69, 9, 3), (70, 3, 3), (70, 4, 1)}
LATER = {(70, 4, 2), (70, 4, 3), (70, 5, 0), (71, 0, 0), (700, 0, 1)}


def signed(height: int, round: int, step: int) -> str:
    """A sign state as CometBFT writes it, after a signature."""
    return (
        f'{{\n  "height": "{height}",\n  "round": {round},\n  "step": {step},\n  "signature": "b+w==",\n'
        '  "signbytes": "6D08011100"\n}'
    )


def replaced(root: pathlib.Path) -> dict[str, str]:
    """The former sign states beside the present one."""
    return {path.name[-1]: path.read_text() for path in state(root).parent.glob("*.replaced-*")}


@in_shells
@pytest.mark.parametrize("content", [None, *BROKEN, *(signed(*at) for at in sorted(OLDER))])
def test_reset_replaces_a_broken_or_lower_memory_and_keeps_it_beside(
    root: pathlib.Path, content: str | None, sh: tuple[str, ...]
) -> None:
    if content is not None:
        state(root).parent.mkdir(parents=True)
        state(root).write_text(content)

    assert run(root, RESET, sh).returncode == 0
    assert state(root).read_text() == WRITTEN
    assert replaced(root) == ({} if content is None else {"1": content})
    assert state(root).with_name("mark").read_text().startswith(f"address {ADDRESS}\nnamespace ns\nca ")
    # Run a second time, as after a crash before its success was recorded.
    assert run(root, RESET, sh).returncode == 0
    assert (state(root).read_text(), len(replaced(root))) == (WRITTEN, content is not None)


@in_shells
@pytest.mark.parametrize("at", sorted(LATER))
def test_reset_never_lowers_a_memory(
    root: pathlib.Path, at: tuple[int, int, int], sh: tuple[str, ...]
) -> None:
    state(root).parent.mkdir(parents=True)
    state(root).write_text(signed(*at))

    assert run(root, RESET, sh).returncode == 0
    assert (state(root).read_text(), replaced(root)) == (signed(*at), {})
    assert state(root).with_name("mark").exists()


def test_resets_keep_every_former_memory(root: pathlib.Path) -> None:
    for height in (70, 80, 90):
        assert run(root, model.SignedState(height=height, round=2147483647, step=3)).returncode == 0
    kept = {str(one): f'{{"height":"{one}0","round":2147483647,"step":3}}' for one in (7, 8, 9)}
    assert (state(root).read_text(), replaced(root)) == (kept["9"], {"1": kept["7"], "2": kept["8"]})


def test_reset_that_is_cut_off_leaves_no_lower_memory_with_a_new_mark(root: pathlib.Path) -> None:
    commands = sign_state_job.SCRIPT.splitlines(keepends=True)
    first = next(number for number, line in enumerate(commands) if line.startswith("mkdir -p"))
    old, seen = signed(9, 0, 3), set()
    for end in range(first, len(commands) + 1):
        shutil.rmtree(root / "data", ignore_errors=True)
        state(root).parent.mkdir(parents=True)
        state(root).write_text(old)
        # Cut within a block it is no script, and does nothing.
        run(root, RESET, script="".join(commands[:end]))
        there = state(root).read_text() if state(root).exists() else ""
        seen.add((state(root).with_name("mark").exists(), there))
    assert seen == {(False, old), (False, ""), (True, ""), (True, WRITTEN)}


@pytest.mark.parametrize("state", [RESET, model.SignedState(height=9, round=2147483647, step=3)])
def test_recorded_reset_is_read_as_it_was_written(state: model.SignedState) -> None:
    assert sign_state_job.parse_reset_note(sign_state_job.reset_note(state)) == state


@pytest.mark.parametrize(
    "text", ["", "7", "7/1", "7/1/4", "-7/1/2", "7/2147483648/1", "x/1/1", "7/1/1/1", "²/1/1"]
)
def test_record_that_was_edited_is_no_reset(text: str) -> None:
    assert sign_state_job.parse_reset_note(text) is None


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
    assert pod["volumes"] == [
        {"name": "data", "persistentVolumeClaim": {"claimName": "data"}},
        {"name": "cluster-ca", "configMap": {"name": "kube-root-ca.crt"}},
    ]
    assert pod["containers"][0]["volumeMounts"] == [
        {"name": "data", "mountPath": "/data"},
        {"name": "cluster-ca", "mountPath": "/etc/ics/cluster-ca", "readOnly": True},
    ]
    assert {"name": "KEY_ADDRESS", "value": ADDRESS} in pod["containers"][0]["env"]
    namespace = {"fieldRef": {"fieldPath": "metadata.namespace"}}
    assert {"name": "POD_NAMESPACE", "valueFrom": namespace} in pod["containers"][0]["env"]


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


@in_shells
def test_copied_job_writes_nothing(root: pathlib.Path, sh: tuple[str, ...]) -> None:
    """A copied namespace would get an empty sign state of the original's key, with a mark of its own."""
    owner = objects.Owner("alice", "provider-1", "7", "consumer-1")
    job = sign_state_job.job(owner, "ns", "12345678-aaaa", ADDRESS, "node:1")
    (container,) = job["spec"]["template"]["spec"]["containers"]
    values = shell.environment(container, POD_NAMESPACE="copy")
    done = shell.run(sh, sign_state_job.SCRIPT, root, values)
    assert (done.returncode, done.stderr) == (
        1,
        "this Job was copied from namespace ns; nothing is written\n",
    )
    assert not (root / "data/signing").exists()
