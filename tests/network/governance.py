"""What governance decides within ten seconds: the provider's, or that of a consumer with a governor of its own."""

import contextlib
import json
import pathlib
import tempfile
from collections.abc import Iterator, Mapping
from typing import Any

import httpx

from devnet import commands, governed, hosts, identities, owner, plan, upgrades
from devnet.progress import Progress
from tests.network import chains, diary, operators, waiting

_DEPOSIT = f"50000000{plan.DENOM}"
_STAKING = "/cosmos/staking/v1beta1/params"
_PLAN = "/cosmos/upgrade/v1beta1/current_plan"


@contextlib.contextmanager
def unbonding(seconds: int, voter: operators.Operator) -> Iterator[None]:
    """Another unbonding period for as long as the context lasts: what is removed meanwhile is deleted soon.

    Meanwhile no pass may be made: a relayer's config says how long clients may trust, which depends on it.

    Args:
        seconds: how long it is.
        voter: a validator whose vote is enough.
    """
    before = _ask(_STAKING)["params"]
    _set_staking({**before, "unbonding_time": f"{seconds}s"}, voter)
    try:
        yield
    finally:
        _set_staking(before, voter)


def schedule(height: int, voter: operators.Operator) -> None:
    """Let the provider be upgraded to its second version at a height.

    Args:
        height: far enough ahead for the voting.
        voter: a validator whose vote is enough.
    """
    message = {
        "@type": "/cosmos.upgrade.v1beta1.MsgSoftwareUpgrade",
        "authority": _authority(),
        "plan": {"name": plan.SECOND_PLAN, "height": str(height), "info": ""},
    }
    _decide(message, f"{plan.SECOND_PLAN} at height {height}", voter)
    waiting.until("the provider has the plan", lambda: _ask(_PLAN)["plan"])


def schedule_on(operator: operators.Operator, namespace: str, chain_id: str, height: int) -> None:
    """Let a consumer with governance be upgraded to its second version at a height; its CCV channel must be open.

    Args:
        operator: whose node takes the transactions.
        namespace: the chain's, there.
        chain_id: the chain's.
        height: far enough ahead for the voting.
    """
    title = f"{plan.SECOND_PLAN} at height {height}"
    deposit = f"{2 * governed.DEPOSIT}{plan.DENOM}"
    order = {
        "messages": [governed.upgrade_message(height)],
        "deposit": deposit,
        "title": title,
        "summary": title,
    }
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "proposal.json")
        path.write_text(json.dumps({**order, "expedited": True}))
        govern = _Governor(operator, namespace, chain_id, pathlib.Path(folder))
        govern.send("submit-proposal", str(path))
        waiting.until(
            "the proposal is on the chain",
            lambda: operator.kube.ask_app(namespace, "/cosmos/gov/v1/proposals")["proposals"],
        )
        govern.send("vote", "1", "yes")
    diary.note("governance", f"{chain_id}: {title}: its governor votes yes")
    waiting.until("the chain has the plan", lambda: operator.kube.ask_app(namespace, _PLAN)["plan"])


class _Governor:
    """Sends transactions of the governor's through one node."""

    def __init__(
        self, operator: operators.Operator, namespace: str, chain_id: str, home: pathlib.Path
    ) -> None:
        pod = operator.kube.pod(namespace)
        assert pod is not None
        self._host, self._node = operator.host, f"tcp://{pod['status']['podIP']}:26657"
        self._chain_id, self._program = chain_id, upgrades.democracy(Progress())
        self._keyring = ("--keyring-backend", "test", "--home", str(home))
        words = identities.governor().mnemonic
        assert words is not None
        commands.run(
            self._program, "keys", "add", "it", "--recover", *self._keyring, text=f"{words.reveal_text()}\n"
        )

    def send(self, *order: str) -> None:
        """Hand one to the mempool."""
        argv = [str(self._program), "tx", "gov", *order, "--from", "it", *self._keyring]
        argv += [
            "--chain-id",
            self._chain_id,
            "--node",
            self._node,
            "--gas",
            "400000",
            "--yes",
            "--output",
            "json",
        ]
        answer = json.loads(commands.run(*hosts.in_network(self._host, argv)))
        assert answer["code"] == 0, answer["raw_log"]


def _set_staking(params: Mapping[str, Any], voter: operators.Operator) -> None:
    message = {
        "@type": "/cosmos.staking.v1beta1.MsgUpdateParams",
        "authority": _authority(),
        "params": params,
    }
    _decide(message, f"unbonding_time {params['unbonding_time']}", voter)
    waiting.until(
        "the staking module has the parameters",
        lambda: _ask(_STAKING)["params"],
        lambda found: found == params,
    )


def _decide(message: Mapping[str, Any], title: str, voter: operators.Operator) -> None:
    known = {one["id"] for one in _proposals()}
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "proposal.json")
        proposal = {"messages": [message], "deposit": _DEPOSIT, "title": title, "summary": title}
        path.write_text(json.dumps({**proposal, "expedited": True}))
        owner.submit_proposal(path)
    (number,) = {one["id"] for one in _proposals()} - known
    chains.transact(voter, "gov", "vote", number, "yes")
    diary.note("governance", f"proposal {number}, {title}: {voter.name} votes yes")


def _authority() -> str:
    account = _ask("/cosmos/auth/v1beta1/module_accounts/gov")["account"]
    return str(account["base_account"]["address"])


def _proposals() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = _ask("/cosmos/gov/v1/proposals")["proposals"]
    return found


def _ask(path: str) -> dict[str, Any]:
    answer = httpx.get(plan.HOSTS[0].rest + path, timeout=10, trust_env=False)
    answer.raise_for_status()
    found: dict[str, Any] = answer.json()
    return found
