"""The check whether a pod's node gets its key, in real shells."""

import hashlib
import pathlib
import shutil
import subprocess
from collections.abc import Callable

import pytest

from ics.consumer import key_check as results
from ics.consumer import revision
from ics.manifests import key_check, objects, sign_state_job
from tests.unit import factories
from tests.unit.manifests import shell

KEY = factories.consumer_key("alice")
ADDRESS = KEY.address.hex().upper()
OTHER = factories.consumer_key("alice", place=1)
HIGHEST = 2**63 - 1
"""Of the heights that CometBFT can count."""
OLD, NEW = shell.certificate("MIIold\nAAAA"), shell.certificate("MIInew\nBBBB")
ROTATED = OLD + NEW

pytestmark = pytest.mark.parametrize("sh", shell.SHELLS, ids=shell.IDS)


class Pod:
    """A pod in which the check runs, and its volume."""

    def __init__(self, root: pathlib.Path, sh: tuple[str, ...]) -> None:
        self.root, self.sh = root, sh
        self.revision = revision.CURRENT
        self.result_file = root / "termination-log"
        self.key = root / "etc/ics/consensus-key/priv_validator_key.json"
        self.memory = root / "data/signing" / ADDRESS
        self.state, self.mark = self.memory / "priv_validator_state.json", self.memory / "mark"
        self.certificates = root / "etc/ics/cluster-ca/ca.crt"
        for folder in (
            self.key.parent,
            self.certificates.parent,
            root / "run/ics",
            root / "etc/ics/watermark",
        ):
            folder.mkdir(parents=True)
        self.key.write_text(KEY.priv_validator_key_json().reveal_text())
        self.certificates.write_text(OLD)

    def create_sign_state(self, namespace: str = "ns") -> None:
        """Run the script of the Job."""
        owner = objects.Owner("alice", "provider-1", "0", "consumer1-1")
        job = sign_state_job.job(owner, namespace, "volume-1", ADDRESS, "node:1")
        [container] = job["spec"]["template"]["spec"]["containers"]
        values = shell.environment(container, POD_NAMESPACE=namespace)
        done = shell.run(self.sh, sign_state_job.SCRIPT, self.root, values)
        assert done.returncode == 0, done.stderr

    def set_height(self, height: object) -> None:
        """Write the sign state as a node does."""
        content = f'{{\n  "height": "{height}",\n  "round": 0,\n  "step": 3,\n  "signature": "c2ln"\n}}'
        self.state.write_text(content)

    def set_watermark(self, text: str, address: str = ADDRESS) -> None:
        (self.root / "etc/ics/watermark" / address).write_text(text)

    def run(self, *arguments: str, **changes: str) -> "subprocess.CompletedProcess[str]":
        variables = key_check.environment(
            address=ADDRESS, key_folder=str(self.key.parent), pod="node-0", is_withheld=False
        )
        fields = {"POD_NAME": "node-0", "POD_NAMESPACE": "ns", "RESULT_FILE": str(self.result_file)}
        values = shell.environment({"env": variables}, **{**fields, **changes})
        self.result_file.unlink(missing_ok=True)  # each container has its own
        return shell.run(self.sh, key_check.script(self.revision), self.root, values, *arguments)

    @property
    def message(self) -> str:
        """The termination message of the last run, empty if it left none."""
        return self.result_file.read_text() if self.result_file.exists() else ""

    def check(self, **changes: str) -> results.KeyCheck | None:
        """Run the check, see that links and volume fit its result, and return it."""
        before = shell.tree(self.root / "data")
        done = self.run(**changes)
        assert (done.returncode, done.stderr) == (0, "")
        assert shell.tree(self.root / "data") == before
        message = self.result_file.read_text()
        assert done.stdout == f"{message}\n"
        found = results.result(message, changes.get("KEY_ADDRESS", ADDRESS))
        links = self.root / "run/ics"
        identity, memory = (links / name for name in ("identity", "memory"))
        if found is results.KeyCheck.READY:
            assert (identity.readlink(), memory.readlink()) == (self.key.parent, self.memory)
            assert (memory / "priv_validator_state.json").read_text() == self.state.read_text()
        else:
            assert {identity.readlink(), memory.readlink()} == {links / "throwaway"}
            assert (links / "throwaway").is_dir()
        return found


