"""The mark of a key in real shells: adding certificates, and the provider node's own key."""

import pathlib

import pytest

from ics import names
from ics.consumer import key_check as results
from ics.manifests import key_check, objects, sign_state_job
from ics.model import SignedState
from tests.unit import factories
from tests.unit.manifests import shell

KEY = factories.consumer_key("alice")
ADDRESS = KEY.address.hex().upper()
OLD, NEW = shell.certificate("MIIold\nAAAA"), shell.certificate("MIInew\nBBBB")
in_shells = pytest.mark.parametrize("sh", shell.SHELLS, ids=shell.IDS)


class Volume:
    """The provider node's volume, and what its Jobs and its pod see."""

    def __init__(self, root: pathlib.Path, sh: tuple[str, ...]) -> None:
        self.root, self.sh = root, sh
        self.key = root / "etc/ics/consensus-key/priv_validator_key.json"
        self.certificates = root / "etc/ics/cluster-ca/ca.crt"
        self.memory = root / "data/signing" / ADDRESS
        self.state, self.mark = self.memory / "priv_validator_state.json", self.memory / "mark"
        for folder in (
            self.key.parent,
            self.certificates.parent,
            root / "etc/ics/watermark",
            root / "run/ics",
        ):
            folder.mkdir(parents=True)
        self.key.write_text(KEY.priv_validator_key_json().reveal_text())
        self.certificates.write_text(OLD)

    def lines(self) -> list[str]:
        return self.mark.read_text().splitlines()

    def reset(self, height: int = 0, claim: str = "uid-1", reset: str = "true") -> int:
        values = {"RESET": reset, "HEIGHT": str(height), "ROUND": "0", "STEP": "3"}
        return self.run(sign_state_job.PROVIDER_SCRIPT, CLAIM_UID=claim, **values)

    def add(self, script: str = sign_state_job.MARK_SCRIPT, namespace: str = "ns", claim: str = "") -> int:
        return self.run(script, POD_NAMESPACE=namespace, KEY_ADDRESS=ADDRESS, CLAIM_UID=claim)

    def check(self, claim: str = "uid-1", **changes: str) -> results.KeyCheck | None:
        result_file = self.root / "result"
        values = {
            "POD_NAME": "p-0",
            "EXPECTED_POD": "p-0",
            "KEY_ADDRESS": "",
            "WITHHELD": "false",
            "REMOTE": "",
        }
        values |= {"RESULT_FILE": str(result_file), "CLAIM_UID": claim, **changes}
        assert self.run(key_check.SCRIPT, **values) == 0
        return results.result(result_file.read_text(), ADDRESS)

    def run(self, script: str, **values: str) -> int:
        environment = {"KEY_FOLDER": str(self.key.parent), "POD_NAMESPACE": "ns", "NAMESPACE": "ns", **values}
        return shell.run(self.sh, script, self.root, environment).returncode


@pytest.fixture
def volume(tmp_path: pathlib.Path, sh: tuple[str, ...]) -> Volume:
    return Volume(tmp_path, sh)


@in_shells
def test_hashes_of_certificates_are_those_that_the_scripts_compute(volume: Volume) -> None:
    volume.certificates.write_text(OLD + NEW + OLD)
    assert volume.reset(9) == 0
    hashes = results.certificates(OLD + NEW + OLD)
    assert len(hashes) == 2
    assert {line.removeprefix("ca ") for line in volume.lines() if line.startswith("ca ")} == set(hashes)
    assert results.from_annotation(results.to_annotation(hashes)) == hashes


@in_shells
def test_new_certificates_are_added_to_the_mark_once_and_old_ones_stay(volume: Volume) -> None:
    assert volume.reset(9) == 0
    before = volume.lines()
    volume.certificates.write_text(NEW)
    for _ in range(2):
        assert volume.add() == 0
    (new,) = results.certificates(NEW)
    assert volume.lines() == [*before, f"ca {new}"]
    assert volume.check() is results.KeyCheck.READY


@in_shells
def test_mark_of_another_namespace_or_no_mark_is_not_extended(volume: Volume) -> None:
    assert volume.add() != 0
    assert volume.reset(9) == 0
    before = volume.mark.read_text()
    volume.certificates.write_text(NEW)
    assert volume.add(namespace="copy") != 0
    assert volume.mark.read_text() == before


@in_shells
def test_provider_key_signs_on_its_claim_once_it_was_released(volume: Volume) -> None:
    assert volume.check() is results.KeyCheck.MISSING
    assert volume.reset(9) == 0
    assert volume.state.read_text() == '{"height":"9","round":0,"step":3}'
    assert "claim uid-1" in volume.lines()
    assert volume.check() is results.KeyCheck.READY
    assert (volume.root / "run/ics/identity").readlink() == volume.key.parent
    assert (volume.root / "run/ics/memory").readlink() == volume.memory


