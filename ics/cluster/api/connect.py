"""Lookup of a stack's cluster (settings, kubeconfig, or the pod's service account), and its client."""

import json
import pathlib
from collections.abc import Mapping

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
        paths = [base / pathlib.Path(cluster.kubeconfig).expanduser()]
    elif env.get("KUBECONFIG"):
        # Like with kubectl, some of several files may be missing.
        listed = [pathlib.Path(p) for p in env["KUBECONFIG"].split(":") if p]
        paths = [p for p in listed if p.exists()] or listed[:1]
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
            f"ics:cluster.kubeconfig: {path}: {error.strerror}; correct the path"
        ) from error
    try:
        # json reads a kubeconfig in JSON ten times as fast.
        return json.loads(text) if text.startswith("{") else yaml.load(text, Loader=_Loader)  # noqa: S506 - safe loader
    except (yaml.YAMLError, ValueError) as error:
        # The parser's own message quotes the file, which contains credentials.
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark is not None else ""
        raise errors.SettingsError(
            f"ics:cluster.kubeconfig: {path}: {where}invalid YAML; correct it"
        ) from None


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
    return kubeconfig.Access(server=server, authority_file=folder / "ca.crt", token_file=folder / "token")
