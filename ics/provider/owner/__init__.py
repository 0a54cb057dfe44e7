"""Transactions and queries of a consumer chain's owner: creating, changing and removing chains.

The messages are generated from `ics/provider/proto/tx.proto`, because cosmpy does not contain interchain-security's.
"""