@pytest.fixture
def pod(tmp_path: pathlib.Path, sh: tuple[str, ...]) -> Pod:
    """A pod whose volume has the sign state that the Job created."""
    made = Pod(tmp_path, sh)
    made.create_sign_state()
    return made


def test_sign_state_of_the_job_is_ready(pod: Pod) -> None:
    assert pod.check() is results.KeyCheck.READY
    pod.set_height(7)
    assert pod.check() is results.KeyCheck.READY


def test_other_pod_of_the_workload_is_refused_before_anything_is_written(pod: Pod) -> None:
    """`kubectl scale --replicas 2` must not give a second process the volume."""
    before = shell.tree(pod.root)
    done = pod.run(POD_NAME="node-1")
    assert done.returncode == 1
    assert done.stderr == (
        "this pod is node-1, and only node-0 may run on the volume; the node is not started\n"
    )
    assert (done.stdout, shell.tree(pod.root), pod.result_file.exists()) == ("", before, False)


def test_links_of_an_earlier_check_are_replaced(pod: Pod) -> None:
    """A container that is started again finds the pod's own volume as it was."""
    assert pod.check() is results.KeyCheck.READY
    assert pod.check(WITHHELD="true") is results.KeyCheck.WITHHELD
    assert pod.check() is results.KeyCheck.READY


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"WITHHELD": "true"}, results.KeyCheck.WITHHELD),
        ({"REMOTE": "true"}, results.KeyCheck.REMOTE),
        ({"REMOTE": "true", "WITHHELD": "true"}, results.KeyCheck.REMOTE),
        ({"KEY_ADDRESS": OTHER.address.hex().upper()}, results.KeyCheck.WRONG_KEY),
        ({"POD_NAMESPACE": "copy"}, results.KeyCheck.OTHER_NAMESPACE),
        ({"POD_NAMESPACE": "n"}, results.KeyCheck.OTHER_NAMESPACE),
        ({"POD_NAMESPACE": "ns2"}, results.KeyCheck.OTHER_NAMESPACE),
    ],
)
def test_result_depends_on_pod(pod: Pod, changes: dict[str, str], expected: results.KeyCheck) -> None:
    assert pod.check(**changes) is expected


@pytest.mark.parametrize(
    "content",
    [None, "", "{}", KEY.priv_validator_key_json().reveal_text().replace(ADDRESS, ADDRESS.lower())],
    ids=["not mounted", "empty", "no key", "not as the node writes it"],
)
def test_mounted_key_without_the_expected_address_is_the_wrong_one(pod: Pod, content: str | None) -> None:
    pod.key.unlink()
    if content is not None:
        pod.key.write_text(content)
    assert pod.check() is results.KeyCheck.WRONG_KEY


def test_key_mounted_as_another_tool_wrote_it_is_recognised(pod: Pod) -> None:
    """CometBFT writes the file over several lines."""
    text = KEY.priv_validator_key_json().reveal_text()
    pod.key.write_text(text.replace(", ", ",\n  ").replace("{", "{\n  ", 1))
    assert pod.check() is results.KeyCheck.READY


def test_volume_without_sign_state_of_the_key_is_missing_it(pod: Pod) -> None:
    pod.state.unlink()
    assert pod.check() is results.KeyCheck.MISSING
    pod.mark.unlink()
    pod.memory.rmdir()
    assert pod.check() is results.KeyCheck.MISSING
    pod.memory.parent.rmdir()
    (pod.root / "data").rmdir()
    assert pod.check() is results.KeyCheck.MISSING


