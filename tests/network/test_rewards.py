"""A real reward: fees paid on a consumer chain arrive at the provider, and `ics rewards` traces them to the chain.

About four minutes, most of them until both channels are open and members are due a share.
"""

import base64
import hashlib
import json
import pathlib
from decimal import Decimal
from typing import Any

import pytest

from devnet import commands, identities, owner, places, plan
from ics.keys import derivation
from tests.network import chains, launch, operators, projects, quick_chain, relaying, waiting

pytestmark = pytest.mark.soak

STEM = "rewarding"
DENOM = "stake"
FEE = 1_000_000
MORE_POWER = 5_000_000_000
PAYMENTS = 10
"""Blocks between two payments of rewards to the provider."""
GENESIS = {
    "base": {"file": "ics-example.genesis.json"},
    "time": "launch",
    "fund": {"relayers": f"100000000{DENOM}"},
    "reward_denoms": {"consumer": [DENOM], "provider": []},
}


class Payer:
    """Pays fees on the chain from charlie's relayer account there, which has coins, and which he does not use."""

    def __init__(self, alice: operators.Operator, chain_id: str, namespace: str, home: pathlib.Path) -> None:
        self._alice, self._chain_id, self._namespace, self._home = alice, chain_id, namespace, home
        seed = identities.validator(plan.host("charlie")).seed
        account = derivation.derive_account(seed, derivation.RELAYER_INFO)
        assert account.mnemonic is not None
        self._address = account.address("consumer")
        self._run("keys", "add", "payer", "--recover", text=f"{account.mnemonic.reveal_text()}\n")

    def pay(self) -> None:
        """Send a coin to itself, for a fee."""
        info = self._alice.kube.ask_app(
            self._namespace, f"/cosmos/auth/v1beta1/account_info/{self._address}"
        )["info"]
        offline = ("--offline", "--account-number", info["account_number"], "--sequence", info["sequence"])
        order = (self._address, self._address, f"1{DENOM}", "--fees", f"{FEE}{DENOM}", "--gas", "200000")
        unsigned, signed = self._home / "unsigned.json", self._home / "signed.json"
        unsigned.write_text(self._run("tx", "bank", "send", *order, "--generate-only", *offline))
        terms = ("--from", "payer", "--chain-id", self._chain_id)
        signed.write_text(self._run("tx", "sign", str(unsigned), *terms, *offline))
        encoded = self._run("tx", "encode", str(signed)).strip()
        assert base64.b64decode(encoded, validate=True)
        request = {"jsonrpc": "2.0", "id": 1, "method": "broadcast_tx_sync", "params": {"tx": encoded}}
        status, answer = self._alice.kube.forward(self._namespace, "POST", "/", json.dumps(request).encode())
        assert status == 200, answer
        assert json.loads(answer)["result"]["code"] == 0, answer

    def _run(self, *words: str, text: str = "") -> str:
        keyring = ("--home", str(self._home), "--keyring-backend", "test")
        with_keys = keyring if words[:2] != ("tx", "encode") else keyring[:2]
        program = places.credentials("bin") / "interchain-security-cd"
        return commands.run(program, *words, *with_keys, text=text)


def test_reward_is_traced_to_the_chain_that_paid_it(
    alice: operators.Operator, bob: operators.Operator, tmp_path: pathlib.Path
) -> None:
    root = projects.project(tmp_path)
    projects.define(root, STEM, {"chain_id": f"{STEM}*-1"}, genesis=GENESIS, config=quick_chain.BLOCKS)
    chain_id = chains.fresh(STEM)
    consumer_id = chains.create(chain_id, launch.HOUR, reward_blocks=PAYMENTS)
    runners = (alice, bob)
    with operators.Cron(runners, project=root) as cron:
        for operator in runners:
            waiting.until(
                f"{operator.name} has joined",
                lambda operator=operator: operator.chain(consumer_id, cron.last(operator.name)),  # type: ignore[misc]
                lambda chain: chain.get("participation") == "validating",
            )
        chains.move(consumer_id, chain_id, 2.0, reward_blocks=PAYMENTS)
        waiting.until(
            "alice knows its relayer",
            lambda: alice.hermes(consumer_id, root).code,
            lambda code: code == 0,
        )
        report = relaying.until_open(alice, consumer_id, 600.0, root)
    way = f"transfer/{report['channels']['transfer']['provider']['id']}/{DENOM}"
    denom = f"ibc/{hashlib.sha256(way.encode()).hexdigest().upper()}"
    allowed = alice.ics("consumer", "update", consumer_id, "--stack", "owner", "--reward-denoms", denom)
    assert allowed.code == 0, allowed.err

    # Until its first packet of powers has come, a consumer takes no transaction but those of IBC.
    namespace = launch.namespace_of(alice, consumer_id)
    before = relaying.powers(alice, namespace)
    owner.delegate(alice.validator.operator_address, MORE_POWER)
    waiting.until("the chain knows alice's new power", lambda: relaying.powers(alice, namespace) != before)
    home = tmp_path / "payer"
    home.mkdir()
    payer = Payer(alice, chain_id, namespace, home)

    def rewards() -> list[dict[str, Any]]:
        payer.pay()
        done = alice.ics("rewards", project=root)
        assert done.code == 0, done.err
        rows = [one for one in done.json["chains"] if one["consumer_id"] == consumer_id]
        return [reward for row in rows for reward in row["rewards"]]

    (found,) = waiting.until(
        "alice has a reward of the chain", rewards, lambda seen: seen, seconds=400, every=10.0
    )
    assert (found["denom"], found["base_denom"]) == (denom, DENOM)
    assert Decimal(found["outstanding"]) >= Decimal(found["commission"]) > 0
    shown = alice.plain("rewards", "--project", str(root))
    assert [line for line in shown.out.splitlines() if line.split()[:3] == [chain_id, consumer_id, DENOM]]
    others = alice.ics("rewards", project=root).json["others"]["rewards"]
    assert denom not in [one["denom"] for one in others]
    launch.end([consumer_id], runners, root)
