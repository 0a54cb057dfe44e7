"""Who may sign for whom."""

import pytest

from ics import errors, model
from ics.cosmos import addresses
from ics.keys import derivation
from ics.provider.tx import signers

ACCOUNT = derivation.account_from_hex(model.Secret("11" * 32))
SIGNER = ACCOUNT.address("cosmos")
OPERATOR = addresses.reprefix(SIGNER, "cosmosvaloper")
OTHER = addresses.encode("cosmos", bytes(20))
OTHER_OPERATOR = addresses.encode("cosmosvaloper", bytes(20))


@pytest.mark.parametrize(
    ("operator", "granter", "fee_granter", "party"),
    [
        (OPERATOR, "", "", signers.Party(SIGNER, SIGNER)),
        (OPERATOR, SIGNER, SIGNER, signers.Party(SIGNER, SIGNER)),
        (OPERATOR, "", OTHER, signers.Party(SIGNER, SIGNER, OTHER)),
        (OTHER_OPERATOR, OTHER, OTHER, signers.Party(OTHER, SIGNER, OTHER)),
    ],
)
def test_party_of_an_operator(operator: str, granter: str, fee_granter: str, party: signers.Party) -> None:
    found = signers.of_operator(operator, ACCOUNT, granter, fee_granter)

    assert (found, found.is_grantee, found.operator_address) == (party, granter == OTHER, operator)


@pytest.mark.parametrize(
    ("operator", "granter", "fee_granter", "says"),
    [
        (
            OTHER_OPERATOR,
            "",
            "",
            f"ics:account: its address is {SIGNER}, but the operator's account of {OTHER_OPERATOR} is {OTHER}: "
            f"give that one's key, or set ics:granter: {OTHER} if it lets {SIGNER} sign (authz)",
        ),
        (
            OPERATOR,
            OTHER,
            "",
            f"ics:granter: {OTHER} is not the operator's account of {OPERATOR}, which is {SIGNER}: a validator's"
            " transactions can be in no other name",
        ),
        (
            OPERATOR,
            "",
            OPERATOR,
            f"ics:fee_granter: {OPERATOR} is no account of this chain (cosmos1…): mend it",
        ),
    ],
)
def test_party_that_cannot_be(operator: str, granter: str, fee_granter: str, says: str) -> None:
    with pytest.raises(errors.SettingsError) as caught:
        signers.of_operator(operator, ACCOUNT, granter, fee_granter)

    assert str(caught.value) == says


def test_party_of_an_owner() -> None:
    assert signers.of_owner("cosmos", ACCOUNT, "", "") == signers.Party(SIGNER, SIGNER)
    assert signers.of_owner("cosmos", ACCOUNT, OTHER, OTHER) == signers.Party(OTHER, SIGNER, OTHER)
    with pytest.raises(errors.SettingsError, match=r"^ics:granter: "):
        signers.of_owner("cosmos", ACCOUNT, "nobody", "")
