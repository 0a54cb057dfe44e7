from hypothesis import given
from hypothesis import strategies as st

from ics.keys import armor
from tests.unit.keys import vectors


@given(st.binary(max_size=200), st.dictionaries(st.sampled_from(["a", "kdf"]), st.sampled_from(["", "x: y"])))
def test_armor_decode_inverts_encode(body: bytes, headers: dict[str, str]) -> None:
    block = armor.Block("SOME KIND", body, headers)
    assert armor.decode(f"before\n{armor.encode(block)}after", "f") == block


def test_armor_encode_reproduces_file_exported_by_the_chain() -> None:
    block = armor.decode(vectors.EXPORTED, "f")
    assert (block.kind, sorted(block.headers)) == ("TENDERMINT PRIVATE KEY", ["kdf", "salt", "type"])
    assert armor.encode(block) == vectors.EXPORTED


def test_armor_checksum_matches_crc24_check_value() -> None:
    """CRC-24 of RFC 4880: the check value of the catalogues for "123456789" is 21CF02."""
    text = armor.encode(armor.Block("X", b"123456789"))
    assert "\n=Ic8C\n" in text
