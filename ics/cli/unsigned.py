"""Output of `--generate-only`: a transaction without a signature, which is neither sent nor recorded."""

from typing import TYPE_CHECKING

from ics import errors
from ics.cli import output, terminal
from ics.cli.arguments import shared
from ics.config import settings as config_settings
from ics.cosmos import addresses
from ics.provider.tx import messages, prices, signers, unsigned

if TYPE_CHECKING:
    from ics.reconciler import wiring


async def write(
    args: shared.Unsigned,
    settings: config_settings.Settings | config_settings.SigningSettings,
    principal: str,
    ask_price: prices.AskPrice,
    transaction: messages.Transaction,
) -> int:
    """Print a transaction that the principal's own key will sign, and return the exit code.

    The key itself is not opened, so nothing is simulated: the gas limit is the largest that the settings allow.

    Args:
        args: of the command.
        settings: gas price and limits, granters.
        principal: account address of the operator, or of a chain's owner.
        ask_price: asks the chain for the gas price.
        transaction: the transaction.

    Raises:
        SettingsError: `--gas` is larger than the settings allow, or an address is not valid.
        TooExpensive: the gas price is above the ceiling.
    """
    provider = settings.provider
    party = signers.unsigned(principal, settings.granter, settings.fee_granter)
    gas = _gas(args.gas, provider, transaction)
    price = await prices.current(provider.gas_bounds, ask_price, transaction)
    value = unsigned.as_json(transaction, party, gas=gas, fee=messages.fee(gas, price), denom=provider.denom)
    output.write_exact(args, value)
    if not args.quiet:
        terminal.warn(
            f"nothing was sent: sign this as {principal} for {provider.chain_id}, then broadcast it"
        )
    return 0


async def write_of_validator(
    args: shared.Unsigned, access: "wiring.ProviderAccess", transaction: messages.Transaction
) -> int:
    """Print a transaction of the stack's validator, and return the exit code.

    Raises:
        IcsError: as `write`, or the stack is not of a validator.
    """
    if access.validator is None:
        raise errors.SettingsError("ics:operator_address: missing; use the stack of a validator")
    account = operator_account(access.validator)
    return await write(args, access.validator, account, access.provider.gas_price, transaction)


def operator_account(settings: config_settings.Settings) -> str:
    """Return the account address of the operator."""
    return addresses.reprefix(settings.operator_address, settings.account_prefix)


def _gas(
    wanted: int | None, provider: config_settings.ProviderSettings, transaction: messages.Transaction
) -> int:
    kind = messages.GAS_KINDS[type(transaction)]
    largest = provider.largest_gas(kind)
    if wanted is not None and wanted > largest:
        raise errors.SettingsError(
            f"--gas {wanted}: such a transaction may use 1 to {largest}; use less, or raise"
            f" ics:provider.max_gas.{kind.value}"
        )
    return largest if wanted is None else wanted
