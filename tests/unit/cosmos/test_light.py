import dataclasses
import hashlib
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies

from ics.cosmos import answers, light
from tests.unit.cosmos import light_chain

EQUAL = {1: {1: 1, 2: 1, 3: 1}}
"""Three validators with equal powers, of which all must sign."""


def sha256(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def test_hash_of_cometbfts_own_test_header() -> None:
    """The vector of types/block_test.go, `TestHeaderHash`."""
    header = light.Header(
        block_version=1,
        app_version=2,
        chain_id="chainId",
        height=3,
        time=light.Time(1570983284, 0),
        last_block_id=light.BlockId(bytes(32), 6, bytes(32)),
        last_commit_hash=sha256("last_commit_hash"),
        data_hash=sha256("data_hash"),
        validators_hash=sha256("validators_hash"),
        next_validators_hash=sha256("next_validators_hash"),
        consensus_hash=sha256("consensus_hash"),
        app_hash=sha256("app_hash"),
        last_results_hash=sha256("last_results_hash"),
        evidence_hash=sha256("evidence_hash"),
        proposer_address=sha256("proposer_address")[:20],
    )

    assert header.hash.hex().upper() == "F740121F553B5418C3EFBD343C2DBFE9E007BB67B0D020A0741374BAB65242A4"


def test_sign_bytes_of_cometbfts_own_test_vote() -> None:
    """The vector of types/vote_test.go, `TestVoteSignBytesTestVectors`, with the block id that a commit needs."""
    empty = light.BlockId(b"", 0, b"")
    chain = light_chain.LightChain(EQUAL, chain_id="")
    header = dataclasses.replace(chain.header(1), height=1)
    signed = light.SignedHeader(header=header, round=1, block_id=empty, signatures=())
    zero_time = light.Time(-62135596800, 0)

    found = light.sign_bytes(signed, light.CommitSignature(b"", zero_time, b""))

    ours = "08021101000000000000001901000000000000002202" + "1200" + "2a0b088092b8c398feffffff01"
    assert found.hex() == f"{len(bytes.fromhex(ours)):02x}" + ours


@pytest.mark.parametrize(
    ("leaves", "root"),
    [
        # RFC 6962 and crypto/merkle/rfc6962_test.go.
        ((), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ((b"",), "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
        ((b"L123456",), "395aa064aa4c29f7010acfe3f25db9485bbd4b91897b6ad7ad547639252b4d56"),
    ],
)
def test_merkle_root_of_published_vectors(leaves: tuple[bytes, ...], root: str) -> None:
    assert light.merkle_root(leaves).hex() == root


def test_known_and_signed_header_is_proven() -> None:
    chain = light_chain.LightChain(EQUAL)
    signed = light_chain.parsed(chain.commit(7))

    light.check_known(signed, chain.chain_id, chain.state(7))
    light.check_signed(signed, chain.chain_id, 7, chain.members(7))


def test_header_is_proven_by_the_next_one_while_the_providers_set_is_ahead() -> None:
    """The provider already has a fourth validator with most of the power, which the chain gets at height 9."""
    chain = light_chain.LightChain({**EQUAL, 9: {1: 1, 2: 1, 3: 1, 4: 10}})
    signed = light_chain.parsed(chain.commit(7))
    with pytest.raises(light.NotProven, match=r"signed by 3 of 13 units of power"):
        light.check_signed(signed, chain.chain_id, 7, chain.members(9))

    light.check_known(signed, chain.chain_id, chain.state(7))
    light.check_linked(signed, chain.chain_id, light_chain.parsed(chain.commit(8)), chain.members(8))


@pytest.mark.parametrize("name", [one.name for one in dataclasses.fields(light.Header)])
def test_header_with_one_forged_field_is_refused(name: str) -> None:
    """Whoever forges a field has no signature for the header."""
    chain = light_chain.LightChain(EQUAL)
    signed = chain.signed(7)
    forged = dataclasses.replace(
        signed, header=dataclasses.replace(signed.header, **{name: _other(signed, name)})
    )

    def prove() -> None:
        light.check_known(forged, chain.chain_id, chain.state(7))
        light.check_signed(forged, chain.chain_id, 7, chain.members(7))

    with pytest.raises(light.NotProven):
        prove()


def _other(signed: light.SignedHeader, name: str) -> Any:
    value = getattr(signed.header, name)
    if isinstance(value, bytes):
        return bytes([value[0] ^ 1]) + value[1:]
    if isinstance(value, light.Time):
        return light.Time(value.seconds, value.nanos + 1)
    if isinstance(value, light.BlockId):
        return light.BlockId(value.hash, value.parts + 1, value.parts_hash)
    return value + 1 if isinstance(value, int) else f"{value}x"


def test_header_signed_by_other_keys_is_refused() -> None:
    """A whole validator set of somebody's own, with the state that the provider knows."""
    chain = light_chain.LightChain(EQUAL)
    forger = light_chain.LightChain({1: {7: 100, 8: 100}}, headers=dict(chain.headers))
    header = dataclasses.replace(
        chain.header(7), validators_hash=light.validators_hash(forger.members(7)), data_hash=sha256("forged")
    )
    signed = forger.signed(7, header)

    light.check_known(signed, chain.chain_id, chain.state(7))
    with pytest.raises(light.NotProven, match=r"signed by 0 of 3 units of power"):
        light.check_signed(signed, chain.chain_id, 7, chain.members(7))
    with pytest.raises(light.NotProven, match=r"validators at height 8 are not those"):
        light.check_linked(signed, chain.chain_id, forger.signed(8), forger.members(8))


def test_header_of_another_height_is_refused_in_place_of_the_trusted_one() -> None:
    chain = light_chain.LightChain(EQUAL)

    with pytest.raises(light.NotProven, match=r"height 5, not of 7"):
        light.check_known(chain.signed(5), chain.chain_id, chain.state(7))


def test_header_that_another_one_follows_is_refused() -> None:
    chain = light_chain.LightChain({**EQUAL, 9: {1: 1, 4: 10}})
    forged = dataclasses.replace(chain.header(7), data_hash=sha256("forged"))
    signed = light_chain.LightChain({1: {7: 1}}).signed(7, forged)

    with pytest.raises(light.NotProven, match=r"height 8 does not follow that at 7"):
        light.check_linked(signed, chain.chain_id, chain.signed(8), chain.members(8))


@pytest.mark.parametrize(
    ("powers", "mute", "is_enough"),
    [
        ({1: 1, 2: 1, 3: 1}, {3}, False),  # two thirds are not more than two thirds
        ({1: 1, 2: 1, 3: 1, 4: 1}, {4}, True),
        ({1: 67, 2: 33}, {2}, True),
        ({1: 66, 2: 33}, {2}, False),
    ],
)
def test_more_than_two_thirds_of_the_power_must_sign(
    powers: dict[int, int], mute: set[int], is_enough: bool
) -> None:
    chain = light_chain.LightChain({1: powers}, mute=frozenset(mute))
    signed = chain.signed(3)
    try:
        light.check_signed(signed, chain.chain_id, 3, chain.members(3))
    except light.NotProven:
        assert not is_enough
    else:
        assert is_enough


def test_signature_that_is_repeated_counts_once() -> None:
    chain = light_chain.LightChain(EQUAL, mute=frozenset({2, 3}))
    signed = chain.signed(3)
    signed = dataclasses.replace(signed, signatures=signed.signatures * 3)

    assert light.signed_power(signed, chain.members(3)) == 1


def test_validator_of_another_kind_of_key_counts_as_one_that_did_not_sign() -> None:
    chain = light_chain.LightChain(EQUAL)

    with pytest.raises(light.NotProven, match=r"signed by 3 of 5 units"):
        light.check_signed(
            chain.signed(3), chain.chain_id, 3, (*chain.members(3), light.Member(key=b"", power=2))
        )


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("header", "height"), "9223372036854775808"),
        (("header", "height"), "8"),
        (("header", "height"), -1),
        (("header", "time"), "yesterday"),
        (("header", "time"), "0001-01-01T00:00:00+02:00"),
        (("header", "app_hash"), "zz"),
        (("header", "version"), None),
        (("header", "last_block_id", "parts", "total"), 2**32),
        (("commit", "round"), 2**31),
        (("commit", "signatures"), None),
        (("commit", "signatures"), [{}] * 10_001),
        (("commit", "signatures"), [{"block_id_flag": 2}]),
        (("commit", "block_id"), {}),
    ],
)
def test_answer_of_another_shape_is_refused(path: tuple[str, ...], value: object) -> None:
    result = light_chain.LightChain(EQUAL).commit(7)
    at: Any = result["signed_header"]
    for name in path[:-1]:
        at = at[name]
    at[path[-1]] = value

    with pytest.raises(answers.MalformedAnswer):
        light_chain.parsed(result)


@hypothesis.given(leaves=strategies.lists(strategies.binary(max_size=40), max_size=40))
def test_merkle_root_is_that_of_the_definition_level_by_level(leaves: list[bytes]) -> None:
    """The tree of CometBFT is also made by joining pairs from the bottom (crypto/merkle/tree.go, iterative)."""
    level = [hashlib.sha256(b"\0" + leaf).digest() for leaf in leaves]
    while len(level) > 1:
        pairs = [b"".join(level[index : index + 2]) for index in range(0, len(level), 2)]
        level = [hashlib.sha256(b"\1" + pair).digest() if len(pair) == 64 else pair for pair in pairs]

    assert light.merkle_root(leaves) == (level[0] if level else hashlib.sha256(b"").digest())


@hypothesis.given(height=strategies.integers(1, 2**63 - 1), nanos=strategies.integers(0, 10**9 - 1))
def test_header_survives_the_way_through_json(height: int, nanos: int) -> None:
    chain = light_chain.LightChain(EQUAL)
    header = dataclasses.replace(chain.header(5), height=height, time=light.Time(1767225700, nanos))
    signed = chain.signed(5, header)

    assert light_chain.parsed(light_chain.commit_json(signed)) == signed
