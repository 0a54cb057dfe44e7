"""The provider's own command line reads and signs what `--generate-only` prints; no network is needed for that."""

import base64
import json
import pathlib
import subprocess

import pytest
from cosmpy.protos.cosmos.tx.v1beta1 import tx_pb2

from ics import model
from ics.provider.owner import terms
from ics.provider.owner import transactions as owner_transactions
from ics.provider.tx import messages, signers, unsigned
from tests.network import provider_node

pytestmark = pytest.mark.network

CREATION = terms.parse_creation(
    {
        "chain_id": "c-1",
        "metadata": {"name": "n", "description": 'd"\n\u202e', "metadata": "m"},
        "initialization_parameters": {"spawn_time": "2035-01-31T12:00:00Z", "genesis_hash": "ab" * 32},
        "power_shaping_parameters": {"min_stake": 3},
        "infraction_parameters": {
            "double_sign": {"slash_fraction": "0.05", "jail_duration": "forever", "tombstone": True},
            "downtime": {"slash_fraction": "0.0001", "jail_duration": "10m"},
        },
        "allowlisted_reward_denoms": ["ibc/x"],
    },
    "the test",
)
TRANSACTIONS: tuple[messages.Transaction, ...] = (
    model.OptIn("0", "c-1", bytes(range(32)), "00112233445566778899aabbccddeeff"),
    model.OptIn("0", "c-1", None),
    model.OptOut("0", "c-1"),
    model.SetCommission("0", "c-1", "0.05"),
    model.Unjail(),
    owner_transactions.CreateConsumer(CREATION),
    owner_transactions.UpdateConsumer(consumer_id="0", chain_id="c-1", metadata=CREATION.metadata),
    owner_transactions.RemoveConsumer("0", "c-1"),
)


class Keyring:
    """The provider's program with one key, and no chain."""

    def __init__(self, home: pathlib.Path) -> None:
        program = provider_node.binary()
        if program is None:
            pytest.skip("interchain-security-pd is not built: set ICS_TEST_PD to its path")
        self._program, self.home = program, home
        self.address = json.loads(self.run("keys", "add", "owner", "--keyring-backend", "test"))["address"]

    def run(self, *words: str) -> str:
        command = [str(self._program), *words, "--home", str(self.home), "--output", "json"]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def keyring(tmp_path_factory: pytest.TempPathFactory) -> Keyring:
    return Keyring(tmp_path_factory.mktemp("keyring"))


@pytest.mark.parametrize("transaction", TRANSACTIONS, ids=lambda one: type(one).__name__)
def test_chains_own_command_line_reads_and_signs_it(
    keyring: Keyring, transaction: messages.Transaction
) -> None:
    party = signers.TxAuthority(keyring.address, keyring.address)
    made = unsigned.as_json(transaction, party, gas=200_000, fee=10, denom="stake")
    file = keyring.home / "unsigned.json"
    file.write_text(json.dumps(made))
    offline = ("--offline", "--account-number", "0", "--sequence", "0")

    encoded = keyring.run("tx", "encode", str(file), *offline).strip()
    [packed] = tx_pb2.Tx.FromString(base64.b64decode(encoded)).body.messages
    assert packed.value == messages.build(transaction, party).SerializeToString()
    assert json.loads(keyring.run("tx", "decode", encoded, *offline)) == made

    key = ("--from", "owner", "--keyring-backend", "test", "--chain-id", "provider")
    signed = json.loads(keyring.run("tx", "sign", str(file), *key, *offline))
    assert signed["body"] == made["body"]
    assert signed["auth_info"]["fee"] == made["auth_info"]["fee"]
    assert len(signed["signatures"]) == 1