@pytest.mark.parametrize(
    "content",
    [
        "",
        "\n",
        '{\n  "height": "7",\n  "sig',
        "\0" * 40,
        '{"round": 0}',
        '{"height": 7}',
        '{"height": ""}',
        '{"height": "-7"}',
        "{}",
    ],
)
def test_sign_state_without_a_height_is_broken(pod: Pod, content: str) -> None:
    pod.state.write_text(content)
    assert pod.check() is results.KeyCheck.BROKEN


@pytest.mark.parametrize("mark", [None, "", "\n", f"address {OTHER.address.hex().upper()}\nnamespace ns\n"])
def test_sign_state_without_its_mark_is_a_copy(pod: Pod, mark: str | None) -> None:
    pod.mark.unlink()
    if mark is not None:
        pod.mark.write_text(mark)
    assert pod.check() is results.KeyCheck.UNMARKED


def test_mark_names_key_namespace_and_certificates(pod: Pod) -> None:
    lines = [line for line in OLD.splitlines() if not line.startswith("-")]
    digest = hashlib.sha256("".join(lines).encode()).hexdigest()
    assert pod.mark.read_text() == f"address {ADDRESS}\nnamespace ns\nca {digest}\n"


@pytest.mark.parametrize(
    ("created", "now", "expected"),
    [
        (OLD, OLD, results.KeyCheck.READY),
        # One in common is enough, while the cluster's authority is being exchanged.
        (OLD, ROTATED, results.KeyCheck.READY),
        (OLD, NEW + OLD, results.KeyCheck.READY),
        (ROTATED, NEW, results.KeyCheck.READY),
        (OLD, OLD.rstrip("\n"), results.KeyCheck.READY),
        (OLD, NEW, results.KeyCheck.OTHER_CLUSTER),
        (OLD, "", results.KeyCheck.OTHER_CLUSTER),
        ("", "", results.KeyCheck.OTHER_CLUSTER),
        ("", OLD, results.KeyCheck.OTHER_CLUSTER),
    ],
)
def test_one_certificate_of_the_cluster_in_common_is_enough(
    tmp_path: pathlib.Path, sh: tuple[str, ...], created: str, now: str, expected: results.KeyCheck
) -> None:
    pod = Pod(tmp_path, sh)
    pod.certificates.write_text(created)
    pod.create_sign_state()
    pod.certificates.write_text(now)
    assert pod.check() is expected


@pytest.mark.parametrize(
    ("height", "watermark", "expected"),
    [
        (0, None, results.KeyCheck.READY),
        (0, "0", results.KeyCheck.READY),
        (7, "7", results.KeyCheck.READY),
        (8, "7", results.KeyCheck.READY),
        (6, "7", results.KeyCheck.BELOW_WATERMARK),
        (9, "10", results.KeyCheck.BELOW_WATERMARK),
        (0, "1\n", results.KeyCheck.BELOW_WATERMARK),
        (2**31 - 1, str(2**31), results.KeyCheck.BELOW_WATERMARK),
        (2**32, str(2**31), results.KeyCheck.READY),
        (HIGHEST - 1, str(HIGHEST), results.KeyCheck.BELOW_WATERMARK),
        (HIGHEST, str(HIGHEST), results.KeyCheck.READY),
        (HIGHEST, str(HIGHEST - 1), results.KeyCheck.READY),
        (7, "", results.KeyCheck.READY),
        # Written by hand, it says nothing about what was signed.
        (7, "six", results.KeyCheck.BELOW_WATERMARK),
        (7, "-1", results.KeyCheck.BELOW_WATERMARK),
    ],
)
def test_sign_state_below_watermark_is_refused(
    pod: Pod, height: int, watermark: str | None, expected: results.KeyCheck
) -> None:
    pod.set_height(height)
    if watermark is not None:
        pod.set_watermark(watermark)
    assert pod.check() is expected


