"""Everything that talks to the provider chain.

`gateway`, `decode` and `messages` are pure: what an answer or a message means. `queries`, `ledger` and
`transactions` are the effects.
"""
