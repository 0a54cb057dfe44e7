"""Transactions on the provider chain: messages, signing, broadcast and confirmation.

cosmpy provides messages, stubs and signing. Its `LedgerClient` is not used: its calls have no deadline and it does
not know the node service. The journal of pending transactions, which prevents a second broadcast after a crash,
and the use of authz and fee grants are not part of any client library.
"""
