"""Two volumes fill up: alice's is enlarged before it is full, and charlie, whose class expands none, is warned in time.

He then does what his condition says: he asks for a larger volume, and restores a snapshot, which makes it.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from devnet import volumes as devnet_volumes
from ics.config import units
from tests.network import ballast, fast_chain, operators, quick_chain, relaying, volumes, waiting

pytestmark = pytest.mark.soak

SIZE, LARGER = "160Mi", "320Mi"
GROWTH = {"grow_at": "80%", "by": "50%", "max": "512Mi"}
ALICES: Mapping[str, Any] = {"ics:node": {"storage": SIZE, "storage_class": "sized", "volume": GROWTH}}
CHARLIES: Mapping[str, Any] = {
    "ics:node": {"storage": SIZE, "storage_class": "sized-fixed", "volume": GROWTH},
    "ics:snapshots": {"class": devnet_volumes.SNAPSHOT_CLASS, "every": "1d"},
}
FILLING, KEPT = "VolumeFilling", "VolumeSizeKept"


@pytest.fixture(scope="module")
def chain(
    alice: operators.Operator, charlie: operators.Operator, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[quick_chain.QuickChain]:
    settings = {"alice": ALICES, "charlie": CHARLIES}
    folder = tmp_path_factory.mktemp("filling")
    with quick_chain.running(alice, charlie, folder, "filling", settings) as found:
        yield found


def test_volume_is_enlarged_before_it_is_full(
    alice: operators.Operator, chain: quick_chain.QuickChain
) -> None:
    load = ballast.Ballast(alice, chain.home)
    assert load.size == units.amount(SIZE)
    load.fill(76)
    pod, height = uid_of_pod(alice, chain), alice.kube.height(chain.home)
    with operators.Cron([alice], project=chain.root) as cron, load.growing():
        waiting.until(
            "the volume holds more than its first size",
            lambda: (load.used, load.size, load.failed),
            lambda found: found[0] > units.amount(SIZE) or found[2],
            every=1,
            seconds=400,
        )
    assert load.failed == []
    written = [one for run in cron.runs["alice"] if run.out for one in run.writes]
    assert f"update PersistentVolumeClaim {chain.home}/data" in written
    said = fast_chain.Passes(alice, chain.consumer_id, cron).messages(FILLING)
    assert said != set()
    waiting.figure("largest share in use that a pass reported", max(map(percent, said)), "%")
    waiting.figure("size of the volume now", load.size / ballast.MIB, "MiB")
    claim = volumes.claim(alice, chain.home)
    assert claim["spec"]["resources"]["requests"]["storage"] in ("240Mi", "360Mi")
    assert uid_of_pod(alice, chain) == pod
    assert alice.kube.height(chain.home) > height


def test_volume_that_cannot_grow_is_reported_ahead_of_time(
    alice: operators.Operator, charlie: operators.Operator, chain: quick_chain.QuickChain
) -> None:
    load = ballast.Ballast(charlie, chain.home)
    load.fill(85)
    condition = waiting.until(
        "charlie is warned", lambda: condition_of(charlie, chain, FILLING), bool, every=5
    )
    assert condition["severity"] == "warning"
    assert "StorageClass sized-fixed does not expand volumes" in condition["message"]
    waiting.figure("share in use when charlie is warned", 100 * load.used / load.size, "%")
    assert load.used < load.size
    quick_chain.signs(alice, charlie, chain, tell=" after the warning")


def test_snapshot_is_restored_to_a_larger_volume(
    alice: operators.Operator, charlie: operators.Operator, chain: quick_chain.QuickChain
) -> None:
    with operators.Cron([alice], project=chain.root):
        relaying.until_open(alice, chain.consumer_id, 600.0, chain.root)
    quick_chain.set_up(chain.root, "charlie", {"ics:node": {"storage": LARGER}})
    assert f"though the settings ask for {LARGER}" in condition_of(charlie, chain, KEPT)["message"]
    assert requested(charlie, chain) == SIZE
    old = charlie.address_of(chain.consumer_id)
    content = ballast.Ballast(charlie, chain.home).path.stat().st_size
    made = charlie.ics("snapshot", chain.consumer_id, project=chain.root)
    assert made.code == 0, made.err
    chosen = ("--snapshot", made.json["snapshot"], "--confirm", chain.chain_id)

    restored = charlie.ics("restore", chain.consumer_id, *chosen, project=chain.root)

    assert restored.code == 0, restored.err
    assert requested(charlie, chain) == LARGER
    waiting.until(
        "the larger volume exists", lambda: "volumeName" in volumes.claim(charlie, chain.home)["spec"]
    )
    load = ballast.Ballast(charlie, chain.home)
    assert load.size == units.amount(LARGER)
    assert load.path.stat().st_size == content > 0
    with operators.Cron([alice, charlie], project=chain.root):
        waiting.until(
            "charlie has another key",
            lambda: charlie.address_of(chain.consumer_id),
            lambda address: address != old,
        )
        quick_chain.signs(alice, charlie, chain, tell=" again, on a volume with room")
        waiting.until(
            "charlie's chain is without worries",
            lambda: operators.worries(quick_chain.status(charlie, chain)),
            lambda found: found == [],
            tell=lambda: charlie.kube.told(chain.home),
        )


def condition_of(operator: operators.Operator, chain: quick_chain.QuickChain, reason: str) -> dict[str, Any]:
    """A condition after one more pass; empty if there is none."""
    done = operator.reconcile("--once", project=chain.root)
    assert done.code == 0, done.err
    conditions = operator.chain(chain.consumer_id, done.json["status"])["conditions"]
    return next((one for one in conditions if one["reason"] == reason), {})


def percent(message: str) -> int:
    """Share in use that a condition states."""
    return int(message.partition(" %")[0].rpartition(" ")[2])


def requested(operator: operators.Operator, chain: quick_chain.QuickChain) -> str:
    return str(volumes.claim(operator, chain.home)["spec"]["resources"]["requests"]["storage"])


def uid_of_pod(operator: operators.Operator, chain: quick_chain.QuickChain) -> str:
    pod = operator.kube.pod(chain.home)
    assert pod is not None
    return str(pod["metadata"]["uid"])
