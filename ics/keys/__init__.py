"""Keys: derivation from the seed, encrypted key files, and the operator's keystore.

HKDF, BIP-32, BIP-39, bech32 and all ciphers come from libraries. The ASCII armor is our own because no
maintained library reads the SDK's armor with its argon2 and bcrypt key derivation.
"""
