"""Two faults call the operator within seconds, by the rules and by the push alone; all ten are in the soak."""

from collections.abc import Iterator
from urllib import parse

import pytest

from devnet import plan
from ics.monitoring import dashboard
from tests.monitoring import test_dashboard
from tests.network import alarms, launch, operators, waiting

pytestmark = [pytest.mark.soak, pytest.mark.story(when="QUIET")]

UNANSWERED = {"cometbft_", "process_start_time_seconds", "tx_latency_", "ws_reconnect_", "ics_upgrade_"}
"""Parts of queries about programs that are not scraped here, and about what the chain does not have."""


@pytest.fixture(scope="module")
def forwarder() -> Iterator[alarms.Forwarder]:
    found = alarms.Forwarder()
    yield found
    found.close()


@pytest.fixture(scope="module")
def called(
    alice: operators.Operator,
    consumer: str,
    forwarder: alarms.Forwarder,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[alarms.Alarms]:
    rest = f"provider.rest=[{forwarder.url}, {plan.HOSTS[0].rest}]"
    with alarms.Alarms(alice, tmp_path_factory.mktemp("alarms"), "--set", rest) as found:
        yield found


def test_endpoint_is_down(
    alice: operators.Operator, called: alarms.Alarms, forwarder: alarms.Forwarder
) -> None:
    alarm = alarms.Alarm("IcsEndpointDown", ("EndpointTrouble",), alice.name)
    called.quiet(alarm)
    with forwarder.down():
        called.fires(alarm)
        down = called.query("ics_endpoint_up == 0")
        assert [one["metric"]["endpoint"] for one in down] == [parse.urlsplit(forwarder.url).netloc]
    called.resolves(alarm, push=False)


def test_node_is_gone(alice: operators.Operator, called: alarms.Alarms, consumer: str) -> None:
    home = launch.namespace_of(alice, consumer)
    reasons = ("PodMissing", "PodWaiting", "NodeUnreachable")
    alarm = alarms.Alarm("IcsNodeDown", reasons, alice.name, consumer)
    called.quiet(alarm)
    with alarms.without_room(alice, home):
        called.fires(alarm)
    called.resolves(alarm, push=False)


def test_dashboard_is_answered(called: alarms.Alarms) -> None:
    """Each query about this validator and its chain has an answer."""
    asked = [
        test_dashboard.chosen(text)
        for text in dashboard.expressions()
        if not any(part in text for part in UNANSWERED)
    ]

    def silent() -> list[str]:
        return [text for text in asked if not called.query(text)]

    waiting.until("every query is answered", silent, lambda found: not found)
