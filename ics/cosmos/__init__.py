"""Formats of the Cosmos SDK and of Interchain Security: addresses, identifiers, genesis, coins, times; pure."""
