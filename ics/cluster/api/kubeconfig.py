"""Parsing of kubeconfig documents into address and credentials of one cluster; pure.

The rules are those of client-go: with several files, the first definition of an entry wins; relative paths are
relative to their file; `…-data` takes precedence over a path, and a token file over a token.
"""

import base64
import binascii
import pathlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ics import errors, model

_KEY = "ics:cluster.kubeconfig"
_PLUGIN_VERSIONS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugin:
    """A program that returns credentials (client-go's credential plugins)."""

    command: str
    args: tuple[str, ...]
    env: tuple[tuple[str, str], ...]
    api_version: str
    wants_cluster: bool
    """Whether KUBERNETES_EXEC_INFO must contain the cluster."""
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


@dataclass(frozen=True, slots=True)
class _Section:
    """A value and the file that contains it."""

    value: Mapping[str, Any]
    path: pathlib.Path
    label: str

    def text(self, key: str) -> str:
        value = self.value.get(key, "")
        if value is None:
            return ""
        if not isinstance(value, str):
            raise _problem(self.path, f"{self.label}: {key} is not text; correct it")
        return value

    def file(self, key: str) -> pathlib.Path | None:
        text = self.text(key)
        return self.path.parent / text if text else None

    def data(self, key: str) -> bytes | None:
        text = self.text(key)
        if not text:
            return None
        try:
            return base64.b64decode(text, validate=True)
        except binascii.Error:
            raise _problem(self.path, f"{self.label}: {key} is not valid base64; correct it") from None


def choose(documents: Sequence[tuple[pathlib.Path, object]], context: str | None) -> Access:
    """Select a context of one or more kubeconfig documents.

    Args:
        documents: path and parsed content of each file, in the order of precedence; at least one.
        context: name of the context; None: the current one.

    Raises:
        SettingsError: a document is malformed, or the context, its cluster or its user does not exist.
    """
    first = documents[0][0]
    checked = [(path, _mapping(path, content)) for path, content in documents]
    current = (str(content["current-context"]) for _, content in checked if content.get("current-context"))
    return _chosen(first, checked, context or next(current, None))


def _chosen(
    first: pathlib.Path, documents: Sequence[tuple[pathlib.Path, Mapping[str, Any]]], name: str | None
) -> Access:
    if name is None:
        raise errors.SettingsError(
            f"ics:cluster.context: {first} has no current context; set one of"
            f" {_listed(documents, 'contexts')}"
        )
    chosen = _find(documents, "contexts", "context", name)
    if chosen is None:
        raise errors.SettingsError(
            f"ics:cluster.context: {first} has no context {name!r}; set one of"
            f" {_listed(documents, 'contexts')}"
        )
    cluster_name, user_name = chosen.text("cluster"), chosen.text("user")
    cluster = _find(documents, "clusters", "cluster", cluster_name)
    if cluster is None:
        raise _problem(chosen.path, f"context {name!r}: cluster {cluster_name!r} not found; add it")
    user = _find(documents, "users", "user", user_name) if user_name else _Section({}, chosen.path, "no user")
    if user is None:
        raise _problem(chosen.path, f"context {name!r}: user {user_name!r} not found; add it")
    return _access(cluster, user)


def _access(cluster: _Section, user: _Section) -> Access:
    server = cluster.text("server")
    if not server.startswith(("https://", "http://")):
        raise _problem(cluster.path, f"{cluster.label}: invalid server {server!r}; use https://HOST:PORT")
    if user.value.get("auth-provider") is not None:
        raise _problem(
            user.path, f"{user.label}: Kubernetes has removed auth-provider; use exec, a token or a key"
        )
    key = user.data("client-key-data")
    token, password = user.text("token"), user.text("password")
    return Access(
        server=server.rstrip("/"),
        authority=cluster.data("certificate-authority-data"),
        authority_file=cluster.file("certificate-authority"),
        is_unverified=cluster.value.get("insecure-skip-tls-verify") is True,
        server_name=cluster.text("tls-server-name"),
        proxy=cluster.text("proxy-url"),
        certificate=user.data("client-certificate-data"),
        certificate_file=user.file("client-certificate"),
        key=None if key is None else model.Secret(key),
        key_file=user.file("client-key"),
        token=model.Secret(token) if token else None,
        token_file=user.file("tokenFile"),
        username=user.text("username"),
        password=model.Secret(password) if password else None,
        plugin=_plugin(user),
        act_as=_impersonation(user),
    )


def _impersonation(user: _Section) -> tuple[tuple[str, str], ...]:
    if user.value.get("as-user-extra"):
        raise _problem(user.path, f"{user.label}: as-user-extra is not supported; remove it")
    named = [("Impersonate-User", user.text("as")), ("Impersonate-Uid", user.text("as-uid"))]
    groups = [("Impersonate-Group", str(group)) for group in user.value.get("as-groups") or ()]
    return tuple((header, value) for header, value in [*named, *groups] if value)


def _plugin(user: _Section) -> Plugin | None:
    entry = user.value.get("exec")
    if entry is None:
        return None
    if not isinstance(entry, Mapping) or not entry.get("command"):
        raise _problem(user.path, f"{user.label}: exec has no command; add it")
    version = entry.get("apiVersion")
    if version not in _PLUGIN_VERSIONS:
        raise _problem(
            user.path, f"{user.label}: unsupported exec.apiVersion {version!r}; use {_PLUGIN_VERSIONS[0]}"
        )
    command = str(entry["command"])
    if "/" in command:
        command = str(user.path.parent / command)
    return Plugin(
        command=command,
        args=tuple(str(arg) for arg in entry.get("args") or ()),
        env=tuple((str(item["name"]), str(item["value"])) for item in entry.get("env") or ()),
        api_version=str(version),
        wants_cluster=entry.get("provideClusterInfo") is True,
        install_hint=str(entry.get("installHint") or ""),
    )


def _find(
    documents: Sequence[tuple[pathlib.Path, Mapping[str, Any]]], section: str, key: str, name: str
) -> _Section | None:
    for path, content in documents:
        for item in _items(path, content, section):
            if item.get("name") == name:
                value = item.get(key)
                if not isinstance(value, Mapping):
                    raise _problem(path, f"{key} {name!r} is empty; correct it")
                return _Section(value, path, f"{key} {name!r}")
    return None


def _items(path: pathlib.Path, content: Mapping[str, Any], section: str) -> list[Mapping[str, Any]]:
    items = content.get(section) or []
    if not isinstance(items, list) or not all(isinstance(item, Mapping) for item in items):
        raise _problem(path, f"{section} is not a list of named entries; correct it")
    return items


def _listed(documents: Sequence[tuple[pathlib.Path, Mapping[str, Any]]], section: str) -> str:
    names = [str(item.get("name")) for path, content in documents for item in _items(path, content, section)]
    return ", ".join(names) or "(none)"


def _mapping(path: pathlib.Path, content: object) -> Mapping[str, Any]:
    if not isinstance(content, Mapping):
        raise _problem(path, "not a kubeconfig; set the path of one")
    return content


def _problem(path: pathlib.Path, text: str) -> errors.SettingsError:
    return errors.SettingsError(f"{_KEY}: {path}: {text}")
