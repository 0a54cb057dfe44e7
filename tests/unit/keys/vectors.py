"""Account keys as the chain's own tools export them."""

# Written by `interchain-security-pd v7.0.1 keys export` for a key made for this test.
EXPORTED = """-----BEGIN TENDERMINT PRIVATE KEY-----
kdf: argon2
salt: 1F5A3F75686B5AECE495DF2563260A90
type: secp256k1

j+k+PhHChIlVCxR8/38drccC/9/XQUPgjSCYTq+WcuAenWT+as5BvH95dYb5cW6X
vOYu2UQ=
=h1IW
-----END TENDERMINT PRIVATE KEY-----
"""


EXPORTED_HEX = "080214dcbfbba7691c68e9c6183f9f64e4ebd89fc2da0ce920355f02e9beef09"


# A test vector of cosmos-sdk (client/keys/import_test.go), sealed in the way before v0.50.
OLD = """-----BEGIN TENDERMINT PRIVATE KEY-----
salt: A790BB721D1C094260EA84F5E5B72289
kdf: bcrypt

HbP+c6JmeJy9JXe2rbbF1QtCX1gLqGcDQPBXiCtFvP7/8wTZtVOPj8vREzhZ9ElO
3P7YnrzPQThG0Q+ZnRSbl9MAS8uFAM4mqm5r/Ys=
=f3l4
-----END TENDERMINT PRIVATE KEY-----
"""


OLD_HEX = "2485e33678db4175dc0ecef2d6e1fc493d4a0d7f7ce83324b6ed70afe77f3485"
