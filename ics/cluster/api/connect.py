"""Lookup of a stack's cluster (settings, kubeconfig, or the pod's service account), and its client."""

import contextlib
import json
import os
import pathlib
from collections.abc import Mapping, Sequence

import httpx
import yaml

from ics import errors
from ics.cluster.api import client, kubeconfig
from ics.config import settings

SERVICE_ACCOUNT = pathlib.Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Folder of a pod's own credentials."""


class NoCluster(errors.SettingsError):
    """No cluster is configured for this stack."""


def open_client(
    cluster: settings.ClusterSettings,
    base: pathlib.Path,
    env: Mapping[str, str],
    transport: httpx.AsyncBaseTransport | None = None,
    service_account: pathlib.Path = SERVICE_ACCOUNT,
) -> client.KubeClient:
    """Create a client for the stack's cluster without sending requests.

    Credentials come from the kubeconfig in the settings, else $KUBECONFIG, else the user's default kubeconfig, else
    the service account of this process's pod.

    Args:
        cluster: settings of the cluster.
        base: folder of relative paths in the settings.
        env: environment of the process.
        transport: replaces the network.
        service_account: folder of a pod's token and certificate.

    Raises:
        SettingsError: no credentials are configured, or they are malformed.
    """
    return client.KubeClient(access(cluster, base, env, service_account), transport)


def access(
    cluster: settings.ClusterSettings,
    base: pathlib.Path,
    env: Mapping[str, str],
    service_account: pathlib.Path = SERVICE_ACCOUNT,
) -> kubeconfig.Access:
    """Return address and credentials of the stack's cluster; see `open_client`."""
    if cluster.kubeconfig is not None:
        documents = [(path := _expanded(base, cluster.kubeconfig), _document(path))]
    elif env.get("KUBECONFIG"):
        documents = _listed([pathlib.Path(p).absolute() for p in env["KUBECONFIG"].split(os.pathsep) if p])
    else:
        path = pathlib.Path(env.get("HOME", "/"), ".kube", "config").absolute()
        if not _exists(path):
            return _in_cluster(cluster, env, service_account)
        documents = [(path, _document(path))]
    return kubeconfig.choose(documents, cluster.context)


def _expanded(base: pathlib.Path, path: str) -> pathlib.Path:
    try:
        return (base / pathlib.Path(path).expanduser()).absolute()
    except RuntimeError:  # ~user, and there is no such user
        raise errors.SettingsError(
            f"{kubeconfig.SETTING}: {path}: there is no such user's home; correct the path"
        ) from None


def _listed(paths: Sequence[pathlib.Path]) -> list[tuple[pathlib.Path, object]]:
    """Return path and content of $KUBECONFIG's files; like with kubectl, some of several may be missing."""
    existing = [path for path in paths if _exists(path)] or paths[:1]
    if not existing:
        raise errors.SettingsError(f"{kubeconfig.SETTING}: $KUBECONFIG names no file; correct or unset it")
    return [(path, _document(path)) for path in existing]


def _exists(path: pathlib.Path) -> bool:
    try:
        return path.exists()
    except OSError:  # in a folder that may not be read, which reading the file will say
        return True


def _document(path: pathlib.Path) -> object:
    try:
        return parse(path, path.read_bytes())
    except OSError as error:
        raise errors.SettingsError(
            f"{kubeconfig.SETTING}: {path}: {error.strerror}; correct the path"
        ) from error


def parse(path: pathlib.Path, content: bytes) -> object:
    """Parse a kubeconfig file in YAML or JSON; None if it is empty.

    Raises:
        SettingsError: the file is malformed; the message does not quote it.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise errors.SettingsError(
            f"{kubeconfig.SETTING}: {path}: not text in UTF-8; correct the path"
        ) from None
    try:
        return _read(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        # The parser's own message quotes the file, which contains credentials.
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark is not None else ""
        raise errors.SettingsError(f"{kubeconfig.SETTING}: {path}: {where}invalid YAML; correct it") from None


def _read(text: str) -> object:
    if text.startswith("{"):
        # What looks like JSON may be YAML all the same. json reads ten times as fast.
        with contextlib.suppress(json.JSONDecodeError):
            return json.loads(text)
    return _first_document(text)


def _first_document(text: str) -> object:
    """Parse YAML; of several documents, kubectl reads the first."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        # The C library ends the whole process at some thousand levels.
        if depth > _DEEPEST:
            raise ValueError("nested too deeply")
        if isinstance(event, yaml.DocumentEndEvent):
            break
    return next(yaml.load_all(text, Loader=_Loader), None)


_DEEPEST = 100
"""Levels of nesting; a kubeconfig has about ten."""
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _in_cluster(
    cluster: settings.ClusterSettings, env: Mapping[str, str], folder: pathlib.Path
) -> kubeconfig.Access:
    host, port = env.get("KUBERNETES_SERVICE_HOST", ""), env.get("KUBERNETES_SERVICE_PORT", "443")
    if not host or not (folder / "token").exists():
        raise NoCluster(
            "ics:cluster.kubeconfig: no kubeconfig configured, $KUBECONFIG is not set, ~/.kube/config does not exist,"
            " and this is not a pod; set the path of one"
        )
    if cluster.context is not None:
        raise errors.SettingsError(
            f"ics:cluster.context: {cluster.context!r} requires a kubeconfig, but a pod's service account is used;"
            " remove it or set ics:cluster.kubeconfig"
        )
    server = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
    return kubeconfig.Access(
        server=server,
        authority_file=folder / "ca.crt",
        token_file=folder / "token",
        origin="the pod's service account",
    )
