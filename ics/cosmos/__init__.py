"""Formats of the Cosmos SDK and Interchain Security: addresses, identifiers, genesis, coins and times; pure.

Bech32 comes from its library. Canonical JSON is our own: RFC 8785 sorts keys by UTF-16 units and allows
fractions, so its libraries write other bytes than the ones every validator must agree on.
"""
