"""The relaying to one chain, as `ics hermes status` tells it, and as both chains themselves do."""

import contextlib
import os
import pathlib
import signal
from collections.abc import Iterator
from typing import Any

import httpx

from devnet import plan
from tests.network import operators, waiting


def report(
    operator: operators.Operator, consumer_id: str, project: pathlib.Path | None = None
) -> dict[str, Any]:
    """What `ics hermes status CONSUMER_ID --json` says."""
    done = operator.hermes(consumer_id, project)
    assert done.code == 0, done.err
    found: dict[str, Any] = done.json["chains"][0]
    return found


def is_open(found: dict[str, Any]) -> bool:
    """Both channels are open on both sides, and Hermes relays."""
    ends = [
        (found["channels"][name] or {}).get(side)
        for name in ("ccv", "transfer")
        for side in ("provider", "consumer")
    ]
    hermes = found["deployments"]["hermes"]
    return all(isinstance(end, dict) and end["state"] == "OPEN" for end in ends) and bool(
        hermes and hermes["ready"]
    )


def until_open(
    operator: operators.Operator,
    consumer_id: str,
    seconds: float = 240.0,
    project: pathlib.Path | None = None,
) -> dict[str, Any]:
    """Wait until this operator's Hermes relays on both channels."""
    return waiting.until(
        f"{operator.name}'s relayer of consumer {consumer_id} relays",
        lambda: report(operator, consumer_id, project),
        is_open,
        seconds=seconds,
        every=4.0,
    )


def opened(consumer_id: str, *runners: operators.Operator) -> None:
    """Passes of those who run a chain until the relayers of these relay to it."""
    with operators.Cron(runners):
        for one in runners:
            waiting.until(
                f"{one.name} knows consumer {consumer_id}",
                lambda one=one: one.hermes(consumer_id).code,  # type: ignore[misc]
                lambda code: code == 0,
                seconds=180.0,
            )
            until_open(one, consumer_id, 600.0)


def provider_channels(client_id: str) -> list[dict[str, Any]]:
    """CCV channels over one client, as the provider itself lists them."""
    base = plan.HOSTS[0].rest

    def ask(path: str) -> dict[str, Any]:
        answer = httpx.get(base + path, params={"pagination.limit": "500"}, timeout=10, trust_env=False)
        if answer.status_code == httpx.codes.NOT_FOUND:
            return {}
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    paths = ask(f"/ibc/core/connection/v1/client_connections/{client_id}").get("connection_paths", [])
    channels = [
        channel
        for path in paths
        for channel in ask(f"/ibc/core/channel/v1/connections/{path}/channels")["channels"]
    ]
    return [channel for channel in channels if channel["port_id"] == "provider"]


def open_ones(channels: list[dict[str, Any]]) -> list[str]:
    """Ids of those that are open."""
    return [channel["channel_id"] for channel in channels if channel["state"] == "STATE_OPEN"]


def powers(operator: operators.Operator, namespace: str) -> dict[str, int]:
    """The consumer's own validator set: address (upper-case hex) to power."""
    found = operator.kube.ask_node(namespace, "/validators", per_page="100").get("validators", [])
    return {one["address"]: int(one["voting_power"]) for one in found}


def pending(channel_id: str) -> int:
    """Packets on the provider's end of a CCV channel that it has no acknowledgement of, as it says itself."""
    url = f"{plan.HOSTS[0].rest}/ibc/core/channel/v1/channels/{channel_id}/ports/provider/packet_commitments"
    answer = httpx.get(url, timeout=10, trust_env=False)
    answer.raise_for_status()
    return len(answer.json()["commitments"])


@contextlib.contextmanager
def frozen(*pids: int) -> Iterator[None]:
    """Processes that do nothing for a while."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):  # its probe may have ended it
                os.kill(pid, signal.SIGCONT)
