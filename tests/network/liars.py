"""Endpoints of the provider that lie, drip or pour, in front of a real one.

Each listens on the loopback address, passes requests on to a node, and changes some of its answers.
"""

import concurrent.futures
import contextlib
import email.message
import http.server
import json
import threading
import time
import urllib.error
import urllib.request
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

import grpc

Change: TypeAlias = Callable[[str, Any], Any]
"""Returns what is answered instead, from the path and the true answer."""

TOLD: Counter[str] = Counter()
"""How often each of them has lied, by the name of what changed the answer."""
TRILLION = 10**12
_SIMULATE = "/cosmos.tx.v1beta1.Service/Simulate"
_FEW_SECONDS = 0.2


def about_height(path: str, answer: Any) -> Any:
    """Claim a height three blocks ahead, and now and then a huge one."""
    if path.startswith("/cosmos/base/node/v1beta1/status"):
        ahead = 10**15 if int(answer["height"]) % 5 == 0 else 3
        return {**answer, "height": str(int(answer["height"]) + ahead)}
    return answer


def about_phase(path: str, answer: Any) -> Any:
    """Say that running chains are deleted, and that the others are not yet initialized."""
    if "/consumer_chains/" not in path:
        return answer
    lies = {
        "CONSUMER_PHASE_LAUNCHED": "CONSUMER_PHASE_DELETED",
        "CONSUMER_PHASE_STOPPED": "CONSUMER_PHASE_DELETED",
        "CONSUMER_PHASE_INITIALIZED": "CONSUMER_PHASE_REGISTERED",
    }
    chains = [{**chain, "phase": lies.get(chain["phase"], chain["phase"])} for chain in answer["chains"]]
    return {**answer, "chains": chains}


def about_keys(path: str, answer: Any) -> Any:
    """Say that every key is used, and that gas costs a fortune; by `lying_grpc`, that everything needs a trillion."""
    if path.startswith("/cosmos/base/node/v1beta1/config"):
        return {**answer, "minimum_gas_price": "1000000stake"}
    if "/validator_provider_addr/" in path:
        return {"provider_address": "cosmosvalcons1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq3vld3l"}
    return answer


@contextlib.contextmanager
def lying(node: str, change: Change) -> Iterator[str]:
    """Serve a REST gateway that changes some answers of a node's; yields its address."""

    def answered(handler: http.server.BaseHTTPRequestHandler) -> None:
        status, body = _ask(node, handler.path, handler.headers)
        with contextlib.suppress(ValueError, KeyError, TypeError):
            if status == 200:
                true = json.loads(body)
                said = change(handler.path, true)
                TOLD[change.__name__] += said != true
                body = json.dumps(said).encode()
        _send(handler, status, body)

    with _serving(answered) as address:
        yield address


@contextlib.contextmanager
def dripping(node: str) -> Iterator[str]:
    """Serve a REST gateway that sends a byte every now and then, without an end."""

    def answered(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        while True:
            handler.wfile.write(b" ")
            handler.wfile.flush()
            time.sleep(_FEW_SECONDS)

    with _serving(answered) as address:
        yield address


@contextlib.contextmanager
def pouring(node: str) -> Iterator[str]:
    """Serve a REST gateway that answers with a gzip bomb of 200 MiB."""
    packer = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    bomb = b"".join(packer.compress(b" " * 2**20) for _ in range(200)) + packer.flush()

    def answered(handler: http.server.BaseHTTPRequestHandler) -> None:
        _send(handler, 200, bomb, {"content-encoding": "gzip"})

    with _serving(answered) as address:
        yield address


@contextlib.contextmanager
def lying_grpc(node: str) -> Iterator[str]:
    """Serve a gRPC endpoint whose simulations need a trillion gas; yields its address."""
    from cosmpy.protos.cosmos.tx.v1beta1 import service_pb2

    target = grpc.insecure_channel(node.removeprefix("http://"))

    class Relay(grpc.GenericRpcHandler):
        def service(self, details: Any) -> Any:
            method = details.method

            def relay(request: bytes, context: Any) -> bytes:
                try:
                    call: Any = target.unary_unary(method)
                    answer: bytes = call(request, timeout=10)
                except grpc.RpcError as error:
                    context.abort(error.code(), error.details())
                    raise
                if method != _SIMULATE:
                    return answer
                simulated = service_pb2.SimulateResponse.FromString(answer)
                simulated.gas_info.gas_used = TRILLION
                changed: bytes = simulated.SerializeToString()
                return changed

            return grpc.unary_unary_rpc_method_handler(relay)

    server = grpc.server(concurrent.futures.ThreadPoolExecutor(8), handlers=[Relay()])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.stop(None).wait()
        target.close()


def _ask(node: str, path: str, headers: email.message.Message) -> tuple[int, bytes]:
    height = headers.get("x-cosmos-block-height")
    kept = {} if height is None else {"x-cosmos-block-height": height}
    request = urllib.request.Request(node + path, headers=kept)  # noqa: S310 - an address of the test's
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=10) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def _send(
    handler: http.server.BaseHTTPRequestHandler,
    status: int,
    body: bytes,
    headers: Mapping[str, str] | None = None,
) -> None:
    handler.send_response(status)
    for name, value in {**(headers or {}), "content-length": str(len(body))}.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body)


@contextlib.contextmanager
def _serving(answered: Callable[[http.server.BaseHTTPRequestHandler], None]) -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            with contextlib.suppress(OSError):
                answered(self)

        def end_headers(self) -> None:
            # Said, so that a client does not send its next request through a connection that is about to end.
            self.send_header("connection", "close")
            super().end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing is written down: there are thousands."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        server.block_on_close = False
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
