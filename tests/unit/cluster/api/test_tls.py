"""TLS towards an API server on this machine: names, authorities and client certificates, as kubectl takes them."""

import contextlib
import pathlib
import select
import socket
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import NameOID

from devnet import pki
from ics import errors
from ics.cluster.api import client, kinds, kubeconfig, tls

BODY = b'{"kind": "Secret"}'


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> pathlib.Path:
    """A server's and two clients' certificates of one authority."""
    found = tmp_path / "pki"
    authority = pki.Authority(found, "ca")
    authority.issue_server("server", ["api.example.com"])
    for name in ("first", "second"):
        authority.issue_client(pki.Identity(name, name))
    return found


class Server(socketserver.ThreadingTCPServer):
    """A server on this machine, one thread for each connection; leaving it waits for all of them."""

    block_on_close = True
    daemon_threads = False

    def __init__(self, serve: Callable[[socket.socket], None]) -> None:
        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                with contextlib.suppress(OSError):  # the other end may close at any time
                    serve(self.request)

        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def port(self) -> int:
        return int(self.server_address[1])


@contextlib.contextmanager
def running(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """Run a server; yields its port."""
    with Server(serve) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.port
        server.shutdown()
        thread.join()


def api_server(folder: pathlib.Path, seen: list[str]) -> contextlib.AbstractContextManager[int]:
    """An API server that notes the name in each client's certificate; yields its port."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=folder / "ca.crt")
    context.verify_mode = ssl.CERT_OPTIONAL
    context.load_cert_chain(folder / "server.crt", folder / "server.key")

    def serve(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secured:
            while b"\r\n\r\n" not in secured.recv(65536):
                pass
            raw = secured.getpeercert(binary_form=True)
            seen.append(_common_name(raw) if raw else "")
            head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(BODY)}\r\nConnection: close\r\n\r\n"
            secured.sendall(head.encode() + BODY)

    return running(serve)


def _common_name(raw: bytes) -> str:
    certificate = x509.load_der_x509_certificate(raw)
    return str(certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)


def http_proxy() -> contextlib.AbstractContextManager[int]:
    """A proxy that understands CONNECT only; yields its port."""

    def serve(connection: socket.socket) -> None:
        host, _, port = connection.recv(65536).split()[1].decode().rpartition(":")
        with socket.create_connection((host, int(port))) as there:
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            other = {connection: there, there: connection}
            while True:
                for ready in select.select(list(other), [], [])[0]:
                    data = ready.recv(65536)
                    if not data:
                        return
                    other[ready].sendall(data)

    return running(serve)


def access(port: int, folder: pathlib.Path, **fields: Any) -> kubeconfig.Access:
    return kubeconfig.Access(
        server=f"https://127.0.0.1:{port}",
        authority_file=folder / "ca.crt",
        **{"server_name": "api.example.com", "origin": "k: context 'x'", **fields},
    )


async def ask(found: kubeconfig.Access) -> object:
    async with client.KubeClient(found) as kube:
        return await kube.find(kinds.SECRET, "a", "b")


@pytest.mark.parametrize("is_proxied", [False, True])
async def test_server_name_is_expected_in_the_certificate(folder: pathlib.Path, is_proxied: bool) -> None:
    with api_server(folder, []) as port, http_proxy() as proxy:
        fields = {"proxy": f"http://127.0.0.1:{proxy}"} if is_proxied else {}
        assert await ask(access(port, folder, **fields)) == {"kind": "Secret"}
        with pytest.raises(errors.SettingsError) as raised:
            await ask(access(port, folder, server_name="other.example.com", **fields))

    assert str(raised.value) == (
        f"ics:cluster.kubeconfig: k: context 'x': the certificate of https://127.0.0.1:{port} is not trusted (Hostname"
        " mismatch, certificate is not valid for 'other.example.com'.); check certificate-authority, tls-server-name"
        " and the address"
    )


async def test_unverified_server_is_taken_as_it_is(folder: pathlib.Path) -> None:
    with api_server(folder, []) as port:
        found = kubeconfig.Access(server=f"https://127.0.0.1:{port}", is_unverified=True)
        assert await ask(found) == {"kind": "Secret"}


async def test_authority_may_have_comments_in_any_encoding(folder: pathlib.Path) -> None:
    bundle = "# Zürich\n".encode() + (folder / "ca.crt").read_bytes() + b"# \xff\n"
    with api_server(folder, []) as port:
        for fields in ({"authority": bundle}, {}):
            if not fields:
                (folder / "ca.crt").write_bytes(bundle)
            assert await ask(access(port, folder, **fields)) == {"kind": "Secret"}


async def test_replaced_certificate_files_are_used_for_new_connections(folder: pathlib.Path) -> None:
    seen: list[str] = []
    paths = {"certificate_file": folder / "own.crt", "key_file": folder / "own.key"}

    def lay(name: str, *suffixes: str) -> None:
        for suffix in suffixes:
            (folder / f"own.{suffix}").unlink(missing_ok=True)
            (folder / f"own.{suffix}").write_bytes((folder / f"{name}.{suffix}").read_bytes())

    lay("first", "crt", "key")
    with api_server(folder, seen) as port:
        async with client.KubeClient(access(port, folder, **paths)) as kube:
            await kube.find(kinds.SECRET, "a", "b")
            lay("second", "crt")
            with pytest.raises(errors.Transient, match="client-certificate or client-key cannot be read"):
                await kube.find(kinds.SECRET, "a", "b")
            lay("second", "key")
            await kube.find(kinds.SECRET, "a", "b")

    assert seen == ["first", "second"]


def encrypted(folder: pathlib.Path) -> bytes:
    key = serialization.load_pem_private_key((folder / "first.key").read_bytes(), None)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"words"),
    )


@pytest.mark.parametrize(
    ("files", "text"),
    [
        (
            {"certificate_file": "first.crt"},
            "client-certificate without client-key; add the key, or its path",
        ),
        ({"certificate_file": "absent", "key_file": "first.key"}, "client-certificate cannot be read"),
        ({"certificate_file": "first.crt", "key_file": "absent"}, "client-key cannot be read"),
        (
            {"certificate_file": "first.crt", "key_file": "second.key"},
            "client-certificate or client-key cannot be",
        ),
        (
            {"certificate_file": "first.crt", "key_file": "encrypted"},
            "client-certificate or client-key cannot be",
        ),
        ({"authority_file": "first.key"}, "certificate-authority cannot be read"),
        (
            {"authority_file": "absent"},
            "certificate-authority cannot be read (No such file or directory); check",
        ),
    ],
)
def test_unusable_certificates_are_named_by_their_fields(
    folder: pathlib.Path, files: dict[str, str], text: str
) -> None:
    (folder / "encrypted").write_bytes(encrypted(folder))
    paths: dict[str, Any] = {field: folder / name for field, name in files.items()}
    fields = {"authority_file": folder / "ca.crt", **paths}

    with pytest.raises(errors.SettingsError) as raised:
        tls.context_of(kubeconfig.Access(server="https://h", origin="k: context 'x'", **fields))

    assert str(raised.value).startswith(f"ics:cluster.kubeconfig: k: context 'x': {text}")
