"""What takes longer than a test may: many channels, and relayers that come late."""

import time

import pytest

from devnet import owner
from tests.network import chains, launch, operators, relaying, waiting

pytestmark = pytest.mark.soak

CHANNELS = 10
AT_ONCE = 2
LATE_SECONDS = 300.0
DEADLINE = 600.0


def test_ten_channels_open_once_each_with_all_relayers_at_work(
    alice: operators.Operator, bob: operators.Operator
) -> None:
    for round_ in range(CHANNELS // AT_ONCE):
        with operators.Cron([alice, bob]):
            ids = [chains.create(chains.fresh("consumer-soak"), 30.0) for _ in range(AT_ONCE)]
            began = time.monotonic()
            for consumer_id in ids:
                for operator in (alice, bob):
                    until_known(operator, consumer_id)
                    relaying.until_open(operator, consumer_id, DEADLINE)
            waiting.figure(
                f"round {round_}: {AT_ONCE} chains created to relayed by both", launch.since(began)
            )
        for consumer_id in ids:
            client = alice.summary(consumer_id)["client_id"]
            assert len(relaying.open_ones(relaying.provider_channels(client))) == 1
            # Its node ends with the next passes, and leaves the machine to the next round.
            owner.remove_consumer(consumer_id)


def test_a_relayer_that_starts_five_minutes_after_the_launch_still_opens_the_channel(
    alice: operators.Operator, bob: operators.Operator
) -> None:
    consumer_id = chains.create(chains.fresh("consumer-late"), 30.0)
    with operators.Cron([alice, bob], "--set", "relayer.enabled=false"):
        waiting.until("it is launched", lambda: chains.phase(consumer_id), lambda phase: phase == "LAUNCHED")
        time.sleep(LATE_SECONDS)
    began = time.monotonic()
    with operators.Cron([alice, bob]):
        until_known(alice, consumer_id)
        relaying.until_open(alice, consumer_id, DEADLINE)
    waiting.figure("relayers that begin five minutes late to relaying", launch.since(began))
    client = alice.summary(consumer_id)["client_id"]
    assert len(relaying.open_ones(relaying.provider_channels(client))) == 1


def until_known(operator: operators.Operator, consumer_id: str) -> None:
    """Wait until the operator's stack has the chain."""
    waiting.until(
        f"{operator.name} runs consumer {consumer_id}",
        lambda: operator.hermes(consumer_id).code,
        lambda code: code == 0,
        every=2.0,
    )
