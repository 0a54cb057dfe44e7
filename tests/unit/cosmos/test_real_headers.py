"""Headers of a real consumer chain, as its node and the provider answered on the local network (CometBFT v0.38).

`data/headers.json` was recorded while validators entered the chain's set, which the provider has before the chain.
"""

import copy
import json
import pathlib
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies

from ics.cosmos import answers, light
from ics.provider.rest import decode
from ics.relayer import ibc

RECORDED = json.loads((pathlib.Path(__file__).parent / "data" / "headers.json").read_text())
CHAIN_ID = str(RECORDED["chain_id"])
HEIGHTS = sorted(map(int, RECORDED["commits"]))
PAIRS = [height for height in HEIGHTS if height + 1 in HEIGHTS]


def field(value: object) -> answers.Field:
    return answers.Field("recorded", value)


def signed(height: int) -> light.SignedHeader:
    return light.parse(field(RECORDED["commits"][str(height)]))


def members(height: int) -> tuple[light.Member, ...]:
    return light.parse_members(field(RECORDED["validators"][str(height)]))


def view() -> light.ClientView:
    state = field(RECORDED["client_state"])["client_state"]
    return ibc.client_view(state, field(RECORDED["latest"]), [field(RECORDED["consensus_states"])])


def providers_set() -> tuple[light.Member, ...]:
    """Return the chain's validators as the provider had them when all of this was recorded."""
    found = decode.consumer_validators(field(RECORDED["consumer_validators"]))
    return tuple(light.Member(one.consumer_key, one.power) for one in found)


STATES = {state.height: state for state in view().states if state.height in HEIGHTS}


def test_the_set_changes_within_what_was_recorded() -> None:
    assert len({members(height) for height in HEIGHTS}) > 1
    assert len(STATES) > 2


@pytest.mark.parametrize("height", HEIGHTS)
def test_hash_and_validators_of_a_real_header_are_computed_as_cometbft_does(height: int) -> None:
    found = signed(height)

    assert found.header.hash == found.block_id.hash
    assert light.validators_hash(members(height)) == found.header.validators_hash
    light.check_signed(found, CHAIN_ID, height, members(height))


@pytest.mark.parametrize("height", PAIRS)
def test_real_headers_are_linked(height: int) -> None:
    assert light.validators_hash(members(height + 1)) == signed(height).header.next_validators_hash
    light.check_linked(signed(height), CHAIN_ID, signed(height + 1), members(height + 1))


@pytest.mark.parametrize("height", STATES)
def test_client_of_the_provider_knows_the_real_header(height: int) -> None:
    light.check_known(signed(height), CHAIN_ID, STATES[height])


@pytest.mark.parametrize("height", STATES)
def test_set_of_the_provider_proves_a_header_if_enough_of_it_signed(height: int) -> None:
    power = light.signed_power(signed(height), providers_set())
    is_enough = 3 * power > 2 * sum(one.power for one in providers_set())
    try:
        light.check_signed(signed(height), CHAIN_ID, height, providers_set())
    except light.NotProven:
        assert not is_enough
    else:
        assert is_enough


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the paths of all texts and numbers within a document."""
    if isinstance(value, dict):
        return [found for key, inner in value.items() for found in places(inner, (*path, key))]
    if isinstance(value, list):
        return [found for index, inner in enumerate(value) for found in places(inner, (*path, index))]
    return [path] if value not in (None, "") else []


def changed(value: object, at: int, by: int) -> Any:
    """Return another text or number of the same kind."""
    if isinstance(value, int):
        return value + by
    characters = str(value)
    index = at % len(characters)
    old = characters[index]
    alphabet = "0123456789ABCDEF" if old in "0123456789ABCDEF" else "abcdefghijklmnopqrstuvwxyz"
    alphabet = "0123456789" if characters.isdigit() else alphabet
    new = alphabet[(alphabet.find(old) + by % (len(alphabet) - 1) + 1) % len(alphabet)]
    return characters[:index] + (new if new != old else "Z") + characters[index + 1 :]


@hypothesis.given(data=strategies.data())
@hypothesis.settings(deadline=None)
def test_no_change_of_a_real_header_is_proven(data: strategies.DataObject) -> None:
    """Of a header that the client knows, any change of any field is refused, whatever it is."""
    height = data.draw(strategies.sampled_from(list(STATES)))
    document = copy.deepcopy(RECORDED["commits"][str(height)])
    header = document["signed_header"]["header"]
    path = data.draw(strategies.sampled_from(places(header)))
    at = header
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = changed(
        at[path[-1]], data.draw(strategies.integers(0, 200)), data.draw(strategies.integers(1, 9))
    )

    def prove() -> None:
        found = light.parse(field(document))
        light.check_known(found, CHAIN_ID, STATES[height])
        light.check_signed(found, CHAIN_ID, height, members(height))

    with pytest.raises((light.NotProven, answers.MalformedAnswer)):
        prove()


@hypothesis.given(data=strategies.data())
@hypothesis.settings(deadline=None)
def test_no_changed_signature_of_a_real_commit_counts(data: strategies.DataObject) -> None:
    height = data.draw(strategies.sampled_from(HEIGHTS))
    document = copy.deepcopy(RECORDED["commits"][str(height)])
    before = light.signed_power(light.parse(field(document)), members(height))
    votes = [one for one in document["signed_header"]["commit"]["signatures"] if one["block_id_flag"] == 2]
    vote = data.draw(strategies.sampled_from(votes))
    name = data.draw(strategies.sampled_from(["signature", "timestamp", "validator_address"]))
    vote[name] = changed(
        vote[name], data.draw(strategies.integers(0, 80)), data.draw(strategies.integers(1, 9))
    )

    try:
        after = light.signed_power(light.parse(field(document)), members(height))
    except answers.MalformedAnswer:
        return
    assert after < before


def test_forged_validator_set_of_a_real_chain_is_refused() -> None:
    """Somebody's own key in place of the others', with a header that names it and that it has signed."""
    height = PAIRS[0]
    own = (light.Member(bytes(range(32)), 10**6),)

    with pytest.raises(light.NotProven, match=r"are not those that the header before names"):
        light.check_linked(signed(height), CHAIN_ID, signed(height + 1), own)


def test_older_header_of_a_real_chain_is_refused_as_a_later_one() -> None:
    first, *_, last = STATES

    with pytest.raises(light.NotProven, match=f"the header is of height {first}, not of {last}"):
        light.check_known(signed(first), CHAIN_ID, STATES[last])
