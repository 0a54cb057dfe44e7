"""A command's order is forgotten only when its result was shown."""

import json
from typing import Any, cast

import pytest

from ics import model
from ics.cli import transactions
from ics.cli.arguments import shared
from ics.provider.tx import transactions as tx_transactions


class Account:
    """Sends, or finds what an earlier run has sent."""

    def __init__(self, *, is_earlier: bool = False) -> None:
        self.is_earlier = is_earlier
        self.done: list[str] = []

    async def order(self, transaction: object) -> tx_transactions.SentTx:
        self.done.append("order")
        return tx_transactions.SentTx("AA", 7, "12", is_earlier=self.is_earlier)

    async def finish(self, transaction: object) -> None:
        self.done.append("finish")


async def send(account: Account, *, is_json: bool, fails: bool = False) -> None:
    def describe(sent: tx_transactions.SentTx) -> tuple[str, dict[str, Any]]:
        if fails:
            raise BrokenPipeError
        return f"consumer {sent.consumer_id} created", {"consumer_id": sent.consumer_id}

    args = shared.Sending(json=is_json)
    assert await transactions.send(args, cast(Any, account), model.Unjail(), describe) == 0


async def test_result_is_shown_and_the_order_is_finished(capsys: pytest.CaptureFixture[str]) -> None:
    account = Account()
    await send(account, is_json=False)
    assert capsys.readouterr().out == "consumer 12 created\ntransaction AA in block 7\n"
    assert account.done == ["order", "finish"]


async def test_result_of_an_earlier_run_is_shown_as_such(capsys: pytest.CaptureFixture[str]) -> None:
    await send(Account(is_earlier=True), is_json=True)
    assert json.loads(capsys.readouterr().out) == {
        "consumer_id": "12",
        "transaction": {"hash": "AA", "height": 7},
        "message": "already sent by an earlier run of this command: consumer 12 created",
    }


async def test_order_whose_result_was_not_shown_is_kept() -> None:
    account = Account()
    with pytest.raises(BrokenPipeError):
        await send(account, is_json=False, fails=True)
    assert account.done == ["order"]
