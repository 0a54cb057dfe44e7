"""Decoder of CometBFT's `/dump_consensus_state`: heights, rounds and votes that a node knows of; pure.

The shapes are those of CometBFT 0.38: `consensus/types/round_state.go` and `height_vote_set.go` for the node itself,
`peer_round_state.go` for its peers. 64-bit integers are texts, 32-bit ones are numbers, and a round is -1 if unknown.
"""

import re
from collections.abc import Iterator

from ics.consumer import consensus_view
from ics.cosmos import answers

_VOTE = re.compile(r"Vote\{(\d{1,9}):[0-9A-F]* (\d{1,19})/(\d{1,9})/\w+\((?:Prevote|Precommit)\)")
"""`Vote.String` in types/vote.go; the address in it is cut to six bytes, so the index counts."""
_WHOLE = re.compile(r"-?\d{1,19}")
_STEPS = {"prevotes": 2, "precommits": 3}
_PROPOSAL = 1


def view(dump: answers.Field, committed: int) -> consensus_view.ConsensusView:
    """Decode a node's answer.

    Args:
        dump: result of `/dump_consensus_state`.
        committed: height of the node's last block; while a node syncs blocks, its consensus height is constant.

    Raises:
        MalformedAnswer: the answer has another shape than those that are known.
    """
    state = dump["round_state"]
    at, own_round = _position(state)
    own_height = max(at, committed + 1)
    members = _members(state)
    peers = [found for peer in dump.get("peers") or () if (found := _peer_state(peer)) is not None]
    order = list(members)
    votes = [*_own_votes(state, order, own_height)] if at == own_height else []
    positions = [(own_height, own_round if at == own_height else 0)]
    for peer in peers:
        height, peer_round = _position(peer)
        positions.append((height, peer_round))
        if height == own_height and at == own_height:
            votes += _peer_votes(peer, order, peer_round)
            votes += _proposal(peer, state, peer_round if peer_round == own_round else None)
    highest = max(height for height, _ in positions)
    rounds = [peer_round for height, peer_round in positions if height == highest]
    if highest == own_height:
        rounds += [vote.round for vote in votes]
    return consensus_view.ConsensusView(
        own_height=own_height,
        own_round=positions[0][1],
        height=highest,
        round=max([0, *rounds]),
        peers=len(peers),
        votes=tuple(sorted(set(votes))),
        members=members,
    )


def _position(state: answers.Field) -> tuple[int, int]:
    """Return height and round of a round state, in its long form or the short `height/round/step`."""
    if state.has("height/round/step"):
        parts = state["height/round/step"].text().split("/")
        if len(parts) != 3 or not all(map(_WHOLE.fullmatch, parts)):
            state["height/round/step"].fail("height/round/step")
        return int(parts[0]), max(int(parts[1]), 0)
    return state["height"].integer(), _round(state)


def _round(state: answers.Field) -> int:
    """Return the round of a state, 0 if it is unknown (-1) or missing."""
    found = state.get("round")
    if found is None or found.value == -1:
        return 0
    return found.integer()


def _members(state: answers.Field) -> dict[bytes, int]:
    """Return the powers of the validators at the node's height by address, in the order of their indices."""
    validators = state.get("validators")
    found = None if validators is None else validators.get("validators")
    return {member["address"].hex(): member["voting_power"].integer() for member in found or ()}


def _peer_state(peer: answers.Field) -> answers.Field | None:
    """Return the round state of a peer, or None before it has said anything: its height is 0 until then."""
    state = peer.get("peer_state")
    found = None if state is None else state.get("round_state")
    if found is None or found.get("height") is None or _position(found)[0] == 0:
        return None
    return found


def _own_votes(state: answers.Field, members: list[bytes], height: int) -> Iterator[consensus_view.SeenVote]:
    yield from _proposal(state, state, _round(state))
    votes = state.get("votes") or state.get("height_vote_set")
    for entry in votes or ():
        for name, step in _STEPS.items():
            for text in entry.get(name) or ():
                found = _VOTE.match(str(text.value))
                if found is not None and int(found[2]) == height and int(found[1]) < len(members):
                    address = members[int(found[1])]
                    yield consensus_view.SeenVote(int(found[3]), step, address, has_node=True)


def _peer_votes(state: answers.Field, members: list[bytes], at: int) -> Iterator[consensus_view.SeenVote]:
    """Yield the votes that a peer has at its height and round, from its bit arrays (`x__x`)."""
    for name, step in _STEPS.items():
        bits = state.get(name)
        for index, bit in enumerate("" if bits is None else bits.text()):
            if bit == "x" and index < len(members):
                yield consensus_view.SeenVote(at, step, members[index], has_node=False)


def _proposal(
    holder: answers.Field, state: answers.Field, at: int | None
) -> Iterator[consensus_view.SeenVote]:
    """Yield the proposal that the node or a peer has for the node's round; its set names that round's proposer.

    Args:
        holder: round state of the node, or of a peer, which only says whether it has one.
        state: round state of the node.
        at: the round, None if a peer is in a different one, whose proposer is not known.
    """
    has_one = holder.get("proposal")
    validators = state.get("validators")
    proposer = None if validators is None else validators.get("proposer")
    if at is None or proposer is None or has_one is None or has_one.value is False:
        return
    yield consensus_view.SeenVote(at, _PROPOSAL, proposer["address"].hex(), has_node=holder is state)
