"""Parsing of kubeconfig documents into address and credentials of one cluster; pure.

What kubectl reads is read here too, by the rules of client-go (`tools/clientcmd`): with several files, the first
definition of an entry wins; relative paths are relative to their file; base64 may be wrapped over several lines;
`…-data` takes precedence over a path, and a token file over a token; a server without a scheme is reached with TLS
if the entry has anything to do with TLS; credentials are never sent over plain HTTP.
"""

import base64
import dataclasses
import pathlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib import parse

from ics import errors, model, plain_text

SETTING: Final = "ics:cluster.kubeconfig"
"""The setting that errors name."""
EXTENSION: Final = "client.authentication.k8s.io/exec"
"""Name of the cluster's extension that is handed to credential plugins."""

_PLUGIN_VERSIONS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")
_MODES = ("Never", "IfAvailable", "Always")
_PROXY_SCHEMES = ("http", "https", "socks5", "socks5h")
_NEVER = re.compile("[\0\ud800-\udfff]")
"""NUL, and the halves of a character that JSON may contain alone."""
_NOT_IN_HEADERS = re.compile(r"[\x00-\x1f\x7f]|^ | $")
_TOKEN = re.compile(r"[ -~]+")
_NOT_IN_HEADER_NAMES = re.compile(rb"[^A-Za-z0-9!#$&'*+.^_`|~-]")
"""Bytes that client-go escapes in `Impersonate-Extra-…`: all but RFC 7230's token characters, and the escape."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugin:
    """A program that returns credentials (client-go's credential plugins)."""

    command: str
    args: tuple[str, ...]
    env: tuple[tuple[str, str], ...]
    api_version: str
    wants_cluster: bool
    """Whether KUBERNETES_EXEC_INFO must contain the cluster."""
    mode: str = "IfAvailable"
    """Never, IfAvailable or Always: whether it may, or must, ask the user at a terminal."""
    cluster_config: object = None
    """The cluster's extension for the plugin, which KUBERNETES_EXEC_INFO contains with the cluster."""
    install_hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Address and credentials of one cluster; paths are absolute or relative to the working folder."""

    server: str
    authority: bytes | None = None
    """Certificates of the authority in PEM; None: `authority_file`, else those of the system."""
    authority_file: pathlib.Path | None = None
    is_unverified: bool = False
    server_name: str = ""
    """Name in the server's certificate if it differs from the address."""
    proxy: str = ""
    certificate: bytes | None = None
    certificate_file: pathlib.Path | None = None
    key: model.Secret | None = None
    key_file: pathlib.Path | None = None
    token: model.Secret | None = None
    token_file: pathlib.Path | None = None
    username: str = ""
    password: model.Secret | None = None
    plugin: Plugin | None = None
    act_as: tuple[tuple[str, str], ...] = ()
    """Impersonation headers."""
    origin: str = dataclasses.field(default="", compare=False)
    """File and context, for errors."""

    def problem(self, text: str) -> str:
        """Return the line of an error about this access, which names setting, file and context."""
        return ": ".join(part for part in (SETTING, self.origin, text) if part)


@dataclass(frozen=True, slots=True)
class _Section:
    """A value, the file that contains it, and its name in errors."""

    value: Mapping[str, Any]
    path: pathlib.Path
    label: str

    def problem(self, text: str) -> errors.SettingsError:
        return _problem(self.path, f"{self.label}: {text}")

    def text(self, key: str) -> str:
        return self._checked(self.value.get(key), key)

    def items(self, key: str) -> list[Any]:
        items = self.value.get(key) or []
        if not isinstance(items, list):
            raise self.problem(f"{key} is not a list; correct it")
        return items

    def texts(self, key: str) -> tuple[str, ...]:
        items = self.value.get(key)
        if items is None:
            return ()
        if not isinstance(items, list):
            raise self.problem(f"{key} is not a list; correct it")
        return tuple(self._checked(item, f"{key}[{number}]") for number, item in enumerate(items))

    def flag(self, key: str) -> bool:
        value = self.value.get(key)
        if value is None or isinstance(value, bool):
            return bool(value)
        raise self.problem(f"{key} is neither true nor false; correct it")

    def file(self, key: str) -> pathlib.Path | None:
        text = self.text(key)
        return self.path.parent / text if text else None

    def data(self, key: str) -> bytes | None:
        text = "".join(self.text(key).split())
        if not text:
            return None
        try:
            return base64.b64decode(text, validate=True)
        except ValueError:  # binascii.Error is one; another is raised for what is not ASCII
            raise self.problem(f"{key} is not valid base64; correct it") from None

    def header(self, key: str) -> str:
        return self._for_header(self.text(key), key)

    def headers(self, key: str) -> tuple[str, ...]:
        return tuple(self._for_header(text, key) for text in self.texts(key))

    def token(self) -> model.Secret | None:
        text = self.text("token").strip()
        if text and not _TOKEN.fullmatch(text):
            raise self.problem("token contains characters that no token has; correct it")
        return model.Secret(text) if text else None

    def inner(self, key: str, value: object) -> "_Section":
        if not isinstance(value, Mapping):
            raise self.problem(f"{key} is not a table of fields; correct it")
        return _Section(value, self.path, f"{self.label}: {key}")

    def _for_header(self, text: str, key: str) -> str:
        if _NOT_IN_HEADERS.search(text):
            raise self.problem(f"{key} contains characters that no header can hold; correct it")
        return text

    def _checked(self, value: object, key: str) -> str:
        if value is None:
            return ""
        if not isinstance(value, str):
            raise self.problem(f"{key} is not text; put it in quotes")
        if _NEVER.search(value):
            raise self.problem(f"{key} contains a character that no system can hold; correct it")
        return value


_Documents = Sequence[tuple[pathlib.Path, Mapping[str, Any]]]


def choose(documents: Sequence[tuple[pathlib.Path, object]], context: str | None) -> Access:
    """Select a context of one or more kubeconfig documents.

    Args:
        documents: path and parsed content of each file, in the order of precedence; at least one. The content of an
            empty file is None; like kubectl, several files may contain empty ones.
        context: name of the context; None: the current one.

    Raises:
        SettingsError: a document is malformed, or the context, its cluster or its user does not exist. It names file,
            context and field.
    """
    first = documents[0][0]
    if len(documents) > 1:
        documents = [item for item in documents if item[1] is not None] or documents[:1]
    checked = [(path, _mapping(path, content)) for path, content in documents]
    return _chosen(first, checked, context or next(_current(checked), None))


def _current(documents: _Documents) -> Iterator[str]:
    for path, content in documents:
        name = content.get("current-context")
        if name and not isinstance(name, str):
            raise _problem(path, "current-context is not text; put it in quotes")
        if name:
            yield name


def _chosen(first: pathlib.Path, documents: _Documents, name: str | None) -> Access:
    if not any(_items(path, content, "contexts") for path, content in documents):
        raise errors.SettingsError(
            f"ics:cluster.kubeconfig: {first} has no context; set the path of the file by which kubectl reaches the"
            " cluster"
        )
    if name is None:
        raise errors.SettingsError(
            f"ics:cluster.context: {first} has no current context; set one of"
            f" {_listed(documents, 'contexts')}"
        )
    chosen = _find(documents, "contexts", "context", name, f"context {name!r}")
    if chosen is None:
        raise errors.SettingsError(
            f"ics:cluster.context: {first} has no context {name!r}; set one of"
            f" {_listed(documents, 'contexts')}"
        )
    return _access(_referred(documents, chosen, "cluster"), _referred(documents, chosen, "user"), chosen)


def _referred(documents: _Documents, chosen: _Section, key: str) -> _Section:
    """Return the cluster or user that a context names; a context may do without a user."""
    name = chosen.text(key)
    if not name and key == "user":
        return _Section({}, chosen.path, chosen.label)
    if not name:
        raise chosen.problem(f"{key} is missing; add it")
    section = _find(documents, f"{key}s", key, name, f"{chosen.label}: {key} {name!r}")
    if section is None:
        raise chosen.problem(f"{key} {name!r} not found; add it")
    return section


def _access(cluster: _Section, user: _Section, chosen: _Section) -> Access:
    access = Access(
        server=_server(cluster),
        authority=cluster.data("certificate-authority-data"),
        authority_file=cluster.file("certificate-authority"),
        is_unverified=cluster.flag("insecure-skip-tls-verify"),
        server_name=cluster.text("tls-server-name"),
        proxy=_proxy(cluster),
        origin=f"{chosen.path}: {chosen.label}",
    )
    if access.is_unverified and (access.authority or access.authority_file):
        raise cluster.problem("insecure-skip-tls-verify excludes a certificate-authority; remove one of them")
    # Like kubectl: no credential is sent, nor a plugin run, for a server without TLS.
    return access if access.server.startswith("http://") else _with_user(access, cluster, user)


def _with_user(access: Access, cluster: _Section, user: _Section) -> Access:
    if user.value.get("auth-provider") is not None:
        raise user.problem("Kubernetes has removed auth-provider; use exec, a token or a key")
    key, password = user.data("client-key-data"), user.text("password")
    return dataclasses.replace(
        access,
        certificate=user.data("client-certificate-data"),
        certificate_file=user.file("client-certificate"),
        key=None if key is None else model.Secret(key),
        key_file=user.file("client-key"),
        token=user.token(),
        token_file=user.file("tokenFile"),
        username=user.text("username"),
        password=model.Secret(password) if password else None,
        plugin=_plugin(user, cluster),
        act_as=tuple(_impersonation(user)),
    )


def _server(cluster: _Section) -> str:
    text = cluster.text("server")
    if not text:
        raise cluster.problem("server is missing; add https://HOST:PORT")
    fields = ("certificate-authority-data", "certificate-authority", "insecure-skip-tls-verify")
    scheme = "https" if any(cluster.value.get(field) for field in fields) else "http"
    url = text if "://" in text else f"{scheme}://{text}"
    if not _is_url(url, ("https", "http")):
        raise cluster.problem(f"invalid server {text!r}; use https://HOST:PORT")
    # Whether it is TLS is asked by its scheme, which may be written in capitals.
    scheme, _, rest = url.partition("://")
    return f"{scheme.lower()}://{rest}".rstrip("/")


def _proxy(cluster: _Section) -> str:
    text = cluster.text("proxy-url")
    if text and not _is_url(text, _PROXY_SCHEMES):
        # Not quoted, because it may contain a password.
        raise cluster.problem(f"proxy-url is not valid; use {', '.join(_PROXY_SCHEMES)}://HOST:PORT")
    return text


def _is_url(text: str, schemes: Sequence[str]) -> bool:
    try:
        parts = parse.urlsplit(text)
        return (
            parts.scheme in schemes
            and bool(parts.hostname)
            and parts.port != 0
            and text.isascii()
            and text.isprintable()
            and " " not in text
        )
    except ValueError:  # a port above 65535, or an invalid address in brackets
        return False


def _impersonation(user: _Section) -> Iterator[tuple[str, str]]:
    name = user.header("as")
    extra = user.inner("as-user-extra", user.value.get("as-user-extra") or {})
    others = [
        ("Impersonate-Uid", user.header("as-uid")),
        *(("Impersonate-Group", group) for group in user.headers("as-groups")),
        *(
            (f"Impersonate-Extra-{_escaped(str(key))}", value)
            for key in extra.value
            for value in extra.headers(key)
        ),
    ]
    if name:
        yield "Impersonate-User", name
    elif any(value for _, value in others):
        raise user.problem("as is missing, but as-uid, as-groups or as-user-extra is set; add it")
    yield from ((header, value) for header, value in others if value)


def _escaped(name: str) -> str:
    """Return a key of `as-user-extra` as the end of a header's name, as client-go escapes it."""
    return _NOT_IN_HEADER_NAMES.sub(lambda match: b"%%%02X" % match[0][0], name.encode()).decode()


def _plugin(user: _Section, cluster: _Section) -> Plugin | None:
    if user.value.get("exec") is None:
        return None
    entry = user.inner("exec", user.value["exec"])
    command, version = entry.text("command"), entry.text("apiVersion")
    mode = entry.text("interactiveMode") or "IfAvailable"
    if not command:
        raise user.problem("exec has no command; add it")
    if version not in _PLUGIN_VERSIONS:
        raise user.problem(f"unsupported exec.apiVersion {version!r}; use {_PLUGIN_VERSIONS[0]}")
    if mode not in _MODES:
        raise user.problem(f"invalid exec.interactiveMode {mode!r}; use {', '.join(_MODES)}")
    return Plugin(
        command=f"{user.path.parent}/{command}" if "/" in command and command[0] != "/" else command,
        args=entry.texts("args"),
        env=tuple(_environment(entry)),
        api_version=version,
        wants_cluster=entry.flag("provideClusterInfo"),
        mode=mode,
        cluster_config=_extension(cluster),
        install_hint=entry.text("installHint"),
    )


def _environment(entry: _Section) -> Iterator[tuple[str, str]]:
    for number, item in enumerate(entry.items("env")):
        variable = entry.inner(f"env[{number}]", item)
        name = variable.text("name")
        if not name or "=" in name:
            raise variable.problem("name is missing or contains '='; correct it")
        yield name, variable.text("value")


def _extension(cluster: _Section) -> object:
    for item in cluster.items("extensions"):
        if isinstance(item, Mapping) and item.get("name") == EXTENSION:
            return item.get("extension")
    return None


def _find(documents: _Documents, section: str, key: str, name: str, label: str) -> _Section | None:
    for path, content in documents:
        for item in _items(path, content, section):
            if item.get("name") == name:
                value = item.get(key)
                if not isinstance(value, Mapping | None):
                    raise _problem(path, f"{label} is not a table of fields; correct it")
                # Like kubectl: an entry without fields is one with their defaults.
                return _Section(value or {}, path, label)
    return None


def _items(path: pathlib.Path, content: Mapping[str, Any], section: str) -> list[Mapping[str, Any]]:
    items = content.get(section) or []
    if not isinstance(items, list) or not all(isinstance(item, Mapping) for item in items):
        raise _problem(path, f"{section} is not a list of named entries; correct it")
    for item in items:
        if not isinstance(item.get("name"), str | None):
            raise _problem(path, f"{section}: the name {item['name']!r} is not text; put it in quotes")
    return items


def _listed(documents: _Documents, section: str) -> str:
    names = [
        plain_text.visible(str(item.get("name")))
        for path, content in documents
        for item in _items(path, content, section)
    ]
    return ", ".join(names) or "(none)"


def _mapping(path: pathlib.Path, content: object) -> Mapping[str, Any]:
    if not isinstance(content, Mapping):
        raise _problem(path, "not a kubeconfig; set the path of one")
    return content


def _problem(path: pathlib.Path, text: str) -> errors.SettingsError:
    return errors.SettingsError(f"{SETTING}: {path}: {text}")
