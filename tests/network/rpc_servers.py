"""RPC servers of a consumer chain in front of one of its nodes, an honest one and one that forges headers."""

import contextlib
import copy
import http.server
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

from devnet import plan
from tests.network import operators

Change: TypeAlias = Callable[[dict[str, Any]], None]
"""Changes a result of the node's RPC in place."""


def honest(result: dict[str, Any]) -> None:
    """Change nothing."""


def forging(result: dict[str, Any]) -> None:
    """Give every header another app hash: that of a state of one's own."""
    if "signed_header" in result:
        result["signed_header"]["header"]["app_hash"] = "AB" * 32


def with_own_validators(result: dict[str, Any]) -> None:
    """Say that another key has all of the power, and that every header was signed by it."""
    own = {"type": "tendermint/PubKeyEd25519", "value": "A" * 43 + "="}
    for one in result.get("validators", []):
        one["pub_key"] = own
    if "signed_header" in result:
        for one in result["signed_header"]["commit"]["signatures"]:
            one["signature"] = "A" * 86 + "=="


def stale_since(signed_header: Mapping[str, Any]) -> Change:
    """Answer one older header of the chain itself, which its validators have signed, in place of every other one."""

    def change(result: dict[str, Any]) -> None:
        if "signed_header" in result:
            result["signed_header"] = copy.deepcopy(dict(signed_header))

    return change


@contextlib.contextmanager
def serving(operator: operators.Operator, namespace: str, change: Change) -> Iterator[str]:
    """Serve the RPC of an operator's node at an address that pods of all hosts reach, and answer its URL."""
    address = (plan.BRIDGE_ADDRESS, 0)
    server = http.server.ThreadingHTTPServer(address, _handler(operator, namespace, change))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://{plan.BRIDGE_ADDRESS}:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(
    operator: operators.Operator, namespace: str, change: Change
) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer("GET", b"")

        def do_POST(self) -> None:
            self._answer("POST", self.rfile.read(int(self.headers.get("Content-Length", 0))))

        def _answer(self, method: str, body: bytes) -> None:
            status, answer = operator.kube.forward(namespace, method, self.path, body)
            document = json.loads(answer) if status == 200 else {}
            if isinstance(document.get("result"), dict):
                change(document["result"])
                answer = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing is printed."""

    return Handler
