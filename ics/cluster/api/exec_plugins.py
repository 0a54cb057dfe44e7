"""Credential plugins: programs that kubectl's configuration names to obtain a token or a certificate.

The protocol is client-go's (`client.authentication.k8s.io`, `ExecCredential`): KUBERNETES_EXEC_INFO describes the
cluster to the program, which prints its answer as JSON. At a terminal it may ask the user to log in, unless the
kubeconfig says `interactiveMode: Never`.
"""

import base64
import datetime
import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ics import errors, model
from ics.cluster.api import kubeconfig, tls
from ics.cosmos import times

_TIMEOUT = 60.0
"""Seconds for a plugin that does not ask."""
_LOGIN_TIMEOUT = 600.0
"""Seconds for a plugin that may ask the user to log in."""
_LONGEST = 1000
"""Characters of a plugin's own words in an error."""
_ESCAPES = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)|[@-Z\\-_])")
"""Colours and titles for a terminal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """A plugin's answer: a token, a client certificate with its key, or both."""

    token: model.Secret | None
    certificate: bytes | None
    key: model.Secret | None
    expires: datetime.datetime | None


def run(plugin: kubeconfig.Plugin, access: kubeconfig.Access) -> Credentials:
    """Run a plugin and return its answer; it blocks.

    Raises:
        SettingsError: the plugin cannot be started, or it needs a terminal where there is none.
        Transient: it failed or took too long.
        Permanent: its answer is malformed.
    """
    is_interactive = plugin.mode != "Never" and _has_terminal()
    if plugin.mode == "Always" and not is_interactive:
        raise errors.SettingsError(
            access.problem(
                f"exec.interactiveMode is Always, but there is no terminal where {plugin.command} could ask;"
                " use IfAvailable, or another kind of credential"
            )
        )
    timeout = _LOGIN_TIMEOUT if is_interactive else _TIMEOUT
    info = _info(plugin, access, is_interactive)
    try:
        done = subprocess.run(
            [plugin.command, *plugin.args],
            env={**os.environ, **dict(plugin.env), "KUBERNETES_EXEC_INFO": info},
            stdin=None if is_interactive else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            # At a terminal it may say how to log in.
            stderr=None if is_interactive else subprocess.PIPE,
            timeout=timeout,
            check=False,
        )
    except OSError as error:
        hint = _sentence(plugin.install_hint)
        raise errors.SettingsError(
            access.problem(
                f"exec: credential plugin {plugin.command}: {error.strerror}:"
                f" {hint or 'install it or correct its path'}"
            )
        ) from error
    except subprocess.TimeoutExpired as error:
        words = _sentence((error.stderr or b"").decode(errors="replace"))
        raise errors.Transient(
            access.problem(
                f"exec: credential plugin {plugin.command} took longer than {timeout:.0f} s"
                f"{f' and said: {words}' if words else ''}; run it by hand once"
            )
        ) from None
    if done.returncode != 0:
        words = _sentence((done.stderr or b"").decode(errors="replace"))
        unsaid = "see above" if is_interactive else "it said nothing"
        raise errors.Transient(
            access.problem(
                f"exec: credential plugin {plugin.command} failed ({done.returncode}): {words or unsaid};"
                " log in again"
            )
        )
    return _answer(plugin, access, done.stdout)


def _has_terminal() -> bool:
    return sys.stdin is not None and not sys.stdin.closed and sys.stdin.isatty()


def _info(plugin: kubeconfig.Plugin, access: kubeconfig.Access, is_interactive: bool) -> str:
    """Return client-go's description of the cluster and of the terminal for the plugin."""
    spec: dict[str, Any] = {"interactive": is_interactive}
    if plugin.wants_cluster:
        authority = tls.authority_of(access)
        fields = {
            "server": access.server,
            "tls-server-name": access.server_name,
            "insecure-skip-tls-verify": access.is_unverified,
            "certificate-authority-data": base64.b64encode(authority or b"").decode(),
            "proxy-url": access.proxy,
            "config": plugin.cluster_config,
        }
        spec["cluster"] = {name: value for name, value in fields.items() if value}
    return json.dumps(
        {"kind": "ExecCredential", "apiVersion": plugin.api_version, "spec": spec},
        # YAML has values that JSON has not, such as dates.
        default=str,
    )


def _answer(plugin: kubeconfig.Plugin, access: kubeconfig.Access, output: bytes) -> Credentials:
    def wrong(text: str) -> errors.Permanent:
        return errors.Permanent(
            access.problem(f"exec: credential plugin {plugin.command} {text}; check its configuration")
        )

    try:
        answer = json.loads(output)
    except (ValueError, RecursionError):
        answer = None
    status = answer.get("status") if isinstance(answer, Mapping) else None
    if not isinstance(status, Mapping):
        raise wrong("returned no ExecCredential with a status")
    texts = {}
    for name in ("token", "clientCertificateData", "clientKeyData", "expirationTimestamp"):
        value = status.get(name)
        if not isinstance(value, str | None) or not (value or "").isascii():
            raise wrong(f"returned a status.{name} that is not plain text")
        texts[name] = (value or "").strip()
    token, certificate, key = texts["token"], texts["clientCertificateData"], texts["clientKeyData"]
    if bool(certificate) != bool(key):
        raise wrong("returned only one of clientCertificateData and clientKeyData")
    if not token and not certificate:
        raise wrong("returned neither token nor certificate")
    if not token.isprintable():
        raise wrong("returned a token with control characters")
    try:
        expires = times.parse_time(texts["expirationTimestamp"]) if texts["expirationTimestamp"] else None
    except ValueError:
        raise wrong("returned an expirationTimestamp that is not a time in RFC 3339") from None
    return Credentials(
        token=model.Secret(token) if token else None,
        certificate=certificate.encode() if certificate else None,
        key=model.Secret(key) if key else None,
        expires=expires,
    )


def _sentence(words: str) -> str:
    """Return what a program said on one line, without what a terminal would obey."""
    plain = _ESCAPES.sub("", words)
    line = " ".join("".join(c if c.isprintable() else " " for c in plain).split()).rstrip(".;")
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST // 2]} … {line[-_LONGEST // 2 :]}"
