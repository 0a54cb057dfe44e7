"""Relayer of one consumer chain: the IBC handshake, Hermes, its accounts and its conditions."""