def test_watermark_of_another_key_does_not_matter(pod: Pod) -> None:
    pod.set_watermark("100", OTHER.address.hex().upper())
    assert pod.check() is results.KeyCheck.READY


def test_result_does_not_depend_on_later_certainty(pod: Pod) -> None:
    """Of several reasons the one is named that proves a loss; another authority alone proves none."""
    pod.certificates.write_text(NEW)
    assert pod.check() is results.KeyCheck.OTHER_CLUSTER
    pod.set_watermark("1")
    assert pod.check() is results.KeyCheck.BELOW_WATERMARK
    assert pod.check(POD_NAMESPACE="copy") is results.KeyCheck.OTHER_NAMESPACE
    pod.state.write_text("")
    assert pod.check(POD_NAMESPACE="copy") is results.KeyCheck.BROKEN
    assert pod.check(POD_NAMESPACE="copy", WITHHELD="true") is results.KeyCheck.WITHHELD


# -- the same check in the node's own container --------------------------------------------------------


def links_of(pod: Pod) -> set[str]:
    return {str((pod.root / "run/ics" / name).readlink()) for name in ("identity", "memory")}


def test_container_that_starts_again_keeps_the_key_while_its_sign_state_is_there(pod: Pod) -> None:
    assert pod.check() is results.KeyCheck.READY
    before = links_of(pod)
    pod.set_height(7)
    # The cluster's certificates may be renewed while the pod runs; it has not moved.
    pod.certificates.write_text(NEW)
    done = pod.run("again")
    # Kubernetes takes the end of the log then, which says why a node ended.
    assert (done.returncode, done.stderr, pod.message) == (0, "", "")
    assert links_of(pod) == before


def test_container_of_the_first_revision_repeats_that_it_has_the_key(pod: Pod) -> None:
    pod.revision = revision.FIRST
    assert pod.check() is results.KeyCheck.READY
    assert (pod.run("again").returncode, pod.message) == (0, f"ready {ADDRESS}")
    assert key_check.script(revision.FIRST) == key_check.SCRIPT


@pytest.mark.parametrize(
    ("harm", "expected"),
    [
        (lambda pod: shutil.rmtree(pod.root / "data/signing"), "missing"),
        (lambda pod: pod.state.write_text(""), "broken"),
        (lambda pod: pod.mark.unlink(), "unmarked"),
        (lambda pod: pod.set_watermark("7"), "below-watermark"),
    ],
    ids=["emptied", "truncated", "mark lost", "older copy"],
)
def test_container_that_starts_again_loses_its_key_with_the_sign_state(
    pod: Pod, harm: Callable[[Pod], object], expected: str
) -> None:
    """It fails once, so that the message is seen, then the node runs without the key, whatever the disk has."""
    assert pod.check() is results.KeyCheck.READY
    content, mark = pod.state.read_text(), pod.mark.read_text()
    harm(pod)
    done = pod.run("again")
    message = f"{expected} {ADDRESS}"
    assert (done.returncode, pod.message) == (1, message)
    assert done.stderr == (
        f"the sign state of {ADDRESS} was lost or replaced; the node starts again without its key\n"
    )
    throwaway = {str(pod.root / "run/ics/throwaway")}
    assert links_of(pod) == throwaway
    pod.memory.mkdir(parents=True, exist_ok=True)
    pod.state.write_text(content)
    pod.mark.write_text(mark)
    for _ in range(2):
        done = pod.run("again")
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        assert (pod.message, links_of(pod)) == (message, throwaway)


def test_container_never_gets_a_key_that_the_pod_did_not(pod: Pod) -> None:
    assert pod.check(WITHHELD="true") is results.KeyCheck.WITHHELD
    assert pod.message == f"withheld {ADDRESS}"
    assert (pod.run("again").returncode, pod.message) == (0, "")
    assert links_of(pod) == {str(pod.root / "run/ics/throwaway")}
