"""The judge of the stories about keys, on logs, metrics and blocks that were made up."""

import pathlib
from typing import Any

import pytest

from tests.network import judge, operators

HOME = "consumer1-1-0-d2b42c08"
OWN = "E[2026-11-28] found conflicting vote from ourselves; did you unsafe_reset a validator? module=consensus\n"
OTHERS = "\x1b[32mINF\x1b[0m \x1b[1mverified new evidence of byzantine behavior\x1b[0m module=evidence\n"
HARMLESS = "\x1b[32mINF\x1b[0m \x1b[1mcommitted state\x1b[0m height=553 module=state\n"


def log(root: pathlib.Path, uid: str = "1", pod: str = f"{HOME}_node-0", number: int = 0) -> pathlib.Path:
    folder = root / f"{pod}_{uid}" / "node"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{number}.log"


@pytest.mark.parametrize("line", [OWN, OTHERS])
def test_line_about_two_votes_is_told_once(line: str, tmp_path: pathlib.Path) -> None:
    log(tmp_path).write_text(HARMLESS + line + HARMLESS)
    logs = judge.Logs(tmp_path, HOME)
    assert list(logs.fresh()) == [line.strip()]
    assert list(logs.fresh()) == []
    logs.close()


def test_line_that_is_being_written_is_told_when_it_is_whole(tmp_path: pathlib.Path) -> None:
    path, logs = log(tmp_path), judge.Logs(tmp_path, HOME)
    path.write_text(OWN[:30])
    assert list(logs.fresh()) == []
    with path.open("a") as file:
        file.write(OWN[30:])
    assert list(logs.fresh()) == [OWN.strip()]
    logs.close()


def test_log_of_a_deleted_pod_is_read_to_its_end_and_that_of_the_next_one_too(tmp_path: pathlib.Path) -> None:
    path, logs = log(tmp_path), judge.Logs(tmp_path, HOME)
    path.write_text(HARMLESS)
    assert list(logs.fresh()) == []
    with path.open("a") as file:
        path.unlink()
        file.write(OWN)
    log(tmp_path, uid="2").write_text(OTHERS)
    log(tmp_path, uid="2", number=1).write_text(OWN)
    assert sorted(logs.fresh()) == sorted([OWN.strip(), OTHERS.strip(), OWN.strip()])
    logs.close()


def test_logs_of_other_namespaces_and_pods_are_left_aside(tmp_path: pathlib.Path) -> None:
    log(tmp_path, pod=f"{HOME}-copy_node-0").write_text(OWN)
    log(tmp_path, pod=f"{HOME}_hermes-759bffbc49-9scs6").write_text(OWN)
    assert list(judge.Logs(tmp_path, HOME).fresh()) == []


def test_metric_is_told_from_others_of_like_names() -> None:
    text = (
        "# TYPE cometbft_consensus_byzantine_validators gauge\n"
        'cometbft_consensus_byzantine_validators{chain_id="consumer1-1"} 0\n'
        'cometbft_consensus_byzantine_validators_power{chain_id="consumer1-1"} 7\n'
    )
    assert judge.BYZANTINE.findall(text) == ["0"]
    assert judge.BYZANTINE.findall(text.replace("} 0", "} 1")) == ["1"]


class Blocks:
    """A node's answers about blocks, of which some hold evidence."""

    def __init__(self, guilty: set[int]) -> None:
        self.guilty = guilty
        self.kube = self

    def ask_node(self, namespace: str, path: str, **query: str) -> dict[str, Any]:
        assert namespace == HOME
        if path == "/block":
            return {"block": {"evidence": {"evidence": [{"height": query["height"]}]}}}
        lowest, highest = int(query["minHeight"]), int(query["maxHeight"])
        assert highest - lowest < 20
        return {
            "block_metas": [
                {
                    "header": {
                        "height": str(height),
                        "evidence_hash": "AB" * 32 if height in self.guilty else judge.NO_EVIDENCE,
                    }
                }
                for height in range(highest, lowest - 1, -1)
            ]
        }


@pytest.mark.parametrize(
    ("guilty", "found"),
    [(set(), []), ({1, 40, 41, 60}, ["1", "40", "41", "60"]), ({61}, [])],
)
def test_evidence_is_found_in_any_block_of_the_range(guilty: set[int], found: list[str]) -> None:
    blocks: Any = Blocks(guilty)
    node: operators.Operator = blocks
    assert [one["height"] for one in judge.evidence(node, HOME, 1, 60)] == found


def test_block_that_the_node_lacks_is_no_proof_of_innocence() -> None:
    class Pruned(Blocks):
        def ask_node(self, namespace: str, path: str, **query: str) -> dict[str, Any]:
            answer = super().ask_node(namespace, path, **query)
            return {"block_metas": answer["block_metas"][:-1]}

    node: Any = Pruned(set())
    with pytest.raises(KeyError):
        judge.evidence(node, HOME, 1, 5)