@in_shells
def test_provider_state_by_hand_is_adopted_only_by_release_and_never_lowered(volume: Volume) -> None:
    volume.memory.mkdir(parents=True)
    state = '{\n  "height": "12",\n  "round": 0,\n  "step": 3\n}'
    volume.state.write_text(state)
    assert volume.check() is results.KeyCheck.UNMARKED
    assert volume.reset(9) == 0
    assert (volume.state.read_text(), volume.check()) == (state, results.KeyCheck.READY)


@in_shells
def test_provider_key_is_refused_on_another_claim_namespace_or_below_its_watermark(volume: Volume) -> None:
    assert volume.reset(9) == 0
    assert volume.check(claim="uid-2") is results.KeyCheck.OTHER_CLAIM
    assert volume.check(POD_NAMESPACE="copy") is results.KeyCheck.OTHER_NAMESPACE
    (volume.root / "etc/ics/watermark" / ADDRESS).write_text("10")
    assert volume.check() is results.KeyCheck.BELOW_WATERMARK
    assert (volume.root / "run/ics/identity").readlink() == volume.root / "run/ics/throwaway"


@in_shells
def test_unknown_certificates_alone_leave_the_provider_its_key(volume: Volume) -> None:
    assert volume.reset(9) == 0
    volume.certificates.write_text(NEW)
    assert volume.check() is results.KeyCheck.READY_IN_OTHER_CLUSTER
    assert (volume.root / "run/ics/identity").readlink() == volume.key.parent
    assert volume.check(claim="") is results.KeyCheck.OTHER_CLUSTER
    assert volume.add(sign_state_job.PROVIDER_MARK_SCRIPT, claim="uid-1") == 0
    assert volume.check() is results.KeyCheck.READY


@in_shells
def test_provider_job_that_ends_before_the_claim_lets_nothing_sign(volume: Volume) -> None:
    inner = sign_state_job.SCRIPT
    values = {"KEY_ADDRESS": ADDRESS, "RESET": "true", "HEIGHT": "9", "ROUND": "0", "STEP": "3"}
    assert volume.run(inner, **values) == 0
    assert volume.check() is results.KeyCheck.OTHER_CLAIM
    assert volume.reset(9) == 0
    assert volume.check() is results.KeyCheck.READY


@in_shells
def test_key_without_an_address_is_not_released(volume: Volume) -> None:
    volume.key.write_text("{}")
    assert volume.reset(9) != 0
    assert not (volume.root / "data").exists()
    assert volume.check() is None  # no address to say


OWNER = objects.Owner("alice", "provider-1")
NODE = factories.settings(
    provider_node={
        "enabled": True,
        "image": "pd:1",
        "genesis": {"config_map": {"name": "g"}},
        "consensus_key": "k",
    }
).provider_node


def test_provider_job_mounts_claim_and_key_beside_the_node() -> None:
    reset = SignedState(height=9, round=1, step=2)
    job = sign_state_job.provider_job(OWNER, "provider", NODE, "12345678-aaaa", reset, ("c" * 64,))
    pod = job["spec"]["template"]["spec"]
    assert job["metadata"]["name"] == "provider-sign-state-12345678"
    assert names.PART_OF_SET not in job["metadata"]["labels"]
    assert job["metadata"]["annotations"] == {
        names.VOLUME_UID: "12345678-aaaa",
        names.SIGN_STATE_RESET: "9/1/2",
        names.CLUSTER_CERTIFICATES: "c" * 64,
    }
    assert pod["volumes"] == [
        {"name": "data", "persistentVolumeClaim": {"claimName": "provider-node"}},
        {"name": "cluster-ca", "configMap": {"name": "kube-root-ca.crt"}},
        {"name": "consensus-key", "secret": {"secretName": "k", "defaultMode": 0o440}},
    ]
    environment = {entry["name"]: entry.get("value") for entry in pod["containers"][0]["env"]}
    assert environment == {
        "KEY_FOLDER": "/etc/ics/consensus-key",
        "CLAIM_UID": "12345678-aaaa",
        "NAMESPACE": "provider",
        "RESET": "true",
        "HEIGHT": "9",
        "ROUND": "1",
        "STEP": "2",
        "POD_NAMESPACE": None,
    }
    (near,) = pod["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert near["labelSelector"]["matchExpressions"][0]["values"] == ["provider-sign-state", "provider-node"]


def test_job_that_adds_certificates_is_named_by_them() -> None:
    owner = objects.Owner("alice", "provider-1", "7", "consumer-1")
    first = sign_state_job.mark_job(owner, "ns", "12345678-aaaa", ADDRESS, "node:1", ("a" * 64,))
    second = sign_state_job.mark_job(owner, "ns", "12345678-aaaa", ADDRESS, "node:1", ("a" * 64, "b" * 64))
    assert first["metadata"]["name"].startswith("mark-12345678-")
    assert first["metadata"]["name"] != second["metadata"]["name"]
    assert second["metadata"]["annotations"] == {
        names.CHAIN_ID: "consumer-1",
        names.CONSENSUS_ADDRESS: ADDRESS,
        names.CLUSTER_CERTIFICATES: f"{'a' * 64},{'b' * 64}",
    }
