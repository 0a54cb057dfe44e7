"""An endpoint of the provider that tells the truth about everything but one validator's key on one chain."""

import contextlib
import http.server
import json
import threading
from collections.abc import Iterator

import httpx

from devnet import plan
from ics.cosmos import addresses

HEADERS = ("accept", "x-cosmos-block-height")


@contextlib.contextmanager
def lying(consumer_id: str, address: bytes) -> Iterator[str]:
    """The URL of such an endpoint, for as long as the context lasts.

    Args:
        consumer_id: the chain about which it lies.
        address: what it says is the address (20 bytes) of whoever's key it is asked for.
    """
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(consumer_id, address))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(consumer_id: str, address: bytes) -> type[http.server.BaseHTTPRequestHandler]:
    lie = json.dumps({"consumer_address": addresses.encode("cosmosvalcons", address)}).encode()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = {name: text for name in HEADERS if (text := self.headers.get(name)) is not None}
            answer = httpx.get(plan.HOSTS[0].rest + self.path, headers=asked, timeout=10, trust_env=False)
            is_about_it = f"/validator_consumer_addr/{consumer_id}/" in self.path and answer.is_success
            body = lie if is_about_it else answer.content
            self.send_response(answer.status_code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing is printed."""

    return Handler
