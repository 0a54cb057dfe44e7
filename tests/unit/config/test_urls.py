import pytest

from ics.config import urls


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://node.example.com:443/", "https://node.example.com:443"),
        ("https://user:pw@node/rest?key=1#x", "https://node/…"),
        ("https://node.example.com/v1/0123456789/rest", "https://node.example.com/…"),
        ("https://node?key=1", "https://node/…"),
        ("https://node/?key=a@b", "https://…"),
        ("https://t0ken@node", "https://node"),
        ("https://user:p#w?/@node", "https://…"),
        ("user:pw@node:9090", "node:9090"),
        ("http://user:pw@[::1", "http://[::1"),
    ],
)
def test_redacted_url_has_only_scheme_host_and_port(url: str, shown: str) -> None:
    assert urls.redacted(url) == shown


@pytest.mark.parametrize(
    ("url", "is_one"),
    [
        ("http://node:26657", True),
        ("https://node.example.com/rest", True),
        ("https://t0ken@node", True),
        ("http://[fd00::1]:26657", True),
        ("http://node:abc", False),
        ("http://node:0", False),
        ("http://node:65536", False),
        ("http://:26657", False),
        ("http://user@", False),
        ("http://[fd00::1:26657", False),
        ("http://fd00::1:26657", False),
        ("https://user:p#w@node", False),
        ("http://", False),
        ("ws://node:26657", False),
    ],
)
def test_url_is_http_if_host_and_port_are_valid(url: str, is_one: bool) -> None:
    assert urls.is_http(url) is is_one


@pytest.mark.parametrize(
    ("rpc", "websocket"),
    [
        ("http://node:26657", "ws://node:26657/websocket"),
        ("https://rpc.example.org/", "wss://rpc.example.org/websocket"),
        ("http://[fd00::1]:26657", "ws://[fd00::1]:26657/websocket"),
    ],
)
def test_websocket_url_follows_rpc_url(rpc: str, websocket: str) -> None:
    assert urls.websocket_url(rpc) == websocket


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://a.example", "a.example"),
        ("http://user:secret@a:1317/key?apikey=x", "a:1317"),
        ("http://[::1]:26657/", "[::1]:26657"),
    ],
)
def test_host_has_no_credentials(url: str, host: str) -> None:
    assert urls.host(url) == host
