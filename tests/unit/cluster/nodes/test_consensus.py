"""What a node knows of the block in progress, from answers that CometBFT 0.38.17 itself has written.

`dump_consensus_state.json`: three validators of 300, 200 and 100; the node is in round 1 of height 8. One peer is in
round 2 of that height and has the third validator's prevote, one has said nothing yet, one has no state.
`consensus_state.json` is the same node's round state in its short form.
"""

import dataclasses
import json
import pathlib
from typing import Any

import pytest

from ics import model
from ics.cluster.nodes import consensus
from ics.consumer import consensus_view
from ics.cosmos import answers

FOLDER = pathlib.Path(__file__).parent
FIRST = bytes.fromhex("E3DE5B0E722E746438764491C6BED192894B2FE1")
SECOND = bytes.fromhex("63D771218209D8BD03C482F69DFBA57310F08609")
THIRD = bytes.fromhex("5EF3B5F25C54946D4A89FC0D09D2F126614540F2")
PREVOTE, PRECOMMIT = 2, 3


def seen(round: int, step: int, address: bytes, *, has_node: bool = True) -> consensus_view.SeenVote:
    return consensus_view.SeenVote(round, step, address, has_node)


OWN = (
    seen(0, PREVOTE, THIRD),
    seen(0, PREVOTE, SECOND),
    seen(0, PREVOTE, FIRST),
    seen(0, PRECOMMIT, FIRST),
    seen(1, PREVOTE, FIRST),
)
VIEW = consensus_view.ConsensusView(
    own_height=8,
    own_round=1,
    height=8,
    round=2,
    peers=1,
    votes=(*OWN, seen(2, PREVOTE, THIRD, has_node=False)),
    members={FIRST: 300, SECOND: 200, THIRD: 100},
)


def recorded(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((FOLDER / name).read_text())
    return content


def view(dump: dict[str, Any], committed: int = 7) -> consensus_view.ConsensusView:
    return consensus.view(answers.Field("/dump_consensus_state", dump), committed)


def test_answer_of_cometbft_is_decoded_completely() -> None:
    assert view(recorded("dump_consensus_state.json")) == VIEW


def test_short_form_has_position_and_votes_but_no_members() -> None:
    found = view({"round_state": recorded("consensus_state.json"), "peers": None})
    assert found == dataclasses.replace(VIEW, round=1, peers=0, votes=(), members={})


def test_node_that_syncs_blocks_has_no_votes_for_the_block_in_progress() -> None:
    found = view(recorded("dump_consensus_state.json"), committed=11)
    assert found == dataclasses.replace(VIEW, own_height=12, own_round=0, height=12, round=0, votes=())


def test_a_peer_that_has_not_said_where_it_is_counts_as_none() -> None:
    dump = recorded("dump_consensus_state.json")
    dump["peers"][0]["peer_state"]["round_state"] |= {"height": "0", "round": -1, "step": 0}
    assert view(dump).peers == 0


def test_peer_that_is_ahead_has_the_highest_height_and_its_round() -> None:
    dump = recorded("dump_consensus_state.json")
    dump["peers"][0]["peer_state"]["round_state"] |= {"height": "9", "round": 4}
    found = view(dump)
    assert found == dataclasses.replace(VIEW, height=9, round=4, votes=OWN)
    assert found.blocks_behind == 1


@pytest.mark.parametrize("has_node", [True, False])
def test_proposal_counts_as_something_its_proposer_signed(has_node: bool) -> None:
    dump = recorded("dump_consensus_state.json")
    if has_node:
        dump["round_state"]["proposal"] = {"height": "8", "round": 1}
    else:
        dump["peers"][0]["peer_state"]["round_state"] |= {"round": 1, "proposal": True}
    assert seen(1, 1, FIRST, has_node=has_node) in view(dump).votes_of(FIRST)


def test_voters_are_those_of_the_two_newest_rounds_with_votes() -> None:
    assert VIEW.ballot() == model.Ballot(VIEW.members, frozenset({FIRST, THIRD}))


def test_votes_of_one_key() -> None:
    assert VIEW.votes_of(THIRD) == (seen(0, PREVOTE, THIRD), seen(2, PREVOTE, THIRD, has_node=False))


@pytest.mark.parametrize("position", ["8", "8/1", "x/1/4", "8/1/4/5"])
def test_unknown_position_is_refused(position: str) -> None:
    with pytest.raises(answers.MalformedAnswer, match=r"is not|not height/round/step"):
        view({"round_state": {"height/round/step": position}})
