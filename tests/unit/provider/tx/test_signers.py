"""Signing authority, with and without granters."""

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
    ("operator", "granter", "fee_granter", "authority"),
    [
        (OPERATOR, "", "", signers.TxAuthority(SIGNER, SIGNER)),
        (OPERATOR, SIGNER, SIGNER, signers.TxAuthority(SIGNER, SIGNER)),
        (OPERATOR, "", OTHER, signers.TxAuthority(SIGNER, SIGNER, OTHER)),
        (OTHER_OPERATOR, OTHER, OTHER, signers.TxAuthority(OTHER, SIGNER, OTHER)),
    ],
)
def test_operator_authority_depends_on_granters(
    operator: str, granter: str, fee_granter: str, authority: signers.TxAuthority
) -> None:
    found = signers.of_operator(operator, ACCOUNT, granter, fee_granter)

    assert (found, found.is_grantee, found.operator_address) == (authority, granter == OTHER, operator)


@pytest.mark.parametrize(
    ("operator", "granter", "fee_granter", "says"),
    [
        (
            OTHER_OPERATOR,
            "",
            "",
            f"ics:account: address {SIGNER} is not the account of operator {OTHER_OPERATOR}, which is {OTHER}; use"
            f" the key of {OTHER}, or set ics:granter: {OTHER} if it has granted {SIGNER} its messages (authz)",
        ),
        (
            OPERATOR,
            OTHER,
            "",
            f"ics:granter: {OTHER} is not the account of operator {OPERATOR}; set it to {SIGNER}, the only"
            " account that can send this validator's transactions",
        ),
        (
            OPERATOR,
            "",
            OPERATOR,
            f"ics:fee_granter: {OPERATOR} is not an account of this chain; use an address that begins with cosmos1",
        ),
    ],
)
def test_invalid_operator_authority_is_refused(
    operator: str, granter: str, fee_granter: str, says: str
) -> None:
    with pytest.raises(errors.SettingsError) as caught:
        signers.of_operator(operator, ACCOUNT, granter, fee_granter)

    assert str(caught.value) == says


def test_owner_authority_depends_on_granters() -> None:
    assert signers.of_owner("cosmos", ACCOUNT, "", "") == signers.TxAuthority(SIGNER, SIGNER)
    assert signers.of_owner("cosmos", ACCOUNT, OTHER, OTHER) == signers.TxAuthority(OTHER, SIGNER, OTHER)
    with pytest.raises(errors.SettingsError, match=r"^ics:granter: "):
        signers.of_owner("cosmos", ACCOUNT, "nobody", "")
