"""A provider's node on loopback, with the answers that `ics init` asks for: REST, RPC and gRPC."""

import concurrent.futures
import contextlib
import datetime
import http.server
import threading
from collections.abc import Iterator
from typing import Any

import grpc
import httpx
from cosmpy.protos.cosmos.base.node.v1beta1 import query_pb2 as node
from cosmpy.protos.cosmos.base.tendermint.v1beta1 import query_pb2 as comet

from tests.unit.cli.init import provider


class _Grpc(grpc.GenericRpcHandler):
    """Names the chain and the newest block, and knows no transaction."""

    def service(self, details: grpc.HandlerCallDetails) -> Any:
        name = details.method.rpartition("/")[2]
        return grpc.unary_unary_rpc_method_handler(lambda request, context: self._answer(name, context))

    @staticmethod
    def _answer(name: str, context: grpc.ServicerContext) -> bytes:
        if name == "GetNodeInfo":
            info = comet.GetNodeInfoResponse()
            info.default_node_info.network = "provider-1"
            return bytes(info.SerializeToString())
        if name == "Status":
            status = node.StatusResponse(height=1234)
            status.timestamp.FromDatetime(datetime.datetime.now(datetime.UTC))
            return bytes(status.SerializeToString())
        context.abort(grpc.StatusCode.NOT_FOUND, "tx not found")
        raise AssertionError("abort raises")


@contextlib.contextmanager
def running() -> Iterator[tuple[str, str, str]]:
    """Serve until the context ends; yields the addresses of REST, RPC and gRPC."""
    made = provider.Provider()
    rest, rpc = _web(made, "rest.example.org"), _web(made, "rpc.example.org")
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(2), handlers=[_Grpc()])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield _address(rest), _address(rpc), f"http://127.0.0.1:{port}"
    finally:
        server.stop(None).wait()
        for one in (rest, rpc):
            one.shutdown()
            one.server_close()


def _address(server: http.server.ThreadingHTTPServer) -> str:
    return f"http://127.0.0.1:{server.server_address[1]}"


def _web(made: provider.Provider, host: str) -> http.server.ThreadingHTTPServer:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = made.answer(httpx.Request("GET", f"http://{host}{self.path}"))
            self.send_response(answer.status_code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        def log_message(self, format: str, *args: object) -> None:
            """Keep the test's output free of requests."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server
