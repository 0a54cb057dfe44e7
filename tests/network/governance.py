"""What the provider's governance decides, within ten seconds."""

import contextlib
import json
import pathlib
import tempfile
from collections.abc import Iterator
from typing import Any

import httpx

from devnet import owner, plan
from tests.network import chains, diary, operators, waiting

_DEPOSIT = f"50000000{plan.DENOM}"
_STAKING = "/cosmos/staking/v1beta1/params"


@contextlib.contextmanager
def unbonding(seconds: int, voter: operators.Operator) -> Iterator[None]:
    """Another unbonding period for as long as the context lasts: what is removed meanwhile is deleted soon.

    Meanwhile no pass may be made: a relayer's config says how long clients may trust, which depends on it.

    Args:
        seconds: how long it is.
        voter: a validator whose vote is enough.
    """
    before = _ask(_STAKING)["params"]
    _decide({**before, "unbonding_time": f"{seconds}s"}, voter)
    try:
        yield
    finally:
        _decide(before, voter)


def _decide(params: dict[str, Any], voter: operators.Operator) -> None:
    authority = _ask("/cosmos/auth/v1beta1/module_accounts/gov")["account"]["base_account"]["address"]
    message = {
        "@type": "/cosmos.staking.v1beta1.MsgUpdateParams",
        "authority": authority,
        "params": params,
    }
    known = {one["id"] for one in _proposals()}
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "proposal.json")
        title = f"unbonding_time {params['unbonding_time']}"
        proposal = {"messages": [message], "deposit": _DEPOSIT, "title": title, "summary": title}
        path.write_text(json.dumps({**proposal, "expedited": True}))
        owner.submit_proposal(path)
    (number,) = {one["id"] for one in _proposals()} - known
    chains.transact(voter, "gov", "vote", number, "yes")
    diary.note("governance", f"proposal {number}, {title}: {voter.name} votes yes")
    waiting.until(
        "the staking module has the parameters",
        lambda: _ask(_STAKING)["params"],
        lambda found: found == params,
    )


def _proposals() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = _ask("/cosmos/gov/v1/proposals")["proposals"]
    return found


def _ask(path: str) -> dict[str, Any]:
    answer = httpx.get(plan.HOSTS[0].rest + path, timeout=10, trust_env=False)
    answer.raise_for_status()
    found: dict[str, Any] = answer.json()
    return found
