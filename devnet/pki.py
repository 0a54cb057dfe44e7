"""Certificates of one cluster, and the kubeconfigs that contain them."""

import base64
import datetime
import ipaddress
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from devnet.plan import Host

_LIFE: Final = datetime.timedelta(days=3650)
MASTERS: Final = "system:masters"


@dataclass(frozen=True, slots=True)
class Identity:
    """User and group of a client certificate."""

    file: str
    """Name of its files: `<file>.crt`, `<file>.key`."""
    user: str
    group: str = ""


def users(host: Host) -> tuple[Identity, ...]:
    """Return all users with a certificate of the host's cluster."""
    return (
        Identity("admin", "admin", MASTERS),
        Identity("cloud", "cloud", MASTERS),
        Identity("operator", f"ics:{host.name}"),
        Identity("powerless", f"powerless:{host.name}"),
        Identity("coredns", "system:coredns"),
        Identity("apiserver-kubelet", "apiserver-kubelet", MASTERS),
        Identity("kube-controller-manager", "system:kube-controller-manager"),
        Identity("kube-proxy", "system:kube-proxy"),
        Identity("kube-scheduler", "system:kube-scheduler"),
        Identity("kubelet", f"system:node:{host.name}", "system:nodes"),
    )


class Authority:
    """A certificate authority, stored in a folder together with the certificates that it issues."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._name = _name(name)
        self._key = ec.generate_private_key(ec.SECP256R1())
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        builder = _builder(self._name, self._name, self._key.public_key())
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        self._write("ca", self._key, builder.sign(self._key, hashes.SHA256()))

    def issue_client(self, identity: Identity) -> None:
        """Write key and certificate of a client of the API server."""
        name = _name(identity.user, identity.group)
        self._issue(identity.file, name, ExtendedKeyUsageOID.CLIENT_AUTH, ())

    def issue_server(self, file: str, names: Sequence[str]) -> None:
        """Write key and certificate of a server for these names and addresses."""
        self._issue(file, _name(file), ExtendedKeyUsageOID.SERVER_AUTH, names)

    def _issue(self, file: str, name: x509.Name, use: x509.ObjectIdentifier, names: Sequence[str]) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(name, self._name, key.public_key())
        builder = builder.add_extension(x509.ExtendedKeyUsage([use]), critical=False)
        if names:
            alternatives = x509.SubjectAlternativeName([_alternative(each) for each in names])
            builder = builder.add_extension(alternatives, critical=False)
        self._write(file, key, builder.sign(self._key, hashes.SHA256()))

    def _write(self, file: str, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
        write_private(self._folder / f"{file}.key", _pem(key))
        pem = certificate.public_bytes(serialization.Encoding.PEM)
        (self._folder / f"{file}.crt").write_bytes(pem)


def write_service_account_keys(folder: Path) -> None:
    """Write the key pair that signs the tokens of service accounts."""
    key = ec.generate_private_key(ec.SECP256R1())
    write_private(folder / "service-accounts.key", _pem(key))
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    (folder / "service-accounts.pub").write_bytes(public)


def kubeconfig(host: Host, folder: Path, file: str) -> str:
    """Return a kubeconfig with embedded certificates for one client, as JSON, which is valid YAML.

    Args:
        host: host of the API server.
        folder: folder of the host's authority.
        file: file name of the client.
    """

    def data(name: str) -> str:
        return (folder / name).read_text()

    context = {"cluster": host.name, "user": file, "namespace": "default"}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": host.name,
                "cluster": {"server": host.api, "certificate-authority-data": _base64(data("ca.crt"))},
            }
        ],
        "users": [
            {
                "name": file,
                "user": {
                    "client-certificate-data": _base64(data(f"{file}.crt")),
                    "client-key-data": _base64(data(f"{file}.key")),
                },
            }
        ],
        "contexts": [{"name": host.name, "context": context}],
        "current-context": host.name,
    }
    return json.dumps(config, indent=1)


def write_private(path: Path, data: bytes) -> None:
    """Write a file atomically that only its owner can read."""
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as output:
        output.write(data)
    temporary.rename(path)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + _LIFE)
    )


def _name(common: str, organization: str = "") -> x509.Name:
    parts = [x509.NameAttribute(NameOID.COMMON_NAME, common)]
    if organization:
        parts.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
    return x509.Name(parts)


def _alternative(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
