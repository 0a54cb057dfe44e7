"""The worst day: two nodes sign with one key, and the provider learns of it through `hermes evidence`.

The product never lets a second node have a key, so this test lays one out by hand. Bob is tombstoned: this
is the last story of all. Until then no block of the chain may hold evidence; and what the judge of the other stories
looks at, blocks, logs and metrics, tells of this one.
"""

import contextlib
import json
import pathlib
import shutil
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest

from devnet import hosts, places, plan
from ics import names
from ics.cluster.api import kinds
from ics.cluster.state import node_records
from ics.config import stack_file
from ics.relayer import accounts as relayer_accounts
from tests.network import judge, launch, operators, relaying, validators, waiting

pytestmark = [pytest.mark.network, pytest.mark.story(when="LAST")]

PROGRAM = "second-node"
P2P, RPC = 36656, 36657
SUBMISSION = "/interchain_security.ccv.provider.v1.MsgSubmitConsumerDoubleVoting"


def test_a_double_signature_reaches_the_provider(
    alice: operators.Operator, bob: operators.Operator, consumer: str
) -> None:
    home = launch.namespace_of(alice, consumer)
    with operators.Cron([alice, bob]):
        for operator in (alice, bob):
            relaying.until_open(operator, consumer)
            waiting.until(
                f"{operator.name} watches for evidence",
                lambda operator=operator: relaying.report(operator, consumer)["deployments"]["evidence"],  # type: ignore[misc]
                lambda watch: watch and watch["ready"],
            )
    before = validators.validator(bob)
    assert (before["jailed"], reports()) == (False, [])
    height = alice.kube.height(home)
    assert judge.evidence(alice, home, 1, height) == [], "a story before this one has made a key vote twice"

    homes = [(one, launch.namespace_of(one, consumer)) for one in (alice, bob)]
    with judge.Judge(*homes, every=0.2) as judged:
        began = time.monotonic()
        with second_node(bob, consumer):
            found = waiting.until(
                "a block holds the evidence",
                lambda: judge.evidence(alice, home, height, alice.kube.height(home)),
                every=2.0,
            )[0]
        waiting.figure("a second node with bob's key started to the evidence in a block", launch.since(began))
        waiting.until(
            "log and metric have told of it",
            lambda: {sign.source for sign in judged.signs},
            lambda sources: sources == {"log", "metric"},
        )
    with pytest.raises(AssertionError):
        judged.check()
    assert found["type"] == "tendermint/DuplicateVoteEvidence"
    votes = [found["value"]["vote_a"], found["value"]["vote_b"]]
    assert {vote["validator_address"] for vote in votes} == {bob.address_of(consumer)}
    assert votes[0]["block_id"] != votes[1]["block_id"]

    began = time.monotonic()
    (message,) = waiting.until("the provider has the report", reports, every=2.0)[:1]

    waiting.figure("from there to the report on the provider", launch.since(began))
    assert message["consumer_id"] == consumer
    assert message["submitter"] in {watcher(operator, consumer) for operator in (alice, bob)}
    after = validators.validator(bob)
    assert after["jailed"]
    assert validators.signing_info(bob)["tombstoned"]
    # The chain's double_sign fraction, of what was bonded at the infraction.
    assert int(after["tokens"]) < 0.96 * int(before["tokens"])
    waiting.figure("bob's stake lost by the report", 1 - int(after["tokens"]) / int(before["tokens"]), "of 1")


@contextlib.contextmanager
def second_node(operator: operators.Operator, consumer_id: str) -> Iterator[None]:
    """What nobody may do: another node with the validator's key, and no memory of what it has signed."""
    namespace = launch.namespace_of(operator, consumer_id)
    peers = operator.kube.get(kinds.CONFIG_MAP, namespace, names.PEERS)["data"]["persistent_peers"]
    genesis = node_records.genesis(operator.kube.get(kinds.CONFIG_MAP, namespace, names.GENESIS_NAME))
    assert isinstance(genesis, bytes)
    folder = places.host_state(operator.name) / PROGRAM
    # The blocks of the first node as it was at a moment, and an empty signing state.
    with relaying.frozen(operator.kube.process(namespace)):
        shutil.copytree(operator.kube.volume(namespace) / "home" / "data", folder / "data")
    lay_out(folder, operator.key_of(consumer_id).priv_validator_key_json().reveal(), genesis)
    program = places.credentials("bin") / "interchain-security-cd"
    argv = [
        *(program, "start", "--home", folder, "--log_no_color", "--grpc.enable=false", "--api.enable=false"),
        *("--minimum-gas-prices", "0stake", "--p2p.persistent_peers", peers),
        *("--p2p.laddr", f"tcp://0.0.0.0:{P2P}", "--rpc.laddr", f"tcp://0.0.0.0:{RPC}"),
    ]
    # In the host's network, so that `devnet down` would end it as well.
    with places.log(operator.name, PROGRAM).open("wb") as log:
        process = subprocess.Popen(
            hosts.in_network(operator.host, argv), stdout=log, stderr=subprocess.STDOUT
        )
        try:
            yield
        finally:
            process.terminate()
            process.wait(30)
            shutil.rmtree(folder)


def lay_out(folder: pathlib.Path, key: bytes, genesis: bytes) -> None:
    """What a node's home has besides its blocks: a key, and an empty signing state."""
    state = {"height": "0", "round": 0, "step": 0}
    for place, content in (
        ("config/genesis.json", genesis),
        ("config/priv_validator_key.json", key),
        ("config/config.toml", b"[p2p]\naddr_book_strict = false\nallow_duplicate_ip = true\n"),
        ("data/priv_validator_state.json", json.dumps(state).encode()),
    ):
        path = folder / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def reports() -> list[dict[str, Any]]:
    """The double signatures that were reported to the provider, in transactions that it took."""
    found = validators.ask("/cosmos/tx/v1beta1/txs", query=f"message.action='{SUBMISSION}'")
    taken = [
        tx for tx, answer in zip(found["txs"], found["tx_responses"], strict=True) if answer["code"] == 0
    ]
    return [message for tx in taken for message in tx["body"]["messages"]]


def watcher(operator: operators.Operator, consumer_id: str) -> str:
    """The account with which an operator's watch for evidence signs."""
    settings = stack_file.load_settings(places.CHECKOUT, operator.name, {})
    accounts = relayer_accounts.provider_addresses(
        settings, operator.validator.seed, plan.PROVIDER_CHAIN_ID, consumer_id
    )
    return dict(accounts)["evidence"]
