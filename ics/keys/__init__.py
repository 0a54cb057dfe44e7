"""Keys: derivation from the seed, encrypted key files, and the operator's key store."""
