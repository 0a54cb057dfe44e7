"""Principal, signer and fee payer of a transaction; pure.

The provider module requires the validator's own account as the signer of its messages. Another account can sign
for it by authz: the message is wrapped in a `MsgExec`, and the validator must have granted the message's type.
Fees are paid by the signing account, or by an account that has granted it an allowance (feegrant).
"""

from collections.abc import Collection
from dataclasses import dataclass

from ics import errors
from ics.cosmos import addresses
from ics.keys import derivation

EXEC = "/cosmos.authz.v1beta1.MsgExec"


@dataclass(frozen=True, slots=True)
class TxAuthority:
    """The accounts that a transaction involves."""

    principal: str
    """Account address on whose behalf the message is sent: the operator, or a chain's owner."""
    signer: str
    """Account address of the signing key."""
    fee_granter: str = ""
    """Account address that pays the fees; empty: the signer."""

    @property
    def is_grantee(self) -> bool:
        """Whether the signer acts for another account."""
        return self.signer != self.principal

    @property
    def operator_address(self) -> str:
        """The principal's operator (valoper) address."""
        return addresses.reprefix(self.principal, f"{self.prefix}valoper")

    @property
    def prefix(self) -> str:
        """bech32 prefix of the chain's accounts."""
        return addresses.decode(self.principal)[0]


@dataclass(frozen=True, slots=True)
class Allowance:
    """Fee allowance of the signer."""

    messages: Collection[str] | None
    """Type URLs that it covers; None: all."""


def of_operator(
    operator_address: str, account: derivation.Account, granter: str, fee_granter: str
) -> TxAuthority:
    """Return the accounts of a validator's transactions.

    Args:
        operator_address: valoper.
        account: the signing account: the operator's own, or a grantee.
        granter: the setting `ics:granter`; empty: the account must be the operator's own.
        fee_granter: the setting `ics:fee_granter`.

    Raises:
        SettingsError: the account or an address does not match.
    """
    prefix = addresses.decode(operator_address)[0].removesuffix("valoper")
    own, signer = addresses.reprefix(operator_address, prefix), account.address(prefix)
    if granter and granter != own:
        raise errors.SettingsError(
            f"ics:granter: {granter} is not the account of operator {operator_address}; set it to {own}, the only"
            " account that can send this validator's transactions"
        )
    if not granter and signer != own:
        raise errors.SettingsError(
            f"ics:account: address {signer} is not the account of operator {operator_address}, which is {own}; use"
            f" the key of {own}, or set ics:granter: {own} if it has granted {signer} its messages (authz)"
        )
    return TxAuthority(own, signer, _fee_granter(prefix, signer, fee_granter))


def of_owner(prefix: str, account: derivation.Account, granter: str, fee_granter: str) -> TxAuthority:
    """Return the accounts of transactions of a consumer chain's owner.

    Args:
        prefix: bech32 prefix of the provider's accounts.
        account: the signing account: the owner's own, or a grantee.
        granter: the owner, if the account is only its grantee.
        fee_granter: the setting `ics:fee_granter`.

    Raises:
        SettingsError: an address does not belong to this chain.
    """
    signer = account.address(prefix)
    if granter:
        check_account(prefix, granter, "ics:granter")
    return TxAuthority(granter or signer, signer, _fee_granter(prefix, signer, fee_granter))


def unsigned(principal: str, granter: str, fee_granter: str) -> TxAuthority:
    """Return the accounts of a transaction that the principal's own key will sign.

    Args:
        principal: account address of the operator, or of a chain's owner.
        granter: the setting `ics:granter`. If there is one, the fee granter pays for another account, its grantee.
        fee_granter: the setting `ics:fee_granter`.

    Raises:
        SettingsError: an address is not valid, or not one of this chain.
    """
    prefix = addresses.decode(principal)[0]
    return TxAuthority(principal, principal, _fee_granter(prefix, principal, "" if granter else fee_granter))


def _fee_granter(prefix: str, signer: str, fee_granter: str) -> str:
    if fee_granter:
        check_account(prefix, fee_granter, "ics:fee_granter")
    return "" if fee_granter == signer else fee_granter


def check_account(prefix: str, address: str, setting: str) -> None:
    """Check that an address is one of the chain's accounts.

    Args:
        prefix: bech32 prefix of the chain's accounts.
        address: what the setting has.
        setting: its name, for messages.

    Raises:
        SettingsError: it is not.
    """
    try:
        actual_prefix = addresses.decode(address)[0]
    except errors.SettingsError as error:
        raise errors.SettingsError(f"{setting}: {error}") from error
    if actual_prefix != prefix:
        raise errors.SettingsError(
            f"{setting}: {address} is not an account of this chain; use an address that begins with {prefix}1"
        )


def missing_grant(authority: TxAuthority, type_url: str, granted: Collection[str]) -> str:
    """Return the remedy if the principal has not granted a type of message to the signer, otherwise empty.

    Args:
        authority: accounts of the transaction.
        type_url: type of its message.
        granted: types that are granted.
    """
    if type_url in granted:
        return ""
    return (
        f"{authority.principal} has not granted {authority.signer} an authz authorization for {type_url}; run with that"
        f" account's key: tx authz grant {authority.signer} generic --msg-type {type_url} --from {authority.principal}"
    )


def missing_allowance(authority: TxAuthority, type_url: str, allowance: Allowance | None) -> str:
    """Return the remedy if the fee granter does not cover a type of message, otherwise empty.

    Args:
        authority: accounts of the transaction, with a fee granter.
        type_url: type of its message.
        allowance: the fee granter's allowance.
    """
    outer = EXEC if authority.is_grantee else type_url
    if allowance is not None and (allowance.messages is None or outer in allowance.messages):
        return ""
    what = "no fee allowance" if allowance is None else f"no fee allowance for {outer}"
    replacement = (
        "" if allowance is None else f" --allowed-messages {outer}, after tx feegrant revoke of the old one"
    )
    return (
        f"ics:fee_granter: {authority.fee_granter} has granted {authority.signer} {what}; run with that account's key:"
        f" tx feegrant grant {authority.fee_granter} {authority.signer}{replacement}, or remove the setting"
    )
