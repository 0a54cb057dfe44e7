"""The result of a pod's own check, from the termination message of its container."""

import pytest

from ics.consumer import key_check
from tests.unit import factories

ADDRESS = factories.consumer_key("alice").address.hex().upper()
OTHER = factories.consumer_key("alice", place=1).address.hex().upper()


@pytest.mark.parametrize("result", key_check.KeyCheck)
def test_every_result_is_read(result: key_check.KeyCheck) -> None:
    assert key_check.result(f"{result} {ADDRESS}", ADDRESS) is result
    assert key_check.result(f"{result} {ADDRESS}\n", ADDRESS) is result


@pytest.mark.parametrize(
    "message",
    [
        "",
        "\n",
        "ready",
        f"ready {OTHER}",
        f"missing {OTHER}",
        f"READY {ADDRESS}",
        f"ready  {ADDRESS}",
        f"ready {ADDRESS} and more",
        f"ready {ADDRESS.lower()}",
        f"{ADDRESS} ready",
        f"unknown {ADDRESS}",
        f"KeyCheck.READY {ADDRESS}",
        "panic: an image of its own wrote this",
    ],
)
def test_anything_else_is_not_a_result(message: str) -> None:
    """An image may write a message of its own, and an earlier pod checked another key."""
    assert key_check.result(message, ADDRESS) is None


def test_only_what_proves_a_loss_counts_as_one() -> None:
    assert set(key_check.KeyCheck) - key_check.LOST == {
        key_check.KeyCheck.READY,
        key_check.KeyCheck.WITHHELD,
        key_check.KeyCheck.WRONG_KEY,
        key_check.KeyCheck.OTHER_CLUSTER,
        key_check.KeyCheck.READY_IN_OTHER_CLUSTER,
        key_check.KeyCheck.REMOTE,
    }
