"""TLS towards an API server: its authority, the name in its certificate, and the client's certificate."""

import pathlib
import ssl
import tempfile
from typing import Any

from ics import errors, model
from ics.cluster.api import kubeconfig


class _NamedContext(ssl.SSLContext):
    """A context that expects another name in the server's certificate than the address says.

    The HTTP library has an option for it, but ignores that behind an HTTP proxy.
    """

    server_name: str

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """Begin a connection; `server_hostname` is ignored."""
        return super().wrap_bio(incoming, outgoing, server_side, self.server_name, session)


def context_of(access: kubeconfig.Access) -> ssl.SSLContext | None:
    """Return the TLS context with authority and client certificate, or None for plain HTTP.

    Raises:
        SettingsError: a certificate or key cannot be read; it names the field.
    """
    if access.server.startswith("http://"):
        return None
    # Not `create_default_context`: Python 3.13's would reject the authorities of many clusters, unlike all other
    # clients.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if access.server_name:
        context = _NamedContext(ssl.PROTOCOL_TLS_CLIENT)
        context.server_name = access.server_name
    if access.is_unverified:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    else:
        _load_authority(context, access)
    load_own_certificate(context, access)
    return context


def load_own_certificate(context: ssl.SSLContext, access: kubeconfig.Access) -> None:
    """Use the kubeconfig's client certificate, if it has one, for future connections.

    Raises:
        SettingsError: it or its key cannot be read.
    """
    if access.certificate is None and access.certificate_file is None:
        return
    certificate, key = access.certificate, access.key
    field = "client-certificate"
    try:
        if certificate is None and access.certificate_file is not None:
            certificate = access.certificate_file.read_bytes()
        field = "client-key"
        if key is None and access.key_file is not None:
            key = model.Secret(access.key_file.read_bytes())
        if certificate is None or key is None:
            raise errors.SettingsError(
                access.problem("client-certificate without client-key; add the key, or its path")
            )
        field = "client-certificate or client-key"
        load_certificate(context, certificate, key)
    except OSError as error:  # SSLError is one
        raise errors.SettingsError(access.problem(_unreadable(field, access, error))) from error


def load_certificate(context: ssl.SSLContext, certificate: bytes, key: model.Secret) -> None:
    """Use a client certificate for future connections; Python's ssl reads it from files only.

    Raises:
        SSLError: they are not a certificate and its key in PEM, or the key is encrypted.
    """
    with tempfile.TemporaryDirectory(prefix="ics-") as folder:  # mode 0700
        certificate_file, key_file = pathlib.Path(folder, "crt"), pathlib.Path(folder, "key")
        certificate_file.write_bytes(certificate)
        key_file.write_bytes(key.reveal())
        # Without a password, OpenSSL would ask for that of an encrypted key at the terminal.
        context.load_cert_chain(certificate_file, key_file, password="")


def authority_of(access: kubeconfig.Access) -> bytes | None:
    """Return the authority's certificates in PEM; None: those of the system.

    Raises:
        SettingsError: its file cannot be read.
    """
    if access.authority is not None or access.authority_file is None:
        return access.authority
    try:
        return access.authority_file.read_bytes()
    except OSError as error:
        raise errors.SettingsError(
            access.problem(_unreadable("certificate-authority", access, error))
        ) from error


def _load_authority(context: ssl.SSLContext, access: kubeconfig.Access) -> None:
    authority = authority_of(access)
    if authority is None:
        context.load_default_certs()
        return
    try:
        # Bundles have comments between the certificates, in any encoding.
        context.load_verify_locations(cadata=authority.decode("ascii", errors="ignore"))
    except (ssl.SSLError, ValueError) as error:
        raise errors.SettingsError(
            access.problem(_unreadable("certificate-authority", access, error))
        ) from error


def _unreadable(field: str, access: kubeconfig.Access, error: Exception) -> str:
    files: dict[str, Any] = {
        "certificate-authority": access.authority_file if access.authority is None else None,
        "client-certificate": access.certificate_file if access.certificate is None else None,
        "client-key": access.key_file if access.key is None else None,
    }
    paths = [str(path) for name, path in files.items() if name in field and path is not None]
    reason = (isinstance(error, OSError) and error.strerror) or str(error)
    return f"{field} cannot be read ({reason}); check {', '.join(paths) or 'its …-data field'}"
