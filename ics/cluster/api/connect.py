"""Find the cluster of a stack (settings, kubeconfig, or the service account of the pod) and open a client for it."""

import json
import pathlib
from collections.abc import Mapping

import httpx
import yaml

from ics import errors
from ics.cluster.api import client, kubeconfig
from ics.config import settings

SERVICE_ACCOUNT = pathlib.Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where the kubelet puts a pod's own credentials."""


def connect(
    cluster: settings.Cluster,
    base: pathlib.Path,
    env: Mapping[str, str],
    transport: httpx.AsyncBaseTransport | None = None,
    service_account: pathlib.Path = SERVICE_ACCOUNT,
) -> client.Client:
    """Make a client for the stack's cluster; nothing is sent yet.

    The kubeconfig of the settings, else $KUBECONFIG, else the user's own, else the service account of
    the pod that this runs in.

    Args:
        cluster: settings.
        base: what a relative path in the settings is relative to.
        env: the environment.
        transport: in the place of the network.
        service_account: folder of a pod's token and certificate.

    Raises:
        SettingsError: no way into a cluster is found, or what is found is malformed.
    """
    return client.Client(access(cluster, base, env, service_account), transport)


def access(
    cluster: settings.Cluster,
    base: pathlib.Path,
    env: Mapping[str, str],
    service_account: pathlib.Path = SERVICE_ACCOUNT,
) -> kubeconfig.Access:
    """The way into the stack's cluster; see `connect`."""
    if cluster.kubeconfig is not None:
        paths = [base / pathlib.Path(cluster.kubeconfig).expanduser()]
    elif env.get("KUBECONFIG"):
        # Like kubectl, of several files some may be missing.
        named = [pathlib.Path(p) for p in env["KUBECONFIG"].split(":") if p]
        paths = [p for p in named if p.exists()] or named[:1]
    else:
        paths = [pathlib.Path(env.get("HOME", "/"), ".kube", "config")]
        if not paths[0].exists():
            return _in_cluster(cluster, env, service_account)
    return kubeconfig.choose([(path, _document(path)) for path in paths], cluster.context)


def _document(path: pathlib.Path) -> object:
    try:
        text = path.read_text()
    except OSError as error:
        raise errors.SettingsError(
            f"ics:cluster.kubeconfig: {path}: {error.strerror}: mend the path"
        ) from error
    try:
        # A kubeconfig written as JSON is read ten times as fast by json.
        return json.loads(text) if text.startswith("{") else yaml.load(text, Loader=_Loader)  # noqa: S506 - safe loader
    except (yaml.YAMLError, ValueError) as error:
        # The parser's own message quotes the file, which holds credentials.
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark is not None else ""
        raise errors.SettingsError(f"ics:cluster.kubeconfig: {path}: {where}no YAML: mend it") from None


_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _in_cluster(cluster: settings.Cluster, env: Mapping[str, str], folder: pathlib.Path) -> kubeconfig.Access:
    host, port = env.get("KUBERNETES_SERVICE_HOST", ""), env.get("KUBERNETES_SERVICE_PORT", "443")
    if not host or not (folder / "token").exists():
        raise errors.SettingsError(
            "ics:cluster.kubeconfig: no kubeconfig is named, $KUBECONFIG and ~/.kube/config are not"
            " there, and this"
            " runs in no pod: name one"
        )
    if cluster.context is not None:
        raise errors.SettingsError(
            f"ics:cluster.context: {cluster.context!r} needs a kubeconfig, and this runs with a pod's service"
            " account: remove it or name a kubeconfig"
        )
    server = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
    return kubeconfig.Access(server, authority_file=folder / "ca.crt", token_file=folder / "token")
