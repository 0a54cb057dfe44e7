"""Serves a simulated provider over HTTP, as a process of its own: `python -m tests.simulator.server CHAINS [OURS]`.

It prints its port, and then knows three orders beside the gateway's questions: `POST /block` makes a block,
`POST /launch/ID` launches a chain in the next one, and `POST /assign/ID/PLACE` assigns the key of a place of the own
validator there. `GET /asked` tells how many questions there were.
"""

import dataclasses
import datetime
import http.server
import json
import sys
import urllib.parse
from collections.abc import Mapping
from typing import Any

import httpx

from tests.simulator import scene
from tests.unit.provider import fake

KEPT = 5
"""So many states are kept, and that of the launch."""


class Chain:
    """The chain, which makes a block when it is told to."""

    def __init__(self, count: int, ours: int | None = None) -> None:
        state = fake.State(_now(), scene.validators(), scene.chains(count, ours))
        self._gateway = fake.Gateway({scene.LAUNCH_HEIGHT: state, scene.LAUNCH_HEIGHT + 1: state})
        self._answered: dict[str, tuple[fake.Consumer, bytes]] = {}
        """What was answered about a chain, by path, until the chain changes: only the passes are measured."""
        self._places: dict[int, str] = {}
        self.asked = 0

    def assign(self, number: int, place_id: str) -> None:
        """Make a block in which the own validator's key for a chain is assigned."""
        self._places[number] = place_id
        states = self._gateway.states
        is_launched = states[max(states)].consumers[number].phase == "LAUNCHED"
        self.block({number: scene.chain(number, is_launched=is_launched, place_id=place_id)})

    def launch(self, number: int) -> None:
        """Make a block in which a chain is launched."""
        self.block({number: scene.chain(number, is_launched=True, place_id=self._places.get(number, ""))})

    def block(self, changed: Mapping[int, fake.Consumer] | None = None) -> None:
        """Make a block, in which chains may change."""
        states = self._gateway.states
        height = max(states)
        consumers = {**states[height].consumers, **(changed or {})}
        states[height + 1] = dataclasses.replace(states[height], time=_now(), consumers=consumers)
        for old in [old for old in states if scene.LAUNCH_HEIGHT < old <= height - KEPT]:
            del states[old]

    def answer(self, request: httpx.Request) -> tuple[int, bytes]:
        """What the gateway, the RPC and the bank of a node answer."""
        self.asked += 1
        self._gateway.asked.clear()
        path = request.url.path
        latest = max(self._gateway.states)
        if path == "/status":
            return 200, json.dumps(
                {"result": _rpc_status(latest, self._gateway.states[latest].time)}
            ).encode()
        if path.startswith("/cosmos/bank/v1beta1/balances/"):
            denom = request.url.params["denom"]
            return 200, json.dumps({"balance": {"denom": denom, "amount": "1000000"}}).encode()
        consumer = self._asked_about(request)
        known = self._answered.get(path)
        if known is not None and known[0] is consumer:
            return 200, known[1]
        response = self._gateway.answer(request)
        if consumer is not None and response.status_code == 200:
            self._answered[path] = consumer, response.content
        return response.status_code, response.content

    def _asked_about(self, request: httpx.Request) -> fake.Consumer | None:
        """The one chain that a question is about, at the height that it names."""
        query, _, rest = request.url.path.removeprefix(fake.CCV).partition("/")
        height = int(request.headers.get("x-cosmos-block-height", max(self._gateway.states)))
        state = self._gateway.states.get(height)
        consumer_id = rest.partition("/")[0]
        if state is None or query not in fake.BY_CONSUMER or not consumer_id.isdecimal():
            return None
        return state.consumers.get(int(consumer_id))


def _rpc_status(height: int, time: str) -> dict[str, Any]:
    return {
        "node_info": {"network": fake.CHAIN_ID},
        "sync_info": {"latest_block_height": str(height), "latest_block_time": time},
    }


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat().replace("+00:00", "Z")


def handler(chain: Chain) -> type[http.server.BaseHTTPRequestHandler]:
    """The class that answers the requests to one chain."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            if self.path == "/asked":
                self._reply(200, str(chain.asked).encode())
                return
            headers = {name.lower(): value for name, value in self.headers.items()}
            url = urllib.parse.urljoin("http://simulated", self.path)
            self._reply(*chain.answer(httpx.Request("GET", url, headers=headers)))

        def do_POST(self) -> None:
            order, *arguments = self.path.strip("/").split("/")
            if order == "assign":
                chain.assign(int(arguments[0]), arguments[1])
            elif order == "launch":
                chain.launch(int(arguments[0]))
            else:
                chain.block()
            self._reply(200, b"")

        def _reply(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing is written down: there are thousands."""

    return Handler


def main() -> None:
    """Serve until the process is ended."""
    chain = Chain(*map(int, sys.argv[1:]))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler(chain)) as server:
        print(server.server_address[1], flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
