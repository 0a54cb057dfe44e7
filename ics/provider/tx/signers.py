"""In whose name a transaction is sent, who signs it and who pays; pure.

The provider module wants the validator's own account as the signer of its messages. Another account signs
for it by authz: the message goes into a `MsgExec`, for which the validator must have granted the message's
type. Fees come from the signing account, or from one that has granted it an allowance (feegrant).
"""

from collections.abc import Collection
from dataclasses import dataclass

from ics import errors
from ics.cosmos import addresses
from ics.keys import derivation

EXEC = "/cosmos.authz.v1beta1.MsgExec"


@dataclass(frozen=True, slots=True)
class Party:
    """Whose transaction it is."""

    principal: str
    """Account address in whose name the message is: the operator's own, or a chain's owner."""
    signer: str
    """Account address whose key signs."""
    fee_granter: str = ""
    """Account address that pays the fees; empty: the signer."""

    @property
    def is_grantee(self) -> bool:
        """The signer acts for another account."""
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
    """What somebody pays for the signer."""

    messages: Collection[str] | None
    """Type URLs that it is good for; None: all."""


def of_operator(operator_address: str, account: derivation.Account, granter: str, fee_granter: str) -> Party:
    """The party of a validator's transactions.

    Args:
        operator_address: valoper.
        account: what signs: the operator's own, or a grantee.
        granter: the setting `ics:granter`; empty: the account must be the operator's own.
        fee_granter: the setting `ics:fee_granter`.

    Raises:
        SettingsError: the account, or an address, is not what it must be.
    """
    prefix = addresses.decode(operator_address)[0].removesuffix("valoper")
    own, signer = addresses.reprefix(operator_address, prefix), account.address(prefix)
    if granter and granter != own:
        raise errors.SettingsError(
            f"ics:granter: {granter} is not the operator's account of {operator_address}, which is {own}: a"
            " validator's transactions can be in no other name"
        )
    if not granter and signer != own:
        raise errors.SettingsError(
            f"ics:account: its address is {signer}, but the operator's account of {operator_address} is "
            f"{own}: give that one's key, or set ics:granter: {own} if it lets {signer} sign (authz)"
        )
    return Party(own, signer, _fee_granter(prefix, signer, fee_granter))


def of_owner(prefix: str, account: derivation.Account, granter: str, fee_granter: str) -> Party:
    """The party of the transactions of a consumer chain's owner.

    Args:
        prefix: bech32 prefix of the provider's accounts.
        account: what signs: the owner's own, or a grantee.
        granter: the owner, when the account is only its grantee.
        fee_granter: the setting `ics:fee_granter`.

    Raises:
        SettingsError: an address is none of this chain.
    """
    signer = account.address(prefix)
    if granter:
        _check(prefix, granter, "ics:granter")
    return Party(granter or signer, signer, _fee_granter(prefix, signer, fee_granter))


def _fee_granter(prefix: str, signer: str, fee_granter: str) -> str:
    if fee_granter:
        _check(prefix, fee_granter, "ics:fee_granter")
    return "" if fee_granter == signer else fee_granter


def _check(prefix: str, address: str, setting: str) -> None:
    try:
        found = addresses.decode(address)[0]
    except errors.SettingsError as error:
        raise errors.SettingsError(f"{setting}: {error}") from error
    if found != prefix:
        raise errors.SettingsError(f"{setting}: {address} is no account of this chain ({prefix}1…): mend it")


def missing_grant(party: Party, type_url: str, granted: Collection[str]) -> str:
    """What to do when the principal has not granted the signer a type of message; empty when it has.

    Args:
        party: whose transaction it is.
        type_url: of its message.
        granted: types that are granted.
    """
    if type_url in granted:
        return ""
    return (
        f"{party.principal} has granted {party.signer} no authz authorization for {type_url}: make it with that"
        f" account's key: tx authz grant {party.signer} generic --msg-type {type_url} --from {party.principal}"
    )


def missing_allowance(party: Party, type_url: str, allowance: Allowance | None) -> str:
    """What to do when nobody pays as the settings say; empty when somebody does.

    Args:
        party: whose transaction it is, with a fee granter.
        type_url: of its message.
        allowance: what the fee granter has granted.
    """
    outer = EXEC if party.is_grantee else type_url
    if allowance is not None and (allowance.messages is None or outer in allowance.messages):
        return ""
    what = "no fee allowance" if allowance is None else f"no fee allowance for {outer}"
    again = (
        "" if allowance is None else f" --allowed-messages {outer}, after tx feegrant revoke of the old one"
    )
    return (
        f"ics:fee_granter: {party.fee_granter} has granted {party.signer} {what}: make it with that account's key:"
        f" tx feegrant grant {party.fee_granter} {party.signer}{again}, or remove the setting"
    )
