"""Charlie's volume is restored from a snapshot that is 200 blocks old: his old key never signs again, a new one does.

His StorageClass makes volumes only for pods that are scheduled. Passes go on while the command runs.
"""

import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import pytest

from devnet import volumes as devnet_volumes
from ics import names
from ics.cluster.api import kinds
from ics.manifests import key_check
from tests.network import judge, kube, operators, quick_chain, relaying, volumes, waiting

pytestmark = pytest.mark.soak

BLOCKS = 200
"""That are made after the snapshot."""
CHARLIES: Mapping[str, Any] = {
    "ics:snapshots": {"class": devnet_volumes.SNAPSHOT_CLASS, "every": "1d"},
    "ics:node": {"storage": "512Mi", "storage_class": "sized-wait"},
}


@pytest.fixture(scope="module")
def chain(
    alice: operators.Operator, charlie: operators.Operator, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[quick_chain.QuickChain]:
    folder = tmp_path_factory.mktemp("restored")
    with quick_chain.running(alice, charlie, folder, "restored", {"charlie": CHARLIES}) as found:
        with operators.Cron([alice], project=found.root):
            # Through it, the provider tells the chain of another key.
            relaying.until_open(alice, found.consumer_id, 600.0, found.root)
        yield found


@pytest.fixture(scope="module", autouse=True)
def judged(
    alice: operators.Operator, charlie: operators.Operator, chain: quick_chain.QuickChain
) -> Iterator[judge.Judge]:
    with judge.Judge((alice, chain.home), (charlie, chain.home)) as found:
        yield found


@pytest.fixture(scope="module")
def old_key(charlie: operators.Operator, chain: quick_chain.QuickChain) -> str:
    """Address of the key with which charlie signs at first."""
    return charlie.address_of(chain.consumer_id)


def test_restored_node_signs_with_another_key(
    alice: operators.Operator, charlie: operators.Operator, chain: quick_chain.QuickChain, old_key: str
) -> None:
    snapshot = snapshotted(charlie, chain)
    taken = alice.kube.height(chain.home)
    waiting.until(
        f"{BLOCKS} more blocks",
        lambda: alice.kube.height(chain.home),
        lambda height: height >= taken + BLOCKS,
    )
    claim = volumes.claim(charlie, chain.home)
    # Alice's vote alone makes a block, so a vote of charlie's that comes late is missing in its commit.
    assert old_key in set().union(
        *(alice.kube.signers(chain.home, taken + number) for number in range(BLOCKS))
    )

    keys: set[str] = set()

    def address() -> str:
        keys.add(charlie.kube.running_key(chain.home))
        return charlie.address_of(chain.consumer_id)

    def signers() -> set[str]:
        keys.add(charlie.kube.running_key(chain.home))
        return alice.kube.signers(chain.home, alice.kube.height(chain.home) - 1)

    with operators.Cron([alice, charlie], project=chain.root):
        chosen = ("--snapshot", snapshot, "--confirm", chain.chain_id)
        restored = charlie.ics("restore", chain.consumer_id, *chosen, project=chain.root)
        assert restored.code == 0, restored.err
        waiting.figure("ics restore", restored.seconds)
        new_key = waiting.until("charlie has another key", address, lambda found: found != old_key)
        waiting.until(
            "charlie signs with it",
            signers,
            lambda found: new_key in found,
            tell=lambda: charlie.kube.told(chain.home),
        )

    assert old_key not in keys
    assert new_key in keys
    made = volumes.claim(charlie, chain.home)
    assert made["metadata"]["uid"] != claim["metadata"]["uid"]
    assert made["spec"]["dataSource"]["name"] == snapshot
    # What the snapshot held would have let the old key sign these 200 blocks a second time.
    height = volumes.signed(volumes.copied(charlie, chain.home, old_key))
    assert height < taken + BLOCKS - 10 < volumes.watermark(charlie, chain.home, old_key)
    is_handed_over(alice, chain, old_key, new_key, taken)


def test_old_key_is_refused_by_the_pod_itself(
    charlie: operators.Operator, chain: quick_chain.QuickChain, old_key: str
) -> None:
    """Without any pass, and with a template that gives the node its old key, as an administrator could write it."""
    new_key = charlie.address_of(chain.consumer_id)
    written = charlie.kube.get(kinds.STATEFUL_SET, chain.home, names.NODE_NAME)
    given_back(charlie, chain, written, new_key, old_key)
    charlie.kube.delete(kinds.POD, chain.home, names.NODE_POD)
    pod = waiting.until(
        "the pod with the old key runs",
        lambda: charlie.kube.pod(chain.home) or {},
        lambda pod: old_key in json.dumps(pod.get("spec", {})) and charlie.kube.running_key(chain.home) != "",
    )
    assert charlie.kube.key_check(chain.home) == f"below-watermark {old_key}"
    assert {"name": key_check.WITHHELD, "value": "false"} in variables(pod)
    assert charlie.kube.running_key(chain.home) not in (old_key, new_key)


def test_passes_put_the_new_key_back(
    alice: operators.Operator,
    charlie: operators.Operator,
    chain: quick_chain.QuickChain,
    old_key: str,
    judged: judge.Judge,
) -> None:
    new_key = charlie.address_of(chain.consumer_id)
    with operators.Cron([alice, charlie], project=chain.root):
        waiting.until(
            "charlie's node has his new key again",
            lambda: charlie.kube.running_key(chain.home),
            lambda key: key == new_key,
            tell=lambda: charlie.kube.told(chain.home),
        )
        since = alice.kube.height(chain.home)  # he signed the blocks before with it, too
        waiting.until(
            "charlie signs with it again",
            lambda: signers_since(alice, chain, since),
            lambda signers: new_key in signers,
            tell=lambda: charlie.kube.told(chain.home),
        )
    assert judge.evidence(alice, chain.home, 1, alice.kube.height(chain.home)) == []
    assert charlie.kube.running_key(chain.home) == new_key
    judged.check()


def signers_since(alice: operators.Operator, chain: quick_chain.QuickChain, height: int) -> Collection[str]:
    """Who signed the last complete block, if it is after a height."""
    last = alice.kube.height(chain.home) - 1
    return alice.kube.signers(chain.home, last) if last > height else ()


def snapshotted(charlie: operators.Operator, chain: quick_chain.QuickChain) -> str:
    """Make a snapshot by hand; its name."""
    made = charlie.ics("snapshot", chain.consumer_id, project=chain.root)
    assert made.code == 0, made.err
    assert made.json["ready"] is True
    waiting.figure("ics snapshot", made.seconds)
    return str(made.json["snapshot"])


def is_handed_over(
    alice: operators.Operator, chain: quick_chain.QuickChain, old_key: str, new_key: str, first: int
) -> None:
    """Look at each block from a height on: the old key's signatures end before the new one's begin."""
    last = alice.kube.height(chain.home) - 1
    signers = {height: alice.kube.signers(chain.home, height) for height in range(first, last + 1)}
    with_old = [height for height, found in signers.items() if old_key in found]
    with_new = [height for height, found in signers.items() if new_key in found]
    assert with_new[0] > with_old[-1]
    waiting.figure("of the blocks before the restore, signed by the old key", len(with_old), "blocks")
    for height in range(with_old[-1], last + 1):
        found = alice.kube.ask_node(chain.home, "/validators", height=str(height))["validators"]
        assert len({old_key, new_key} & {one["address"] for one in found}) == 1
    waiting.figure(
        "blocks without charlie, from his old key's last to his new key's first",
        with_new[0] - with_old[-1] - 1,
        "blocks",
    )


def given_back(
    charlie: operators.Operator,
    chain: quick_chain.QuickChain,
    written: kube.Object,
    new_key: str,
    old_key: str,
) -> None:
    """Write the node's StatefulSet with the old key in the place of the new one."""
    old_place, new_place = charlie.places(chain.consumer_id)
    assert charlie.key(chain.consumer_id, old_place).address.hex().upper() == old_key
    text = json.dumps(written["spec"]["template"])
    text = text.replace(new_key, old_key)
    text = text.replace(names.consensus_key_name(new_place), names.consensus_key_name(old_place))
    template: dict[str, Any] = json.loads(text)
    charlie.kube.put(kinds.STATEFUL_SET, written | {"spec": written["spec"] | {"template": template}})


def variables(pod: kube.Object) -> list[dict[str, Any]]:
    """Variables of a pod's own check."""
    checks = [one for one in pod["spec"]["initContainers"] if one["name"] == names.KEY_CHECK]
    found: list[dict[str, Any]] = checks[0]["env"]
    return found
